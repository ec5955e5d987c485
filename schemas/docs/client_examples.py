"""Programs that send a command and wait for its end, to be copied: kcat, Python (two clients) and Node.

They run as they stand, against ``localhost:9092`` or what ``KAFKA`` names; an acceptance test does that.
"""

import json
import shlex
from collections.abc import Mapping
from textwrap import dedent, indent
from types import MappingProxyType
from typing import Any, Final

from schemas.docs import examples
from schemas.operations import COMMAND_PREFIX

TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kcat": "kcat",
        "aiokafka": "Python, aiokafka",
        "confluent-kafka": "Python, confluent-kafka",
        "kafkajs": "Node, kafkajs",
    }
)
PARTITION_RULE: Final = (
    "The service recognises duplicates, cancels and keeps order within a partition only. So commands with the same "
    "record key must reach the same partition: every client must hash keys as Java's does (murmur2). Java and aiokafka "
    "do; librdkafka (kcat, confluent-kafka) needs `partitioner=murmur2_random`, kafkajs "
    "`Partitioners.JavaCompatiblePartitioner`."
)
"""To be said wherever a command is published."""

LANGUAGES: Final = MappingProxyType(
    {"kcat": "sh", "aiokafka": "python", "confluent-kafka": "python", "kafkajs": "javascript"}
)
"""Fence of each program in Markdown."""


def snippet(client: str, name: str) -> str:
    """A program that sends the example of a command.

    Args:
        client: A key of :data:`TITLES`.
        name: A command.
    """
    data = examples.COMMANDS[name].data
    words = {"TYPE": f"{COMMAND_PREFIX}{name}", "SOURCE": examples.SOURCE}
    match client:
        case "kcat":
            words["DATA"] = shlex.quote(json.dumps(data))
        case "kafkajs":
            words["DATA"] = _javascript(data)
        case _:
            words["DATA"] = _python(data)
    text = _PROGRAMS[client]
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


def _python(data: Any) -> str:
    return _literal(data, {"true": "True", "false": "False", "null": "None"})


def _javascript(data: Any) -> str:
    return _literal(data, {})


def _literal(data: Any, words: Mapping[str, str], room: int = 100) -> str:
    """JSON text that breaks lines only where it must; its literals are those of the language."""
    if isinstance(data, bool) or data is None:
        return words.get(json.dumps(data), json.dumps(data))
    flat = isinstance(data, str | int | float) or len(json.dumps(data)) <= room
    if isinstance(data, Mapping):
        parts = [f"{json.dumps(name)}: {_literal(value, words, room - 8)}" for name, value in data.items()]
        return f"{{{', '.join(parts)}}}" if flat else "{\n" + indent(",\n".join(parts), "    ") + ",\n}"
    if isinstance(data, list):
        parts = [_literal(value, words, room - 4) for value in data]
        return f"[{', '.join(parts)}]" if flat else "[\n" + indent(",\n".join(parts), "    ") + ",\n]"
    return json.dumps(data)


_KCAT: Final = """\
KAFKA=${KAFKA:-localhost:9092}
ID=$(date +%s)-$$    # made once for each intention; a repeat keeps it
printf '%s' @DATA@ |
  kcat -P -b "$KAFKA" -X partitioner=murmur2_random -t cleanroomsml.commands -k films \\
    -H ce_specversion=1.0 -H ce_id="$ID" -H ce_source=@SOURCE@ \\
    -H ce_type=@TYPE@ -H content-type=application/json
until kcat -C -q -e -o beginning -b "$KAFKA" -t cleanroomsml.replies -X isolation.level=read_committed \\
        -f '%k %h %s\\n' | grep "^$ID " | grep -E 'ce_type=cleanroomsml\\.reply\\.(succeeded|failed|rejected|parked)'
do sleep 1; done
"""

_AIOKAFKA: Final = """\
import asyncio
import json
import os
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

KAFKA = os.environ.get("KAFKA", "localhost:9092")
TERMINAL = ("succeeded", "failed", "rejected", "parked")

data = @DATA@


async def main():
    command_id = str(uuid.uuid4())  # made once for each intention; a repeat keeps it
    headers = {
        "ce_specversion": "1.0",
        "ce_id": command_id,
        "ce_source": "@SOURCE@",
        "ce_type": "@TYPE@",
        "content-type": "application/json",
    }
    consumer = AIOKafkaConsumer(
        "cleanroomsml.replies",
        bootstrap_servers=KAFKA,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=KAFKA, enable_idempotence=True)
    async with consumer, producer:
        await producer.send_and_wait(
            "cleanroomsml.commands",
            json.dumps(data).encode(),
            key=b"films",
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
        async for record in consumer:
            if record.key != command_id.encode():
                continue
            kind = dict(record.headers)["ce_type"].decode().rsplit(".", 1)[-1]
            print(kind, record.value.decode())
            if kind in TERMINAL:
                return


asyncio.run(main())
"""

_CONFLUENT: Final = """\
import json
import os
import uuid

from confluent_kafka import Consumer, Producer

KAFKA = os.environ.get("KAFKA", "localhost:9092")
TERMINAL = ("succeeded", "failed", "rejected", "parked")

data = @DATA@

command_id = str(uuid.uuid4())  # made once for each intention; a repeat keeps it
headers = {
    "ce_specversion": "1.0",
    "ce_id": command_id,
    "ce_source": "@SOURCE@",
    "ce_type": "@TYPE@",
    "content-type": "application/json",
}
producer = Producer({"bootstrap.servers": KAFKA, "enable.idempotence": True, "partitioner": "murmur2_random"})
producer.produce("cleanroomsml.commands", json.dumps(data), key="films", headers=headers)
producer.flush()

consumer = Consumer(
    {
        "bootstrap.servers": KAFKA,
        "group.id": f"example-{command_id}",
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
consumer.subscribe(["cleanroomsml.replies"])
kind = ""
while kind not in TERMINAL:
    record = consumer.poll(1.0)
    if record is None or record.error() or record.key() != command_id.encode():
        continue
    kind = dict(record.headers())["ce_type"].decode().rsplit(".", 1)[-1]
    print(kind, record.value().decode())
consumer.close()
"""

_KAFKAJS: Final = """\
const { randomUUID } = require("node:crypto");
const { Kafka, Partitioners, logLevel } = require("kafkajs");

const kafka = new Kafka({ brokers: [process.env.KAFKA || "localhost:9092"], logLevel: logLevel.ERROR });
const terminal = ["succeeded", "failed", "rejected", "parked"];

const data = @DATA@;

async function main() {
  const commandId = randomUUID(); // made once for each intention; a repeat keeps it
  const consumer = kafka.consumer({ groupId: `example-${commandId}`, readUncommitted: false });
  const producer = kafka.producer({ createPartitioner: Partitioners.JavaCompatiblePartitioner });
  await Promise.all([consumer.connect(), producer.connect()]);
  await consumer.subscribe({ topic: "cleanroomsml.replies", fromBeginning: true });
  const ended = new Promise((resolve) => {
    consumer.run({
      eachMessage: async ({ message }) => {
        if (String(message.key) !== commandId) return;
        const kind = String(message.headers.ce_type).split(".").pop();
        console.log(kind, String(message.value));
        if (terminal.includes(kind)) resolve();
      },
    });
  });
  await producer.send({
    topic: "cleanroomsml.commands",
    messages: [
      {
        key: "films",
        value: JSON.stringify(data),
        headers: {
          ce_specversion: "1.0",
          ce_id: commandId,
          ce_source: "@SOURCE@",
          ce_type: "@TYPE@",
          "content-type": "application/json",
        },
      },
    ],
  });
  await ended;
  await Promise.all([consumer.disconnect(), producer.disconnect()]);
}

main();
"""

_PROGRAMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kcat": dedent(_KCAT),
        "aiokafka": dedent(_AIOKAFKA),
        "confluent-kafka": dedent(_CONFLUENT),
        "kafkajs": dedent(_KAFKAJS),
    }
)
