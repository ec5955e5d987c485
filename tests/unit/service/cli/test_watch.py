"""``python -m service watch``: everything as it comes, or some commands until they have ended."""

import json

import pytest

from schemas.events import ReplyKind
from service.runtime.ports import LogError
from tests.support.command_line import CommandLine
from tests.support.published_records import NOW, PublishedTopics, error, reply, sent, trained


@pytest.fixture
def topics(environment: pytest.MonkeyPatch) -> PublishedTopics:
    topics = PublishedTopics()
    environment.setattr("service.cli.watch.published", topics.published)
    environment.setattr("service.cli.watch.time.time", lambda: NOW + 100)
    return topics


def words_of(lines: list[str]) -> list[str]:
    return [line.split("  ")[2] for line in lines]


def test_until_all_have_ended(topics: PublishedTopics, type_: CommandLine) -> None:
    topics.records = [*trained(sent("a"))[:2], *trained(sent("b"))]
    topics.coming = [trained(sent("a"))[2:5], [reply(sent("c"), ReplyKind.FAILED, NOW, error("X", "why"))]]
    ended = type_("watch", "a", "c")
    assert ended.code == 4
    assert words_of(ended.lines) == ["accepted", "waiting", "started", "event", "succeeded", "failed"]


def test_what_has_ended_before_ends_it_at_once(topics: PublishedTopics, type_: CommandLine) -> None:
    topics.records = trained(sent("a"))
    assert type_("watch", "a", "--source", "/teams/op").code == 0
    assert type_("watch", "a", "--source", "/b", "--wait", "0.02").code == 124


def test_everything_from_now_on(topics: PublishedTopics, type_: CommandLine) -> None:
    topics.records = trained(sent("old"))
    topics.coming = [trained(sent("a"))]

    ended = type_("watch", "--json", "--wait", "0.05", "--correlation", "campaign-7")
    assert ended.code == 124
    assert {json.loads(line)["command_id"] for line in ended.lines} == {"a"}


def test_and_what_was_before(topics: PublishedTopics, type_: CommandLine) -> None:
    topics.records = [*trained(sent("old"), NOW - 5000), *trained(sent("a"))]
    ended = type_("watch", "--since", "10m", "--wait", "0.02")
    assert words_of(ended.lines) == ["accepted", "waiting", "started", "event", "succeeded", "event"]


def test_kafka_that_goes_away_is_an_error(topics: PublishedTopics, type_: CommandLine) -> None:
    def fail() -> None:
        raise LogError("Kafka has not answered for 30 s")

    topics.before_follow = fail
    ended = type_("watch")
    assert (ended.code, ended.err) == (3, "Kafka: Kafka has not answered for 30 s\n")


@pytest.mark.parametrize("words", [["--since", "soon"], ["--wait", "soon"]])
def test_what_makes_no_sense(topics: PublishedTopics, type_: CommandLine, words: list[str]) -> None:
    assert type_("watch", *words).code == 2
