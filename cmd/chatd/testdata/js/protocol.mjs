// Holds a server to graphql-transport-ws, message by message:
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
// Usage: node protocol.mjs BASE TOKEN CONVERSATION, of which the conversation
// has three messages at least. Prints one line for each check that fails.
import WebSocket from "ws";

const [base, token, conversation] = process.argv.slice(2);
const url = base.replace(/^http/, "ws") + "/graphql";
const stream = {
  query: "subscription($c: ID!) { messageAdded(conversationId: $c, afterSeq: 0) { seq } }",
  variables: { c: conversation },
};

// Peer is one raw connection; what it receives waits in a queue, the close
// code last.
class Peer {
  constructor(protocol = "graphql-transport-ws", deadline = 5000) {
    this.queue = [];
    this.ws = new WebSocket(url, protocol);
    this.ws.on("message", (data) => this.put(JSON.parse(data)));
    this.ws.on("close", (code) => this.put({ closed: code }));
    this.ws.on("error", (error) => this.put({ error: error.message }));
    this.timer = setTimeout(() => this.put({ timeout: true }), deadline);
    this.opened = new Promise((ok) => this.ws.on("open", ok));
  }
  put(value) {
    this.queue.push(value);
    this.wake?.();
  }
  async next() {
    while (!this.queue.length) await new Promise((ok) => (this.wake = ok));
    return this.queue.shift();
  }
  async say(...messages) {
    await this.opened;
    for (const m of messages) this.ws.send(typeof m === "string" || Buffer.isBuffer(m) ? m : JSON.stringify(m));
  }
  async ready() {
    await this.say({ type: "connection_init", payload: { authorization: `Bearer ${token}` } });
    await this.hears({ type: "connection_ack" });
  }
  // hears takes the next message and compares the named members.
  async hears(want) {
    const got = await this.next();
    for (const [k, v] of Object.entries(want)) {
      if (JSON.stringify(got[k]) !== JSON.stringify(v)) throw new Error(`wanted ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
    }
    return got;
  }
  end() {
    clearTimeout(this.timer);
    this.ws.removeAllListeners("error").on("error", () => {});
    this.ws.terminate();
  }
}

const subscribe = (id, payload = stream) => ({ id, type: "subscribe", payload });

// closesAfter are checks that a connection ends with a code after some messages,
// with connection_init and its answer before them or not.
const closesAfter = [
  ["no connection_init in time", false, [], 4408],
  ["subscribe before connection_init", false, [subscribe("1")], 4401],
  ["two connection_init", true, [{ type: "connection_init" }], 4429],
  ["an id that is in use", true, [subscribe("1"), subscribe("1")], 4409],
  ["text that is not JSON", false, ["{{{"], 4400],
  ["an array", false, ["[]"], 4400],
  ["null", false, ["null"], 4400],
  ["a message without a type", true, [{ id: "1" }], 4400],
  ["an unknown type", true, [{ type: "start" }], 4400],
  ["a type that is no string", true, [{ type: 1 }], 4400],
  ["subscribe without an id", true, [{ type: "subscribe", payload: stream }], 4400],
  ["subscribe with an empty id", true, [subscribe("")], 4400],
  ["subscribe without a payload", true, [{ id: "1", type: "subscribe" }], 4400],
  ["subscribe without a query", true, [subscribe("1", {})], 4400],
  ["variables that are no object", true, [subscribe("1", { query: "{ __typename }", variables: [] })], 4400],
  ["complete without an id", true, [{ type: "complete" }], 4400],
  ["a binary message", true, [Buffer.from("{}")], 4400],
  ["a token that is not one", false, [{ type: "connection_init", payload: { token: "no" } }], 4403],
];

const checks = {
  async "another subprotocol"() {
    const p = new Peer("graphql-ws");
    const { error, closed } = await p.next();
    p.end();
    if (closed !== 4406 && !/subprotocol/i.test(error)) throw new Error(`got ${error ?? closed}`);
  },
  async "a ping before connection_init is answered"(p) {
    await p.say({ type: "ping", payload: { any: 1 } });
    await p.hears({ type: "pong" });
  },
  async "a pong that nobody asked for is ignored"(p) {
    await p.ready();
    await p.say({ type: "pong" }, { type: "ping" });
    await p.hears({ type: "pong" });
  },
  async "the end of an operation that is not there is ignored"(p) {
    await p.ready();
    await p.say({ id: "none", type: "complete" }, { type: "ping" });
    await p.hears({ type: "pong" });
  },
  async "a query is answered by next and complete"(p) {
    await p.ready();
    await p.say(subscribe("q", { query: "{ __typename }" }));
    await p.hears({ id: "q", type: "next", payload: { data: { __typename: "Query" } } });
    await p.hears({ id: "q", type: "complete" });
  },
  async "a document with a fault ends its operation and no other"(p) {
    await p.ready();
    for (const query of ["{", "{ noSuchField }", "subscription { events { cursor } typing { typing } }"]) {
      await p.say(subscribe("e", { query }));
      const { payload } = await p.hears({ id: "e", type: "error" });
      if (!Array.isArray(payload) || !payload[0].message) throw new Error(JSON.stringify(payload));
    }
    await p.say(subscribe("e", { query: "{ __typename }" }));
    await p.hears({ id: "e", type: "next" });
  },
  async "what is missing in the viewer's world ends the operation"(p) {
    await p.ready();
    await p.say(subscribe("e", { ...stream, variables: { c: "cnv_none" } }));
    await p.hears({ id: "e", type: "error" });
  },
  async "nothing follows the client's complete, and the id is free"(p) {
    await p.ready();
    await p.say(subscribe("r"));
    await p.hears({ id: "r", type: "next", payload: { data: { messageAdded: { seq: 1 } } } });
    await p.say({ id: "r", type: "complete" }, subscribe("fence", { query: "{ __typename }" }));
    for (let m; (m = await p.next()).type !== "complete"; ) {
      if (m.closed || m.timeout) throw new Error(JSON.stringify(m));
    }
    await p.say({ type: "ping" });
    await p.hears({ type: "pong" });
    await p.say(subscribe("r"));
    for (const seq of [1, 2, 3]) await p.hears({ id: "r", type: "next", payload: { data: { messageAdded: { seq } } } });
  },
  async "two operations under two ids do not mix"(p) {
    await p.ready();
    await p.say(subscribe("a"), subscribe("b"));
    const seen = { a: 0, b: 0 };
    while (seen.a < 3 || seen.b < 3) {
      const m = await p.hears({ type: "next" });
      if (m.payload.data.messageAdded.seq !== ++seen[m.id]) throw new Error(JSON.stringify(m));
    }
  },
};

for (const [name, ready, messages, code] of closesAfter) {
  checks[`${name} closes with ${code}`] = async (p) => {
    if (ready) await p.ready();
    await p.say(...messages);
    let m;
    while ((m = await p.next()).type === "next"); // of the first of two operations
    if (m.closed !== code) throw new Error(`got ${JSON.stringify(m)}`);
  };
}

async function run([name, check]) {
  const peer = check.length ? new Peer(undefined, 15_000) : undefined;
  try {
    await check(peer);
  } catch (error) {
    console.log(`${name}: ${error.message}`);
    failed++;
  } finally {
    peer?.end();
  }
}

let failed = 0;
const all = Object.entries(checks);
const patient = run(all.find(([name]) => name.includes("in time"))); // beside the others, for it takes seconds
for (const c of all) if (!c[0].includes("in time")) await run(c);
await patient;
console.log(`${all.length} checks, ${failed} failed`);
process.exit(failed ? 1 : 0);
