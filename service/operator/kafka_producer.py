"""The producer with which an operator's commands send."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options
from service.adapters.kafka.deadlines import deadline


@asynccontextmanager
async def idempotent_producer(settings: KafkaSettings, role: str) -> AsyncIterator[Any]:
    """Connects; nothing is sent by that.

    Args:
        settings: How to connect.
        role: Shown in the brokers' logs.

    Raises:
        LogError: Kafka could not be reached in time.
    """
    producer = AIOKafkaProducer(
        **client_options(settings, role), enable_idempotence=True, max_request_size=settings.record_bytes
    )
    try:
        async with deadline(settings.open_deadline, "connecting to send"):
            await producer.start()
        yield producer
    finally:
        await shut_down(producer, settings.stop_deadline)
