// Signs in by a provider in Chromium, as a client's page would: keeps a verifier,
// sends the browser away, signs in on the provider's page, and exchanges the
// code that the browser comes back with. Tells who has signed in, what scripts
// can read of the cookie, and whether a second browser can use the code.
import { chromium } from "playwright-core";
import { hear, say } from "./talk.mjs";

const base = process.argv[2];
const browser = await chromium.launch({ executablePath: process.argv[3], args: ["--no-sandbox"] });
const { user, password } = await hear();
const client = async (context) => {
  // The client's page; this server has none yet that would keep a verifier.
  await context.route("**/client*", (r) => r.fulfill({ contentType: "text/html", body: "<!doctype html><title>client</title>" }));
  const page = await context.newPage();
  await page.goto(base + "/client");
  return page;
};
const exchange = (page, code) => page.evaluate(async (code) => {
  const query = "mutation($i: ExchangeSignInCodeInput!) { exchangeSignInCode(input: $i) { user { username } accessToken } }";
  const variables = { i: { code, verifier: sessionStorage.verifier ?? "none" } };
  const r = await fetch("/graphql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await r.json();
  return data?.exchangeSignInCode.user.username ?? errors[0].extensions.code;
}, code);

const begin = async (page) => {
  const challenge = await page.evaluate(async () => {
    const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    sessionStorage.verifier = text(crypto.getRandomValues(new Uint8Array(32)));
    return text(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sessionStorage.verifier)));
  });
  const query = new URLSearchParams({ challenge, returnTo: base + "/client?back" });
  await page.goto(`${base}/auth/oidc/corp/start?${query}`);
  await page.fill("input[name=username]", user);
  await page.fill("input[name=password]", password);
  await page.click("button");
  await page.waitForURL("**/client?*");
  const back = new URL(page.url()).searchParams.get("signInCode");
  await page.goto(base + "/client"); // what a redirect leads to is not the route's
  return back;
};
const context = await browser.newContext();
const page = await client(context);
const code = await begin(page);
const title = await exchange(page, code);
const faults = [];
const readable = await page.evaluate(() => document.cookie);
if (readable) faults.push("a script reads the cookie " + readable);
if ((await context.cookies()).some((c) => c.name.includes("chatd"))) faults.push("a cookie stays");
if ((await exchange(page, code)) !== "UNAUTHENTICATED") faults.push("the code is good twice");
// Another browser that gets hold of a fresh code has not the verifier.
const fresh = await begin(page);
const other = await client(await browser.newContext());
if ((await exchange(other, fresh)) !== "UNAUTHENTICATED") faults.push("the code is good in another browser");
say({ title, faults });
await browser.close();
