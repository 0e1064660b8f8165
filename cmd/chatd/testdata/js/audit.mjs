// Runs the audits of GraphQL over HTTP that graphql-http comes with. Prints
// one line for each that is not ok, and fails if there is any.
import { auditServer } from "graphql-http";

const results = await auditServer({ url: process.argv[2] + "/graphql" });
const bad = results.filter((r) => r.status !== "ok");
for (const r of bad) console.log(r.status, r.id, r.name, r.reason);
console.log(`${results.length} audits, ${bad.length} not ok`);
process.exit(bad.length || results.length < 61 ? 1 : 0);
