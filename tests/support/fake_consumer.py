"""An aiokafka consumer without Kafka: positions, pauses and answers as aiokafka has them, for the adapter's readers."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError


@dataclass(frozen=True)
class Record:
    """A record as aiokafka hands it out; milliseconds."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = b"k"
    value: bytes | None = b"v"
    timestamp: int = 1_700_000_000_500
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Stored:
    """A partition at the broker; what is missing between ``start`` and ``end`` is markers or compacted away."""

    records: dict[int, Record] = field(default_factory=dict)
    start: int = 0
    end: int = 0
    stable: int | None = None
    bad: set[int] = field(default_factory=set)
    """Offsets of records that can't be decoded."""

    @property
    def visible(self) -> int:
        return self.end if self.stable is None else self.stable


class FakeConsumer:
    """Serves what is stored; like aiokafka, it has moved its positions before a record that can't be read raises."""

    def __init__(self) -> None:
        self.stored: dict[KafkaPartition, Stored] = {}
        self.positions: dict[KafkaPartition, int] = {}
        self.paused: set[KafkaPartition] = set()
        self.assigned: list[KafkaPartition] = []
        self.failures: list[BaseException] = []
        """Raised by the next calls of ``getmany``, one each."""
        self.started = self.stopped = 0
        self.answers = 0
        self.sleep = 0.0
        """Seconds that an answer takes."""

    def put(self, partition: KafkaPartition, *offsets: int, end: int | None = None, bad: Iterable[int] = ()) -> Stored:
        """Stores records with these offsets; each has its offset as its value."""
        stored = self.stored.setdefault(partition, Stored())
        for offset in offsets:
            value = str(offset).encode()
            stored.records[offset] = Record(partition.topic, partition.partition, offset, value=value)
        stored.bad |= set(bad)
        stored.end = max([stored.end, *(offset + 1 for offset in offsets)]) if end is None else end
        return stored

    # aiokafka's names

    async def start(self) -> None:
        self.started += 1

    async def stop(self) -> None:
        self.stopped += 1

    def assign(self, partitions: Iterable[KafkaPartition]) -> None:
        self.assigned = list(partitions)
        self.paused.clear()
        self.positions.clear()

    def seek(self, partition: KafkaPartition, offset: int) -> None:
        self.positions[partition] = offset

    def pause(self, *partitions: KafkaPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: KafkaPartition) -> None:
        self.paused -= set(partitions)

    async def position(self, partition: KafkaPartition) -> int:
        return self.positions[partition]

    async def beginning_offsets(self, partitions: Iterable[KafkaPartition]) -> dict[KafkaPartition, int]:
        return {each: self.stored[each].start for each in partitions}

    async def end_offsets(self, partitions: Iterable[KafkaPartition]) -> dict[KafkaPartition, int]:
        return {each: self.stored[each].end for each in partitions}

    def last_stable_offset(self, partition: KafkaPartition) -> int | None:
        return self.stored[partition].visible if self.answers else None

    def last_poll_timestamp(self, _partition: KafkaPartition) -> int | None:
        return self.answers or None

    async def getmany(
        self, *wanted: KafkaPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[KafkaPartition, list[Any]]:
        await asyncio.sleep(self.sleep)
        if self.failures:
            raise self.failures.pop(0)
        self.answers += 1
        found: dict[KafkaPartition, list[Any]] = {}
        room, broken = max_records or 500, False
        for each in sorted(wanted or self.positions):
            if each in self.paused or each not in self.positions or room <= 0:
                continue
            records, broken_here = self._read(each, room)
            broken |= broken_here
            room -= len(records)
            if records:
                found[each] = records
        if broken:
            raise CorruptRecordException("a record can't be decoded")
        if not found:
            await asyncio.sleep(timeout_ms / 1000)
        return found

    def _read(self, partition: KafkaPartition, most: int) -> tuple[list[Any], bool]:
        stored = self.stored.setdefault(partition, Stored())
        if self.positions[partition] < stored.start:
            raise OffsetOutOfRangeError({partition: self.positions[partition]})
        records: list[Any] = []
        while self.positions[partition] < stored.visible and len(records) < most:
            offset = self.positions[partition]
            if offset in stored.bad:
                return records, True
            if offset in stored.records:
                records.append(stored.records[offset])
            self.positions[partition] = offset + 1
        while self.positions[partition] < stored.visible and self.positions[partition] not in stored.records:
            self.positions[partition] += 1  # markers behind the last record
        return records, False
