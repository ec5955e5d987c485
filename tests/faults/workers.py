"""Replicas of the service as processes of our own, started, signalled and looked at from outside."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.kafka.broker import free_port
from sandbox.kafka.java import Tied
from sandbox.processes import ROOT

SERVICE = (sys.executable, "-m", "service")
TEST_ENTRY = (sys.executable, "-m", "tests.faults.worker")
"""The same service, with crash points and skews at its ports."""


class Worker:
    """One replica, which may live several times."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        directory: Path,
        entry: tuple[str, ...] = SERVICE,
        code: Path = ROOT,
    ) -> None:
        self.name, self.entry, self._code = name, entry, code
        self.environment = dict(environment)
        self.started = 0.0
        self.port = 0
        self._directory = directory
        self._lives = itertools.count(1)
        self._process: Tied | None = None
        self._log: Path | None = None

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs, or is frozen."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, output: Path | None = None) -> None:
        """Begins a life."""
        assert not self.alive, f"{self.name} lives"
        self.close()
        self.port = free_port()
        self._log = output or self._directory / f"{self.name}.{next(self._lives)}.log"
        variables = {**self.environment, "CRML_HTTP__PORT": str(self.port), "PYTHONFAULTHANDLER": "1"}
        prefix = ["/usr/bin/env", *(f"{name}={value}" for name, value in variables.items())]
        self._process = Tied([*prefix, *self.entry, "run"], directory=self._code, output=self._log)
        self.started = time.monotonic()

    def send(self, number: signal.Signals) -> None:
        """A signal to the process, not to its watcher."""
        assert self._process is not None
        self._process.send(number)

    def kill(self) -> None:
        """SIGKILL, and reaped."""
        self.send(signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Ends whatever is left of it."""
        if self._process is not None:
            self._process.close()

    async def command(self, *words: str) -> tuple[int, str]:
        """Runs another command of the service's with this replica's settings; its exit code, and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *SERVICE,
            *words,
            cwd=self._code,
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, said.decode(errors="replace")

    async def ended(self, seconds: float = 30.0) -> int:
        """Waits for its end; the exit code."""
        assert self._process is not None
        await until(lambda: not self.alive, seconds, f"{self.name} does not end")
        return int(self._process.poll() or 0)

    async def ready(self, seconds: float = 60.0) -> None:
        """Waits until every partition that it holds is served."""
        deadline = time.monotonic() + seconds
        while not ((status := await self.status()) and status["ready"] and status["shards"] and not status["halted"]):
            assert self.alive, f"{self.name} ended: {self.tail()}"
            assert time.monotonic() < deadline, f"{self.name} is not ready: {status}\n{self.tail()}"
            await asyncio.sleep(0.05)

    async def status(self) -> dict[str, Any] | None:
        """What its readiness probe says, whether good or bad; None without an answer."""
        try:
            timeout = aiohttp.ClientTimeout(total=2)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                found: dict[str, Any] = await answer.json()
                return found
        except (OSError, aiohttp.ClientError):  # TimeoutError is an OSError
            return None

    async def metrics(self) -> dict[str, float]:
        """Its metrics without labels."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{self.port}/metrics") as answer,
        ):
            lines = [line.split() for line in (await answer.text()).splitlines() if line[0] != "#" and "{" not in line]
            return {name: float(value) for name, value in lines}

    async def shards(self) -> set[str]:
        """Names of the partitions that it holds, as ``topic-partition``."""
        return set((await self.status() or {}).get("shards", ()))

    def lines(self) -> list[dict[str, Any]]:
        """The log of this life."""
        if self._log is None or not self._log.is_file():
            return []
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    async def describe(self) -> str:
        """What its probe says of itself and of each partition, and the end of its log.

        One that lives and does not answer is ended, with the stacks of its threads in its log.
        """
        status = await self.status()
        if status is None:
            if self.alive:
                self.send(signal.SIGABRT)
                await asyncio.sleep(1.0)
            return f"no answer\n{self.tail(60)}"
        shards = {name: shard["state"] for name, shard in status["shards"].items()}
        return f"ready {status['ready']}, shards {shards}, halted {status['halted']}\n{self.tail(6)}"

    def tail(self, lines: int = 12) -> str:
        """The end of the log."""
        if self._log is None or not self._log.is_file():
            return "(no log)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


async def until(true: Any, seconds: float, why: str | Callable[[], str]) -> float:
    """Waits until something holds; how long that took."""
    began = time.monotonic()
    while True:
        found = true()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return time.monotonic() - began
        if time.monotonic() > began + seconds:
            raise AssertionError(f"{why if isinstance(why, str) else why()}, for {seconds:g} s")
        await asyncio.sleep(0.03)


def haste() -> float:
    """By how much bounds in time are to be multiplied: 1, unless others keep the machine busy as well."""
    return max(1.0, os.getloadavg()[0] / (2 * (os.cpu_count() or 1)))
