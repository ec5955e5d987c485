// Judges values by JSON Schemas with Ajv, in its strict mode, and by the older draft that AsyncAPI's tools know.
// Usage: node validate.mjs <folder with node_modules> <file>, a JSON array of {schema, values}; prints their verdicts.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, path] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const Ajv2020 = require("ajv/dist/2020").default;
const Ajv = require("ajv").default;

const options = { validateFormats: false, unicodeRegExp: true };
const strict = new Ajv2020({ ...options, strict: true, strictRequired: false });
const older = new Ajv({ ...options, strict: false });

const verdicts = JSON.parse(readFileSync(path, "utf8")).map(({ schema, values }) => {
  const { $schema, ...plain } = schema;
  const [now, before] = [strict.compile(schema), older.compile(plain)];
  return values.map((value) => [now(value), before(value)]);
});
process.stdout.write(JSON.stringify(verdicts));
