// Composes the SDL of chatd's subgraph with that of another, which adds a field
// to a user and a message by their ids and has Relay's connections of its own.
import { readFileSync } from "node:fs";
import { composeServices } from "@theguild/federation-composition";
import { parse } from "graphql";

const chatd = parse(readFileSync(process.argv[2], "utf8"));
const other = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
  type User @key(fields: "id") { id: ID! karma: Int! }
  type Message @key(fields: "id") { id: ID! translation(to: String!): String }
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Query { best: [User!]! }
`);
const { errors, supergraphSdl } = composeServices([
  { name: "chatd", url: "http://127.0.0.1:4000/graphql", typeDefs: chatd },
  { name: "other", url: "http://127.0.0.1:5000/graphql", typeDefs: other },
]);
if (errors?.length) throw new Error(errors.map((e) => e.message).join("\n"));
for (const part of ["karma: Int!", "translation(to: String!)", "sendMessage", "displayName"]) {
  if (!supergraphSdl.includes(part)) throw new Error(`the supergraph lacks ${part}`);
}
