"""Kafka, the API's stub, and who performs commands beside it: the service and its peers, each a process."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.figures import OURS
from benchmarks.kafka import kafka
from benchmarks.replica import Replica
from sandbox.kafka.broker import free_port

PARTITIONS: Final = 4
SILENCE: Final = 60.0
"""Seconds without any end after which a run has failed."""
HERE: Final = Path(__file__).resolve().parents[1]
PEERS_PYTHON: Final = HERE / ".venv-peers" / "bin" / "python"
TERMINAL: Final = ("succeeded", "failed", "rejected", "parked")
PEERS: Final = {
    "FastStream handler": "handler",
    "FastStream batch": "batch",
    "aiokafka transactions": "transactions",
    "task for each job": "tasks",
    "thread for each job": "threads",
}


class Performer(Protocol):
    """Who performs the commands."""

    name: str
    topic: str
    replies: str

    async def begin(self) -> None: ...

    def cpu(self) -> float: ...

    def memory(self) -> float: ...

    def end(self) -> None: ...


@dataclass(frozen=True)
class World:
    """What a run shares."""

    bootstrap: str
    api: str


@asynccontextmanager
async def world(seconds: float = 0.0, jobs: int = 0) -> AsyncIterator[World]:
    """A Kafka and a stub that takes so long for an answer and has so many jobs under way."""
    async with kafka() as bootstrap, stub(seconds, jobs) as api:
        yield World(bootstrap, api)


@asynccontextmanager
async def stub(seconds: float = 0.0, jobs: int = 0) -> AsyncIterator[str]:
    """The address of a stub of the API."""
    port = free_port()
    words = ("-m", "benchmarks.stub_api", str(port), str(seconds), str(jobs))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=HERE)
    try:
        while not await _listens(port):  # noqa: ASYNC110 - a process is watched from outside
            await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class Service(Performer):
    """The service, with a budget that never binds unless a setting says so."""

    def __init__(
        self, world: World, settings: Mapping[str, str] | None = None, program: Sequence[str] = ("-m", "service")
    ) -> None:
        self.name = OURS
        prefix = f"ours{os.urandom(3).hex()}"
        self.topic, self.replies, self.events = f"{prefix}.commands", f"{prefix}.replies", f"{prefix}.events"
        self.changelog, self.group = f"{prefix}.jobs", prefix
        own = {
            "TARGETS__DEFAULT__REGION": "eu-west-1",
            "TARGETS__DEFAULT__ENDPOINT_URL": world.api,
            "TARGETS__DEFAULT__RATE__READS_PER_SECOND": "100000",
            "TARGETS__DEFAULT__RATE__WRITES_PER_SECOND": "100000",
            "TARGETS__DEFAULT__QUOTAS__AUDIENCE_MODELS": "10000000",
            "KAFKA__BOOTSTRAP_SERVERS": world.bootstrap,
            "KAFKA__REPLICATION_FACTOR": "1",
            "KAFKA__GROUP_ID": prefix,
            "LOG__LEVEL": "info",
            "TOPICS__PREFIX": prefix,
            "TOPICS__PARTITIONS": str(PARTITIONS),
            **(settings or {}),
        }
        keys = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "x", "PYTHONPATH": str(HERE)}
        self.replica = Replica({**{f"CRML_{key}": value for key, value in own.items()}, **keys}, HERE, program)

    async def begin(self) -> None:
        await asyncio.to_thread(self.replica.topics)
        await asyncio.to_thread(self.replica.start)

    def cpu(self) -> float:
        return self.replica.cpu

    def memory(self) -> float:
        return self.replica.memory

    def end(self) -> None:
        self.replica.stop()


class Peer(Performer):
    """Another process, with the libraries of `.venv-peers`."""

    def __init__(self, name: str, world: World, **settings: object) -> None:
        self.name = name
        prefix = f"{PEERS[name]}{os.urandom(3).hex()}"
        self._bootstrap = world.bootstrap
        self.topic, self.replies = f"{prefix}.commands", f"{prefix}.replies"
        given = {"bootstrap": world.bootstrap, "api": world.api, "commands": self.topic, "replies": self.replies}
        self._environment = {**os.environ, "PEER": json.dumps({**given, **settings})}
        self._process: subprocess.Popen[str] | None = None

    async def begin(self) -> None:
        if self._bootstrap:
            await self._make_topics()
        if not PEERS_PYTHON.exists():
            raise RuntimeError("the peers' libraries are not installed: make .venv-peers/.created")
        command = [str(PEERS_PYTHON), "-m", "benchmarks.peers", PEERS[self.name]]
        self._process = subprocess.Popen(  # noqa: ASYNC220 - it takes no time
            command, env=self._environment, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def cpu(self) -> float:
        return self._used()[0]

    def memory(self) -> float:
        return self._used()[1]

    def end(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def _used(self) -> list[float]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("used\n")
        self._process.stdin.flush()
        return [float(word) for word in self._process.stdout.readline().split()]

    async def _make_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (self.topic, self.replies)])
        await admin.close()


class Publisher:
    """Sends commands and reads their replies.

    Args:
        world: Where.
        performer: To whom.
        operation: Which command.
        data: Of each; a name in it is made unique.
        end: Kind of the reply that is waited for; a terminal one if empty. Replies of peers have no kind.
    """

    def __init__(
        self, world: World, performer: Performer, operation: str, data: Mapping[str, Any], end: str = ""
    ) -> None:
        self._performer = performer
        self._operation, self._data, self._end = operation, data, end
        self.sent = self.ended = 0
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

    async def perform(self, count: int, outstanding: int | None = None) -> None:
        """Sends so many commands, at most so many at a time, and waits for the end of each."""
        end, most = self.ended + count, self.sent + count
        await self.send(min(count, outstanding or count))
        heard = time.monotonic()
        while self.ended < end:
            ended = await self.read()
            heard = time.monotonic() if ended else heard
            if time.monotonic() - heard > SILENCE:
                raise RuntimeError(f"{self._performer.name}: {end - self.ended} commands have no end")
            if ended and self.sent < most:
                await self.send(min(ended, most - self.sent))

    async def read(self, seen: Callable[[str], None] = lambda _: None) -> int:
        """Reads what has come, and how many have ended; ``seen`` is given the id of each that has."""
        found = await self._consumer.getmany(timeout_ms=200)
        ended = [record for records in found.values() for record in records if self._is_end(record)]
        for record in ended:
            seen((record.key or b"").decode())
        self.ended += len(ended)
        return len(ended)

    async def send(self, count: int) -> None:
        """Each command has an id and a key of its own, its number."""
        await asyncio.gather(*[await self.send_one() for _ in range(count)])

    async def send_one(self) -> Any:
        """Returns what is done once Kafka has the command."""
        self.sent += 1
        name = f"c{self.sent}"
        kind = f"cleanroomsml.command.{self._operation}"
        envelope = {"specversion": "1.0", "id": name, "source": "/benchmark", "type": kind}
        headers = [("content-type", b"application/json"), *((f"ce_{k}", v.encode()) for k, v in envelope.items())]
        data = {**self._data, **({"name": name} if "name" in self._data else {})}
        return await self._producer.send(
            self._performer.topic, json.dumps(data).encode(), name.encode(), headers=headers
        )

    def _is_end(self, record: Any) -> bool:
        kind = dict(record.headers).get("ce_type", b"").decode().rpartition(".")[2]
        if not kind.islower():
            return True
        return kind == self._end if self._end else kind in TERMINAL
