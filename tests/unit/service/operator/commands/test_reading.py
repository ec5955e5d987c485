"""Which topics are read, and how much of them: no changelog, and no right beyond a subscriber's."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas import cloudevents
from schemas.cloudevents import Envelope
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import Ranges, TopicRecord
from service.operator.commands import reading
from service.operator.commands.reading import PublishedReader, histories, history_of, records_of, topics_of
from service.runtime.ports import TopicPartition, Unfit
from service.settings import SettingsError, load
from tests.support.published_records import EVENTS, MODEL, NOW, REPLIES, sent, trained

LEAST = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "k:9092", "AWS_REGION": "eu-west-1"}
KAFKA = KafkaSettings("127.0.0.1:1", "group")


class Source:
    """A reader of topics in memory, in which offsets are positions in a list."""

    def __init__(self, records: Sequence[TopicRecord]) -> None:
        self.records = records
        self.since: list[float | None] = []
        self.refusal: Exception | None = None

    async def committed_ranges(self, topics: Collection[str], since: float | None = None) -> Ranges:
        if self.refusal:
            raise self.refusal
        self.since.append(since)
        assert topics
        return {REPLIES: (0, 7), EVENTS: (2, 5)}

    async def read(self, _ranges: Ranges) -> AsyncGenerator[TopicRecord, None]:
        for each in self.records:
            if self.since[-1] is None or each.time >= self.since[-1]:
                yield each

    async def follow(self, _starts: Mapping[TopicPartition, int]) -> AsyncGenerator[list[TopicRecord], None]:
        yield list(self.records[:2])
        yield []


def reader_of(records: Sequence[TopicRecord]) -> tuple[PublishedReader, Source]:
    source: Any = Source(records)
    return PublishedReader(source, ("replies", "events")), source


def test_topics_of_the_default_tenant() -> None:
    settings = load(environ={**LEAST, "CRML_REPLIES__ALLOWED_TOPICS": "answers"})
    found = topics_of(settings, None)
    assert found.commands == ("cleanroomsml.commands",)
    assert found.published == ("cleanroomsml.events", "cleanroomsml.replies")
    assert found.named == ("answers",)


def test_topics_of_tenants() -> None:
    tenants = {"CRML_TENANTS__RED__TARGETS": "default", "CRML_TENANTS__BLUE__TARGETS": "default"}
    own = {"CRML_TENANTS__RED__EVENTS": "red-events", "CRML_TENANTS__BLUE__REPLY_TOPICS": "blue-answers"}
    settings = load(environ={**LEAST, **tenants, **own})
    red = topics_of(settings, "red")
    assert red.commands == ("cleanroomsml.red.commands",)
    assert (red.published, red.named) == (("cleanroomsml.replies", "red-events"), ())
    every = topics_of(settings, None)
    assert len(every.commands) == 2
    assert every.named == ("blue-answers",)
    with pytest.raises(SettingsError, match="no tenant is called 'green'; there are: "):
        topics_of(settings, "green")


async def test_the_ends_are_where_a_follower_begins() -> None:
    source, _ = reader_of([])
    assert await source.ends() == {REPLIES: 7, EVENTS: 5}


async def test_all_commands() -> None:
    source, kafka = reader_of([*trained(sent("a")), *trained(sent("b"))])
    found = await histories(source, NOW)
    assert [each.id for each in found.commands.values()] == ["a", "b"]
    assert kafka.since == [NOW]


async def test_one_command_is_read_by_its_key_and_its_events_by_time() -> None:
    source, kafka = reader_of([*trained(sent("old"), NOW - 5000), *trained(sent("a")), *trained(sent("b"))])
    found = await history_of(source, "a")
    assert [each.id for each in found.commands.values()] == ["a"]
    assert len(found.called("a")[0].timeline) == 6
    assert kafka.since == [None, NOW - 60]


async def test_nothing_more_is_read_for_an_unknown_command() -> None:
    source, kafka = reader_of(trained(sent("a")))
    assert (await history_of(source, "b")).commands == {}
    assert kafka.since == [None]


async def test_following() -> None:
    source, _ = reader_of(trained(sent("a")))
    assert [[each.word for each in notices] async for notices in source.follow({})] == [["accepted", "waiting"], []]


async def test_events_of_a_resource() -> None:
    source, _ = reader_of(trained(sent("a")))
    found = [each async for each in source.notices(None, MODEL.encode())]
    assert [each.word for each in found] == ["CREATE_IN_PROGRESS", "ACTIVE"]


def command_record(command_id: str, operation: str, data: bytes, partition: int, at: float) -> TopicRecord:
    envelope = Envelope(command_id, "/s", f"cleanroomsml.command.{operation}", data=data)
    value, headers = cloudevents.encode(envelope)
    return TopicRecord(TopicPartition("commands", partition), 3, at, b"key", value, headers)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source(
        [
            command_record("a", "CreateAudienceModel", b"{}", 4, 2.0),
            command_record("a", "CreateAudienceModel", b"{}", 1, 1.0),
            command_record("b", "CreateAudienceModel", b"{}", 4, 3.0),
            command_record("c", "CancelCommand", b'{"commandId": "a", "commandSource": "/s"}', 4, 4.0),
            command_record("broken", "CancelCommand", b'"a', 4, 5.0),
            TopicRecord(TopicPartition("commands", 0), 0, 0.0, None, b"a", ()),
        ]
    )

    @asynccontextmanager
    async def reader(_settings: KafkaSettings, _role: str) -> AsyncIterator[Source]:
        yield source

    monkeypatch.setattr(reading, "reader", reader)
    return source


async def test_the_records_of_a_command_and_those_about_it(commands: Source) -> None:
    found = await records_of(KAFKA, ("commands",), "a")
    assert found is not None
    assert [(each.command_id, each.partition.partition, each.about) for each in found] == [
        ("a", 1, ""),
        ("a", 4, ""),
        ("c", 4, "a"),
    ]
    assert (found[2].operation, found[2].about_source, found[0].key) == ("CancelCommand", "/s", b"key")


async def test_who_must_not_read_commands_does_without(commands: Source) -> None:
    commands.refusal = Unfit("refused")
    assert await records_of(KAFKA, ("commands",), "a") is None


@pytest.mark.parametrize(("existing", "topics"), [((), ()), (("answers",), ("answers",))])
async def test_a_reply_topic_need_not_exist(
    monkeypatch: pytest.MonkeyPatch, existing: tuple[str, ...], topics: tuple[str, ...]
) -> None:
    @asynccontextmanager
    async def reader(_settings: KafkaSettings, _role: str) -> AsyncIterator[Source]:
        yield Source([])

    async def partitions(_settings: KafkaSettings, needed: Collection[str]) -> dict[str, frozenset[int]]:
        return {topic: frozenset({0}) for topic in (*needed, *existing)}

    monkeypatch.setattr(reading, "reader", reader)
    monkeypatch.setattr(reading, "partitions", partitions)
    settings = load(environ={**LEAST, "CRML_REPLIES__ALLOWED_TOPICS": "answers"})
    async with reading.published(settings, None) as source:
        assert source.topics == ("cleanroomsml.events", "cleanroomsml.replies", *topics)
