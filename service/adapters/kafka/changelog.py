"""Reads a changelog partition from its beginning to its end, once."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition

from service.adapters.kafka.aiokafka_patches.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options
from service.adapters.kafka.deadlines import deadline
from service.runtime.ports import LogError, TopicPartition

POLL_MS = 50
FETCH_BYTES = 4 * 1024 * 1024

Batch = Sequence[tuple[bytes, bytes | None]]


def committed_reader(settings: KafkaSettings, role: str) -> Any:
    """A consumer without a group, for much at once: committed records, from a given offset."""
    return AIOKafkaConsumer(
        **client_options(settings, role),
        isolation_level="read_committed",
        auto_offset_reset="none",
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
    )


async def read_changelog(
    settings: KafkaSettings, partition: TopicPartition, start: int, end: int
) -> AsyncGenerator[Batch, None]:
    """Yields the committed records in ``[start, end)``, in batches.

    Raises:
        LogError: Kafka failed, or there was no progress for too long, perhaps because of another client's open
            transaction.
    """
    if start >= end:
        return
    wanted = KafkaPartition(*partition)
    consumer = committed_reader(settings, f"restore-{partition.topic}-{partition.partition}")
    try:
        async with deadline(settings.read_deadline, f"connecting to restore {wanted}"):
            await consumer.start()
            consumer.assign([wanted])
            consumer.seek(wanted, start)
        reader = _Reader(consumer, wanted, end, settings)
        while not reader.finished:
            records = await reader.read()
            if records:
                yield [(record.key or b"", record.value) for record in records if record.offset < end]
    finally:
        await shut_down(consumer, settings.stop_deadline)


class _Reader:
    """Reads by position: the last offsets before the end are control records, which no reader ever sees."""

    def __init__(self, consumer: Any, partition: KafkaPartition, end: int, settings: KafkaSettings) -> None:
        self.finished = False
        self._consumer = consumer
        self._partition = partition
        self._end = end
        self._settings = settings
        self._position = -1
        self._reached = time.monotonic()
        self._stamp = 0

    async def read(self) -> Sequence[Any]:
        answered = self._answered()
        async with deadline(self._settings.stall_deadline, f"restoring {self._partition}"):
            records = (await self._consumer.getmany(self._partition, timeout_ms=POLL_MS)).get(self._partition, [])
            position = await self._consumer.position(self._partition)
            await asyncio.sleep(0)  # a full buffer is handed over without ever waiting
        if position != self._position:
            self._position, self._reached, self._stamp = position, time.monotonic(), self._answered()
        elif answered > self._stamp and not records and self._is_stable():
            # The broker answered at this very position, after we had come to it, with nothing: compaction has removed
            # what was there, up to the end.
            self.finished = True
        elif time.monotonic() - self._reached > self._settings.stall_deadline:
            raise LogError(
                f"restoring {self._partition}: no progress at offset {position} of {self._end}"
                f" for {self._settings.stall_deadline:g} s"
            )
        self.finished = self.finished or position >= self._end
        return list(records)

    def _answered(self) -> int:
        """When the last answer for the present position came, in milliseconds; 0 before the first."""
        return self._consumer.last_poll_timestamp(self._partition) or 0

    def _is_stable(self) -> bool:
        return (self._consumer.last_stable_offset(self._partition) or 0) >= self._end
