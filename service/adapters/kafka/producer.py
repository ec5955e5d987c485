"""A partition's transactional producer: opened once, used until its first failure, thrown away.

Kafka's transaction protocol, as aiokafka speaks it, cannot distinguish a late request from one of the next transaction:
an EndTxn that was lost, sent again and then arrives after all tears the transaction after it (measured: half of the
cases silently wrong). So a transactional request without an answer is fatal to the producer, and only a new one, with a
new epoch, may go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    ProducerFenced,
    TopicAuthorizationFailedError,
)
from aiokafka.producer import sender
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)

from schemas import sizes
from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options, milliseconds
from service.adapters.kafka.deadlines import REFUSALS, deadline, refusal
from service.runtime.errors import causes
from service.runtime.ports import (
    BatchRefused,
    CommitUnknown,
    Fenced,
    LogError,
    OutRecord,
    RecordRefused,
    TopicPartition,
    Unfit,
)

TRANSACTIONAL = (AddPartitionsToTxnRequest, AddOffsetsToTxnRequest, TxnOffsetCommitRequest, EndTxnRequest)
FENCING = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping)

_PRODUCE_BACKOFF: Final = 0.01
"""Seconds between a producer's attempts after a retriable answer."""
_LARGEST_REQUEST: Final = 100 * 1024 * 1024
"""Bytes that a broker reads at once by default. What is written was measured before; records of jobs that are known may
be larger than the settings now allow, and their topic's own limit decides.
"""
_TRANSACTION_BACKOFF: Final = 0.002
"""Seconds between attempts while the broker still ends the previous transaction."""
_UNREADY_BACKOFF: Final = 0.1
"""Seconds before a producer tries a broker again that can't be reached."""

SMALL_BATCH: Final = 16 * 1024
"""Bytes of records that are sent together once a topic has refused a larger batch. Larger records are sent alone."""


class RequestLost(Exception):
    """A transactional request was sent and its answer never came; no KafkaError, which aiokafka would try again."""


class BatchSize:
    """Bytes of records that a producer sends together; for good as few as possible when a topic has refused more."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.limit = settings.batch_bytes

    def lower(self) -> None:
        """A batch of several records was refused."""
        self.limit = min(self.limit, SMALL_BATCH)


async def open_producer(settings: KafkaSettings, partition: TopicPartition, batch_bytes: int = 0) -> Any:
    """Fences the earlier owner of the partition's transactional id; returns when what it left open has been ended.

    Args:
        settings: How to connect.
        partition: Whose producer.
        batch_bytes: Bytes of records that are sent together, unless as many as the settings say.

    Raises:
        LogError: Kafka could not be reached in time, or refuses.
    """
    # aiokafka waits 20 ms for the end of the previous transaction before it begins one. Most end within 2.
    sender.BACKOFF_OVERRIDE = _TRANSACTION_BACKOFF
    producer = AIOKafkaProducer(
        **client_options(settings, f"{partition.topic}-{partition.partition}"),
        transactional_id=transactional_id(settings.application, partition),
        transaction_timeout_ms=milliseconds(settings.transaction_timeout),
        retry_backoff_ms=milliseconds(_PRODUCE_BACKOFF),
        max_batch_size=batch_bytes or settings.batch_bytes,
        max_request_size=max(settings.record_bytes, _LARGEST_REQUEST),
        linger_ms=0,
    )
    _make_losses_fatal(producer.client, _UNREADY_BACKOFF)
    try:
        async with deadline(settings.open_deadline, f"opening {partition.topic}-{partition.partition}"):
            await producer.start()
    except BaseException:
        await shut_down(producer, settings.stop_deadline, dirty=True)
        raise
    return producer


class TransactionAttempt:
    """One transaction under way: which record was acknowledged, and who refused.

    Args:
        batch_bytes: Bytes of records that its producer sends together.
    """

    def __init__(self, batch_bytes: int = SMALL_BATCH) -> None:
        self.batch_bytes = batch_bytes
        self.acknowledgements: dict[asyncio.Future[Any], OutRecord] = {}
        self.sending = ""
        self.refused: set[str] = set()

    def cause(self, error: Exception, producer: Any) -> BaseException:
        """The reason of a failure.

        A topic that is refused leaves the others outside of the transaction as well, and a broker may say so of them
        (InvalidTxnState) before the refused one has failed.
        """
        if not isinstance(error, InvalidTxnState):
            return error
        if denied := self.refused | _denied(producer):
            refusal: BaseException = TopicAuthorizationFailedError(denied)
            return refusal
        answers = map(_answer, self.acknowledgements)
        return next((answer for answer in answers if isinstance(answer, BaseException)), error)

    def excess(self) -> LogError | None:
        """What was too large, if anything was: a record, or several records together.

        Brokers refuse whole batches. A record that was refused with no other one, or that is larger than what is sent
        together, was alone in its batch. A topic that refuses even a small batch takes nothing of use.
        """
        refused: dict[str, list[int]] = {}
        for future, record in self.acknowledgements.items():
            if isinstance(_answer(future), MessageSizeTooLargeError):
                refused.setdefault(record.topic, []).append(_size(record))
        for topic, found in refused.items():
            if len(found) == 1 or max(found) > self.batch_bytes or self.batch_bytes <= SMALL_BATCH:
                return RecordRefused(topic, max(found))
        for topic, found in refused.items():
            return BatchRefused(
                f"topic {topic} refuses a batch of {len(found)} records, the largest of {max(found)} bytes: raise its"
                " max.message.bytes, `python -m service check` says to what; from now on fewer are sent together"
            )
        return None

    def blamed(self, producer: Any) -> frozenset[str]:
        """Topics that refused their records, or left them unanswered while others answered; none if all did."""
        if denied := self.refused | _denied(producer):
            return frozenset(denied)
        answers = [(record.topic, _answer(future)) for future, record in self.acknowledgements.items()]
        if refusing := {topic for topic, answer in answers if isinstance(answer, KafkaError)}:
            return frozenset(refusing)
        answered = {topic for topic, answer in answers if answer is True}
        silent = {topic for topic, answer in answers if answer is False} | {self.sending} - {""}
        return frozenset(silent) if answered else frozenset()


def _denied(producer: Any) -> set[str]:
    return getattr(producer.client.send, "denied", set())


def _answer(future: asyncio.Future[Any]) -> bool | BaseException:
    """Whether a record was acknowledged, or why not; what follows from another topic's refusal says nothing."""
    if not future.done() or future.cancelled():
        return False
    error = future.exception()
    return error is None or (False if isinstance(error, (*FENCING, InvalidTxnState)) else error)


def transactional_id(application: str, partition: TopicPartition) -> str:
    """Opening a producer with it fences all producers that had it before.

    Within an application no two partitions share one. Two applications can: ``svc`` with a topic ``a-commands`` and
    ``svc-a`` with ``commands``; :func:`clashes` finds that. The form can't be changed: during a rolling update the new
    release has to fence the old one, and the old one the new.
    """
    return f"{application}-{partition.topic}-{partition.partition}"


def clashes(
    application: str, topics: Iterable[str], applications: Collection[str], existing: Collection[str]
) -> Iterator[tuple[str, str, str]]:
    """Finds what would fence our producers: our topic, the other application and its topic.

    Args:
        application: Ours.
        topics: What we consume.
        applications: All there are.
        existing: All topics there are.
    """
    for topic in topics:
        ours = f"{application}-{topic}"
        for other in sorted(applications):
            theirs = ours.removeprefix(f"{other}-")
            if other != application and theirs != ours and theirs in existing:
                yield topic, other, theirs


async def transact(
    producer: Any,
    records: Sequence[OutRecord],
    offsets: dict[KafkaPartition, int],
    group_id: str,
    attempt: TransactionAttempt | None = None,
) -> None:
    """One transaction: records and consumed offsets; returns only when it is committed.

    aiokafka commits although a record was refused, so every acknowledgement is awaited before.
    """
    attempt = attempt or TransactionAttempt()
    acknowledgements = attempt.acknowledgements
    await producer.begin_transaction()
    for record in records:
        attempt.sending = record.topic
        try:
            acknowledgements[await _send(producer, record)] = record
        except TopicAuthorizationFailedError:  # its metadata is hidden from us
            attempt.refused.add(record.topic)
            raise
    attempt.sending = ""
    if acknowledgements:
        done, _ = await asyncio.wait(acknowledgements, return_when=asyncio.FIRST_EXCEPTION)
        if excess := attempt.excess():
            raise excess
        for each in done:
            each.result()
    if offsets:
        await producer.send_offsets_to_transaction(offsets, group_id)
    await producer.commit_transaction()


def as_log_error(error: BaseException, topics: frozenset[str] = frozenset()) -> LogError:
    """Whether another owner or a missing permission was the reason, or it is unknown; ``topics`` are those to blame."""
    if isinstance(error, RecordRefused | BatchRefused):
        return error
    refused = next((each for each in causes(error) if isinstance(each, REFUSALS)), None)
    if refused is not None:
        return Unfit(f"nothing was committed: {refusal(refused)}", topics)
    if any(isinstance(each, FENCING) for each in causes(error)):
        return Fenced("another producer holds the partition, or the transaction took too long")
    return CommitUnknown(f"the transaction's outcome is unknown: {error!r}", topics)


def _size(record: OutRecord) -> int:
    return sizes.record_size(record.key, record.value, record.headers)


async def _send(producer: Any, record: OutRecord) -> asyncio.Future[Any]:
    # aiokafka insists on a key or a value; a dead letter of a record of nothing at all has neither.
    key = b"" if record.key is None and record.value is None else record.key
    try:
        future: asyncio.Future[Any] = await producer.send(
            record.topic, record.value, key, record.partition, headers=list(record.headers)
        )
    except MessageSizeTooLargeError as error:
        raise RecordRefused(record.topic, _size(record)) from error
    future.add_done_callback(_retrieve)
    return future


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Retrieves the exception so that asyncio does not warn; only the first failure is raised."""
    if not future.cancelled():
        future.exception()


def _make_losses_fatal(client: Any, unready_backoff: float) -> None:
    """Turns the loss of a transactional request into an error that aiokafka does not answer by sending it again.

    A broker that can't be reached is given more time than one that has answered: aiokafka has one backoff for both.
    """
    client.send = _Guarded(client.send, unready_backoff)


class _Guarded:
    """How requests are sent.

    Attributes:
        denied: Topics to which the producer must not write, by the answers of the transaction's coordinator.
    """

    def __init__(self, send: Callable[..., Awaitable[Any]], unready_backoff: float) -> None:
        self._send = send
        self._unready_backoff = unready_backoff
        self.denied: set[str] = set()

    async def __call__(self, node_id: Any, request: Any, **options: Any) -> Any:
        try:
            response = await self._send(node_id, request, **options)
        except NodeNotReadyError:  # raised before anything was sent
            await asyncio.sleep(self._unready_backoff)
            raise
        except KafkaError as error:
            if isinstance(request, TRANSACTIONAL):
                raise RequestLost(type(request).__name__) from error
            raise
        if isinstance(request, AddPartitionsToTxnRequest):
            self.denied |= {topic for topic, partitions in response.errors if any(_denies(each) for each in partitions)}
        return response


def _denies(partition: tuple[int, int]) -> bool:
    return bool(partition[1] == TopicAuthorizationFailedError.errno)
