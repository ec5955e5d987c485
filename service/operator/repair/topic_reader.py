"""Reads whole topics, from their beginning to their end when reading starts, without a consumer group."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.cloudevents import Headers
from service.adapters.kafka.aiokafka_patches.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.missing_rights import partitions_seen
from service.runtime.ports import LogError, TopicPartition

POLL_MS = 200
FETCH_BYTES = 4 * 1024 * 1024

Ranges = Mapping[TopicPartition, tuple[int, int]]
"""Per partition: the first offset that is kept, and the one behind the last."""


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A committed record; ``time`` in epoch seconds."""

    place: TopicPartition
    offset: int
    time: float
    key: bytes | None
    value: bytes | None
    headers: Headers


@asynccontextmanager
async def reader(settings: KafkaSettings) -> AsyncIterator["Reader"]:
    """Connects.

    Raises:
        LogError: Kafka could not be reached in time.
    """
    consumers = [_consumer(settings, isolation) for isolation in ("read_committed", "read_uncommitted")]
    try:
        async with deadline(settings.read_deadline, "connecting to read"):
            for consumer in consumers:
                await consumer.start()
        yield Reader(settings, *consumers)
    finally:
        for consumer in consumers:
            await shut_down(consumer, settings.stop_deadline)


def _consumer(settings: KafkaSettings, isolation: str) -> Any:
    return AIOKafkaConsumer(
        **client_options(settings, "repair"),
        isolation_level=isolation,
        auto_offset_reset="none",
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
    )


class Reader:
    """Reads one set of ranges after the other."""

    def __init__(self, settings: KafkaSettings, consumer: Any, uncommitted: Any) -> None:
        self._settings = settings
        self._consumer = consumer
        self._uncommitted = uncommitted

    async def ranges(self, topics: Collection[str]) -> dict[TopicPartition, tuple[int, int]]:
        """What is kept of these topics, up to the high watermark: open transactions hide nothing unnoticed.

        Raises:
            LogError: Kafka did not answer in time, or a topic is missing.
        """
        existing = await partitions(self._settings, topics)
        if missing := [topic for topic in topics if topic not in existing]:
            raise LogError(f"topic {', '.join(missing)} does not exist; create it with: python -m service topics")
        wanted = [KafkaPartition(topic, number) for topic in topics for number in sorted(existing[topic])]
        async with deadline(self._settings.read_deadline, "reading offsets"):
            starts = await self._uncommitted.beginning_offsets(wanted)
            ends = await self._uncommitted.end_offsets(wanted)
        return {TopicPartition(*each): (starts[each], ends[each]) for each in wanted}

    async def read(self, ranges: Ranges) -> AsyncGenerator[TopicRecord, None]:
        """Yields the committed records; in order within a partition.

        Raises:
            LogError: Kafka failed or made no progress: an open transaction may hide the end.
        """
        left = {KafkaPartition(*each): end for each, (start, end) in ranges.items() if start < end}
        self._consumer.assign(list(left))
        for partition in left:
            self._consumer.seek(partition, ranges[TopicPartition(*partition)][0])
        progress = time.monotonic()
        while left:
            async with deadline(self._settings.stall_deadline, "reading"):
                batches = await self._consumer.getmany(*left, timeout_ms=POLL_MS)
            for partition, records in batches.items():
                progress = time.monotonic()
                for record in records:
                    if record.offset < left[partition]:
                        yield _found(record)
            # The last offsets may be control records, which no reader sees: only the position tells.
            passed = {each for each, end in left.items() if await self._consumer.position(each) >= end}
            if passed:
                progress = time.monotonic()
                self._consumer.pause(*passed)
                left = {each: end for each, end in left.items() if each not in passed}
            if time.monotonic() - progress > self._settings.stall_deadline:
                names = ", ".join(f"{each.topic}-{each.partition}" for each in left)
                raise LogError(f"no progress in reading {names}: a transaction may be open; try again in a minute")
            await asyncio.sleep(0)


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
    client = AIOKafkaAdminClient(**client_options(settings, "repair-admin"))
    try:
        async with deadline(settings.admin_deadline, "asking Kafka"):
            await client.start()
            yield client
    finally:
        await shut_down(client, settings.stop_deadline)


def _found(record: Any) -> TopicRecord:
    return TopicRecord(
        TopicPartition(record.topic, record.partition),
        record.offset,
        record.timestamp / 1000,
        record.key,
        record.value,
        tuple(record.headers),
    )
