// Registers over HTTP and listens with graphql-ws as it comes: to one
// conversation and to everything. When the connection is lost the client comes
// back by itself, and connectionParams, asked again on each connect, say where
// it was. Every message and event is told.
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { hear, say } from "./talk.mjs";

const base = process.argv[2];

const answer = await fetch(base + "/graphql", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    query: "mutation($input: RegisterInput!) { register(input: $input) { user { id } accessToken } }",
    variables: {
      input: { email: "jay@example.org", username: "jay", password: "correct horse battery", displayName: "Jay" },
    },
  }),
});
const { user, accessToken } = (await answer.json()).data.register;
say({ user: user.id });
const { conversation } = await hear();

let seq = 0;
let cursor;
const client = createClient({
  url: base.replace(/^http/, "ws") + "/graphql",
  webSocketImpl: WebSocket,
  connectionParams: () => ({
    authorization: `Bearer ${accessToken}`,
    resume: { cursor, seq: { [conversation]: seq } },
  }),
  shouldRetry: () => true, // a refused connection too, as while the server restarts
  retryAttempts: 100,
  retryWait: () => new Promise((r) => setTimeout(r, 200)), // by default seconds, which a test need not wait
  on: { closed: (event) => say({ closed: event.code }) },
});

const failed = (error) => say({ failed: error?.message ?? error?.code ?? String(error) });

client.subscribe(
  {
    query: "subscription($c: ID!) { messageAdded(conversationId: $c, afterSeq: 0) { seq text } }",
    variables: { c: conversation },
  },
  {
    next({ data, errors }) {
      if (errors) return failed(errors[0]);
      seq = data.messageAdded.seq;
      say({ message: data.messageAdded });
    },
    error: failed,
    complete: () => failed("complete"),
  },
);
client.subscribe(
  { query: "subscription { events { __typename cursor ... on MessageAdded { message { seq text } } } }" },
  {
    next({ data, errors }) {
      if (errors) return failed(errors[0]);
      cursor = data.events.cursor;
      say({ event: data.events.__typename, message: data.events.message });
    },
    error: failed,
    complete: () => failed("complete"),
  },
);
await hear();
