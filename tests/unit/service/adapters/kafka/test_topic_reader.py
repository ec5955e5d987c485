"""Topics read from a start to an end, with a simulated consumer: when the end is reached, and when it never is."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import Reader
from service.runtime.ports import LogError, TopicPartition

SETTINGS = KafkaSettings("127.0.0.1:1", "group", stall_deadline=0.05)


class Partition:
    """A partition as aiokafka shows it: some offsets hold no record, and an empty answer moves no position."""

    def __init__(self, offsets: Sequence[int], *, ends_at: int, stable: int | None = None) -> None:
        self.offsets = offsets
        self.ends_at = ends_at
        self.stable = ends_at if stable is None else stable
        self.position = 0
        self.stamp = 0

    def fetch(self) -> list[Any]:
        found = [offset for offset in self.offsets if offset >= self.position]
        self.position = max(self.position, self.ends_at)
        self.stamp += 1
        return found


def record(partition: KafkaPartition, offset: int) -> Any:
    return SimpleNamespace(**partition._asdict(), offset=offset, timestamp=1000, key=None, value=b"", headers=())


class Consumer:
    """Answers each read with all that there is."""

    def __init__(self, partitions: Mapping[KafkaPartition, Partition]) -> None:
        self._partitions = partitions
        self.paused: set[KafkaPartition] = set()

    def assign(self, partitions: list[KafkaPartition]) -> None:
        assert set(partitions) <= set(self._partitions)

    def seek(self, partition: KafkaPartition, offset: int) -> None:
        self._partitions[partition].position = offset

    def pause(self, *partitions: KafkaPartition) -> None:
        self.paused |= set(partitions)

    async def getmany(self, *partitions: KafkaPartition, timeout_ms: int) -> dict[KafkaPartition, list[Any]]:
        assert partitions
        assert not self.paused & set(partitions)
        assert timeout_ms > 0
        fetched = {each: self._partitions[each].fetch() for each in partitions}
        return {
            each: [
                SimpleNamespace(
                    topic=each.topic,
                    partition=each.partition,
                    offset=at,
                    timestamp=1000,
                    key=None,
                    value=b"",
                    headers=(),
                )
                for at in offsets
            ]
            for each, offsets in fetched.items()
            if offsets
        }

    async def position(self, partition: KafkaPartition) -> int:
        return self._partitions[partition].position

    def last_poll_timestamp(self, partition: KafkaPartition) -> int:
        return self._partitions[partition].stamp

    def last_stable_offset(self, partition: KafkaPartition) -> int:
        return self._partitions[partition].stable


async def offsets_read(partitions: Sequence[Partition], *ranges: tuple[int, int]) -> list[tuple[int, int]]:
    names = [KafkaPartition("topic", number) for number in range(len(partitions))]
    source = Reader(SETTINGS, Consumer(dict(zip(names, partitions, strict=True))), None)
    wanted = {TopicPartition(*name): span for name, span in zip(names, ranges, strict=True)}
    return [(record.topic_partition.partition, record.offset) async for record in source.read(wanted)]


async def test_each_partition_is_read_from_its_start_to_before_its_end() -> None:
    two = [Partition(range(10), ends_at=10), Partition(range(5), ends_at=5)]
    assert await offsets_read(two, (2, 5), (4, 5)) == [(0, 2), (0, 3), (0, 4), (1, 4)]


async def test_an_empty_range_is_not_read() -> None:
    assert await offsets_read([Partition([], ends_at=3)], (3, 3)) == []


async def test_control_records_at_the_end_are_passed_by_position() -> None:
    assert await offsets_read([Partition([0, 1], ends_at=4)], (0, 4)) == [(0, 0), (0, 1)]


async def test_what_compaction_has_removed_before_the_end_is_not_waited_for() -> None:
    assert await offsets_read([Partition([0, 1], ends_at=2, stable=4)], (0, 4)) == [(0, 0), (0, 1)]


async def test_an_end_behind_an_open_transaction_is_an_error_that_names_the_partition() -> None:
    with pytest.raises(LogError, match="topic-1 at offset 2 of 4: a transaction may be open"):
        await offsets_read([Partition([0], ends_at=1), Partition([0, 1], ends_at=2, stable=2)], (0, 1), (0, 4))


async def test_a_transaction_that_ends_while_it_is_read_is_not_passed_over() -> None:
    """The last answer was empty and is older than the end of the transaction, whose records the next one brings."""

    class Ending(Partition):
        def fetch(self) -> list[Any]:
            self.stamp += 1
            if self.stamp < 4:
                return []
            self.ends_at = self.stable = 2
            if self.stamp == 4:  # the consumer knows that it has ended before it has fetched what is behind
                return []
            return super().fetch()

    assert await offsets_read([Ending([0, 1], ends_at=0, stable=0)], (0, 2)) == [(0, 0), (0, 1)]
