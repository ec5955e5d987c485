// Validates an AsyncAPI document with @asyncapi/parser, and the examples in it with Ajv, a JSON Schema validator.
// Usage: node validate.mjs <folder with node_modules> <document>
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, path] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const { Parser } = require("@asyncapi/parser");
const Ajv = require("ajv/dist/2020").default;

const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf8"));
// Severity 0 is an error, 1 a warning; what is only information may depend on the parser's fashion.
const bad = diagnostics.filter((one) => one.severity <= 1);
for (const one of bad) console.error(`${one.severity} ${one.code} ${one.path.join("/")}: ${one.message}`);
if (!document || bad.length) process.exit(1);

const ajv = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: true });
let examples = 0;
let wrong = 0;
for (const message of document.components().messages().all()) {
  for (const example of message.examples().all()) {
    for (const [part, schema, value] of [
      ["payload", message.payload()?.json(), example.payload()],
      ["headers", message.headers()?.json(), example.headers()],
    ]) {
      const valid = ajv.compile(schema);
      examples += 1;
      if (valid(value)) continue;
      wrong += 1;
      console.error(`${message.name()} ${part}: ${ajv.errorsText(valid.errors)}`);
    }
  }
}
console.log(`${document.channels().all().length} channels, ${document.operations().all().length} operations, ${examples} examples`);
process.exit(wrong || !examples ? 1 : 0);
