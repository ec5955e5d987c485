"""Commands for each CPU-second of the process that performs them, the service beside its peers in one interleaved run.

``python -m benchmarks.commands ROW... [--count N] [--rounds N] [--peers NAME...] [--tree NAME=FOLDER...]``

Rows: ``get``, ``tag``, ``create`` (to `started`; the service also follows the jobs), all published at once, and
``flood`` with ``loop``: TagResource as a flood, and as a closed loop that keeps 400 outstanding. ``--seconds`` is what
the API takes for an answer. ``--tree`` adds another checkout of the service. Kafka, the API's stub and the publisher
are processes of their own. Compare ratios within one run, never its figures with another one's.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.sizing import Replica
from benchmarks.stub_api import DATASET, MODEL
from sandbox.kafka.broker import Broker, free_port

OUTSTANDING: Final = 400
PARTITIONS: Final = 4
HERE: Final = Path(__file__).resolve().parents[1]
TERMINAL: Final = ("succeeded", "failed", "rejected", "parked")
_TAG: Final = ("TagResource", {"resourceArn": MODEL, "tags": {"team": "films"}})
ROWS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "get": ("GetAudienceModel", {"audienceModelArn": MODEL}),
    "tag": _TAG,
    "create": ("CreateAudienceModel", {"name": "model", "trainingDatasetArn": DATASET}),
    "flood": _TAG,
    "loop": _TAG,
}


class Performer(Protocol):
    """Who performs the commands."""

    topic: str
    replies: str

    def begin(self) -> None: ...

    def cpu(self) -> float: ...

    def windows(self) -> float: ...

    def end(self) -> None: ...


@dataclass(frozen=True)
class World:
    """What a run shares."""

    bootstrap: str
    api: str
    level: str


class Service(Performer):
    """The service of a checkout."""

    def __init__(self, name: str, folder: Path, world: World) -> None:
        self._name, self._folder = name, folder
        prefix = f"{name}{os.urandom(3).hex()}"
        self.topic, self.replies = f"{prefix}.commands", f"{prefix}.replies"
        settings = {
            "TARGETS__DEFAULT__REGION": "eu-west-1",
            "TARGETS__DEFAULT__ENDPOINT_URL": world.api,
            "TARGETS__DEFAULT__RATE__READS_PER_SECOND": "100000",
            "TARGETS__DEFAULT__RATE__WRITES_PER_SECOND": "100000",
            "TARGETS__DEFAULT__QUOTAS__AUDIENCE_MODELS": "100000",
            "KAFKA__BOOTSTRAP_SERVERS": world.bootstrap,
            "KAFKA__REPLICATION_FACTOR": "1",
            "KAFKA__GROUP_ID": prefix,
            "LOG__LEVEL": world.level,
            "TOPICS__PREFIX": prefix,
            "TOPICS__PARTITIONS": str(PARTITIONS),
        }
        keys = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "x"}
        path = {"PYTHONPATH": str(folder)}
        self._replica = Replica({**{f"CRML_{key}": value for key, value in settings.items()}, **keys, **path}, folder)

    def begin(self) -> None:
        self._replica.topics()
        self._replica.start()

    def cpu(self) -> float:
        return self._replica.cpu

    def windows(self) -> float:
        """Calls whose window had closed before they could leave; each is permitted by one more commit."""
        return self._replica.metric(r'crml_aws_calls_total\{[^}]*outcome="CallWindowClosed"[^}]*\}')

    def end(self) -> None:
        self._replica.stop()


class Peer(Performer):
    """Another process."""

    def __init__(self, name: str, world: World) -> None:
        prefix = f"{name}{os.urandom(3).hex()}"
        self._name, self._bootstrap = name, world.bootstrap
        self.topic, self.replies = f"{prefix}.commands", f"{prefix}.replies"
        told = {"bootstrap": world.bootstrap, "api": world.api, "commands": self.topic, "replies": self.replies}
        self._environment = {**os.environ, "PEER": json.dumps(told)}
        self._process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        command = [sys.executable, "-m", "benchmarks.peers", self._name]
        self._process = subprocess.Popen(
            command, env=self._environment, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def cpu(self) -> float:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("cpu\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def windows(self) -> float:
        return 0.0

    def end(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Publisher:
    """Sends commands and counts their ends."""

    def __init__(self, world: World, performer: Performer, row: str) -> None:
        self._world, self._performer = world, performer
        self._operation, self._data = ROWS[row]
        self._end = "started" if row == "create" else ""
        self._closed = row == "loop"
        self._number = self._ended = 0
        self._producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap, linger_ms=5)
        self._consumer = AIOKafkaConsumer(
            performer.replies,
            bootstrap_servers=world.bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )

    async def __aenter__(self) -> "Publisher":
        await self._producer.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()
        await self._consumer.stop()

    @property
    def sent(self) -> int:
        """How many commands were published."""
        return self._number

    async def perform(self, count: int) -> None:
        """Sends so many commands and waits for the end of each."""
        end, most = self._ended + count, self._number + count
        await self._send(min(count, OUTSTANDING if self._closed else count))
        while self._ended < end:
            found = await self._consumer.getmany(timeout_ms=200)
            ended = sum(self._is_end(record) for records in found.values() for record in records)
            self._ended += ended
            if ended and self._number < most:
                await self._send(min(ended, most - self._number))

    def _is_end(self, record: Any) -> bool:
        kind = dict(record.headers).get("ce_type", b"").decode().rpartition(".")[2]
        return not kind or kind == self._end or (not self._end and kind in TERMINAL)

    async def _send(self, count: int) -> None:
        sent = []
        for _ in range(count):
            self._number += 1
            name = f"c{self._number}"
            kind = f"cleanroomsml.command.{self._operation}"
            envelope = {"specversion": "1.0", "id": name, "source": "/benchmark", "type": kind}
            headers = [("content-type", b"application/json"), *((f"ce_{k}", v.encode()) for k, v in envelope.items())]
            data = {**self._data, **({"name": name} if "name" in self._data else {})}
            value = json.dumps(data).encode()
            sent.append(await self._producer.send(self._performer.topic, value, name.encode(), headers=headers))
        await asyncio.gather(*sent)


async def rate(performer: Performer, world: World, row: str, count: int) -> tuple[float, float, float]:
    """Commands for each CPU-second, a second by the clock, and call windows that have closed for each command."""
    if isinstance(performer, Peer):
        await _make_topics(world, performer)
    await asyncio.to_thread(performer.begin)
    try:
        async with Publisher(world, performer, row) as publisher:
            await publisher.perform(max(50, count // 10))
            cpu, began = performer.cpu(), asyncio.get_running_loop().time()
            await publisher.perform(count)
            spent, took = performer.cpu() - cpu, asyncio.get_running_loop().time() - began
            closed = performer.windows() / publisher.sent
    finally:
        performer.end()
    return count / spent, count / took, closed


async def _make_topics(world: World, peer: Performer) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (peer.topic, peer.replies)])
    await admin.close()


async def measure(asked: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = await stack.enter_async_context(Broker(free_port(), folder, config={"num.partitions": "12"}))
        port = free_port()
        words = ("-m", "benchmarks.stub_api", str(port), str(asked.seconds))
        stub = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=HERE)
        stack.push_async_callback(stub.wait)
        stack.callback(stub.kill)
        world = World(broker.bootstrap, f"http://127.0.0.1:{port}", asked.level)
        trees = {"service": HERE, **{name: Path(tree) for name, tree in asked.tree}}
        print(f"{asked.count} commands, {asked.rounds} rounds, API takes {asked.seconds:g} s, log level {asked.level}")
        print(
            "medians and ranges: row, performer, commands per CPU-second and second, windows closed for each",
            flush=True,
        )
        for row in asked.rows:
            found: dict[str, list[tuple[float, float, float]]] = {}
            for _ in range(asked.rounds):
                services: list[Performer] = [Service(name, tree, world) for name, tree in trees.items()]
                peers: list[Performer] = [Peer(name, world) for name in asked.peers]
                for name, performer in zip([*trees, *asked.peers], [*services, *peers], strict=True):
                    found.setdefault(name, []).append(await rate(performer, world, row, asked.count))
            for name, rates in found.items():
                print(
                    f"{row:>6}  {name:<14}",
                    *(_shown([each[n] for each in rates]) for n in (0, 1, 2)),
                    sep="  ",
                    flush=True,
                )


def _shown(values: list[float]) -> str:
    return f"{statistics.median(values):8.4g} ({min(values):.4g} to {max(values):.4g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", choices=list(ROWS))
    parser.add_argument("--count", type=int, default=5_500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--level", default="info")
    parser.add_argument("--peers", nargs="*", default=["transactions"], choices=["transactions"])
    parser.add_argument("--tree", nargs="*", default=[], type=lambda word: word.split("=", 1), metavar="NAME=FOLDER")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
