"""``python -m tests.chart.world``: serves Kafka and Clean Rooms ML, or acts as a client; an answer is one JSON line."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.acceptance.harness import TERMINAL, Client
from tests.chart.world import servers

LOCAL = "127.0.0.1:9092"


def _tell(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def _send(command_id: str, operation: str, data: str, key: str = "k") -> None:
    """Publishes a command and ends."""
    async with Client(LOCAL, servers.PREFIX) as client:
        await client.send(operation, json.loads(data), command_id=command_id, key=key)


async def _reply(command_id: str, kind: str, seconds: str = "60") -> None:
    """Waits for a reply: its kinds so far, and the data of the one asked for; `end` is any terminal one."""
    async with Client(LOCAL, servers.PREFIX) as client:
        wanted = TERMINAL if kind == "end" else {kind}
        async with asyncio.timeout(float(seconds)):
            while not any(reply.kind in wanted for reply in client.replies(command_id)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        replies = client.replies(command_id)
        found = next(reply for reply in replies if reply.kind in wanted)
        _tell({"kinds": [reply.kind for reply in replies], "kind": found.kind, "data": found.data})


async def _put(topic: str, partition: str, key: str, value: str) -> None:
    """Writes a record that is none of the service's; without a value, a tombstone."""
    async with AIOKafkaProducer(bootstrap_servers=LOCAL) as producer:
        await producer.send_and_wait(topic, value.encode() or None, key.encode(), int(partition))


async def _serve() -> None:
    await servers.serve(Path("/tmp/world"), ready=_tell)


def main() -> None:
    """Runs one command."""
    name, *words = sys.argv[1:]
    commands: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
        "serve": _serve,
        "send": _send,
        "reply": _reply,
        "put": _put,
    }
    asyncio.run(commands[name](*words))


if __name__ == "__main__":
    main()
