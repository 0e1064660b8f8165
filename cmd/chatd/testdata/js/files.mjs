// Opens links of files in Chromium, each as a page of its own, and within a
// frame of a page of the server, and tells what ran: requests that a script of
// the file made, dialogs, and cookies that it could read.
import { chromium } from "playwright-core";
import { hear, say } from "./talk.mjs";

const base = process.argv[2];
const browser = await chromium.launch({ executablePath: process.argv[3], args: ["--no-sandbox"] });
const context = await browser.newContext();
await context.addCookies([{ name: "canary", value: "1", url: base }]);
const faults = [];
context.on("request", (r) => {
  if (r.url().includes("/stolen")) faults.push("asked for " + r.url());
});
const page = await context.newPage();
page.on("dialog", (d) => {
  faults.push("dialog " + d.message());
  return d.dismiss();
});
const { links, proof } = await hear();
// A page of the server's own origin and without any policy, which is not there.
const neutral = async (body, ms) => {
  await page.unroute("**/neutral").catch(() => {});
  await page.route("**/neutral", (r) => r.fulfill({ contentType: "text/html", body }));
  await page.goto(base + "/neutral").catch(() => {});
  await page.waitForTimeout(ms);
};
const ran = async (where) => {
  for (const frame of page.frames()) {
    const cookie = await frame.evaluate(() => { try { return document.cookie; } catch { return ""; } }).catch(() => "");
    if (frame.url().includes("/files/") && cookie) faults.push(`${where}: a cookie is readable`);
  }
};
for (const link of links) {
  await page.goto(new URL(link, base).href, { waitUntil: "load" }).catch(() => {}); // a download is no page
  await page.waitForTimeout(30);
  await ran(link);
  await neutral(`<iframe src="${link}"></iframe><object data="${link}"></object><img src="${link}"><script src="${link}"></script>`, 60);
  await ran(link);
}
const seen = [...faults];
// That this would be noticed: the same on a page that is the test's own.
await neutral(proof, 300);
say({ requests: links.length, received: faults.length > seen.length, faults: seen });
await browser.close();
