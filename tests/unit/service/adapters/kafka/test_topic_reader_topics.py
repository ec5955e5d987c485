"""Whole topics are read from their beginning to where they end when the reading starts."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition

from service.adapters.kafka import topic_reader as module
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import Reader, TopicRecord, reader
from service.runtime.ports import LogError, TopicPartition
from tests.support.fake_consumer import FakeConsumer

pytestmark = pytest.mark.looptime

ZERO, ONE = TopicPartition("jobs", 0), TopicPartition("jobs", 1)
SETTINGS = KafkaSettings("b:9092", "g")


class Bench:
    """A cluster with one topic, as both consumers of a reader see it."""

    def __init__(self) -> None:
        self.consumer, self.uncommitted = FakeConsumer(), FakeConsumer()
        self.uncommitted.stored = self.consumer.stored
        self.topics: dict[str, frozenset[int]] = {"jobs": frozenset({0, 1})}

    def put(self, place: TopicPartition, *offsets: int, end: int | None = None) -> Any:
        return self.consumer.put(KafkaPartition(*place), *offsets, end=end)

    def make(self, **options: Any) -> FakeConsumer:
        assert "group_id" not in options
        return self.consumer if options["isolation_level"] == "read_committed" else self.uncommitted


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()

    @asynccontextmanager
    async def admin(_settings: KafkaSettings) -> AsyncIterator[None]:
        yield None

    async def partitions_seen(_admin: Any, _needed: Iterable[str] = ()) -> dict[str, frozenset[int]]:
        return bench.topics

    monkeypatch.setattr(module, "AIOKafkaConsumer", bench.make)
    monkeypatch.setattr(module, "admin", admin)
    monkeypatch.setattr(module, "partitions_seen", partitions_seen)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time()))
    return bench


async def read(source: Reader, topics: Iterable[str] = ("jobs",)) -> list[tuple[int, int]]:
    ranges = await source.ranges(list(topics))
    return [(record.topic_partition.partition, record.offset) async for record in source.read(ranges)]


async def test_all_that_is_kept_is_read(bench: Bench) -> None:
    bench.put(ZERO, 3, 4).start = 3
    bench.put(ONE, 0, 1, end=5)
    async with reader(SETTINGS, "repair") as source:
        assert await source.ranges(["jobs"]) == {ZERO: (3, 5), ONE: (0, 5)}
        assert sorted(await read(source)) == [(0, 3), (0, 4), (1, 0), (1, 1)]
    assert (bench.consumer.stopped, bench.uncommitted.stopped) == (1, 1)


async def test_one_reader_reads_again_and_again(bench: Bench) -> None:
    bench.put(ZERO, 0)
    bench.put(ONE)
    async with reader(SETTINGS, "repair") as source:
        assert await read(source) == [(0, 0)]
        bench.put(ONE, 0)
        assert sorted(await read(source)) == [(0, 0), (1, 0)]


async def test_a_record_is_handed_over_as_it_is(bench: Bench) -> None:
    bench.put(ZERO, 0)
    bench.put(ONE)
    async with reader(SETTINGS, "repair") as source:
        [record] = [each async for each in source.read(await source.ranges(["jobs"]))]
    assert record == TopicRecord(ZERO, 0, 1_700_000_000.5, b"k", b"0", ())


async def test_what_comes_meanwhile_is_not_read(bench: Bench) -> None:
    bench.put(ZERO, 0, 1, 2)
    bench.put(ONE)
    async with reader(SETTINGS, "repair") as source:
        assert [each.offset async for each in source.read({ZERO: (0, 2)})] == [0, 1]


async def test_a_missing_topic_says_what_to_do(bench: Bench) -> None:
    async with reader(SETTINGS, "repair") as source:
        with pytest.raises(LogError, match="topic a, b does not exist; create it with: python -m service topics"):
            await source.ranges(["a", "jobs", "b"])


async def test_an_open_transaction_hides_nothing_unnoticed(bench: Bench) -> None:
    bench.put(ZERO, 0, 1, 2).stable = 1
    bench.put(ONE)
    async with reader(SETTINGS, "repair") as source:
        with pytest.raises(LogError, match="in reading jobs-0 at offset 1 of 3: a transaction may be open"):
            await read(source)


async def test_who_stops_early_leaves_nothing_connected(bench: Bench) -> None:
    bench.put(ZERO, 0)
    bench.put(ONE)

    async def stops() -> None:
        async with reader(SETTINGS, "repair") as source:
            await anext(aiter(source.read(await source.ranges(["jobs"]))))
            raise KeyError

    with pytest.raises(KeyError):
        await stops()
    assert (bench.consumer.stopped, bench.uncommitted.stopped) == (1, 1)
