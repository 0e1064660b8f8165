// A page of messages in Apollo's cache, kept up to date by what mutations
// answer and subscriptions bring, never by asking again. Each state of the
// page is told, with the number of queries sent so far.
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { hear, say } from "./talk.mjs";

const base = process.argv[2];
const { token, conversation } = await hear();
const authorization = `Bearer ${token}`;

let requests = 0;
const http = new HttpLink({
  uri: base + "/graphql",
  headers: { authorization },
  fetch: (...args) => {
    requests++;
    return fetch(...args);
  },
});

let seq = 0;
let rev = 0;
const socket = new GraphQLWsLink(
  createClient({
    url: base.replace(/^http/, "ws") + "/graphql",
    webSocketImpl: WebSocket,
    connectionParams: () => ({
      authorization,
      resume: { seq: { [conversation]: seq }, rev: { [conversation]: rev } },
    }),
    shouldRetry: () => true, // a refused connection too, as while the server restarts
    retryAttempts: 100,
    retryWait: () => new Promise((r) => setTimeout(r, 200)),
  }),
);

const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.split(({ operationType }) => operationType === "subscription", socket, http),
});

const fields = gql`
  fragment Shown on Message {
    id
    seq
    rev
    text
  }
`;
const page = client.watchQuery({
  query: gql`
    query Page($c: ID!) {
      conversation(id: $c) {
        id
        lastSeq
        lastRev
      }
      messages(conversationId: $c, last: 50) {
        edges {
          node {
            ...Shown
          }
        }
      }
    }
    ${fields}
  `,
  variables: { c: conversation },
});
const failed = (error) => say({ failed: String(error) });

const first = await new Promise((loaded) => {
  page.subscribe({
    next: ({ data, dataState }) => {
      if (dataState !== "complete") return;
      say({ texts: data.messages.edges.map(({ node }) => node.text), requests });
      loaded(data);
    },
    error: failed,
  });
});
seq = first.conversation.lastSeq;
rev = first.conversation.lastRev;

page.subscribeToMore({
  document: gql`
    subscription Added($c: ID!, $after: Int) {
      messageAdded(conversationId: $c, afterSeq: $after) {
        ...Shown
      }
    }
    ${fields}
  `,
  variables: { c: conversation, after: seq },
  updateQuery: (previous, { subscriptionData }) => {
    const node = subscriptionData.data.messageAdded;
    seq = node.seq;
    const edges = [...previous.messages.edges, { __typename: "MessageEdge", node }];
    return { ...previous, messages: { ...previous.messages, edges } };
  },
  onError: failed,
});
client
  .subscribe({
    query: gql`
      subscription Changed($c: ID!, $after: Int) {
        messageChanged(conversationId: $c, afterRev: $after) {
          ...Shown
        }
      }
      ${fields}
    `,
    variables: { c: conversation, after: rev },
  })
  .subscribe({
    next: ({ data, error }) => {
      if (error) return failed(error);
      rev = data.messageChanged.rev; // the cache has it by its id already
    },
    error: failed,
  });

for (;;) {
  const { edit, text } = await hear();
  const { data } = await client.mutate({
    mutation: gql`
      mutation Edit($input: EditMessageInput!) {
        editMessage(input: $input) {
          message {
            ...Shown
          }
        }
      }
      ${fields}
    `,
    variables: { input: { id: edit, text } },
  });
  say({ edited: client.cache.readFragment({ id: client.cache.identify(data.editMessage.message), fragment: fields }).text });
}
