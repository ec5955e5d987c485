// Generates TypeScript of an AsyncAPI document on standard input, with a constant of its payload's type for each
// example; the first argument is the file to write. Modelina names a model by the schema's $id.
import fs from "node:fs";
import { TypeScriptGenerator } from "@asyncapi/modelina";

const [path] = process.argv.slice(2);
const document = JSON.parse(fs.readFileSync(0, "utf8"));
const camel = (name) => name.replace(/(^|\W)(\w)/g, (_, __, letter) => letter.toUpperCase());

const named = Object.entries(document.components.messages).map(([key, message]) => {
  const name = `${camel(message.name ?? key)}Data`;
  if (message.payload) message.payload.$id = name;
  return [name, message];
});
const generator = new TypeScriptGenerator({ modelType: "interface", rawPropertyNames: true, enumType: "union", mapType: "record" });
const models = await generator.generate(document);
const known = new Set(models.map((each) => each.modelName));
// A map that may be null gets, by a fault of the generator, keys that may be null.
const text = (model) => model.result.replaceAll("Record<string | null,", "Record<string,");
const lines = models.map((each) => text(each).replace(/^(interface|enum|type) /, "export $1 "));
let examples = 0;
for (const [name, message] of named) {
  for (const { payload } of message.examples ?? []) {
    if (payload === undefined || !known.has(name)) continue;
    lines.push(`export const example${examples}: ${name} = ${JSON.stringify(payload)};`);
    examples += 1;
  }
}
fs.writeFileSync(path, `${lines.join("\n\n")}\n`);
console.log(JSON.stringify({ models: models.length, examples, messages: named.length, unnamed: named.filter(([name]) => !known.has(name)).map(([name]) => name) }));
