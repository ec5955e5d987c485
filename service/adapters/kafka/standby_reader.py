"""Follows the changelogs of partitions that others own: one consumer without a group, committed records only."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiokafka import TopicPartition as KafkaPartition

from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.offsets import Offsets
from service.adapters.kafka.reconnection import Attempts
from service.adapters.kafka.topic_reader import topic_consumer
from service.runtime.ports import Follower, LogError, TopicPartition

POLL_MS: Final = 200
RECORDS: Final = 1000
"""Handed over at once: a first read of a long changelog must not hold up the event loop."""
PAUSE: Final = 0.02
"""Seconds between two reads: what trickles in is taken together, and a copy is no later than that."""

_log = structlog.get_logger(__name__)


class StandbyReader:
    """Reads for a follower until cancelled; reconnects when its connection breaks."""

    def __init__(self, settings: KafkaSettings, topics: Mapping[str, str], offsets: Offsets) -> None:
        """Connects to nothing yet.

        Args:
            settings: Connection, names and limits.
            topics: Commands topics, each with its changelog.
            offsets: To ask for the changelogs' partitions.
        """
        self._settings = settings
        self._topics = topics
        self._offsets = offsets

    async def follow(self, follower: Follower) -> None:
        """Reads what the follower wants, as it grows."""
        attempts = Attempts()
        while True:
            async with attempts.next():
                await self._attempt(follower)

    async def _attempt(self, follower: Follower) -> None:
        sources: dict[KafkaPartition, TopicPartition] = {}
        try:
            sources |= await self._sources()
            await self._session(follower, sources)
        except (LogError, OSError) as error:
            _log.info("Kafka changelogs cannot be followed; retrying", error=repr(error))
        except Exception as error:
            # aiokafka raises all sorts of things at a record that can't be read, and does not say where it lies.
            _log.warning("Kafka changelog cannot be read; standby copies dropped", error=repr(error))
            for partition in sources.values():
                follower.lost(partition)
                await asyncio.sleep(0)

    async def _sources(self) -> dict[KafkaPartition, TopicPartition]:
        """The changelogs' partitions, each with the partition whose state it holds."""
        sources = {
            KafkaPartition(changelog, number): TopicPartition(commands, number)
            for commands, changelog in self._topics.items()
            for number in await self._offsets.numbers(changelog)
        }
        if not sources:
            raise LogError(f"there is none of the changelogs {', '.join(sorted(self._topics.values()))}")
        return sources

    async def _session(self, follower: Follower, sources: Mapping[KafkaPartition, TopicPartition]) -> None:
        consumer = topic_consumer(self._settings, "standby")
        try:
            async with deadline(self._settings.read_deadline, "connecting to follow changelogs"):
                await consumer.start()
                starts = await consumer.beginning_offsets(list(sources))
            consumer.assign(list(sources))
            reader = _CopyReader(consumer, follower, sources, starts)
            while True:
                reader.adjust()
                async with deadline(self._settings.stall_deadline, "following changelogs"):
                    full = await reader.read()
                await asyncio.sleep(0 if full else PAUSE)
        finally:
            await shut_down(consumer, self._settings.stop_deadline, dirty=True)


class _CopyReader:
    """Reads by the follower's own positions: aiokafka's run ahead of what it hands out when a read fails."""

    def __init__(
        self,
        consumer: Any,
        follower: Follower,
        sources: Mapping[KafkaPartition, TopicPartition],
        starts: Mapping[KafkaPartition, int],
    ) -> None:
        self._consumer = consumer
        self._follower = follower
        self._sources = sources
        self._starts = starts
        self._positions: dict[KafkaPartition, int] = {}
        self._reached: dict[KafkaPartition, int] = {}
        self._current: set[KafkaPartition] = set()
        for each in sources:  # without a position aiokafka would ask for a committed one
            consumer.pause(each)
            consumer.seek(each, starts[each])

    def adjust(self) -> None:
        """Stops reading what is no longer wanted, and goes to where the follower wants to read."""
        for each, partition in self._sources.items():
            wanted = self._follower.wanted(partition)
            if wanted is None:
                if self._positions.pop(each, None) is not None:
                    self._current.discard(each)
                    self._consumer.pause(each)
            elif wanted != self._positions.get(each):
                self._positions[each] = wanted
                self._current.discard(each)
                self._consumer.seek(each, max(wanted, self._starts[each]))
                self._consumer.resume(each)

    async def read(self) -> bool:
        """Waits a little for records, and hands over what has come; True when there is probably more at once."""
        if not self._positions:
            await asyncio.sleep(POLL_MS / 1000)
            return False
        batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS)
        for each in list(self._positions):
            await self._hand_over(each, batches.get(each, []))
        return sum(map(len, batches.values())) >= RECORDS

    async def _hand_over(self, each: KafkaPartition, records: list[Any]) -> None:
        position = await self._consumer.position(each)
        moved = bool(records) or position != self._positions[each]
        current = self._is_end(each, position, moved)
        if not moved and (not current or each in self._current):
            return
        self._positions[each] = position
        if current:
            self._current.add(each)
        pairs = [(record.key or b"", record.value) for record in records]
        self._follower.replicated(self._sources[each], pairs, position, current=current)

    def _is_end(self, each: KafkaPartition, position: int, moved: bool) -> bool:
        """Whether all is read: up to the last stable offset, or the broker has answered here with nothing.

        The latter where compaction has removed the last records.
        """
        answered = self._consumer.last_poll_timestamp(each) or 0
        if moved:
            self._reached[each] = answered
        stable = self._consumer.last_stable_offset(each)
        return (stable is not None and position >= stable) or answered > self._reached.setdefault(each, answered)
