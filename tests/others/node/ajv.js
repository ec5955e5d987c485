// Compiles schemas by Ajv in its strict mode, and validates values: {"schemas": {name: schema}, "values": [[name, value]]}
// on standard input; the answer has each schema's complaint and each value's, empty when there is none.
import fs from "node:fs";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
let said = [];
const note = (...words) => said.push(words.join(" "));
const ajv = new Ajv.default({ strict: true, allErrors: true, logger: { log: note, warn: note, error: note } });
formats.default(ajv);

const compiled = {};
const schemas = {};
for (const [name, schema] of Object.entries(asked.schemas)) {
  said = [];
  try {
    compiled[name] = ajv.compile(schema);
  } catch (error) {
    note(error.message);
  }
  schemas[name] = said.join("; ");
}
const values = asked.values.map(([name, value]) => {
  const valid = compiled[name];
  if (!valid) return "does not compile";
  return valid(value) ? "" : ajv.errorsText(valid.errors);
});
console.log(JSON.stringify({ schemas, values }));
