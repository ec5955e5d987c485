"""Sends originals back to their command topics, and says what was not sent and why.

A command goes to the very partition it came from: there its id is remembered, so that nothing is carried out twice, and
there its order among others is kept.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.topic_reader import partitions
from service.operator.dead_letters.dead_letter import DeadLetter
from service.operator.kafka_producer import idempotent_producer

_AT_ONCE = 100


@dataclass
class ReplayResult:
    """Result of a replay.

    Attributes:
        sent: How many by topic; in a dry run, how many would be.
        skipped: How many by reason.
        refused: How many of the skipped were sent and not taken.
    """

    sent: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    refused: int = 0


def why_not_replayable(letter: DeadLetter, existing: Mapping[str, Collection[int]]) -> str:
    """Why a dead letter can't be replayed; empty if it can.

    Args:
        letter: The dead letter.
        existing: Partitions of each configured command topic that exists.
    """
    if "omitted" in letter.dlq_headers:
        return "its content was too large for a dead letter; the original is at its topic, partition and offset"
    if not letter.topic:
        return "it does not say where it came from (no dlq_topic)"
    if letter.topic not in existing:
        return f"{letter.topic} is no configured command topic"
    if letter.key is None and letter.value is None:
        return "it has neither key nor value, so it can be no command"
    if letter.source_partition is None:
        return "it does not say where it came from (no dlq_partition)"
    if letter.source_partition not in existing[letter.topic]:
        return f"{letter.topic} has no partition {letter.source_partition} any more"
    return ""


class ReplaySender:
    """Sends originals back; every send of a call is awaited before it returns."""

    def __init__(self, producer: Any, existing: Mapping[str, Collection[int]], settings: KafkaSettings) -> None:
        self._producer = producer
        self._settings = settings
        self.existing = existing

    async def send(self, letters: Sequence[DeadLetter], outcome: ReplayResult) -> None:
        """Sends the letters, in order within each partition, and counts them.

        Raises:
            LogError: Kafka did not answer in time; what was acknowledged before is counted.
        """
        for start in range(0, len(letters), _AT_ONCE):
            async with deadline(self._settings.stall_deadline, "sending commands back"):
                sent = [await self._begin(letter) for letter in letters[start : start + _AT_ONCE]]
                for topic, sending in sent:
                    await asyncio.wait([sending])
                    _count(topic, sending.exception(), outcome)

    async def _begin(self, letter: DeadLetter) -> tuple[str, asyncio.Future[Any]]:
        try:
            sending: asyncio.Future[Any] = await self._producer.send(
                letter.topic,
                letter.value,
                letter.key,
                letter.source_partition,
                headers=list(letter.original_headers),
            )
        except KafkaError as error:  # refused at the door, such as for its size: counted as a broker's refusal is
            sending = asyncio.get_running_loop().create_future()
            sending.set_exception(error)
        return letter.topic, sending


def _count(topic: str, error: BaseException | None, outcome: ReplayResult) -> None:
    if error is None:
        outcome.sent[topic] += 1
    elif isinstance(error, KafkaError):
        outcome.refused += 1
        outcome.skipped[f"Kafka refused it: {type(error).__name__}"] += 1
    else:
        raise error


@asynccontextmanager
async def sender(settings: KafkaSettings, topics: Collection[str]) -> AsyncIterator[ReplaySender]:
    """Connects; nothing is sent by that.

    Raises:
        LogError: Kafka could not be reached in time.
    """
    async with idempotent_producer(settings, "dlq-replay") as producer:
        existing = await partitions(settings, topics)
        yield ReplaySender(producer, {topic: existing[topic] for topic in topics if topic in existing}, settings)
