"""Polls a consumer and delivers: in order, nothing twice, nothing skipped, nothing before its partition is started.

Our own positions are the truth. aiokafka's run ahead of what it hands out when one partition of a poll fails (the
others' records are dropped, their positions are not), so after every failure all partitions are sought back.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import structlog
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)

from service.adapters.kafka.client_options import milliseconds
from service.adapters.kafka.deadlines import refusal
from service.adapters.kafka.incidents import Incident, Incidents
from service.runtime.ports import Assignee, InRecord, TopicPartition

POLL_INTERVAL: Final = 0.2
"""Seconds for which a poll waits for records."""
POLL_RECORDS: Final = 500
"""Maximum number of records per delivery."""
HALTED_RETRY: Final = 30.0
"""Seconds after which a partition that could not be read is tried again."""
QUIET = 60.0
"""Seconds after which the shards learn of offsets that hold nothing for them."""
SUSPICION = 5.0
"""Seconds for which a partition is read record by record after it could not be read."""

_log = structlog.get_logger(__name__)


class Delivery:
    """The started partitions of one consumer."""

    def __init__(self, consumer: Any, assignee: Assignee, incidents: Incidents) -> None:
        self._consumer = consumer
        self._assignee = assignee
        self._incidents = incidents
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._reported: dict[TopicPartition, int] = {}
        self._reported_at = time.monotonic()
        self._gaps: dict[TopicPartition, int] = {}
        self._suspects: dict[TopicPartition, float] = {}
        self._halted: dict[TopicPartition, float] = {}

    def hold(self, partitions: Iterable[TopicPartition]) -> None:
        """Keeps newly assigned partitions from being fetched; see the docstring of ``group.py``."""
        for partition in partitions:
            self._consumer.pause(KafkaPartition(*partition))
            self._consumer.seek(KafkaPartition(*partition), 0)

    def drop(self) -> None:
        """Delivers nothing any more of what was started."""
        for state in (self._positions, self._reported, self._paused, self._gaps, self._suspects, self._halted):
            state.clear()

    def start(self, partition: TopicPartition, offset: int) -> None:
        """Delivers from this offset on."""
        self._positions[partition] = self._reported[partition] = offset
        self._forget(partition)
        self._paused.discard(partition)
        self._seek(partition)

    def pause(self, partition: TopicPartition) -> None:
        """Stops delivery."""
        self._paused.add(partition)
        self._consumer.pause(KafkaPartition(*partition))

    def resume(self, partition: TopicPartition) -> None:
        """Delivers again."""
        if partition in self._paused:
            self._paused.discard(partition)
            self._open(partition)

    async def poll(self) -> None:
        """One round: waits for records for a short time and delivers them.

        Raises:
            KafkaError: The consumer is broken, or is refused; a new one is needed.
        """
        self._retry_halted()
        if self._suspects:
            await self._poll_singly()
            return
        try:
            batches = await self._consumer.getmany(timeout_ms=milliseconds(POLL_INTERVAL), max_records=POLL_RECORDS)
        except OffsetOutOfRangeError as error:
            self._rewind()
            for partition in error.args[0]:
                self._halt(TopicPartition(*partition), _out_of_range(error, TopicPartition(*partition)))
        except TopicAuthorizationFailedError as error:
            refused = [partition for partition in self._positions if partition.topic in _topics(error)]
            if not refused:
                raise
            self._rewind()
            for partition in refused:
                self._halt(partition, refusal(error))
        except Exception as error:
            if not _concerns_records(error):
                raise
            self._rewind()
            until = time.monotonic() + SUSPICION
            self._suspects = dict.fromkeys(self._positions.keys() - self._halted.keys(), until)
            _log.warning("Kafka records cannot be read; finding their partition", error=repr(error))
        else:
            await self._deliver_all(batches)
            await self._pass_over()

    async def _poll_singly(self) -> None:
        """Reads suspects record by record, each on its own, until the bad one is at the front of its partition."""
        for partition in list(self._positions.keys() - self._halted.keys() - self._paused):
            limit = 1 if partition in self._suspects else POLL_RECORDS
            wanted = KafkaPartition(*partition)
            try:
                batches = await self._consumer.getmany(wanted, timeout_ms=20, max_records=limit)
            except Exception as error:
                if not _concerns_records(error):
                    raise
                self._halt_at_front(partition, repr(error))
            else:
                await self._deliver_all(batches)
        now = time.monotonic()
        self._suspects = {each: until for each, until in self._suspects.items() if until > now}

    def _halt_at_front(self, partition: TopicPartition, why: str) -> None:
        if partition not in self._positions:  # a rebalance came between
            return
        self._seek(partition)
        if partition in self._suspects:
            self._halt(partition, why)
        else:
            self._suspects[partition] = time.monotonic() + SUSPICION

    async def _deliver_all(self, batches: dict[KafkaPartition, list[Any]]) -> None:
        # Neither line awaits anything in fact, so no rebalance comes between: a valid position is returned at once.
        reached = {each: await self._consumer.position(each) for each in batches}
        for each, records in batches.items():
            self._deliver(TopicPartition(each.topic, each.partition), records, reached[each])
        await asyncio.sleep(0)  # full buffers are handed over without ever waiting

    def _deliver(self, partition: TopicPartition, records: Sequence[Any], reached: int) -> None:
        expected = self._positions.get(partition)
        if expected is None:
            return
        fresh = [record for record in records if record.offset >= expected]
        if fresh and fresh[0].offset > expected and not self._is_real_gap(partition, expected):
            return
        self._positions[partition] = max(expected, reached)
        if fresh:
            self._reported[partition] = fresh[-1].offset + 1
            self._assignee.received(partition, [_convert(record) for record in fresh])

    async def _pass_over(self) -> None:
        """Reports markers and aborted records at intervals: nothing is delivered for them."""
        if time.monotonic() < self._reported_at + QUIET:
            return
        self._reported_at = time.monotonic()
        for partition in self._positions.keys() - self._paused - self._halted.keys():
            expected = self._positions[partition]
            reached = await self._consumer.position(KafkaPartition(*partition))  # at once, as above
            if reached > expected and self._is_real_gap(partition, expected):
                self._positions[partition] = reached
            if self._positions[partition] > self._reported[partition]:
                self._reported[partition] = self._positions[partition]
                self._assignee.passed(partition, self._reported[partition])

    def _is_real_gap(self, partition: TopicPartition, expected: int) -> bool:
        """Offsets are missing: read them once more, then believe that only control and aborted records are there."""
        if self._gaps.get(partition) == expected:
            self._incidents[Incident.OFFSET_GAP] += 1
            return True
        self._gaps[partition] = expected
        self._seek(partition)
        return False

    def _rewind(self) -> None:
        for partition in self._positions:
            self._seek(partition)

    def _seek(self, partition: TopicPartition) -> None:
        self._consumer.seek(KafkaPartition(*partition), self._positions[partition])
        self._open(partition)

    def _open(self, partition: TopicPartition) -> None:
        if partition in self._positions and partition not in self._paused and partition not in self._halted:
            self._consumer.resume(KafkaPartition(*partition))

    def _halt(self, partition: TopicPartition, why: str) -> None:
        """Stops a partition that cannot be read; skipping is not ours to decide."""
        if partition not in self._positions or partition in self._halted:
            return
        offset = self._positions[partition]
        self._suspects.pop(partition, None)
        self._halted[partition] = time.monotonic() + HALTED_RETRY
        self._assignee.halted(partition, f"can't be read at offset {offset}: {why}")
        self._consumer.pause(KafkaPartition(*partition))
        _log.error(
            "Kafka partition cannot be read; it is halted",
            topic=partition.topic,
            partition=partition.partition,
            offset=offset,
            error=why,
        )

    def _retry_halted(self) -> None:
        now = time.monotonic()
        for partition in [each for each, until in self._halted.items() if until <= now]:
            self._forget(partition)
            self._suspects[partition] = now + SUSPICION
            self._seek(partition)

    def _forget(self, partition: TopicPartition) -> None:
        """Gives a partition a new chance."""
        self._suspects.pop(partition, None)
        if self._halted.pop(partition, None) is not None:
            self._assignee.halted(partition, "")


def _concerns_records(error: Exception) -> bool:
    """Whether a partition's content is to blame, rather than the connection, the group or our rights."""
    if isinstance(error, KafkaError):
        return isinstance(error, UnsupportedCodecError | CorruptRecordException)
    return not isinstance(error, OSError | TimeoutError)


def _out_of_range(error: OffsetOutOfRangeError, partition: TopicPartition) -> str:
    setting = f"python -m service offsets set --topic {partition.topic} --partition {partition.partition} --to OFFSET"
    return (
        f"{error!r}: records were deleted before they were read; nothing is skipped. Stop the service; {setting} says"
        " what that would mean, and sets where to go on"
    )


def _topics(error: TopicAuthorizationFailedError) -> frozenset[str]:
    """The topics that an error of aiokafka names: one, or a set of them."""
    named = error.args[0] if error.args else ()
    return frozenset({named} if isinstance(named, str) else named)


def _convert(record: Any) -> InRecord:
    return InRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp / 1000,
        record.key,
        record.value,
        tuple(record.headers),
    )
