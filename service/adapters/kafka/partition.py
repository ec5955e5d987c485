"""A partition that this process owns alone: what to restore, where to go on, and its transactions."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from typing import Any

from aiokafka import TopicPartition as KafkaPartition

from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.incidents import Incident, Incidents
from service.adapters.kafka.offsets import Offsets
from service.adapters.kafka.producer import BatchSize, TransactionAttempt, as_log_error, transact
from service.adapters.kafka.topic_reader import Batch, read_changelog
from service.adapters.kafka.topics import record_limit
from service.runtime.ports import (
    BatchRefused,
    CommitUnknown,
    Fenced,
    LogError,
    OutRecord,
    PartitionOffsets,
    RecordRefused,
    TopicPartition,
    Unfit,
)


class KafkaPartitionLog:
    """One producer's life, from the fence to its first failure or its close.

    Implements :class:`service.runtime.ports.PartitionLog`.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        partition: TopicPartition,
        changelog: TopicPartition,
        producer: Any,
        offsets: Offsets,
        restores: asyncio.Semaphore,
        incidents: Incidents,
        batch: BatchSize,
    ) -> None:
        self._settings = settings
        self._partition = partition
        self._changelog = changelog
        self._producer = producer
        self._offsets = offsets
        self._restores = restores
        self._incidents = incidents
        self._batch, self._batch_bytes = batch, batch.limit
        self._log_start: int | None = None
        self._spent = False
        self._lock = asyncio.Lock()

    async def restore(self, known: int = 0) -> AsyncIterator[Batch]:
        """Yields the changelog partition up to its high watermark."""
        async with self._restores:
            start, end = await self._offsets.bounds(self._changelog)
            name = f"{self._changelog.topic}-{self._changelog.partition}"
            if self._log_start not in (None, start):
                raise LogError(f"{name} began at offset {self._log_start}, and now begins at {start}")
            if known > end:
                raise Unfit(
                    f"{name} ends at offset {end}, but this process has read it up to {known}: it was deleted and"
                    " recreated; stop every replica and run: python -m service backfill"
                )
            async with aclosing(read_changelog(self._settings, self._changelog, max(start, known), end)) as batches:
                async for batch in batches:
                    yield batch

    async def offsets(self) -> PartitionOffsets:
        """What the group has committed and what the topics hold."""
        start, end = await self._offsets.bounds(self._partition)
        self._log_start, _ = await self._offsets.bounds(self._changelog)
        return PartitionOffsets(
            self._settings.group_id,
            await self._offsets.committed(self._partition),
            start,
            end,
            self._log_start,
            await self._offsets.topic_id(self._partition.topic),
            await self._offsets.topic_id(self._changelog.topic),
        )

    async def existing(self, topics: Collection[str]) -> frozenset[str]:
        """Those of the topics that are there and that we may see."""
        return await self._offsets.existing(topics)

    async def commit(self, records: Sequence[OutRecord], next_offset: int | None) -> None:
        """Commits records and the consumed offset in one transaction."""
        if not records and next_offset is None:
            return
        async with self._lock:
            if self._spent:
                raise CommitUnknown("this log is spent: only a new assignment can go on")
            self._spent = True  # stays so when this fails or is cancelled
            await self._transact(records, next_offset)
            self._spent = False

    async def close(self) -> None:
        """Releases the producer.

        A transaction that was left open is not aborted here: after a lost request nothing may be sent any more. The
        next owner's fence aborts it.
        """
        async with self._lock:  # a commit is under way at most until its deadline; stopping under it would strand it
            dirty, self._spent = self._spent, True
            producer, self._producer = self._producer, None
            if producer is not None:
                await shut_down(producer, self._settings.stop_deadline, dirty=dirty)

    async def _transact(self, records: Sequence[OutRecord], next_offset: int | None) -> None:
        offsets = {} if next_offset is None else {KafkaPartition(*self._partition): next_offset}
        attempt = TransactionAttempt(self._batch_bytes)
        try:
            async with asyncio.timeout(self._settings.commit_deadline):
                await transact(self._producer, records, offsets, self._settings.group_id, attempt)
        except Exception as error:
            failure = as_log_error(attempt.cause(error, self._producer), attempt.blamed(self._producer))
            self._incidents[Incident.FENCED if isinstance(failure, Fenced) else Incident.COMMIT_UNKNOWN] += 1
            if isinstance(failure, BatchRefused):
                self._batch.lower()
            if isinstance(failure, RecordRefused):
                limit = await record_limit(self._settings, failure.topic)
                failure = RecordRefused(failure.topic, failure.size, limit)
            raise failure from error
