"""Reaches every replica through a topic: at most once, without transactions, from now on.

Only hints are sent this way. What Kafka can't take now is dropped, and so is what was sent before a replica listened.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition

from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options, milliseconds
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.offsets import Offsets, absent
from service.adapters.kafka.reconnection import Attempts
from service.adapters.kafka.topic_reader import topic_consumer
from service.runtime.ports import LogError

POLL_MS: Final = 500
WAITING: Final = 1000
"""Records that may wait to be sent; the oldest are dropped first."""

_PRODUCE_BACKOFF: Final = 0.1
"""Seconds between the producer's attempts after a retriable answer; a hint may be late."""

_log = structlog.get_logger(__name__)


class KafkaBroadcast:
    """Implements :class:`service.runtime.ports.Broadcast` on one topic; connects while :meth:`run` runs."""

    def __init__(self, settings: KafkaSettings, topic: str, offsets: Offsets) -> None:
        """Connects to nothing yet.

        Args:
            settings: Connection, names and limits.
            topic: What every replica reads.
            offsets: To ask for the topic's partitions.
        """
        self._settings = settings
        self._topic = topic
        self._offsets = offsets
        self._waiting: deque[bytes] = deque(maxlen=WAITING)
        self._come = asyncio.Event()

    def send(self, value: bytes) -> None:
        """See :class:`service.runtime.ports.Broadcast`."""
        self._waiting.append(value)
        self._come.set()

    async def run(self, heard: Callable[[bytes], None]) -> None:
        """See :class:`service.runtime.ports.Broadcast`; connects again when its connections break."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._repeat(partial(self._listen, heard)), name="broadcast:listen")
            both.create_task(self._repeat(self._speak), name="broadcast:speak")

    async def _repeat(self, session: Callable[[list[KafkaPartition]], Awaitable[None]]) -> None:
        attempts = Attempts()
        while True:
            async with attempts.next():
                try:
                    await session(await self._partitions())
                except Exception as error:  # aiokafka raises all sorts of things, and no hint is worth the process
                    _log.info(
                        "shared Lists are not read or not written; retrying", topic=self._topic, error=repr(error)
                    )

    async def _partitions(self) -> list[KafkaPartition]:
        """Asked for first: to write to a topic that is not there could create it."""
        numbers = await self._offsets.numbers(self._topic)
        if not numbers:
            raise LogError(absent([self._topic]), (self._topic,))
        return [KafkaPartition(self._topic, number) for number in numbers]

    async def _listen(self, heard: Callable[[bytes], None], partitions: list[KafkaPartition]) -> None:
        consumer = topic_consumer(self._settings, "lists")
        try:
            async with deadline(self._settings.read_deadline, f"connecting to read {self._topic}"):
                await consumer.start()
                ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            for each in partitions:
                consumer.seek(each, ends[each])
            while True:
                batches = await consumer.getmany(timeout_ms=POLL_MS)
                for record in (record for records in batches.values() for record in records):
                    heard(record.value or b"")
                    await asyncio.sleep(0)
        finally:
            await shut_down(consumer, self._settings.stop_deadline, dirty=True)

    async def _speak(self, _partitions: list[KafkaPartition]) -> None:
        producer: Any = AIOKafkaProducer(
            **client_options(self._settings, "lists"),
            acks=1,
            retry_backoff_ms=milliseconds(_PRODUCE_BACKOFF),
            max_batch_size=self._settings.batch_bytes,
            max_request_size=self._settings.record_bytes,
        )
        try:
            async with deadline(self._settings.read_deadline, f"connecting to write {self._topic}"):
                await producer.start()
            while True:
                self._come.clear()
                while self._waiting:
                    async with deadline(self._settings.commit_deadline, f"writing to {self._topic}"):
                        await producer.send_and_wait(self._topic, self._waiting.popleft(), partition=0)
                await self._come.wait()
        finally:
            await shut_down(producer, self._settings.stop_deadline, dirty=True)
