// Opens the page of a link in a mail in Chromium without JavaScript, as some
// have it, presses its button with what is given, and says what it shows.
// Usage: node links.mjs LINK CHROMIUM [PASSWORD]
import { chromium } from "playwright-core";
import { say } from "./talk.mjs";

const [link, executablePath, password] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
page.setDefaultTimeout(30_000);

const faults = [];
page.on("console", (m) => m.type() === "error" && faults.push(m.text()));
page.on("requestfailed", (r) => faults.push(`${r.url()}: ${r.failure()?.errorText}`));
page.on("request", (r) => {
  if (new URL(r.url()).origin !== new URL(link).origin) faults.push(`asks elsewhere: ${r.url()}`);
  if (r.headers().referer) faults.push(`tells where it comes from: ${r.url()}`);
});

await page.goto(link);
const color = await page.locator("button").evaluate((b) => getComputedStyle(b).backgroundColor).catch(() => "");
const before = await page.locator("h1").innerText();
if (password) await page.locator("input[type=password]").fill(password);
await page.locator("button").click();
await page.locator("form").waitFor({ state: "detached" });
say({ before, after: await page.locator("h1").innerText(), address: page.url(), color, faults });
await browser.close();
