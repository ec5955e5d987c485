"""``list``, ``show`` and ``events``: what a person and a program read of replies and events."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.events import ReplyKind
from service.operator.commands.reading import CommandRecord
from service.runtime.ports import TopicPartition
from tests.support.command_line import CommandLine
from tests.support.published_records import MODEL, NOW, PublishedTopics, error, event, reply, sent, trained

COMMANDS = "cleanroomsml.commands"


class World:
    """Topics, and commands that may be readable."""

    def __init__(self) -> None:
        self.topics = PublishedTopics()
        self.records: list[CommandRecord] | None = []

    async def records_of(self, _kafka: Any, topics: Sequence[str], command_id: str) -> list[CommandRecord] | None:
        assert tuple(topics) == (COMMANDS,)
        assert command_id
        return self.records


def record(partition: int, command_id: str = "weekly-1", operation: str = "CreateAudienceModel", **more: Any) -> Any:
    named: dict[str, Any] = {"source": "/teams/op", **more}
    return CommandRecord(TopicPartition(COMMANDS, partition), 7, NOW - 1, b"weekly", operation, command_id, **named)


@pytest.fixture
def world(environment: pytest.MonkeyPatch) -> World:
    world = World()
    environment.setattr("service.cli.browse.published", world.topics.published)
    environment.setattr("service.cli.browse.records_of", world.records_of)
    environment.setattr("service.cli.browse.time.time", lambda: NOW + 3600)
    return world


def test_what_goes_on_is_listed(world: World, type_: CommandLine) -> None:
    world.topics.records = [*trained(sent("done")), *trained(sent("waits"), NOW + 600)[:2]]
    assert type_("list").lines == [
        "COMMAND  OPERATION            STATE                        FOR",
        "waits    CreateAudienceModel  waiting #2 ConcurrencyLimit  50m",
        "1 of 2 known commands; --state ended shows the others",
    ]
    assert type_("list", "--state", "succeeded").lines[1].split() == [
        "done",
        "CreateAudienceModel",
        "succeeded",
        "ACTIVE",
        "58m",
    ]
    assert type_("list", "--operation", "Get*").lines == ["0 of 2 known commands; --state ended shows the others"]


def test_ended_ones_by_time_and_order(world: World, type_: CommandLine) -> None:
    world.topics.records = [*trained(sent("b"), NOW + 10), *trained(sent("a"), NOW)]
    ended = type_("list", "--ended", "2h", "--sort", "id", "--json")
    assert [json.loads(line)["command_id"] for line in ended.lines] == ["a", "b"]
    older = type_("list", "--state", "ended", "--older-than", "59m55s", "--json")
    assert older.code == 2  # one unit only
    older = type_("list", "--state", "ended", "--older-than", "3595s", "--json")
    assert [json.loads(line)["command_id"] for line in older.lines] == ["a"]
    assert len(type_("list", "--since", "30m", "--json", "--state", "ended").lines) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--state", "running"], "--state: found running; expected one of accepted, waiting, started"),
        (["--sort", "size"], "--sort: found 'size'; expected one of age, updated"),
        (["--since", "yesterday"], "'yesterday' is no time"),
    ],
)
def test_what_makes_no_sense(world: World, type_: CommandLine, words: list[str], expected: str) -> None:
    ended = type_("list", *words)
    assert ended.code == 2
    assert expected in ended.err


def test_all_that_is_known_of_a_command(world: World, type_: CommandLine) -> None:
    world.topics.records = trained(sent())
    world.records = [record(4), record(4, "cancel-1", "CancelCommand", source="/operator/ann", about="weekly-1")]
    ended = type_("show", "weekly-1")
    assert (ended.code, ended.err) == (0, "")
    facts = {line.split("  ")[0]: line.partition("  ")[2].strip() for line in ended.lines}
    assert facts["command"] == "weekly-1"
    assert facts["target"] == "default eu-west-1"
    assert facts["state"] == "succeeded ACTIVE, since 2026-09-21 14:15:00, 58m"
    assert facts["resource"] == MODEL
    assert facts["record"] == f"{COMMANDS} partition 4 offset 7, key weekly, 2026-09-21 14:13:19"
    assert len(facts["marker"].split()[0]) == 26
    at = ended.lines.index("timeline, in UTC")
    assert [line.split("  ", 2)[2].split()[0] for line in ended.lines[at + 1 : at + 8]] == [
        "sent",
        "accepted",
        "waiting",
        "started",
        "event",
        "succeeded",
        "event",
    ]
    assert "CancelCommand by /operator/ann, cancel-1" in ended.lines[at + 1]
    assert MODEL not in ended.lines[at + 4]
    assert ended.lines[-1].endswith("python -m service list --correlation campaign-7 --state open,ended")


def test_programs_get_the_timeline_with_its_data(world: World, type_: CommandLine) -> None:
    world.topics.records = trained(sent())
    world.records = [record(4)]
    (line,) = type_("show", "weekly-1", "--json").lines
    found = json.loads(line)
    assert [each["type"] for each in found["timeline"]][-1] == "audience-model"
    assert found["timeline"][4]["data"]["result"]["status"] == "ACTIVE"
    assert found["records"][0]["partition"] == 4


def test_a_parked_command_comes_with_what_can_be_done(world: World, type_: CommandLine) -> None:
    told = {**error("AmbiguousOutcome", "which one?"), "searched": "2 resources carry the marker"}
    world.topics.records = [reply(sent(), ReplyKind.PARKED, NOW, told)]
    lines = type_("show", "weekly-1").lines
    assert "searched     2 resources carry the marker" in lines
    resolve = "python -m service parked resolve weekly-1 --source /teams/op"
    assert [line.partition("  ")[2].strip() for line in lines[-4:-1]] == [
        f"{resolve} --adopt ARN --wait",
        f"{resolve} --retry --wait",
        f"{resolve} --fail --wait",
    ]


def test_one_id_on_two_partitions(world: World, type_: CommandLine) -> None:
    world.topics.records = [
        *trained(sent())[:3],
        reply(sent(), ReplyKind.STARTED, NOW + 90, {"resourceArn": f"{MODEL}9"}, 9),
        reply(sent(), ReplyKind.REJECTED, NOW + 5, error("WrongPartition", "belongs to 4"), 77),
        reply(sent(), ReplyKind.ACCEPTED, NOW + 2),
    ]
    world.records = [record(1), record(4)]
    out = type_("show", "weekly-1").out
    assert f"Its id was sent to 2 partitions ({COMMANDS} partition 1, {COMMANDS} partition 4)" in out
    assert "2 resources are named" in out
    assert "another record with this id was rejected: WrongPartition: belongs to 4" in out
    assert "A reply was repeated once, as the command was sent again." in out


def test_without_the_right_to_read_commands(world: World, type_: CommandLine) -> None:
    world.topics.records = trained(sent())
    world.records = None
    assert "record       not known: this user must not read the commands topic" in type_("show", "weekly-1").lines


def test_a_command_without_a_reply_yet(world: World, type_: CommandLine) -> None:
    world.records = [record(4)]
    ended = type_("show", "weekly-1")
    assert ended.code == 0
    assert "state      no reply yet" in ended.lines
    assert "operation  CreateAudienceModel" in ended.lines


def test_several_sources(world: World, type_: CommandLine) -> None:
    world.topics.records = [*trained(sent()), *trained(sent(source="/b"))]
    assert type_("show", "weekly-1").out.count("command      weekly-1") == 2
    assert type_("show", "weekly-1", "--source", "/b").out.count("command      weekly-1") == 1


def test_an_unknown_command(world: World, type_: CommandLine) -> None:
    ended = type_("show", "nothing")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(
        f"no command nothing is known; read were cleanroomsml.replies, cleanroomsml.events, {COMMANDS}."
    )
    world.records = None
    assert COMMANDS not in type_("show", "nothing").err


def test_events_of_a_resource(world: World, type_: CommandLine) -> None:
    world.topics.records = trained(sent())
    assert type_("events", "--resource", MODEL).lines == [
        "TIME                 KIND            #  STATUS              COMMAND",
        "2026-09-21 14:14:21  audience-model  1  CREATE_IN_PROGRESS  weekly-1",
        "2026-09-21 14:15:01  audience-model  2  ACTIVE              weekly-1",
        "2 events; times are UTC",
    ]
    assert type_("events", "--resource", "arn:x").code == 1


def test_the_last_events_of_all(world: World, type_: CommandLine) -> None:
    world.topics.records = [*trained(sent()), event(sent("b"), "deleted", NOW - 5, resource="arn:a:b/9")]
    ended = type_("events", "--limit", "2")
    assert ended.lines[1].split()[2] == "audience-model/00000000-0000-4000-8000-000000000002"
    assert ended.lines[-1] == "the latest 2 of 3 events; times are UTC"
    assert len(type_("events", "--json").lines) == 3
    assert type_("events", "--limit", "0").code == 2
    world.topics.records = []
    assert type_("events").code == 0


def test_a_tenant_is_asked_for(world: World, type_: CommandLine) -> None:
    for words in (["list"], ["events"]):
        type_(*words, "--tenant", "default")
    assert world.topics.asked == ["default", "default"]
