"""A deadline around everything that aiokafka is asked: it has none of its own (aio-libs/aiokafka#1101)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from service.runtime.ports import LogError, Unfit

REFUSALS = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    ClusterAuthorizationFailedError,
)
"""A right is missing: trying again at once is of no use."""


@asynccontextmanager
async def deadline(seconds: float, what: str) -> AsyncIterator[None]:
    """Bounds the block in time and speaks of Kafka's failures as the port does.

    Raises:
        Unfit: Kafka does not let us: a right is missing.
        LogError: The time is over, or Kafka could not be reached or refused.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise LogError(f"{what}: no answer from Kafka within {seconds:g} s") from error
    except REFUSALS as error:
        raise Unfit(f"{what}: {refusal(error)}") from error
    except (KafkaError, OSError, AssertionError) as error:
        # aiokafka asserts what a broker's answers should have been, such as a cluster with brokers in it.
        raise LogError(f"{what}: {error!r}") from error


def refusal(error: KafkaError) -> str:
    """The message about a missing permission."""
    return f"Kafka refuses us: {error!r}; grant the right, `python -m service check` says which one is missing"
