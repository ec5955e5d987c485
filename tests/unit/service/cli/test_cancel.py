"""``python -m service cancel``: the cancellation reaches the command's partition, and the answer is the exit code."""

import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.events import ReplyKind
from service.adapters.kafka.topic_reader import TopicRecord
from service.operator.commands.reading import CommandRecord
from service.operator.repair.command_sender import Outgoing
from service.runtime.ports import TopicPartition
from tests.support.command_line import CommandLine
from tests.support.published_records import NOW, PublishedTopics, error, reply, sent, trained

COMMANDS = "cleanroomsml.commands"
UNKNOWN = error("UnknownCommand", "no such command in this partition")


class Kafka:
    """A commands topic of three partitions, and a service that answers as a test says."""

    def __init__(self) -> None:
        self.topics = PublishedTopics()
        self.topics.records = trained(sent())[:2]
        self.topics.before_follow = self._answer_all
        self.records: list[CommandRecord] | None = None
        self.sent: list[Outgoing] = []
        self.answer: Callable[[Outgoing], tuple[ReplyKind, dict[str, Any]] | None] = lambda _: (
            ReplyKind.SUCCEEDED,
            {"result": {"cancelled": True}},
        )

    @asynccontextmanager
    async def sender(self, _settings: Any, _role: str) -> AsyncIterator[Any]:
        yield self

    async def send(self, outgoing: Outgoing) -> TopicPartition:
        self.sent.append(outgoing)
        return TopicPartition(outgoing.topic, 0)

    async def records_of(self, _kafka: Any, _topics: Sequence[str], _id: str) -> list[CommandRecord] | None:
        return self.records

    async def partitions(self, _settings: Any, _topics: Collection[str]) -> dict[str, frozenset[int]]:
        return {COMMANDS: frozenset({0, 1, 2})}

    def _answer_all(self) -> None:
        answers: list[TopicRecord] = [reply(sent("stranger"), ReplyKind.FAILED, NOW)]
        for outgoing in self.sent:
            command = sent(outgoing.command_id, "CancelCommand", source=outgoing.source)
            answers.append(reply(command, ReplyKind.ACCEPTED))
            if told := self.answer(outgoing):
                answers.append(reply(command, told[0], NOW, told[1], 2))
        self.topics.coming = [answers]


@pytest.fixture
def kafka(environment: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()
    environment.setattr("service.cli.cancel.published", kafka.topics.published)
    for name in ("sender", "records_of", "partitions"):
        environment.setattr(f"service.cli.cancel.{name}", getattr(kafka, name))
    return kafka


def test_the_partition_is_that_of_its_record(kafka: Kafka, type_: CommandLine) -> None:
    place = TopicPartition(COMMANDS, 2)
    kafka.records = [
        CommandRecord(place, 7, NOW, b"weekly", "CreateAudienceModel", "weekly-1", "/teams/op"),
        CommandRecord(TopicPartition(COMMANDS, 1), 7, NOW, b"x", "CreateAudienceModel", "weekly-1", "/other"),
    ]
    ended = type_("cancel", "weekly-1")
    assert (ended.code, ended.lines[-1]) == (0, "cancelled")
    (outgoing,) = kafka.sent
    assert (outgoing.topic, outgoing.partition) == place
    assert json.loads(outgoing.value) == {"commandId": "weekly-1", "commandSource": "/teams/op"}


def test_without_the_right_to_read_commands_each_partition_is_asked(kafka: Kafka, type_: CommandLine) -> None:
    kafka.answer = lambda outgoing: (
        (ReplyKind.SUCCEEDED, {"result": {"cancelled": False, "deleted": True}})
        if outgoing.partition == 1
        else (ReplyKind.FAILED, UNKNOWN)
    )
    ended = type_("cancel", "weekly-1", "--delete")
    assert (ended.code, ended.lines[-1]) == (0, "deleted")
    assert [each.partition for each in kafka.sent] == [0, 1, 2]
    assert len({each.command_id for each in kafka.sent}) == 3
    assert json.loads(kafka.sent[0].value)["deleteResource"] is True


def test_a_key_that_is_known_is_enough(kafka: Kafka, type_: CommandLine) -> None:
    assert type_("cancel", "weekly-1", "--key", "weekly").code == 0
    assert [(each.partition, each.key) for each in kafka.sent] == [(None, b"weekly")]


def test_no_partition_has_it(kafka: Kafka, type_: CommandLine) -> None:
    kafka.answer = lambda _: (ReplyKind.FAILED, UNKNOWN)
    ended = type_("cancel", "weekly-1")
    assert (ended.code, ended.err) == (4, "failed: UnknownCommand: no such command in this partition\n")


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ((ReplyKind.FAILED, error("TooLate", "has left")), 4, "failed: TooLate: has left"),
        ((ReplyKind.REJECTED, error("NotAllowed", "no")), 5, "rejected: NotAllowed: no"),
        ((ReplyKind.WAITING, {"reason": "CommandUnderWay"}), 0, "waiting: CommandUnderWay; to follow it: python"),
        ((ReplyKind.SUCCEEDED, {"result": {"cancelled": False}}), 0, "there was nothing to cancel or delete"),
        (None, 124, "no answer within 0.05 s; to see it later: python -m service watch cancel-"),
    ],
)
def test_the_answer(kafka: Kafka, type_: CommandLine, answer: Any, code: int, said: str) -> None:
    kafka.answer = lambda _: answer
    ended = type_("cancel", "weekly-1", "--wait", "0.05", "--key", "k")
    assert ended.code == code
    assert said in ended.out + ended.err


def test_what_has_ended_is_left_alone(kafka: Kafka, type_: CommandLine) -> None:
    kafka.topics.records = trained(sent())
    ended = type_("cancel", "weekly-1")
    assert (ended.code, ended.err) == (4, "weekly-1 has ended: succeeded ACTIVE. Nothing was sent\n")
    assert kafka.sent == []
    assert type_("cancel", "weekly-1", "--delete", "--key", "k").code == 0


def test_an_unknown_command_and_one_of_two(kafka: Kafka, type_: CommandLine) -> None:
    assert type_("cancel", "nothing").code == 1
    kafka.topics.records = [*trained(sent())[:1], *trained(sent(source="/b"))[:1]]
    ended = type_("cancel", "weekly-1")
    assert ended.code == 2
    assert "choose one with --source (/teams/op, /b)" in ended.err
    assert kafka.sent == []


def test_what_its_tenant_may_not_do_is_not_sent(
    kafka: Kafka, type_: CommandLine, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CRML_TENANTS__RED__TARGETS", "default")
    environment.setenv("CRML_TENANTS__RED__OPERATIONS", "List*")
    kafka.topics.records = trained(sent(tenant="red"))[:1]
    ended = type_("cancel", "weekly-1", "--tenant", "red", "--key", "k")
    assert (ended.code, kafka.sent) == (5, [])
    assert "the service would reject it: " in ended.err
