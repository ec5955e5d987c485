"""Kafka's failures as the port speaks of them, within a bound."""

import asyncio

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from service.adapters.kafka.deadlines import deadline
from service.runtime.ports import LogError, Unfit


@pytest.mark.looptime
async def test_silence_ends_at_the_deadline() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(LogError, match=r"^reading x: no answer from Kafka within 2\.5 s$") as raised:
        async with deadline(2.5, "reading x"):
            await asyncio.sleep(100)
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.5)
    assert not isinstance(raised.value, Unfit)


@pytest.mark.parametrize(
    "error",
    [
        TopicAuthorizationFailedError("t"),
        GroupAuthorizationFailedError("g"),
        TransactionalIdAuthorizationFailed(),
        ClusterAuthorizationFailedError(),
    ],
)
async def test_a_missing_right_needs_a_person(error: Exception) -> None:
    with pytest.raises(Unfit, match=r"^opening: Kafka refuses us: .*`python -m service check`") as raised:
        async with deadline(1, "opening"):
            raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [KafkaConnectionError("gone"), NotLeaderForPartitionError(), ConnectionResetError("x"), AssertionError()]
)
async def test_other_failures_pass(error: Exception) -> None:
    """Aiokafka asserts what a broker's answer should have been."""
    with pytest.raises(LogError, match=r"^polling: ") as raised:
        async with deadline(1, "polling"):
            raise error
    assert not isinstance(raised.value, Unfit)
    assert type(error).__name__ in str(raised.value)


@pytest.mark.parametrize("error", [ValueError("ours"), KeyError("ours"), Unfit("ours")])
async def test_what_is_not_kafkas_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error), match="ours") as raised:
        async with deadline(1, "polling"):
            raise error
    assert raised.value is error


async def test_a_cancellation_is_no_deadline() -> None:
    async def work() -> None:
        async with deadline(60, "polling"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
