"""The command line: what each command prints, how it ends, and that a signal stops in order."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from service.adapters.http import ListenError
from service.adapters.kafka.topics import TopicProblem
from service.operator.diagnostics.finding import Finding
from service.runtime.ports import LogError
from tests.support.command_line import CommandLine

COMMANDS = [
    "run",
    "topics",
    "check",
    "iam",
    "acls",
    "dlq",
    "parked",
    "reconcile",
    "backfill",
    "skip-corrupt",
    "offsets",
]
SMALL = TopicProblem("cleanroomsml.jobs", "max.message.bytes", "1", "at least 2", "raise it")


class World:
    """A Kafka with or without faults, and a service that serves until it is stopped."""

    def __init__(self) -> None:
        self.problems: list[TopicProblem] = []
        self.created: list[str] = []
        self.findings = [Finding("kafka", True, "answers")]
        self.error: Exception | None = None
        self.serving: Exception | None = None
        self.former: list[Finding] | Exception = []
        self.served = 0
        self.signals: Sequence[int] = ()
        self.stubborn = False

    async def _answer(self, what: Any) -> Any:
        if self.error:
            raise self.error
        return what

    async def verify(self, *_: Any) -> list[TopicProblem]:
        found: list[TopicProblem] = await self._answer(self.problems)
        return found

    async def ensure(self, *_: Any, replication: int) -> list[str]:
        assert replication >= 1
        found: list[str] = await self._answer(self.created)
        return found

    async def check(self, _settings: Any) -> list[Finding]:
        return self.findings

    async def former_tenants(self, _settings: Any) -> list[Finding]:
        if isinstance(self.former, Exception):
            raise self.former
        return self.former

    def build(self, _settings: Any, _version: str) -> Any:
        return self

    async def run(self, stop: asyncio.Event) -> None:
        self.served += 1
        await asyncio.sleep(0.01)
        if self.serving:
            raise self.serving
        for number in self.signals:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)
        await (asyncio.Event().wait() if self.stubborn else stop.wait())


@pytest.fixture
def world(environment: pytest.MonkeyPatch) -> World:
    world = World()
    environment.setattr("service.cli.app.verify", world.verify)
    environment.setattr("service.cli.app.ensure", world.ensure)
    environment.setattr("service.cli.app.checking.check", world.check)
    environment.setattr("service.cli.app.checking.former_tenants", world.former_tenants)
    environment.setattr("service.cli.app.bootstrap.build", world.build)
    return world


def test_help_names_every_command(type_: CommandLine) -> None:
    ended = type_("--help")
    assert ended.code == 0
    for name in COMMANDS:
        assert f" {name} " in ended.out
    assert "Exit codes: 0 success" in ended.out


def test_the_version_is_a_number(type_: CommandLine) -> None:
    assert type_("--version").out[0].isdigit()


@pytest.mark.parametrize("words", [["serve"], ["topics", "now"], ["check", "--loud"]])
def test_what_is_no_command_is_refused(world: World, type_: CommandLine, words: list[str]) -> None:
    assert type_(*words).code != 0


def test_topics_are_created_or_exist(world: World, type_: CommandLine) -> None:
    world.created = ["cleanroomsml.jobs"]
    ended = type_("topics")
    assert ended.code == 0
    assert "created  cleanroomsml.jobs" in ended.lines
    assert "exists   cleanroomsml.commands" in ended.lines
    assert len(ended.lines) == 7


def test_a_topic_that_is_wrong_is_no_success(world: World, type_: CommandLine) -> None:
    world.problems = [SMALL]
    ended = type_("topics")
    assert ended.code == 3
    assert "wrong    cleanroomsml.jobs  max.message.bytes is 1, must be at least 2; raise it" in ended.lines


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 3)])
def test_a_check_ends_as_it_finds(world: World, type_: CommandLine, ok: bool, code: int) -> None:
    world.findings.append(Finding("targets", ok, "?"))
    assert type_("check").code == code


def test_policies_are_json(type_: CommandLine) -> None:
    assert "targets" in json.loads(type_("iam").out)


@pytest.mark.parametrize("command", ["topics", "run"])
def test_a_kafka_that_cannot_be_used(world: World, type_: CommandLine, command: str) -> None:
    world.error = LogError("no answer")
    with structlog.testing.capture_logs() as logged:
        ended = type_(command)
    assert ended.code == 3
    told = ended.err + str(logged)
    assert "no answer" in told
    assert world.served == 0


def test_nothing_is_served_beside_topics_that_are_wrong(world: World, type_: CommandLine) -> None:
    world.problems = [SMALL]
    with structlog.testing.capture_logs() as logged:
        assert type_("run").code == 3
    assert [(line["event"], line["topic"]) for line in logged] == [("topic misconfigured", "cleanroomsml.jobs")]
    assert world.served == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order(world: World, type_: CommandLine, number: int) -> None:
    world.signals = [number]
    with structlog.testing.capture_logs() as logged:
        assert type_("run").code == 0
    assert [line["event"] for line in logged] == ["starting", "stopping", "stopped"]
    assert logged[0]["commands"] == ["cleanroomsml.commands"]


def test_a_second_signal_does_not_wait(world: World, type_: CommandLine) -> None:
    world.signals, world.stubborn = [signal.SIGTERM, signal.SIGTERM], True
    with structlog.testing.capture_logs() as logged:
        assert type_("run").code == 130
    assert [line["again"] for line in logged if line["event"] == "stopping"] == [False, True]


@pytest.mark.parametrize(
    ("error", "code", "event", "reason"),
    [
        (ListenError("port 1 is taken"), 3, "the port can't be used", "port 1 is taken"),
        (KeyError("canary"), 70, "unexpected error", "this is a defect of the service"),
    ],
)
def test_a_service_that_breaks(
    world: World, type_: CommandLine, error: Exception, code: int, event: str, reason: str
) -> None:
    world.serving = error
    with structlog.testing.capture_logs() as logged:
        assert type_("run").code == code
    assert logged[-1]["event"] == event
    assert reason in logged[-1]["reason"]
    assert "canary" not in str(logged)


@pytest.mark.parametrize(
    ("former", "words"),
    [
        ([Finding("topic x", False, "2 commands are open")], "2 commands are open"),
        (LogError("no answer"), "LogError: no answer"),
    ],
)
def test_former_tenants_are_told_of_beside_serving(
    world: World, type_: CommandLine, former: list[Finding] | Exception, words: str
) -> None:
    world.former, world.signals = former, [signal.SIGTERM]
    with structlog.testing.capture_logs() as logged:
        assert type_("run").code == 0
    assert words in str([line for line in logged if line["log_level"] == "error"])


@pytest.mark.parametrize("name", ["run", "check"])
def test_traces_without_their_packages_are_refused_before_anything_is_connected(
    world: World, type_: CommandLine, environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.setenv("CRML_TRACING__ENABLED", "true")
    environment.setattr("service.adapters.telemetry.tracing.PACKAGES", ("nowhere.sdk",))
    ended = type_(name)
    assert ended.code == 2
    assert "nowhere.sdk" in ended.err
    assert "install cleanroomsml-service[traces]" in ended.err
    assert world.served == 0
