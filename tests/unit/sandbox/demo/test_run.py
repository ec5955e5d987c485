"""One run: five commands at once, each naming the one before; what ends it early; what it leaves."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sandbox.datasets.movielens import COLUMNS, Catalogued, Taste
from sandbox.demo import run
from sandbox.demo.records import EVENTS, REPLIES, Command, Record
from sandbox.demo.run import Demo, clear
from sandbox.demo.screen import Screen
from sandbox.demo.service import ServiceError
from sandbox.demo.story import STEPS
from sandbox.demo.summary import FILES
from sandbox.demo.timeline import UnwantedError
from sandbox.stack import StartError

pytestmark = pytest.mark.looptime

RESULTS = [
    {"trainingDatasetArn": "arn:d"},
    {"audienceModelArn": "arn:m"},
    {"configuredAudienceModelArn": "arn:c"},
    {"audienceGenerationJobArn": "arn:g", "metrics": {"recallMetric": 0.5}},
    {"outputLocation": "s3://b/k"},
]


def replies(command: Command, number: int, end: str = "succeeded") -> list[Record]:
    """The two records that settle a command."""
    data = {"commandId": command.id, "operation": command.operation}
    reply = {"type": f"cleanroomsml.reply.{end}"}
    return [
        Record(REPLIES, command.time + 1, reply, {**data, "result": RESULTS[number]}),
        Record(EVENTS, command.time + 1, {"type": "cleanroomsml.x.created"}, {**data, "status": "ACTIVE"}),
    ]


class FakeClient:
    """Answers all commands after a second; the one at `silent` never, the one at `refused` with a rejection."""

    silent = refused = -1
    published: list[Command]

    def __init__(self, bootstrap: str, correlation_id: str) -> None:
        assert (bootstrap, correlation_id[:5]) == ("h:1", "demo-")
        self._waiting: list[Record] = []

    async def __aenter__(self) -> "FakeClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def publish(self, command: Command) -> Command:
        number = len(self.published)
        sent = replace(command, time=float(number))
        self.published.append(sent)
        if number != self.silent:
            self._waiting += replies(sent, number, "rejected" if number == self.refused else "succeeded")
        return sent

    async def read(self) -> list[Record]:
        await asyncio.sleep(1)
        found, self._waiting = self._waiting, []
        return found


@dataclass
class Service:
    """The service's process; ends by itself after so many seconds."""

    pid: int = 42
    lasts: float = 1e6
    code: int = 0

    async def wait_ended(self) -> int:
        await asyncio.sleep(self.lasts)
        return self.code


class FakeSandbox:
    """A sandbox that is up at once; breaks after so many seconds."""

    bootstrap, role_arn, storage = "h:1", "arn:role", object()
    data = Catalogued("b", "movielens", "ratings", COLUMNS, "s3://b/seed", "s3://b/audiences")
    taste = Taste(1, "Fargo", ("1",), ("2",))
    breaks = 1e6
    log: Path
    closed = 0

    def __init__(self, **options: Any) -> None:
        assert options["film"] == "Fargo"

    @property
    def request_log(self) -> Path:
        return self.log

    async def __aenter__(self) -> "FakeSandbox":
        return self

    async def __aexit__(self, *_: object) -> None:
        type(self).closed += 1

    def environment(self) -> dict[str, str]:
        return {"A": "b"}

    async def wait_broken(self) -> None:
        await asyncio.sleep(self.breaks)
        raise StartError("Kafka of the sandbox has ended")


@dataclass
class World:
    folder: Path
    client: type[FakeClient]
    sandbox: type[FakeSandbox]
    service: Service
    demo: Demo
    shown: io.StringIO


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    log = tmp_path / "requests"
    log.write_text("".join(json.dumps({"operation": step.operation}) + "\n" for step in STEPS))
    client = type("TestClient", (FakeClient,), {"published": []})
    sandbox = type("TestSandbox", (FakeSandbox,), {"log": log})
    service, shown, folder = Service(), io.StringIO(), tmp_path / "out"

    @asynccontextmanager
    async def running(environment: dict[str, str], where: Path) -> AsyncIterator[Service]:
        assert (environment, where) == ({"A": "b"}, folder)
        yield service

    monkeypatch.setattr(run, "Client", client)
    monkeypatch.setattr(run, "Sandbox", sandbox)
    monkeypatch.setattr(run, "running_service", running)
    monkeypatch.setattr("sandbox.jobs.storage.read_audience", lambda _where, location: ["7", "8"])
    monkeypatch.setattr(run, "_lines", lambda _where, location: [f"line of {location}"])
    clear(folder)
    demo = Demo(Screen(Console(file=shown, width=200, color_system=None)), folder, "Fargo")
    return World(folder, client, sandbox, service, demo, shown)


async def test_all_commands_are_sent_at_once_and_name_what_the_ones_before_them_make(world: World) -> None:
    outcome = await world.demo.play()
    assert [command.operation for command in world.client.published] == [step.operation for step in STEPS]
    assert len({command.id for command in world.client.published}) == 5
    model, generation = world.client.published[1], world.client.published[3]
    assert model.data["trainingDatasetArn"] == f"command:{world.client.published[0].id}"
    assert generation.data["configuredAudienceModelArn"] == f"command:{world.client.published[2].id}"
    assert generation.data["seedAudience"] == {"roleArn": "arn:role", "dataSource": {"s3Uri": "s3://b/seed"}}
    assert outcome.metrics == {"recallMetric": 0.5}
    assert (outcome.audience, outcome.lines, outcome.location) == (["7", "8"], ["line of s3://b/k"], "s3://b/k")
    assert outcome.calls.once
    assert world.sandbox.closed == 1


async def test_what_was_sent_and_read_is_in_the_folder(world: World) -> None:
    await world.demo.play()
    read = {path.name: path.read_text().splitlines() for path in world.folder.iterdir()}
    assert {name: len(lines) for name, lines in read.items()} == {
        "commands.jsonl": 5,
        "replies.jsonl": 5,
        "events.jsonl": 5,
        "requests.jsonl": 5,
        "audience.jsonl": 1,
    }
    assert json.loads(read["commands.jsonl"][1])["data"]["trainingDatasetArn"].startswith("command:demo-")


async def test_a_command_without_an_end_is_given_up_after_its_bound(world: World) -> None:
    world.client.silent = 1
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ServiceError, match=r"CreateAudienceModel did not end in 90 s; the last word was: sent"):
        await world.demo.play()
    assert loop.time() - began == pytest.approx(91, abs=1)
    assert len(world.client.published) == 5
    assert world.sandbox.closed == 1
    world.demo.save()
    assert len((world.folder / "commands.jsonl").read_text().splitlines()) == 5


async def test_a_rejection_ends_the_run(world: World) -> None:
    world.client.refused = 2
    with pytest.raises(UnwantedError, match="CreateConfiguredAudienceModel rejected"):
        await world.demo.play()
    assert len(world.client.published) == 5


@pytest.mark.parametrize(
    ("code", "words"), [(3, "ended on its own, with exit code 3"), (-9, "was killed by signal 9"), (0, "exit code 0")]
)
async def test_a_service_that_ends_is_seen_at_once(world: World, code: int, words: str) -> None:
    world.client.silent = 0
    world.service.lasts, world.service.code = 5, code
    began = asyncio.get_running_loop().time()
    with pytest.raises(ServiceError, match=words):
        await world.demo.play()
    assert asyncio.get_running_loop().time() - began == pytest.approx(5)


async def test_a_sandbox_that_breaks_is_seen_at_once(world: World) -> None:
    world.client.silent, world.sandbox.breaks = 0, 5
    with pytest.raises(StartError, match="Kafka of the sandbox"):
        await world.demo.play()
    assert world.sandbox.closed == 1


async def test_nothing_goes_on_after_the_end() -> None:
    ends: list[str] = []

    async def forever(name: str) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ends.append(name)

    async def result() -> dict[str, Any]:
        await asyncio.sleep(1)
        return {"a": 1}

    async def work() -> dict[str, Any]:
        await forever("work")
        return {}

    async def failing() -> None:
        await asyncio.sleep(1)
        raise StartError("broken")

    assert await run._while_well(result(), forever("watch")) == {"a": 1}
    with pytest.raises(StartError):
        await run._while_well(work(), failing())
    task = asyncio.create_task(run._while_well(work(), forever("watch")))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ends) == ["watch", "watch", "work", "work"]


async def test_an_error_of_the_work_is_its_own() -> None:
    async def fail() -> dict[str, Any]:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await run._while_well(fail(), asyncio.sleep(1e6))


def test_the_folder_loses_only_what_a_run_makes(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    clear(folder)
    assert folder.is_dir()
    for name in (*FILES, "mine.txt"):
        (folder / name).touch()
    clear(folder)
    assert [each.name for each in folder.iterdir()] == ["mine.txt"]
