"""Following changelogs, for the in-memory twin and for aiokafka on a real Kafka: committed, in order, none left out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from service.adapters.kafka.log import KafkaLog
from service.runtime.ports import Follower, Log, OutRecord, TopicPartition
from tests.contract.test_log import job, restored, world
from tests.contract.test_log_worlds import KafkaWorld, World, eventually

__all__ = ["world"]

FAR = 20.0


class Reader:
    """A follower that keeps what it is told."""

    def __init__(self, *partitions: TopicPartition) -> None:
        self.wants = dict.fromkeys(partitions, -1)
        self.read: dict[TopicPartition, list[tuple[bytes, bytes | None]]] = {each: [] for each in partitions}
        self.current: dict[TopicPartition, bool] = {}
        self.drops = 0

    def wanted(self, partition: TopicPartition) -> int | None:
        return self.wants.get(partition)

    def replicated(
        self,
        partition: TopicPartition,
        records: Sequence[tuple[bytes, bytes | None]],
        position: int,
        *,
        current: bool,
    ) -> None:
        if partition not in self.wants:
            return
        assert position >= self.wants[partition]
        self.wants[partition] = position
        self.read[partition] += records
        self.current[partition] = current

    def lost(self, partition: TopicPartition) -> None:
        self.drops += 1


@contextlib.asynccontextmanager
async def following(log: Log, follower: Follower) -> AsyncIterator[None]:
    task = asyncio.create_task(log.follow(follower))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


def values(reader: Reader, partition: TopicPartition) -> list[bytes | None]:
    return [value for _, value in reader.read[partition]]


def has_read(reader: Reader, partition: TopicPartition, *expected: bytes | None) -> Callable[[], bool]:
    return lambda: values(reader, partition) == list(expected) and reader.current.get(partition, False)


async def test_what_is_committed_is_read_in_order_and_once(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    owner = await world.log().open(first)
    await owner.commit([job(world, b"1"), OutRecord(world.replies, b"k", b"r")], None)
    reader = Reader(first)
    async with following(world.log(), reader):
        await eventually(has_read(reader, first, b"1"), FAR)
        await owner.commit([job(world, b"2"), job(world, None)], None)
        await owner.commit([job(world, b"3")], None)
        await eventually(has_read(reader, first, b"1", b"2", None, b"3"), FAR)
    await owner.close()


async def test_an_empty_changelog_is_current(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    reader = Reader(first)
    async with following(world.log(), reader):
        await eventually(has_read(reader, first), FAR)


async def test_an_open_transaction_is_not_read_and_its_abort_neither(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    log = world.log()
    owner = await log.open(first)
    await owner.commit([job(world, b"1")], None)
    await world.leave_open(0, [b"never"])
    reader = Reader(first)
    async with following(world.log(), reader):
        await eventually(lambda: values(reader, first) == [b"1"], FAR)
        successor = await log.open(first)
        await successor.commit([job(world, b"2")], None)
        await eventually(has_read(reader, first, b"1", b"2"), FAR)
        await successor.close()
    await owner.close()


async def test_only_what_is_wanted_is_read(world: World) -> None:
    first, second = (TopicPartition(world.commands, number) for number in range(2))
    owners = [await world.log().open(each) for each in (first, second)]
    reader = Reader(first)
    async with following(world.log(), reader):
        for number, owner in enumerate(owners):
            await owner.commit([OutRecord(world.jobs, b"key", b"1", (), number)], None)
        await eventually(has_read(reader, first, b"1"), FAR)
        assert second not in reader.current
        reader.wants[second], reader.read[second] = -1, []
        await eventually(has_read(reader, second, b"1"), FAR)
        del reader.wants[first]
        for number, owner in enumerate(owners):
            await owner.commit([OutRecord(world.jobs, b"key", b"2", (), number)], None)
        await eventually(has_read(reader, second, b"1", b"2"), FAR)
        assert values(reader, first) == [b"1"]
        reader.wants[first], reader.read[first] = -1, []
        await eventually(has_read(reader, first, b"1", b"2"), FAR)
    for owner in owners:
        await owner.close()


async def test_the_successor_reads_what_is_behind_the_copy(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    owner = await world.log().open(first)
    await owner.commit([job(world, b"1"), job(world, b"2")], None)
    reader = Reader(first)
    async with following(world.log(), reader):
        await eventually(has_read(reader, first, b"1", b"2"), FAR)
    await owner.commit([job(world, b"3")], None)
    successor = await world.log().open(first)
    read = [pair for batch in [batch async for batch in successor.restore(reader.wants[first])] for pair in batch]
    assert read == [(b"key", b"3")]
    assert await restored(successor) == [(b"key", b"1"), (b"key", b"2"), (b"key", b"3")]
    await successor.close()
    await owner.close()


async def test_nothing_new_is_nothing_to_restore(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    owner = await world.log().open(first)
    await owner.commit([job(world, b"1")], None)
    reader = Reader(first)
    async with following(world.log(), reader):
        await eventually(has_read(reader, first, b"1"), FAR)
    successor = await world.log().open(first)
    assert [batch async for batch in successor.restore(reader.wants[first])] == []
    await successor.close()
    await owner.close()


@pytest.mark.parametrize("world", ["kafka"], indirect=True)
async def test_a_missing_topic_is_waited_for(world: KafkaWorld) -> None:
    """As before `topics` has run, or after somebody deleted it: nothing breaks, and nothing is read."""
    first = TopicPartition(world.commands, 0)
    log = KafkaLog(world.settings, {world.commands: f"{world.jobs}.missing"})
    reader = Reader(first)
    async with following(log, reader):
        with pytest.raises(AssertionError):
            await eventually(lambda: reader.current, 1.0)
    assert reader.drops == 0
    await log.close()
