"""``python -m service parked``: what waits for a person, and a decision that the service will take."""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.events import ReplyKind
from schemas.operations import OPERATIONS, Resolution
from schemas.records import Phase
from service.adapters.kafka.client_options import KafkaSettings
from service.cli.parked import resolving
from service.core.job import marker
from service.core.marker import stable_id, stamp
from service.core.observations import Resolved
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, Corrupt, OwnedJob
from service.operator.repair.command_sender import Outgoing
from service.operator.repair.drift import Inventory
from service.runtime.ports import TopicPartition
from tests.support import builders
from tests.support.command_line import CommandLine

COMMANDS = "cleanroomsml.commands"
PLACE = TopicPartition(COMMANDS, 3)
CREATE, EXPORT = OPERATIONS["CreateAudienceModel"], OPERATIONS["StartAudienceExportJob"]
ARN = builders.arn(CREATE)
TIME = "2026-11-27T14:00:59Z"


def parked(operation: Any = CREATE, phase: Phase = Phase.PARKED, **more: Any) -> OwnedJob:
    command = builders.command(operation, target="default", **more)
    return OwnedJob(PLACE, builders.job(operation, phase, command=command, finished_at=1.0, attempt=1))


class World:
    """A changelog, AWS's word about an adoption, and a service that answers."""

    def __init__(self) -> None:
        self.snapshot = ChangelogSnapshot(jobs=[parked()])
        self.problem = ""
        self.listing: Inventory = {}
        self.listed: list[Collection[tuple[str, str]]] = []
        self.asked: list[str] = []
        self.sent: list[Outgoing] = []
        self.answer: tuple[ReplyKind, dict[str, Any]] = (ReplyKind.SUCCEEDED, {"result": {"phase": "running"}})

    async def read_snapshot(self, _settings: KafkaSettings, _consumed: Mapping[str, str]) -> ChangelogSnapshot:
        return self.snapshot

    async def adoption_problem(self, _settings: Any, _job: Any, resource_id: str) -> str:
        self.asked.append(resource_id)
        return self.problem

    async def inventory(self, _settings: Any, only: Collection[tuple[str, str]]) -> Inventory:
        self.listed.append(only)
        return self.listing

    @asynccontextmanager
    async def reader(self, _settings: KafkaSettings, _role: str) -> AsyncIterator[Any]:
        yield self

    @asynccontextmanager
    async def sender(self, _settings: KafkaSettings) -> AsyncIterator[Any]:
        yield self

    async def ranges(self, topics: Collection[str]) -> dict[TopicPartition, tuple[int, int]]:
        assert list(topics) == ["cleanroomsml.replies"]
        return {}

    async def send(self, outgoing: Outgoing) -> TopicPartition:
        self.sent.append(outgoing)
        return PLACE

    async def wait_terminal(self, *_: Any) -> tuple[ReplyKind, dict[str, Any]]:
        return self.answer


@pytest.fixture
def world(environment: pytest.MonkeyPatch) -> World:
    world = World()
    for name in ("read_snapshot", "adoption_problem", "inventory", "reader", "sender", "wait_terminal"):
        environment.setattr(f"service.cli.parked.{name}", getattr(world, name))
    return world


def data(outgoing: Outgoing) -> Any:
    return json.loads(outgoing.value or b"")


def test_the_list_says_how_to_decide(world: World, type_: CommandLine) -> None:
    ended = type_("parked", "list")
    assert ended.code == 0
    assert ended.lines[0] == "c-1"
    call = "  python -m service parked resolve c-1 --source /shop"
    assert ended.lines[-4:] == [f"{call} --adopt ARN", f"{call} --retry", f"{call} --fail", "1 command parked"]


def test_the_list_names_the_candidates_and_the_commands_to_paste(world: World, type_: CommandLine) -> None:
    token = marker(world.snapshot.jobs[0].job.command)
    other = f"{ARN}2"
    world.listing = {
        ("default", "audience-model"): [
            {"audienceModelArn": other, "name": "b", "status": "CREATE_IN_PROGRESS", **stamp({}, token)},
            {"audienceModelArn": ARN, "name": "a", "status": "ACTIVE", "createTime": TIME, **stamp({}, token)},
            {"audienceModelArn": f"{ARN}3", "name": "c", "status": "ACTIVE", "description": "of others"},
        ]
    }
    ended = type_("parked", "list")
    text = " ".join(ended.out.split())
    assert f"candidate {ARN} 'a' ACTIVE created 2026-11-27T14:00:59.000Z" in text
    assert f"candidate {other} 'b' CREATE_IN_PROGRESS" in text
    assert f"{ARN}3" not in text
    call = "  python -m service parked resolve c-1 --source /shop"
    assert ended.lines[-5:-3] == [f"{call} --adopt {ARN}", f"{call} --adopt {other}"]
    assert world.listed == [{("default", "audience-model")}], "nothing else is asked for"
    [line] = type_("parked", "list", "--json").lines
    found = json.loads(line)
    assert found["candidates"] == [
        {"resource": ARN, "name": "a", "status": "ACTIVE", "created_at": "2026-11-27T14:00:59.000Z"},
        {"resource": other, "name": "b", "status": "CREATE_IN_PROGRESS", "created_at": None},
    ]
    assert found["candidates_unknown"] == ""
    assert found["decisions"][0] == f"{call.strip()} --adopt {ARN}"


def test_the_list_is_there_when_aws_is_not(world: World, type_: CommandLine) -> None:
    world.listing = {("default", "audience-model"): "ConnectFailed: no route"}
    ended = type_("parked", "list")
    assert ended.code == 0
    assert "unknown: AWS could not be asked: ConnectFailed: no route" in " ".join(ended.out.split())
    [line] = type_("parked", "list", "--json").lines
    found = json.loads(line)
    assert (found["candidates"], found["candidates_unknown"]) == ([], "AWS could not be asked: ConnectFailed: no route")


def test_a_list_of_nothing(world: World, type_: CommandLine) -> None:
    world.snapshot.jobs = [parked(phase=Phase.RUNNING)]
    assert type_("parked", "list").lines == ["no command is parked"]
    assert type_("parked", "list", "--json").out == ""
    assert world.listed == [set(), set()], "AWS is not asked"


def test_what_cannot_be_read_is_no_success(world: World, type_: CommandLine) -> None:
    world.snapshot.corrupt = [Corrupt(TopicPartition("cleanroomsml.jobs", 1), 7, b"k", "bad")]
    ended = type_("parked", "list")
    assert ended.code == 3
    assert "unreadable: cleanroomsml.jobs partition 1 offset 7" in ended.out


@pytest.mark.parametrize("words", [[], ["--retry", "--fail"], ["--adopt", ARN, "--retry"]])
def test_one_decision_must_be_chosen(world: World, type_: CommandLine, words: list[str]) -> None:
    ended = type_("parked", "resolve", "c-1", *words)
    assert (ended.code, ended.err) == (2, "choose one of --adopt ARN, --retry and --fail\n")


@pytest.mark.parametrize("decision", ["retry", "fail"])
def test_a_decision_goes_to_the_partition_of_its_command(world: World, type_: CommandLine, decision: str) -> None:
    ended = type_("parked", "resolve", "c-1", f"--{decision}")
    assert ended.code == 0
    [outgoing] = world.sent
    assert (outgoing.topic, outgoing.partition, outgoing.key) == (COMMANDS, 3, b"c-1")
    assert data(outgoing) == {"commandId": "c-1", "commandSource": "/shop", "resolution": decision}
    assert "its reply will be published to cleanroomsml.replies; --wait waits for it" in ended.out


def test_what_is_adopted_is_looked_at_first(world: World, type_: CommandLine) -> None:
    assert type_("parked", "resolve", "c-1", "--adopt", ARN).code == 0
    assert world.asked == [ARN]
    assert data(world.sent[0])["resourceArn"] == ARN


def test_what_aws_does_not_confirm_is_adopted_only_if_a_person_insists(world: World, type_: CommandLine) -> None:
    world.problem = "it does not carry the marker"
    ended = type_("parked", "resolve", "c-1", "--adopt", ARN)
    assert (ended.code, world.sent) == (3, [])
    assert ended.err.startswith("it does not carry the marker; nothing was sent.")
    assert type_("parked", "resolve", "c-1", "--adopt", ARN, "--unchecked").code == 0
    assert len(world.sent) == 1


def test_what_has_no_arn_may_be_named_by_its_stable_id(world: World, type_: CommandLine) -> None:
    held = parked(EXPORT)
    world.snapshot.jobs = [held]
    for name in ("-", stable_id(EXPORT.resource, marker(held.job.command))):
        assert type_("parked", "resolve", "c-1", "--adopt", name).code == 0
        assert "resourceArn" not in data(world.sent.pop())


def test_a_decision_that_the_core_would_refuse_is_not_sent(world: World, type_: CommandLine) -> None:
    ended = type_("parked", "resolve", "c-1", "--adopt", "-")
    assert (ended.code, world.sent) == (3, [])
    assert ended.err.startswith("InvalidResolution: ")
    world.snapshot.jobs = [parked(phase=Phase.RUNNING)]
    ended = type_("parked", "resolve", "c-1", "--retry")
    assert (ended.code, ended.err.startswith("NotParked: ")) == (3, True)


def test_an_unknown_command(world: World, type_: CommandLine) -> None:
    ended = type_("parked", "resolve", "c-9", "--retry")
    assert ended.code == 1
    assert ended.err.startswith("no command c-9 is known")


def test_an_id_of_several_sources_needs_the_source(world: World, type_: CommandLine) -> None:
    world.snapshot.jobs = [parked(), parked(source="/other")]
    ended = type_("parked", "resolve", "c-1", "--retry")
    assert (ended.code, world.sent) == (2, [])
    assert ended.err == (
        f"2 commands are called c-1: choose one with --source (/shop on {COMMANDS}, /other on {COMMANDS})\n"
    )
    assert type_("parked", "resolve", "c-1", "--retry", "--source", "/other").code == 0
    assert data(world.sent[0])["commandSource"] == "/other"


def test_of_several_the_only_parked_one_is_meant(world: World, type_: CommandLine) -> None:
    world.snapshot.jobs = [parked(phase=Phase.RUNNING), parked(source="/other")]
    assert type_("parked", "resolve", "c-1", "--retry").code == 0
    assert data(world.sent[0])["commandSource"] == "/other"


def test_the_services_answer_decides_how_it_ends(world: World, type_: CommandLine) -> None:
    ended = type_("parked", "resolve", "c-1", "--retry", "--wait")
    assert (ended.code, ended.lines[-1]) == (0, "resolved: the command is now running")
    world.answer = (ReplyKind.FAILED, {"error": {"code": "NotParked", "message": "it is not"}})
    ended = type_("parked", "resolve", "c-1", "--retry", "--wait")
    assert (ended.code, ended.err) == (3, "failed: NotParked: it is not\n")


def test_a_decision_carries_what_it_is_about() -> None:
    outgoing = resolving(parked(), Resolved(Resolution.ADOPT, ARN))
    assert data(outgoing) == {
        "commandId": "c-1",
        "commandSource": "/shop",
        "resolution": "adopt",
        "resourceArn": ARN,
    }
    assert dict(outgoing.headers)["ce_target"] == b"default"
