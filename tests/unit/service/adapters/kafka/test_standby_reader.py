"""Changelogs as they grow, from where the follower wants them, and from the beginning again when they can't be read."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaConnectionError

from service.adapters.kafka import standby_reader as module
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.reconnection import BACKOFF_CAP
from service.adapters.kafka.standby_reader import StandbyReader
from service.runtime.ports import TopicPartition
from tests.support.fake_consumer import FakeConsumer

pytestmark = pytest.mark.looptime

A, B = TopicPartition("commands", 0), TopicPartition("commands", 1)
KA, KB = KafkaPartition("jobs", 0), KafkaPartition("jobs", 1)
SETTINGS = KafkaSettings("b:9092", "g")


class Follower:
    """Wants what it is told to want, and reads on from where it is."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int | None] = {A: -1, B: None}
        self.values: dict[TopicPartition, list[bytes | None]] = {A: [], B: []}
        self.current: dict[TopicPartition, bool] = {}
        self.calls = 0
        self.losses: list[TopicPartition] = []

    def wanted(self, partition: TopicPartition) -> int | None:
        return self.positions[partition]

    def replicated(
        self,
        partition: TopicPartition,
        records: Sequence[tuple[bytes, bytes | None]],
        position: int,
        *,
        current: bool,
    ) -> None:
        self.calls += 1
        self.values[partition] += [value for _, value in records]
        self.positions[partition] = position
        self.current[partition] = current

    def lost(self, partition: TopicPartition) -> None:
        self.losses.append(partition)
        self.values[partition].clear()
        if self.positions[partition] is not None:
            self.positions[partition] = -1


class Bench:
    def __init__(self) -> None:
        self.consumer, self.follower = FakeConsumer(), Follower()
        self.numbers: frozenset[int] = frozenset({0, 1})
        self.consumer.put(KA)
        self.consumer.put(KB)
        offsets: Any = SimpleNamespace(numbers=self._numbers)
        self.reader = StandbyReader(SETTINGS, {"commands": "jobs"}, offsets)

    async def _numbers(self, topic: str) -> frozenset[int]:
        assert topic == "jobs"
        return self.numbers

    async def follow(self, seconds: float) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.reader.follow(self.follower))
        await asyncio.sleep(seconds)
        return task


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()

    def reader(_settings: KafkaSettings, role: str) -> FakeConsumer:
        assert role == "standby"
        return bench.consumer

    monkeypatch.setattr(module, "topic_consumer", reader)
    monkeypatch.setattr(
        "service.adapters.kafka.reconnection.time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    )
    return bench


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_wanted_is_read_to_its_end_and_as_it_grows(bench: Bench) -> None:
    bench.consumer.put(KA, 0, 1)
    bench.consumer.put(KB, 0)
    task = await bench.follow(1)
    assert bench.follower.values == {A: [b"0", b"1"], B: []}
    assert bench.follower.current == {A: True}
    bench.consumer.put(KA, 2)
    await asyncio.sleep(1)
    assert bench.follower.values[A] == [b"0", b"1", b"2"]
    await ended(task)
    assert bench.consumer.stopped == 1


async def test_it_begins_where_the_follower_is(bench: Bench) -> None:
    bench.consumer.put(KA, *range(5))
    bench.follower.positions[A] = 3
    await ended(await bench.follow(1))
    assert bench.follower.values[A] == [b"3", b"4"]


async def test_it_begins_where_the_changelog_begins_at_the_earliest(bench: Bench) -> None:
    bench.consumer.put(KA, 3, 4).start = 3
    await ended(await bench.follow(1))
    assert bench.follower.values[A] == [b"3", b"4"]
    assert bench.consumer.positions[KA] == 5


async def test_what_is_no_longer_wanted_is_no_longer_read(bench: Bench) -> None:
    """It has become ours: the owner reads for itself."""
    task = await bench.follow(1)
    bench.follower.positions[A] = None
    await asyncio.sleep(1)
    bench.consumer.put(KA, 0)
    await asyncio.sleep(1)
    assert bench.follower.values[A] == []
    bench.follower.positions[A] = -1
    await asyncio.sleep(1)
    assert bench.follower.values[A] == [b"0"]
    await ended(task)


async def test_a_quiet_changelog_is_told_to_be_current_once(bench: Bench) -> None:
    bench.consumer.put(KA, 0)
    task = await bench.follow(1)
    calls = bench.follower.calls
    await asyncio.sleep(60)
    assert bench.follower.calls == calls
    await ended(task)


async def test_an_open_transaction_is_not_the_end(bench: Bench) -> None:
    stored = bench.consumer.put(KA, *range(6))
    stored.stable = 4
    task = await bench.follow(1)
    assert bench.follower.values[A] == [b"0", b"1", b"2", b"3"]
    stored.stable = None
    await asyncio.sleep(1)
    assert bench.follower.values[A][4:] == [b"4", b"5"]
    await ended(task)


async def test_a_broken_connection_is_made_anew_and_nothing_is_read_twice(bench: Bench) -> None:
    bench.consumer.put(KA, 0, 1)
    task = await bench.follow(1)
    bench.consumer.failures.append(KafkaConnectionError("gone"))
    await asyncio.sleep(1)
    bench.consumer.put(KA, 2)
    await asyncio.sleep(2)
    assert bench.follower.values[A] == [b"0", b"1", b"2"]
    assert bench.follower.losses == []
    assert (bench.consumer.started, bench.consumer.stopped) == (2, 1)
    await ended(task)


async def test_a_record_that_cannot_be_read_costs_the_copies(bench: Bench) -> None:
    bench.consumer.put(KA, 0)
    task = await bench.follow(1)
    bench.consumer.failures.append(ValueError("no record"))
    await asyncio.sleep(3)
    assert set(bench.follower.losses) == {A, B}
    assert bench.follower.values[A] == [b"0"]
    await ended(task)


async def test_without_changelogs_it_waits_for_them(bench: Bench) -> None:
    bench.numbers = frozenset()
    task = await bench.follow(30)
    assert bench.consumer.started == 0
    bench.numbers = frozenset({0, 1})
    bench.consumer.put(KA, 0)
    await asyncio.sleep(BACKOFF_CAP + 1)
    assert bench.follower.values[A] == [b"0"]
    await ended(task)


async def test_a_long_changelog_leaves_others_a_turn(bench: Bench) -> None:
    bench.consumer.put(KA, *range(5000))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while len(bench.follower.values[A]) < 5000:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(bench.reader.follow(bench.follower))
    await other()
    assert turns >= 5
    await ended(task)
