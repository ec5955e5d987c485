"""A service as other teams meet it: a process, its topics, and an AWS account in the sandbox."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from sandbox.kafka.broker import free_port

TERMINAL = {"succeeded", "failed", "rejected", "parked"}
QUICK = {
    "TIMING__CALL_WINDOW": "1",
    "TIMING__SETTLE": "4",
    "TIMING__SEARCH_DELAYS": "0,0.5",
    "TIMING__RETRY_BASE": "0.2",
    "TIMING__CALL_TIMEOUT": "8",
    "POLLING__TICK": "0.1",
    "POLLING__KINDS__AUDIENCE_MODEL__FIRST": "0.2",
    "POLLING__KINDS__AUDIENCE_GENERATION_JOB__FIRST": "0.2",
    "POLLING__KINDS__AUDIENCE_EXPORT_JOB__FIRST": "0.2",
    "POLLING__REMOVAL__FIRST": "0.2",
    "KAFKA__SESSION_TIMEOUT": "6",
    "KAFKA__REPLICATION_FACTOR": "1",
    "TOPICS__PARTITIONS": "2",
    "LOG__LEVEL": "info",
}
"""Settings for a world in which a training takes a second."""


@dataclass
class ServiceProcess:
    """One replica; `start` may be called again after it ended."""

    environment: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    within: tuple[str, ...] = ()
    """A program that becomes the service: the words before its own."""

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the service to its end."""
        return subprocess.run(
            [sys.executable, "-m", "service", *words],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self) -> None:
        with self.log.open("ab") as out:
            words = [*self.within, sys.executable, "-m", "service", "run"]
            self.process = subprocess.Popen(words, env=self._environment(), stdout=out, stderr=out)

    async def ready(self, seconds: float = 40.0) -> None:
        await until(self._is_ready, seconds, self.tail)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.tail()
        return self.get("/readyz") is not None

    def get(self, path: str) -> str | None:
        """The body of a good answer, None for any other."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    async def terminate(self, seconds: float = 30.0) -> int:
        """SIGTERM, and the exit code."""
        process = self.process
        assert process is not None
        if process.poll() is None:
            self.signal(signal.SIGTERM)
            await until(lambda: process.poll() is not None, seconds, self.tail)
        return int(process.returncode)

    def lines(self) -> list[dict[str, Any]]:
        """The log, as records."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-25:]) if self.log.exists() else "(no log)"

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "CRML_HTTP__PORT": str(self.port)}


@dataclass(frozen=True)
class Heard:
    """A record read by a subscriber."""

    topic: str
    key: str
    headers: dict[str, str]
    data: Any
    partition: int
    offset: int

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "")

    @property
    def kind(self) -> str:
        """Last word of the type: of a reply, its kind."""
        return self.type.rsplit(".", 1)[-1]


class Client:
    """Another team's service: publishes commands, reads replies and events as a read_committed subscriber."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.prefix = prefix
        self.bootstrap = bootstrap
        self.heard: list[Heard] = []
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(
            *(f"{prefix}.{name}" for name in ("replies", "events", "dead-letters")),
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            group_id=None,
        )
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._producer.start()
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await self._consumer.stop()
        await self._producer.stop()

    async def send(
        self, operation: str, data: Any, *, command_id: str, source: str = "test", key: str = "k", **extensions: str
    ) -> None:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": command_id,
            "ce_source": source,
            "ce_type": f"cleanroomsml.command.{operation}",
            "content-type": "application/json",
            **{f"ce_{name}": value for name, value in extensions.items()},
        }
        await self.send_raw(json.dumps(data).encode(), headers, key=key.encode())

    async def send_raw(self, value: bytes | None, headers: Mapping[str, str | bytes], key: bytes | None = None) -> None:
        encoded = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers.items()]
        await self._producer.send_and_wait(f"{self.prefix}.commands", value, key=key, headers=encoded)

    def replies(self, command_id: str) -> list[Heard]:
        return [one for one in self.heard if one.topic.endswith(".replies") and one.data.get("commandId") == command_id]

    def events(self, subject: str | None = None) -> list[Heard]:
        return [
            one
            for one in self.heard
            if one.topic.endswith(".events") and subject in (None, one.headers.get("ce_subject"))
        ]

    def dead_letters(self) -> list[Heard]:
        return [one for one in self.heard if one.topic.endswith(".dead-letters")]

    async def terminal(self, command_id: str, seconds: float = 30.0) -> Heard:
        """Wait for the end of a command."""

        def ended() -> list[Heard]:
            return [reply for reply in self.replies(command_id) if reply.kind in TERMINAL]

        await until(ended, seconds, lambda: f"{command_id}: {[reply.kind for reply in self.replies(command_id)]}")
        return ended()[-1]

    async def reply(self, command_id: str, kind: str, seconds: float = 30.0) -> Heard:
        """Wait for a reply of a kind."""
        await until(
            lambda: any(one.kind == kind for one in self.replies(command_id)),
            seconds,
            lambda: f"{command_id}: no {kind}",
        )
        return next(one for one in self.replies(command_id) if one.kind == kind)

    async def event(self, subject: str, status: str, seconds: float = 10.0) -> Heard:
        """Wait for a status change; it may be read a moment later than the reply of its command."""

        def told() -> list[Heard]:
            return [event for event in self.events(subject) if event.data["status"] == status]

        await until(told, seconds, lambda: f"{subject}: {[event.data['status'] for event in self.events(subject)]}")
        return told()[-1]

    async def perform(self, operation: str, data: Any, *, command_id: str, seconds: float = 30.0, **more: str) -> Any:
        """Send a command and give the result of its success."""
        await self.send(operation, data, command_id=command_id, **more)
        end = await self.terminal(command_id, seconds)
        assert end.kind == "succeeded", end.data
        return end.data["result"]

    async def _read(self) -> None:
        async for record in self._consumer:
            self.heard.append(
                Heard(
                    record.topic,
                    (record.key or b"").decode(errors="replace"),
                    {name: (value or b"").decode(errors="replace") for name, value in record.headers},
                    _json(record.value),
                    record.partition,
                    record.offset,
                )
            )


def _json(value: bytes | None) -> Any:
    try:
        return json.loads(value or b"null")
    except ValueError:
        return value


async def until(true: Callable[[], Any], seconds: float, why: Callable[[], str]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, why()
        await asyncio.sleep(0.05)


def assert_gap_free(events: list[Heard]) -> None:
    """Sequences per resource count from 1 without gaps or repeats, in the order of reading."""
    by_subject: dict[tuple[str, str], list[int]] = {}
    for event in events:
        by_subject.setdefault((event.type, event.headers["ce_subject"]), []).append(int(event.headers["ce_sequence"]))
    assert by_subject
    for subject, numbers in by_subject.items():
        assert numbers == list(range(1, len(numbers) + 1)), (subject, numbers)
