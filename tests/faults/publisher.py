"""The load's producer: idempotent, and another one after a failure."""

import asyncio
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError


class Publisher:
    """Publishes; a failed record is for the caller to send again.

    aiokafka gives up a batch whose partition has had no leader for as long as a request may take, and does not give its
    sequence number back. The broker waits for that number ever after and refuses all that follows in the partition
    (OutOfOrderSequenceNumber); only a new producer gets a new epoch. A publisher that goes on with the old one is
    silent in that partition for good, which would be blamed on the service.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer = self._make()
        self._changing = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connects."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnects."""
        for task in self._stopping:
            task.cancel()
        await self._producer.stop()

    async def send(self, topic: str, value: bytes, **options: Any) -> Any:
        """Where the record lies, once Kafka has acknowledged it.

        Raises:
            KafkaError: It may lie there, or not.
        """
        producer = self._producer
        try:
            return await producer.send_and_wait(topic, value, **options)
        except KafkaError:
            await self._change(producer)
            raise

    def _make(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, enable_idempotence=True, acks="all", request_timeout_ms=5000, linger_ms=0
        )

    async def _change(self, failed: AIOKafkaProducer) -> None:
        async with self._changing:
            if self._producer is not failed:
                return
            successor = self._make()
            try:
                await successor.start()
            except KafkaError:  # the next failure tries again
                await successor.stop()
                return
            self._producer = successor
        task = asyncio.create_task(self._dispose(failed))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    @staticmethod
    async def _dispose(producer: AIOKafkaProducer) -> None:
        """What is still under way may end; it is sent again if it does not."""
        with suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(producer.stop(), 5)
