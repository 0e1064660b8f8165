// Opens the pages that chatd serves in Chromium: whether they load whole, break
// no policy of their own, and whether GraphiQL answers a query and shows a live
// event. Usage: node graphiql.mjs BASE CHROMIUM [DIRECTORY FOR SCREENSHOTS]
import { chromium } from "playwright-core";
import { hear, say } from "./talk.mjs";

const [base, executablePath, pictures] = process.argv.slice(2);
const { token, conversation } = await hear();

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage();
page.setDefaultTimeout(30_000);

const faults = [];
page.on("console", (m) => m.type() === "error" && faults.push(m.text()));
page.on("pageerror", (error) => faults.push(error.message));
page.on("requestfailed", (r) => faults.push(`${r.url()}: ${r.failure()?.errorText}`));
page.on("response", (r) => r.status() >= 400 && faults.push(`${r.url()}: ${r.status()}`));
page.on("request", (r) => {
  const { origin, protocol } = new URL(r.url());
  if (origin !== base && !["data:", "blob:"].includes(protocol)) faults.push(`asks elsewhere: ${r.url()}`);
});
await page.addInitScript(() => {
  addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
});

const shoot = async (name) => pictures && (await page.screenshot({ path: `${pictures}/${name}.png` }));

await page.goto(base + "/");
const links = await page.locator("a").evaluateAll((all) => all.map((a) => a.href));
for (const link of links) {
  if (link.startsWith(base) && (await page.request.get(link)).status() !== 200) faults.push(`a dead link: ${link}`);
}
await shoot("index");
say({ page: "/", links: links.length, title: await page.title() });

await page.goto(base + "/graphiql");
await page.getByLabel("Access token").fill(token);

// The button is a menu as long as the document has several operations, as the
// one that GraphiQL greets with has: so it tells which document is in force.
const button = page.locator(".graphiql-execute-button");
await button.and(page.locator("[aria-haspopup]")).waitFor();

// run replaces the document and presses the button.
async function run(query) {
  await page.locator(".graphiql-query-editor .monaco-editor").first().click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(query);
  await button.and(page.locator(":not([aria-haspopup])")).click();
}
const shows = (text) =>
  page.waitForFunction(
    (t) => document.querySelector(".graphiql-response .view-lines")?.innerText.replaceAll("\u00a0", " ").includes(t),
    text,
  );

await run("{ viewer { user { username } } }");
await shows('"username": "ada"');
await shoot("query");
say({ answered: true });

await run(`subscription { messageAdded(conversationId: "${conversation}", afterSeq: 0) { seq text } }`);
await shows("before the page");
say({ listening: true });
await shows("while it is open");
await shoot("subscription");
say({ received: true });
say({ faults });
await browser.close();
