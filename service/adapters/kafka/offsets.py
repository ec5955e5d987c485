"""Where partitions begin and end, and what the group has committed: one helper connection for all partitions."""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition

from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.topic_ids import topic_id
from service.runtime.ports import LogError, TopicPartition, Unfit


def absent(topics: Collection[str]) -> str:
    """Topics that are not there, and what to do."""
    verb = "does" if len(topics) == 1 else "do"
    return (
        f"{', '.join(topics)} {verb} not exist, or we have no right to see it; python -m service topics creates what is"
        " missing"
    )


class Offsets:
    """Reads offsets; connects when first asked, and again after a failure.

    The helper belongs to no group session: it only asks the group's coordinator. It reads uncommitted, because the end
    for a ``read_committed`` reader is the last stable offset, behind which committed records may lie.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: Any = None
        self._lock = asyncio.Lock()

    async def committed(self, partition: TopicPartition) -> int | None:
        """The group's committed offset; None when there is none.

        Raises:
            LogError: Kafka did not answer in time.
        """
        offset = await self._ask("committed", KafkaPartition(*partition))
        return None if offset is None else int(offset)

    async def topic_id(self, topic: str) -> str:
        """Kafka's id of a topic; empty when the broker gives none.

        Raises:
            LogError: Kafka did not answer in time.
        """
        try:
            async with deadline(self._settings.read_deadline, f"reading the id of {topic}"):
                return await topic_id((await self._connected())._client, topic)
        except LogError:
            await self.close()
            raise

    async def bounds(self, partition: TopicPartition) -> tuple[int, int]:
        """Beginning and high watermark.

        Raises:
            LogError: Kafka did not answer in time.
        """
        wanted = KafkaPartition(*partition)
        start = await self._ask("beginning_offsets", [wanted])
        end = await self._ask("end_offsets", [wanted])
        return int(start[wanted]), int(end[wanted])

    async def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """High watermarks of several partitions.

        Raises:
            LogError: Kafka did not answer in time.
        """
        found = await self._ask("end_offsets", [KafkaPartition(*each) for each in partitions])
        return {TopicPartition(each.topic, each.partition): int(end) for each, end in found.items()}

    async def require(
        self, partition: TopicPartition, counterpart: TopicPartition, outlets: Collection[str] = ()
    ) -> None:
        """Asks for a partition's existence, and for topics that it writes to; its counterpart exists.

        Raises:
            Unfit: There is no such topic, or it has too few partitions.
            LogError: Kafka did not answer in time.
        """
        cluster = await self._all_topics(partition.topic)
        if missing := [topic for topic in sorted(outlets) if not cluster.partitions_for_topic(topic)]:
            raise Unfit(f"{counterpart.topic}-{counterpart.partition} is not served: {absent(missing)}")
        numbers = cluster.partitions_for_topic(partition.topic) or ()
        if partition.partition not in numbers:
            there = f"has {len(numbers)} partitions" if numbers else "is missing"
            raise Unfit(
                f"{partition.topic} {there}, but {counterpart.topic} has a partition {counterpart.partition}: without"
                " its changelog it is not served; stop the service and run: python -m service topics"
            )

    async def numbers(self, topic: str) -> frozenset[int]:
        """The partitions of a topic; none when it does not exist.

        Raises:
            LogError: Kafka did not answer in time.
        """
        return frozenset((await self._all_topics(topic)).partitions_for_topic(topic) or ())

    async def existing(self, topics: Collection[str]) -> frozenset[str]:
        """Those of the topics that we can see.

        Raises:
            LogError: Kafka did not answer in time.
        """
        cluster = await self._all_topics(", ".join(sorted(topics)))
        return frozenset(topic for topic in topics if cluster.partitions_for_topic(topic))

    async def _all_topics(self, wanted: str) -> Any:
        """Metadata of all topics: asking for one by its name would create it, where the broker does so by itself."""
        try:
            async with deadline(self._settings.read_deadline, f"looking for {wanted}"):
                return await (await self._connected())._client.fetch_all_metadata()
        except LogError:
            await self.close()
            raise

    async def ask_coordinator(self, request: Any) -> Any:
        """Sends a request to the coordinator of the group.

        Raises:
            LogError: Kafka did not answer in time, or refuses.
        """
        try:
            async with deadline(self._settings.read_deadline, f"asking the coordinator of {self._settings.group_id}"):
                coordinator = (await self._connected())._coordinator
                await coordinator.ensure_coordinator_known()
                return await coordinator._send_req(request)
        except LogError:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnects; a later call connects again."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await shut_down(consumer, self._settings.stop_deadline, dirty=True)

    async def _ask(self, method: str, argument: Any) -> Any:
        try:
            async with deadline(self._settings.read_deadline, f"reading {method} of {argument}"):
                return await getattr(await self._connected(), method)(argument)
        except LogError:  # a caller that is merely cancelled leaves the connection to the others
            await self.close()
            raise

    async def _connected(self) -> Any:
        async with self._lock:
            if self._consumer is None:
                consumer = AIOKafkaConsumer(
                    **client_options(self._settings, "offsets"),
                    group_id=self._settings.group_id,
                    isolation_level="read_uncommitted",
                    auto_offset_reset="none",
                    enable_auto_commit=False,
                )
                try:
                    await consumer.start()
                except BaseException:
                    await shut_down(consumer, self._settings.stop_deadline, dirty=True)
                    raise
                self._consumer = consumer
            return self._consumer
