"""The Log port on Kafka: exclusive access to partitions, the membership that assigns them, and their copies."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from service.adapters.kafka.broadcast import KafkaBroadcast
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.group.description import GroupDescription
from service.adapters.kafka.group.membership import GroupMember
from service.adapters.kafka.incidents import Incidents
from service.adapters.kafka.offsets import Offsets
from service.adapters.kafka.partition import KafkaPartitionLog
from service.adapters.kafka.producer import BatchSize, open_producer
from service.adapters.kafka.standby_reader import StandbyReader
from service.runtime.group_snapshot import GroupSnapshot
from service.runtime.ports import Follower, TopicPartition

_RESTORES_AT_ONCE: Final = 4
"""Changelog partitions read at the same time."""


class KafkaLog:
    """Implements :class:`service.runtime.ports.Log`.

    Must be made and used in one event loop; :meth:`close` it at the end.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Mapping[str, str],
        outlets: Mapping[str, Collection[str]] = MappingProxyType({}),
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            settings: Connection, names and limits.
            topics: Commands topics, each with its changelog.
            outlets: By commands topic, the topics without which its partitions can't be served.
            alive: Called for each poll, and for each failure to reach Kafka; not while the client hangs.

        Raises:
            RuntimeError: Python runs with assertions switched off.
        """
        if not __debug__:
            raise RuntimeError(
                "aiokafka guards transactions by assertions: with `python -O` a fenced producer would go on, and hang"
            )
        self._settings = settings
        self._topics = dict(topics)
        self._outlets = dict(outlets)
        self.incidents = Incidents()
        self._offsets = Offsets(settings)
        self._batch = BatchSize(settings)
        self._restores = asyncio.Semaphore(_RESTORES_AT_ONCE)
        self.membership = GroupMember(settings, self._topics, self.incidents, alive)

    async def open(self, partition: TopicPartition) -> KafkaPartitionLog:
        """Fences the earlier owner of the partition, aborting what it left open."""
        changelog = TopicPartition(self._topics[partition.topic], partition.partition)
        await self._offsets.require(changelog, partition, self._outlets.get(partition.topic, ()))
        producer = await open_producer(self._settings, partition, self._batch.limit)
        return KafkaPartitionLog(
            self._settings, partition, changelog, producer, self._offsets, self._restores, self.incidents, self._batch
        )

    async def group(self) -> GroupSnapshot:
        """Who is in the group, what each member owns, and where the consumed partitions end.

        Raises:
            LogError: Kafka did not answer in time, or refuses.
        """
        return await GroupDescription(self._settings, self._topics, self._offsets).snapshot()

    async def follow(self, follower: Follower) -> None:
        """Reads the changelogs that the follower wants, until cancelled."""
        await StandbyReader(self._settings, self._topics, self._offsets).follow(follower)

    def broadcast(self, topic: str) -> KafkaBroadcast:
        """Reaches every process that reads the topic."""
        return KafkaBroadcast(self._settings, topic, self._offsets)

    async def close(self) -> None:
        """Disconnects what all partitions share; after the membership has ended and the partitions are closed."""
        await self._offsets.close()
