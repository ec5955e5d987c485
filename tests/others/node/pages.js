// Opens pages in Chromium and runs html-validate on what was served, and axe on what became of it:
// {"chromium": path, "pages": [url]} on standard input.
import fs from "node:fs";
import { createRequire } from "node:module";
import { HtmlValidate } from "html-validate";
import puppeteer from "puppeteer-core";

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const validator = new HtmlValidate({ root: true, extends: ["html-validate:standard"] });
const browser = await puppeteer.launch({
  executablePath: asked.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const pages = [];
for (const url of asked.pages) {
  const served = await (await fetch(url)).text();
  const report = await validator.validateString(served);
  const html = report.results.flatMap((each) => each.messages).map(({ ruleId, line, message }) => [ruleId, `line ${line}: ${message}`]);
  const page = await browser.newPage();
  await page.setBypassCSP(true); // for axe, not for the page
  await page.goto(url, { waitUntil: "load" });
  await new Promise((done) => setTimeout(done, 500));
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document));
  const violations = found.violations.map(({ id, help, nodes }) => [id, `${help}: ${nodes.map((each) => each.html).join(" ").slice(0, 300)}`]);
  pages.push({ html, violations, passed: found.passes.map((each) => each.id) });
  await page.close();
}
await browser.close();
console.log(JSON.stringify(pages));
