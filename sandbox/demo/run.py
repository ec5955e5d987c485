"""One run of the demo, from the start of the servers to the outcome."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from sandbox.demo import calls
from sandbox.demo.client import Client
from sandbox.demo.records import EVENTS, REPLIES, Command
from sandbox.demo.screen import Screen
from sandbox.demo.service import ServiceError, running_service
from sandbox.demo.story import STEPS, Inputs, commands
from sandbox.demo.summary import FILES, DemoResult
from sandbox.demo.timeline import Timeline
from sandbox.jobs import storage
from sandbox.processes import Child
from sandbox.stack import Sandbox

STEP_SECONDS: Final = 90.0
"""Longest wait for one command's end after the end of the one before it; the first one has the service start in it."""


class Demo:
    """One run; `play` may be called once.

    Attributes:
        timeline: what was sent and read so far, also when the run failed.
    """

    def __init__(self, screen: Screen, folder: Path, film: str) -> None:
        self.timeline = Timeline()
        self._screen, self._folder, self._film = screen, folder, film
        self._began = time.monotonic()
        self._servers = screen.add("Sandbox", "Kafka, Clean Rooms ML, S3, Glue")
        self._service = screen.add("Service", "between Kafka and Clean Rooms ML")
        self._stages = [screen.add(step.operation, step.purpose) for step in STEPS]

    async def play(self) -> DemoResult:
        """Do it all; servers and service are stopped when it returns, or raises.

        Raises:
            StartError: a part of the sandbox did not start, or ended.
            ServiceError: the service did not start, ended, or did not answer in time.
            UnwantedError: a command did not succeed.
        """
        self._screen.move(self._servers, "starting")
        sandbox = Sandbox(film=self._film, progress=self._screen.note)
        try:
            async with sandbox:
                self._screen.end(self._servers, f"ready, {sandbox.bootstrap}")
                result = await _while_well(self._with_service(sandbox), sandbox.wait_broken())
                users = await asyncio.to_thread(storage.read_audience, sandbox.storage, result["outputLocation"])
                lines = await asyncio.to_thread(_lines, sandbox.storage, result["outputLocation"])
                self._keep(sandbox, lines)
        except BaseException:
            self._screen.fail()
            raise
        return self._outcome(sandbox, users, lines, result["outputLocation"])

    async def _with_service(self, sandbox: Sandbox) -> dict[str, Any]:
        """Run the service, and the commands through it; returns the last result."""
        self._screen.move(self._service, "starting")
        async with running_service(sandbox.environment(), self._folder) as service:
            run = f"demo-{secrets.token_hex(4)}"
            async with Client(sandbox.bootstrap, run) as client:
                self._screen.end(self._service, f"started, process {service.pid}")
                inputs = Inputs(sandbox.data, sandbox.role_arn)
                return await _while_well(self._commands(client, inputs, run), _ended(service))

    async def _commands(self, client: Client, inputs: Inputs, run: str) -> dict[str, Any]:
        """Publish all commands at once, then read until each has ended; returns all results together."""
        for command, stage in zip(commands(inputs, run), self._stages, strict=True):
            self._screen.move(stage, "sent")
            self.timeline.commands.append(await client.publish(command))
        made: dict[str, Any] = {}
        for number, command in enumerate(self.timeline.commands):
            made |= await self._ended(client, command, number)
        return made

    async def _ended(self, client: Client, command: Command, number: int) -> dict[str, Any]:
        """Read until Kafka has the end of a command; those behind it are shown as they move."""
        try:
            async with asyncio.timeout(STEP_SECONDS):
                while not self.timeline.settled(command):
                    self.timeline.records += await client.read()
                    for later, stage in zip(self.timeline.commands[number:], self._stages[number:], strict=True):
                        self._screen.move(stage, self.timeline.phase(later))
        except TimeoutError:
            said = self.timeline.phase(command)
            raise ServiceError(
                f"{command.operation} did not end in {STEP_SECONDS:.0f} s; the last word was: {said}."
            ) from None
        self._screen.end(self._stages[number], self.timeline.phase(command))
        return self.timeline.result(command)

    def _keep(self, sandbox: Sandbox, lines: list[str]) -> None:
        """Put what is worth keeping into the folder."""
        shutil.copyfile(sandbox.request_log, self._folder / "requests.jsonl")
        (self._folder / "audience.jsonl").write_text("".join(f"{line}\n" for line in lines))
        self.save()

    def save(self) -> None:
        """Write down what was sent and read so far."""
        records = self.timeline.records
        kept = {
            "commands.jsonl": [command.line() for command in self.timeline.commands],
            "replies.jsonl": [record.line() for record in records if record.topic == REPLIES],
            "events.jsonl": [record.line() for record in records if record.topic == EVENTS],
        }
        for name, lines in kept.items():
            (self._folder / name).write_text("".join(f"{line}\n" for line in lines))

    def _outcome(self, sandbox: Sandbox, users: list[str], lines: list[str], location: str) -> DemoResult:
        generation = self.timeline.result(self.timeline.commands[-2])
        with (self._folder / "requests.jsonl").open() as requests:
            counted = calls.count(requests)
        return DemoResult(
            timeline=self.timeline,
            metrics=generation.get("metrics") or {},
            audience=users,
            lines=lines,
            location=location,
            taste=sandbox.taste,
            calls=counted,
            seconds=time.monotonic() - self._began,
        )


def clear(folder: Path) -> None:
    """Make the folder, without the files of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)


def _lines(where: storage.Storage, location: str) -> list[str]:
    """The rows of an exported audience, as they are in its file."""
    bucket, key = storage.split_uri(f"{location}/{storage.PART}")
    body = storage.client(where, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return list(body.decode().splitlines())


async def _ended(service: Child) -> None:
    code = await service.wait_ended()
    how = f"was killed by signal {-code}" if code < 0 else f"ended on its own, with exit code {code}"
    raise ServiceError(f"The service {how}.")


async def _while_well(work: Coroutine[Any, Any, dict[str, Any]], watch: Coroutine[Any, Any, None]) -> dict[str, Any]:
    """Do the work, unless what the watch waits for happens first: then the watch's error is raised."""
    working, watching = asyncio.create_task(work), asyncio.create_task(watch)
    try:
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await watching
        return await working
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
