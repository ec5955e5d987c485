"""Which topics are the reason why a transaction failed."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidTxnState,
    MessageSizeTooLargeError,
    PolicyViolationError,
    ProducerFenced,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest

from service.adapters.kafka.producer import SMALL_BATCH, TransactionAttempt, _Guarded, as_log_error
from service.runtime.ports import BatchRefused, CommitUnknown, LogError, OutRecord, RecordRefused, Unfit

OWN, CHOSEN = "cleanroomsml.jobs", "other.replies"


async def blamed(denied: set[str], sending: str = "", **answers: Any) -> frozenset[str]:
    """By topic: None while unanswered, True when acknowledged, or the error."""
    return attempted(sending, **answers).blamed(producer(denied))


def producer(denied: set[str]) -> Any:
    return SimpleNamespace(client=SimpleNamespace(send=SimpleNamespace(denied=denied)))


def attempted(sending: str = "", **answers: Any) -> TransactionAttempt:
    attempt = TransactionAttempt()
    attempt.sending = sending
    for topic, answer in answers.items():
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        elif answer:
            future.set_result(None)
        attempt.acknowledgements[future] = OutRecord(topic, b"", b"")
    return attempt


async def test_the_refusal_is_the_cause_and_not_what_follows_from_it() -> None:
    """The order of the answers is the brokers': one that follows may be heard first."""
    follows, policy = InvalidTxnState(), PolicyViolationError()
    cause = attempted(a=follows, b=None).cause(follows, producer({"b"}))
    assert isinstance(cause, TopicAuthorizationFailedError)
    assert attempted(a=follows, b=policy).cause(follows, producer(set())) is policy
    assert attempted(a=follows, b=None).cause(follows, producer(set())) is follows, "nothing else is known"
    assert attempted(a=follows, b=policy).cause(lost := TimeoutError(), producer({"b"})) is lost


async def test_who_refuses_is_to_blame_and_not_who_is_refused_with_it() -> None:
    assert await blamed({"b"}, a=InvalidTxnState(), b=None) == {"b"}
    assert await blamed(set(), a=True, b=PolicyViolationError(), c=None) == {"b"}
    assert await blamed(set(), a=InvalidTxnState(), b=PolicyViolationError()) == {"b"}


async def test_who_is_silent_is_to_blame_only_if_others_have_answered() -> None:
    assert await blamed(set(), a=True, b=None) == {"b"}
    assert await blamed(set(), a=True, sending="c") == {"c"}
    assert await blamed(set(), a=None, b=None) == set(), "the broker, or all of Kafka"
    assert await blamed(set(), a=True, b=True) == set(), "the coordinator"
    assert await blamed(set(), a=ProducerFenced(), b=ProducerFenced()) == set(), "another owner"


async def test_the_coordinators_answer_is_remembered() -> None:
    async def answer(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(errors=[(OWN, [(0, 55)]), (CHOSEN, [(0, 29), (1, 55)])])

    send = _Guarded(answer, 0.0)
    await send(0, AddPartitionsToTxnRequest("t", 1, 0, [(OWN, [0]), (CHOSEN, [0, 1])]))
    assert send.denied == {CHOSEN}


def test_the_error_carries_them() -> None:
    refused = as_log_error(TopicAuthorizationFailedError(CHOSEN), frozenset({CHOSEN}))
    assert isinstance(refused, Unfit)
    unknown = as_log_error(TimeoutError(), frozenset({CHOSEN}))
    assert isinstance(unknown, CommitUnknown)
    assert refused.topics == unknown.topics == {CHOSEN}


@pytest.mark.parametrize(
    ("batch", "sizes", "what"),
    [
        (512 * 1024, [100], RecordRefused),  # alone in its batch
        (512 * 1024, [100, 40_000], BatchRefused),
        (512 * 1024, [100, 600_000], RecordRefused),  # larger than what is sent together, so it was alone
        (SMALL_BATCH, [100, 40_000], RecordRefused),
        (SMALL_BATCH, [100, 200], RecordRefused),  # together less than anything of use
    ],
)
async def test_a_record_is_blamed_only_if_it_was_alone(batch: int, sizes: list[int], what: type[LogError]) -> None:
    attempt = TransactionAttempt(batch)
    for size in sizes:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_exception(MessageSizeTooLargeError())
        attempt.acknowledgements[future] = OutRecord(OWN, b"", b"x" * size)
    found = attempt.excess()
    assert type(found) is what
    if isinstance(found, RecordRefused):
        assert max(sizes) < found.size < max(sizes) + 100
    else:
        assert found is not None
        assert found.topics == frozenset(), "no topic is avoided for it"
