"""Reads topics from a start to where they ended when the reading began; joins no group, so nothing is committed."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.cloudevents import Headers
from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options, milliseconds
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.missing_rights import partitions_seen
from service.runtime.ports import LogError, TopicPartition

POLL_MS: Final = 50
FOLLOW_MS: Final = 200
FETCH_BYTES: Final = 4 * 1024 * 1024

Batch = Sequence[tuple[bytes, bytes | None]]

Ranges = Mapping[TopicPartition, tuple[int, int]]
"""Per partition: the first offset that is kept, and the one behind the last."""


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A committed record; ``time`` in epoch seconds."""

    topic_partition: TopicPartition
    offset: int
    time: float
    key: bytes | None
    value: bytes | None
    headers: Headers


def topic_consumer(settings: KafkaSettings, role: str, isolation: str = "read_committed") -> Any:
    """A consumer without a group, for much at once, that starts only where it is sent."""
    return AIOKafkaConsumer(
        **client_options(settings, role),
        isolation_level=isolation,
        auto_offset_reset="none",
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
    )


async def read_changelog(
    settings: KafkaSettings, partition: TopicPartition, start: int, end: int
) -> AsyncGenerator[Batch, None]:
    """Yields the committed records in ``[start, end)`` of one partition, in batches.

    Raises:
        LogError: Kafka failed, or there was no progress for too long: another producer's transaction may be open.
    """
    if start >= end:
        return
    wanted = KafkaPartition(*partition)
    consumer = topic_consumer(settings, f"restore-{partition.topic}-{partition.partition}")
    try:
        async with deadline(settings.read_deadline, f"connecting to restore {wanted}"):
            await consumer.start()
        async with aclosing(_batches(consumer, settings, {wanted: (start, end)})) as batches:
            async for records in batches:
                yield [(record.key or b"", record.value) for record in records]
    finally:
        await shut_down(consumer, settings.stop_deadline)


@asynccontextmanager
async def reader(settings: KafkaSettings, role: str) -> AsyncIterator["Reader"]:
    """Connects.

    Args:
        settings: How to connect.
        role: Shown in the brokers' logs.

    Raises:
        LogError: Kafka could not be reached in time.
    """
    consumers = [topic_consumer(settings, role, isolation) for isolation in ("read_committed", "read_uncommitted")]
    try:
        async with deadline(settings.read_deadline, "connecting to read"):
            for consumer in consumers:
                await consumer.start()
        yield Reader(settings, *consumers)
    finally:
        for consumer in consumers:
            await shut_down(consumer, settings.stop_deadline)


class Reader:
    """Reads one set of ranges after the other."""

    def __init__(self, settings: KafkaSettings, consumer: Any, uncommitted: Any) -> None:
        self._settings = settings
        self._consumer = consumer
        self._uncommitted = uncommitted

    async def ranges(self, topics: Collection[str]) -> dict[TopicPartition, tuple[int, int]]:
        """What is kept of these topics, up to the high watermark: records behind an open transaction are not missed.

        Raises:
            LogError: Kafka did not answer in time, or a topic is missing.
        """
        return await self._ranges(topics, self._uncommitted, None)

    async def committed_ranges(
        self, topics: Collection[str], since: float | None = None
    ) -> dict[TopicPartition, tuple[int, int]]:
        """What can be read of these topics now, without waiting for an open transaction to end.

        Args:
            topics: Which.
            since: Epoch seconds; what was written before is left out.

        Raises:
            LogError: Kafka did not answer in time, or a topic is missing.
        """
        return await self._ranges(topics, self._consumer, since)

    async def _ranges(
        self, topics: Collection[str], consumer: Any, since: float | None
    ) -> dict[TopicPartition, tuple[int, int]]:
        existing = await partitions(self._settings, topics)
        if missing := [topic for topic in topics if topic not in existing]:
            raise LogError(f"topic {', '.join(missing)} does not exist; create it with: python -m service topics")
        wanted = [KafkaPartition(topic, number) for topic in topics for number in sorted(existing[topic])]
        async with deadline(self._settings.read_deadline, "reading offsets"):
            starts = await consumer.beginning_offsets(wanted)
            ends = await consumer.end_offsets(wanted)
            if since is not None:
                found = await consumer.offsets_for_times(dict.fromkeys(wanted, milliseconds(max(0.0, since))))
                starts = {each: found[each].offset if found[each] else ends[each] for each in wanted}
        return {TopicPartition(*each): (starts[each], ends[each]) for each in wanted}

    async def read(self, ranges: Ranges) -> AsyncGenerator[TopicRecord, None]:
        """Yields the committed records; in order within a partition.

        Raises:
            LogError: Kafka failed, or there was no progress for too long: an open transaction may hide the end.
        """
        wanted = {KafkaPartition(*each): span for each, span in ranges.items()}
        async with aclosing(_batches(self._consumer, self._settings, wanted)) as batches:
            async for records in batches:
                for record in records:
                    yield _topic_record(record)

    async def follow(self, starts: Mapping[TopicPartition, int]) -> AsyncGenerator[list[TopicRecord], None]:
        """Yields the committed records from these offsets on, as they come; in order within a partition. It never ends.

        Several times a second also when there is none: the list is empty then.

        Raises:
            LogError: Kafka failed, or has not answered for too long.
        """
        wanted = [KafkaPartition(*each) for each in starts]
        self._consumer.assign(wanted)
        for each, start in starts.items():
            self._consumer.seek(KafkaPartition(*each), start)
        heard, stamp, limit = time.monotonic(), 0, self._settings.stall_deadline
        while True:
            async with deadline(limit, "following topics"):
                batches = await self._consumer.getmany(timeout_ms=FOLLOW_MS)
            before, stamp = stamp, max(self._consumer.last_poll_timestamp(each) or 0 for each in wanted)
            if batches or stamp != before:
                heard = time.monotonic()
            elif time.monotonic() - heard > limit:
                raise LogError(f"Kafka has not answered for {limit:g} s")
            yield [_topic_record(record) for records in batches.values() for record in records]


async def _batches(
    consumer: Any, settings: KafkaSettings, ranges: Mapping[KafkaPartition, tuple[int, int]]
) -> AsyncGenerator[list[Any], None]:
    left = {each: _Progress(consumer, each, end) for each, (start, end) in ranges.items() if start < end}
    consumer.assign(list(left))
    for each in left:
        consumer.seek(each, ranges[each][0])
    reached = time.monotonic()
    while left:
        before = {each: progress.shown() for each, progress in left.items()}
        async with deadline(settings.stall_deadline, f"reading {_named(left)}"):
            batches = await consumer.getmany(*left, timeout_ms=POLL_MS)
            for each, progress in left.items():
                if await progress.moved(before[each], empty=each not in batches):
                    reached = time.monotonic()
            await asyncio.sleep(0)  # a full buffer is handed over without ever waiting
        for each, records in batches.items():
            if kept := [record for record in records if record.offset < left[each].end]:
                yield kept
        if finished := [each for each, progress in left.items() if progress.finished]:
            consumer.pause(*finished)
            reached = time.monotonic()
            left = {each: progress for each, progress in left.items() if not progress.finished}
        elif time.monotonic() - reached > settings.stall_deadline:
            at = ", ".join(f"{_named([each])} at offset {one.position} of {one.end}" for each, one in left.items())
            raise LogError(
                f"no progress for {settings.stall_deadline:g} s in reading {at}: a transaction may be open; try again"
                " in a minute"
            )


class _Progress:
    """How far a partition is read, by position: the last offsets may be control records, which no reader sees."""

    def __init__(self, consumer: Any, partition: KafkaPartition, end: int) -> None:
        self.end = end
        self.position = -1
        self.finished = False
        self._consumer = consumer
        self._partition = partition
        self._stamp = 0

    def shown(self) -> tuple[int, bool]:
        """When the broker last answered, in milliseconds, and whether no transaction was open below the end then.

        To be asked before a read: behind a transaction that ends only during the read lie records.
        """
        stable = (self._consumer.last_stable_offset(self._partition) or 0) >= self.end
        return self._consumer.last_poll_timestamp(self._partition) or 0, stable

    async def moved(self, before: tuple[int, bool], *, empty: bool) -> bool:
        """Takes note of a read, and says whether it went on.

        Args:
            before: What was shown before the read.
            empty: Whether the read brought nothing of this partition.
        """
        answered, stable = before
        position = await self._consumer.position(self._partition)
        moved = bool(position != self.position)
        if moved:
            self.position, self._stamp = position, self.shown()[0]
        # The broker may have answered at this very position, after we had come to it, with nothing: then compaction has
        # removed what was there, up to the end.
        self.finished = position >= self.end or (not moved and empty and stable and answered > self._stamp)
        return moved


async def partitions(settings: KafkaSettings, needed: Collection[str] = ()) -> dict[str, frozenset[int]]:
    """Partitions of every topic that we may see.

    Args:
        settings: How to connect.
        needed: Those that we must be allowed to see.

    Raises:
        Unfit: Kafka hides one of those.
        LogError: Kafka could not be reached in time.
    """
    async with admin(settings) as client:
        return await partitions_seen(client, needed)


@asynccontextmanager
async def admin(settings: KafkaSettings) -> AsyncIterator[Any]:
    """A client of the cluster's administration.

    Raises:
        LogError: Kafka could not be reached in time.
    """
    client = AIOKafkaAdminClient(**client_options(settings, "operator-admin"))
    try:
        async with deadline(settings.admin_deadline, "asking Kafka"):
            await client.start()
            yield client
    finally:
        await shut_down(client, settings.stop_deadline)


def _named(partitions: Collection[KafkaPartition]) -> str:
    return ", ".join(f"{each.topic}-{each.partition}" for each in partitions)


def _topic_record(record: Any) -> TopicRecord:
    return TopicRecord(
        TopicPartition(record.topic, record.partition),
        record.offset,
        record.timestamp / 1000,
        record.key,
        record.value,
        tuple(record.headers),
    )
