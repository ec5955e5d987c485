"""``python -m service dlq``: lists, shows and sends back the letters that are meant, and says what can't be done."""

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas import events
from service.adapters.kafka.client_options import KafkaSettings
from service.cli.dlq import LISTED
from service.operator.dead_letters.dead_letter import DeadLetter, Selection
from service.operator.dead_letters.replay import ReplayResult
from service.runtime.ports import LogError
from tests.support.command_line import CommandLine

NOW = 1_700_000_000.0
COMMANDS, DEAD = "cleanroomsml.commands", "cleanroomsml.dead-letters"


def letter(offset: int, topic: str = COMMANDS, key: bytes | None = None) -> DeadLetter:
    place, headers = events.RecordPosition(topic, 0, offset), (("ce_id", f"c-{offset}".encode()),)
    made = events.dead_letter(
        key or f"k-{offset}".encode(), b"v", headers, reason="TooLarge", message="m", position=place, now=NOW + offset
    )
    return DeadLetter(offset % 2, offset, NOW, made.key, made.value, made.headers)


class Kafka:
    """A topic of dead letters, and command topics that take them back."""

    def __init__(self, letters: Collection[DeadLetter] = ()) -> None:
        self.letters = list(letters)
        self.existing = {COMMANDS: {0}}
        self.sent: list[DeadLetter] = []
        self.refuse = 0
        self.read_topics: list[str] = []
        self.error: Exception | None = None

    async def read(self, _settings: KafkaSettings, topic: str, selection: Selection) -> AsyncIterator[DeadLetter]:
        self.read_topics.append(topic)
        if self.error:
            raise self.error
        for each in self.letters:
            if selection.has(each):
                yield each

    async def read_one(self, _settings: KafkaSettings, _topic: str, partition: int, offset: int) -> DeadLetter | str:
        found = [each for each in self.letters if (each.partition, each.offset) == (partition, offset)]
        return found[0] if found else "the next one is 0 5"

    @asynccontextmanager
    async def sender(self, _settings: KafkaSettings, topics: Collection[str]) -> AsyncIterator[Any]:
        assert set(topics) == {COMMANDS}
        yield self

    async def send(self, letters: Collection[DeadLetter], outcome: ReplayResult) -> None:
        for each in letters:
            self.sent.append(each)
            outcome.sent[each.topic] += 1
        outcome.refused = self.refuse


@pytest.fixture
def kafka(environment: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka([letter(number) for number in (3, 1, 2)])
    for name in ("read", "read_one", "sender"):
        environment.setattr(f"service.cli.dlq.{name}", getattr(kafka, name))
    return kafka


def test_the_latest_are_listed_last(kafka: Kafka, type_: CommandLine) -> None:
    ended = type_("dlq", "list")
    assert ended.code == 0
    assert [line.split()[1] for line in ended.lines[1:4]] == ["1", "2", "3"]
    assert f"3 dead letters in {DEAD}" in ended.out


def test_no_more_than_asked_for_are_listed(kafka: Kafka, type_: CommandLine) -> None:
    ended = type_("dlq", "list", "--limit", "2")
    assert [line.split()[1] for line in ended.lines[1:3]] == ["2", "3"]
    assert "the latest 2 of 3 dead letters" in ended.out
    kafka.letters = [letter(number) for number in range(LISTED + 7)]
    assert f"the latest {LISTED} of {LISTED + 7}" in type_("dlq", "list").out


def test_a_line_for_each_letter_for_programs(kafka: Kafka, type_: CommandLine) -> None:
    found = [json.loads(line) for line in type_("dlq", "list", "--json").lines]
    assert [each["command_id"] for each in found] == ["c-1", "c-2", "c-3"]


def test_filters_select(kafka: Kafka, type_: CommandLine) -> None:
    assert len(type_("dlq", "list", "--json", "--key", "k-2").lines) == 1
    assert type_("dlq", "list", "--json", "--reason", "InvalidJson").lines == []
    assert len(type_("dlq", "list", "--json", "--since", "2023-11-14T22:13:22Z").lines) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--limit", "0"], "--limit is 0; it must be at least 1"), (["--since", "soon"], "'soon' is no time; write 2025")],
)
@pytest.mark.parametrize("command", ["list", "replay"])
def test_a_filter_that_makes_no_sense_is_refused(
    kafka: Kafka, type_: CommandLine, command: str, words: list[str], told: str
) -> None:
    ended = type_("dlq", command, *words)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
    assert kafka.read_topics == []


def test_a_tenants_letters(kafka: Kafka, type_: CommandLine, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CRML_TENANTS__FILMS__TARGETS", "default")
    environment.setenv("CRML_TENANTS__FILMS__DEAD_LETTERS", "films.dead")
    type_("dlq", "list", "--tenant", "films")
    assert kafka.read_topics == ["films.dead"]
    ended = type_("dlq", "list", "--tenant", "music")
    assert (ended.code, ended.err) == (2, "no tenant is called 'music'; there are: films\n")


def test_one_letter_is_shown(kafka: Kafka, type_: CommandLine) -> None:
    assert "TooLarge" in type_("dlq", "show", "1", "3").out
    ended = type_("dlq", "show", "0", "3")
    assert (ended.code, ended.err) == (
        1,
        f"{DEAD} has no dead letter at 0 3: the next one is 0 5 (dlq list shows them)\n",
    )


def test_nothing_is_sent_back_without_being_asked_for(kafka: Kafka, type_: CommandLine) -> None:
    kafka.letters.append(letter(9, topic="gone"))
    ended = type_("dlq", "replay")
    assert (ended.code, kafka.sent) == (0, [])
    assert f"3  would go to {COMMANDS}" in ended.out
    assert "1  skipped: gone is no configured command topic" in ended.out


def test_the_latest_are_sent_back(kafka: Kafka, type_: CommandLine) -> None:
    ended = type_("dlq", "replay", "--apply", "--limit", "2")
    assert ended.code == 0
    assert sorted(each.offset for each in kafka.sent) == [2, 3]
    assert f"2  sent to {COMMANDS}" in ended.out


def test_many_are_sent_back_in_the_order_of_the_topic(kafka: Kafka, type_: CommandLine) -> None:
    kafka.letters = [letter(number) for number in range(250)]
    type_("dlq", "replay", "--apply")
    assert [each.offset for each in kafka.sent] == list(range(250))


def test_what_kafka_refuses_is_no_success(kafka: Kafka, type_: CommandLine) -> None:
    kafka.refuse = 1
    assert type_("dlq", "replay", "--apply").code == 3


def test_a_kafka_that_cannot_be_used(kafka: Kafka, type_: CommandLine) -> None:
    kafka.error = LogError("no answer from Kafka within 15 s")
    ended = type_("dlq", "list")
    assert (ended.code, ended.err) == (3, "Kafka: no answer from Kafka within 15 s\n")
