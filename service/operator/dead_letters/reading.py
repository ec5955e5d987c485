"""Reads the dead-letters topic from its beginning, or from a time, to where it ends when the reading starts.

The reader is nobody's group member: it commits nothing and disturbs no replica.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient

from service.adapters.kafka.aiokafka_patches.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options, milliseconds
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.missing_rights import partitions_seen
from service.operator.dead_letters.dead_letter import DeadLetter, Selection
from service.runtime.ports import LogError

_POLL_MS = 200
_FETCH_BYTES = 4 * 1024 * 1024

Range = tuple[int, int]
"""Offsets: the first, and the one behind the last."""


async def read(settings: KafkaSettings, topic: str, selection: Selection) -> AsyncGenerator[DeadLetter, None]:
    """Yields the selected letters; in order within a partition.

    Raises:
        LogError: Kafka failed or stood still, or there is no such topic.
    """
    async with _consumer(settings, topic) as consumer:
        ranges = await _ranges(consumer, settings, topic, selection.since)
        async with aclosing(_letters(consumer, settings, ranges)) as letters:
            async for letter in letters:
                if selection.has(letter):
                    yield letter


async def read_one(settings: KafkaSettings, topic: str, partition: int, offset: int) -> DeadLetter | None:
    """The letter at a position; None when there is none.

    Raises:
        LogError: Kafka failed or stood still, or there is no such topic.
    """
    async with _consumer(settings, topic) as consumer:
        ranges = await _ranges(consumer, settings, topic, None)
        wanted = KafkaPartition(topic, partition)
        start, end = ranges.get(wanted, (0, 0))
        if not start <= offset < end:
            return None
        async with aclosing(_letters(consumer, settings, {wanted: (offset, offset + 1)})) as letters:
            async for letter in letters:
                return letter
    return None


@asynccontextmanager
async def _consumer(settings: KafkaSettings, topic: str) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        **client_options(settings, "dlq"),
        isolation_level="read_committed",
        auto_offset_reset="none",
        enable_auto_commit=False,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    try:
        async with deadline(settings.read_deadline, f"connecting to read {topic}"):
            await consumer.start()
        yield consumer
    finally:
        await shut_down(consumer, settings.stop_deadline)


async def _ranges(
    consumer: Any, settings: KafkaSettings, topic: str, since: float | None
) -> dict[KafkaPartition, Range]:
    numbers = (await partitions(settings, [topic])).get(topic)
    if numbers is None:
        raise LogError(f"topic {topic} does not exist; create it with: python -m service topics")
    async with deadline(settings.read_deadline, f"reading offsets of {topic}"):
        wanted = [KafkaPartition(topic, number) for number in sorted(numbers)]
        starts = await consumer.beginning_offsets(wanted)
        ends = await consumer.end_offsets(wanted)
        if since is not None:
            # A letter is written after it was set aside, so none of those before this offset can be meant.
            found = await consumer.offsets_for_times(dict.fromkeys(wanted, milliseconds(max(0.0, since))))
            starts = {each: found[each].offset if found[each] else ends[each] for each in wanted}
    return {each: (starts[each], ends[each]) for each in wanted if starts[each] < ends[each]}


async def partitions(settings: KafkaSettings, needed: Collection[str]) -> dict[str, frozenset[int]]:
    """Partitions of every topic that we may see.

    Args:
        settings: How to connect.
        needed: Those that we must be allowed to see.

    Raises:
        Unfit: Kafka hides one of those.
        LogError: Kafka could not be reached in time.
    """
    admin = AIOKafkaAdminClient(**client_options(settings, "dlq-admin"))
    try:
        async with deadline(settings.admin_deadline, "reading topics"):
            await admin.start()
            return await partitions_seen(admin, needed)
    finally:
        await shut_down(admin, settings.stop_deadline)


async def _letters(
    consumer: Any, settings: KafkaSettings, ranges: Mapping[KafkaPartition, Range]
) -> AsyncGenerator[DeadLetter, None]:
    consumer.assign(list(ranges))
    for partition, (start, _) in ranges.items():
        consumer.seek(partition, start)
    left, progress = set(ranges), time.monotonic()
    while left:
        async with deadline(settings.stall_deadline, "reading dead letters"):
            batches = await consumer.getmany(*left, timeout_ms=_POLL_MS)
        for partition, records in batches.items():
            progress = time.monotonic()
            for record in records:
                if record.offset < ranges[partition][1]:
                    yield _letter(record)
        # The last offsets may be control records, which no reader sees: only the position tells that they are passed.
        done = {each for each in left if await consumer.position(each) >= ranges[each][1]}
        left -= done
        if done:
            progress = time.monotonic()
            consumer.pause(*done)
        if time.monotonic() - progress > settings.stall_deadline:
            raise LogError(f"reading dead letters: no progress for {settings.stall_deadline:g} s")


def _letter(record: Any) -> DeadLetter:
    return DeadLetter(
        record.partition, record.offset, record.timestamp / 1000, record.key, record.value, tuple(record.headers)
    )
