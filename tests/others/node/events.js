// The CloudEvents SDK for JavaScript: see `main.go`, which does the same. KafkaJS hands out headers as buffers, and
// the SDK wants strings, as its own examples do it.
import fs from "node:fs";
import { CloudEvent, Kafka } from "cloudevents";

const asked = JSON.parse(fs.readFileSync(0, "utf8"));

const guarded = (act) => {
  try {
    return act();
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
};

// In binary mode the SDK hands out the data as it is; its caller writes the JSON.
const modes = [
  (event) => ({ ...Kafka.binary(event), value: event.data === undefined ? "" : JSON.stringify(event.data) }),
  Kafka.structured,
];

const shown = ({ headers, value }) => {
  const pairs = Object.entries(headers).filter(([, text]) => text !== undefined);
  const named = Object.fromEntries(pairs.map(([name, text]) => [name, String(text)]));
  return { message: { headers: named, value: Buffer.from(value).toString("base64") } };
};

const write = (event) => modes.map((convert) => guarded(() => shown(convert(new CloudEvent(event)))));

const read = ({ headers, value }) =>
  guarded(() => {
    const event = Kafka.toEvent({ headers, value: Buffer.from(value, "base64").toString() });
    event.validate();
    return { event: JSON.parse(event.toString()) };
  });

console.log(JSON.stringify({ written: asked.write.flatMap(write), read: asked.read.map(read) }));
