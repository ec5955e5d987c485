"""A deadline around everything that aiokafka is asked: it has none of its own (aio-libs/aiokafka#1101)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError

from service.runtime.ports import LogError


@asynccontextmanager
async def deadline(seconds: float, what: str) -> AsyncIterator[None]:
    """Bounds the block in time and speaks of Kafka's failures as the port does.

    Raises:
        LogError: The time is over, or Kafka could not be reached or refused.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise LogError(f"{what}: no answer from Kafka within {seconds:g} s") from error
    except (KafkaError, OSError) as error:
        raise LogError(f"{what}: {error!r}") from error
