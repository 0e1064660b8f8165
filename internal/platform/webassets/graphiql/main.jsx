// GraphiQL for chatd: HTTP for queries and mutations, graphql-ws for
// subscriptions, and one access token for both. Nothing outlives the tab: what
// is typed here may hold passwords and tokens.
import "./workers.js";
import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import { createClient } from "graphql-ws";
import { parse, getOperationAST } from "graphql";
import { useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import "./main.css";

const welcome = `# Welcome to chatd.
#
# 1. Register (or log in): the access token of the answer is taken over into
#    the field at the top, and everything you run from then on is yours.

mutation Register {
  register(input: {
    email: "ada@example.org"
    username: "ada"
    password: "correct horse battery"
    displayName: "Ada"
  }) {
    user { id username }
    accessToken
  }
}

# 2. See who you are.

query Me {
  viewer { user { id username displayName } }
}

# 3. Listen to everything that concerns you; send from another tab.

subscription Live {
  events { __typename cursor }
}
`;

const tokenKey = "chatd.accessToken";

// lower returns headers with lower-case names, as connection_init wants them.
const lower = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), v]));

// findToken looks for the accessToken of register, login or refreshToken.
function findToken(data) {
  for (const field of Object.values(data ?? {})) {
    if (typeof field?.accessToken === "string") return field.accessToken;
  }
  return null;
}

function isSubscription({ query, operationName }) {
  try {
    return getOperationAST(parse(query), operationName)?.operation === "subscription";
  } catch {
    return false; // the server says what is wrong with it
  }
}

// subscribe runs one operation on a socket of its own, so that each tab's
// headers are its own; the socket ends with the operation.
async function* subscribe(params, headers) {
  const client = createClient({
    url: location.origin.replace(/^http/, "ws") + "/graphql",
    connectionParams: lower(headers),
    retryAttempts: 3,
  });
  try {
    yield* client.iterate(params);
  } finally {
    await client.dispose();
  }
}

function fetcherWith(token, onToken) {
  return (params, options) => {
    const headers = lower({ ...(token && { authorization: `Bearer ${token}` }), ...options?.headers });
    if (isSubscription(params)) return subscribe(params, headers);
    return (async () => {
      const answer = await fetch("/graphql", {
        method: "POST",
        credentials: "omit",
        headers: {
          "content-type": "application/json",
          accept: "application/graphql-response+json, application/json",
          ...headers,
        },
        body: JSON.stringify(params),
      });
      const result = await answer.json();
      const fresh = findToken(result.data);
      if (fresh) onToken(fresh);
      return result;
    })();
  };
}

function App() {
  const [token, setToken] = useState(() => sessionStorage.getItem(tokenKey) ?? "");
  const keep = (value) => {
    const bare = value.trim().replace(/^Bearer\s+/i, "");
    sessionStorage.setItem(tokenKey, bare);
    setToken(bare);
  };
  const fetcher = useMemo(() => fetcherWith(token, keep), [token]);
  return (
    <>
      <form className="chatd-bar" autoComplete="off" onSubmit={(e) => e.preventDefault()}>
        <a href="/">chatd</a>
        <label htmlFor="token">Access token</label>
        <input
          id="token"
          type="password"
          spellCheck={false}
          placeholder="none: run register or login, or paste one"
          value={token}
          onChange={(e) => keep(e.target.value)}
        />
        <button type="button" disabled={!token} onClick={() => keep("")}>
          Forget
        </button>
      </form>
      <main>
        <GraphiQL fetcher={fetcher} storage={sessionStorage} defaultQuery={welcome} />
      </main>
    </>
  );
}

createRoot(document.getElementById("graphiql")).render(<App />);
