// The editor's workers are files of our own: no blob:, no other origin.
const names = { json: "json", graphql: "graphql" };

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) =>
    new Worker(`/graphiql/${names[label] ?? "editor"}.worker.js`, { type: "module" }),
};
