"""The dead-letters topic is read from where it must be to where it ended, as nobody's group member."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition

from service.adapters.kafka import topic_reader as module
from service.adapters.kafka.client_options import KafkaSettings
from service.operator.dead_letters.dead_letter import Selection
from service.operator.dead_letters.reading import read, read_one
from service.runtime.ports import LogError
from tests.support.fake_consumer import FakeConsumer

pytestmark = pytest.mark.looptime

TOPIC = "dead"
ZERO, ONE = KafkaPartition(TOPIC, 0), KafkaPartition(TOPIC, 1)
SETTINGS = KafkaSettings("b:9092", "g")


class Consumer(FakeConsumer):
    """Knows the first offset at a time: the test's own."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[KafkaPartition, int | None] = {}
        self.asked: dict[KafkaPartition, int] = {}

    async def offsets_for_times(self, times: dict[KafkaPartition, int]) -> dict[KafkaPartition, Any]:
        self.asked = times
        found = {each: self.at.get(each) for each in times}
        return {each: None if offset is None else SimpleNamespace(offset=offset) for each, offset in found.items()}


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    consumer = Consumer()

    def make(**options: Any) -> Consumer:
        assert "group_id" not in options
        return consumer if options["isolation_level"] == "read_committed" else Consumer()

    async def partitions(_settings: KafkaSettings, _needed: Collection[str]) -> dict[str, frozenset[int]]:
        return {TOPIC: frozenset({0, 1})}

    monkeypatch.setattr(module, "AIOKafkaConsumer", make)
    monkeypatch.setattr(module, "partitions", partitions)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time()))
    return consumer


async def offsets(selection: Selection | None = None, topic: str = TOPIC) -> list[tuple[int, int]]:
    return [(each.partition, each.offset) async for each in read(SETTINGS, topic, selection or Selection())]


async def test_all_letters_are_read_in_the_order_of_their_partition(consumer: Consumer) -> None:
    consumer.put(ZERO, 3, 4).start = 3
    consumer.put(ONE, 0, end=5)  # markers at the end
    assert sorted(await offsets()) == [(0, 3), (0, 4), (1, 0)]
    assert (consumer.started, consumer.stopped) == (1, 1)


async def test_what_comes_while_it_reads_is_not_waited_for(consumer: Consumer) -> None:
    stored = consumer.put(ZERO, 0, 1, 2)
    stored.end = 2
    consumer.put(ONE)
    found = []
    async for letter in read(SETTINGS, TOPIC, Selection()):
        found.append(letter.offset)
        stored.end = 3
    assert found == [0, 1]


async def test_an_empty_topic_is_read_at_once(consumer: Consumer) -> None:
    consumer.put(ZERO)
    consumer.put(ONE)
    assert await offsets() == []


async def test_a_time_saves_reading_what_was_before(consumer: Consumer) -> None:
    consumer.put(ZERO, *range(5))
    consumer.put(ONE, *range(5))
    consumer.at = {ZERO: 3, ONE: None}  # nothing in the second partition is so young
    assert await offsets(Selection(since=1.5)) == [(0, 3), (0, 4)]
    assert consumer.asked == {ZERO: 1500, ONE: 1500}
    await offsets(Selection(since=-5.0))
    assert consumer.asked == {ZERO: 0, ONE: 0}


async def test_one_letter(consumer: Consumer) -> None:
    consumer.put(ZERO, 2, 3, end=6).start = 2
    consumer.put(ONE)
    found = await read_one(SETTINGS, TOPIC, 0, 3)
    assert not isinstance(found, str)
    assert (found.partition, found.offset, found.value, found.written) == (0, 3, b"3", 1_700_000_000.5)


@pytest.mark.parametrize(
    ("partition", "offset", "why"),
    [
        (0, 0, "it has expired; the next one is 0 2"),
        (0, 1, "it has expired; the next one is 0 2"),
        (0, 4, "none is there or behind"),
        (0, 6, "none is there or behind"),
        (1, 0, "none is there or behind"),
        (9, 0, "it has no partition 9; its partitions are 0, 1"),
    ],
)
async def test_why_there_is_no_letter(consumer: Consumer, partition: int, offset: int, why: str) -> None:
    consumer.put(ZERO, 2, 3, end=6).start = 2
    consumer.put(ONE)
    assert await read_one(SETTINGS, TOPIC, partition, offset) == why


async def test_an_offset_between_letters_is_not_called_expired(consumer: Consumer) -> None:
    """The first offsets of a young topic can be markers of transactions."""
    consumer.put(ZERO, 2, 3, end=6)
    consumer.put(ONE)
    assert await read_one(SETTINGS, TOPIC, 0, 0) == "the next one is 0 2"


async def test_a_topic_that_is_missing_says_what_to_do(consumer: Consumer) -> None:
    with pytest.raises(LogError, match="topic other does not exist; create it with: python -m service topics"):
        await offsets(topic="other")
    assert consumer.stopped == 1


async def test_an_open_transaction_does_not_hold_it_up_for_ever(consumer: Consumer) -> None:
    consumer.put(ZERO, 0, 1, 2).stable = 1
    consumer.put(ONE)
    began = asyncio.get_running_loop().time()
    with pytest.raises(LogError, match="no progress for 30 s"):
        await offsets()
    assert asyncio.get_running_loop().time() - began < 40
