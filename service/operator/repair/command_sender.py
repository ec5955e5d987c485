"""Sends commands as any publisher does, to a chosen partition, and waits for their replies.

A command is checked as the service will check it before it is sent, so that a right which its tenant lacks, or a
member which is not valid, is reported here and not by a rejection.
"""

import asyncio
import getpass
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from schemas import cloudevents, commands
from schemas.cloudevents import Envelope, Headers, format_time
from schemas.commands import TopicRules
from schemas.events import REPLY_PREFIX, ReplyKind
from schemas.operations import SERVICE_COMMANDS, Kind
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.topic_reader import Reader, TopicRecord
from service.operator.kafka_producer import idempotent_producer
from service.runtime.ports import LogError, TopicPartition

TERMINAL: Final = frozenset({ReplyKind.SUCCEEDED, ReplyKind.FAILED, ReplyKind.REJECTED, ReplyKind.PARKED})
_POLL_INTERVAL = 0.3


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A command to be sent.

    Attributes:
        topic: Commands topic.
        partition: Its partition; None leaves it to the key.
        command_id: Its id.
        source: Its source: who sends it.
        key: Kafka key.
        value: Kafka value.
        headers: Kafka headers.
    """

    topic: str
    partition: int | None
    command_id: str
    source: str
    key: bytes
    value: bytes
    headers: Headers


def operator_source() -> str:
    """The CloudEvents source of what a person does here, for the audit: who runs this."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user in a container's password file
        name = "unknown"
    return f"/operator/{name}"


def build_command(
    kind: Kind, topic: str, partition: int | None, data: Mapping[str, Any], *, target: str, key: str
) -> Outgoing:
    """A command of the service's own, of a kind.

    Args:
        kind: Which of the service's commands.
        topic: Commands topic.
        partition: Its partition, if it matters.
        data: The members.
        target: Target's name; empty for none.
        key: Kafka key.
    """
    (row,) = (row for row in SERVICE_COMMANDS.values() if row.kind is kind)
    command_id, source = f"{kind.value}-{secrets.token_hex(8)}", operator_source()
    envelope = Envelope(
        id=command_id,
        source=source,
        type=row.command_type,
        time=format_time(time.time()),
        extensions={"target": target} if target else {},
        data=json.dumps(data).encode(),
    )
    value, headers = cloudevents.encode(envelope)
    return Outgoing(topic, partition, command_id, source, key.encode(), value, headers)


def validation_error(outgoing: Outgoing, limits: TopicRules) -> str:
    """Why the service would not take the command; empty when it would."""
    read = commands.read(outgoing.key, outgoing.value, outgoing.headers, limits)
    return f"{read.code}: {read.message}" if isinstance(read, commands.Rejected | commands.NotACommand) else ""


class CommandSender:
    """An idempotent producer."""

    def __init__(self, producer: Any, settings: KafkaSettings) -> None:
        self._producer = producer
        self._settings = settings

    async def send(self, outgoing: Outgoing) -> TopicPartition:
        """Sends a command; returns its partition when Kafka has it.

        Raises:
            LogError: Kafka refused it, or did not answer in time.
        """
        async with deadline(self._settings.stall_deadline, f"sending to {outgoing.topic}"):
            sent = await self._producer.send_and_wait(
                outgoing.topic, outgoing.value, outgoing.key, outgoing.partition, headers=list(outgoing.headers)
            )
        return TopicPartition(sent.topic, sent.partition)


@asynccontextmanager
async def sender(settings: KafkaSettings, role: str = "repair") -> AsyncIterator[CommandSender]:
    """Connects; nothing is sent by that.

    Args:
        settings: How to connect.
        role: Shown in the brokers' logs.

    Raises:
        LogError: Kafka could not be reached in time.
    """
    async with idempotent_producer(settings, role) as producer:
        yield CommandSender(producer, settings)


async def wait_terminal(
    source: Reader, topic: str, since: Mapping[TopicPartition, tuple[int, int]], outgoing: Outgoing, seconds: float
) -> tuple[ReplyKind, dict[str, Any]]:
    """Waits for the terminal reply to a command: its kind and its data.

    Args:
        source: Reads.
        topic: Topic of the replies.
        since: Ranges of that topic before the command was sent.
        outgoing: The command.
        seconds: How long.

    Raises:
        LogError: Kafka failed, or there was no reply in time.
    """
    until = time.monotonic() + seconds
    begun = {tp: end for tp, (_, end) in since.items()}
    while time.monotonic() < until:
        now = {tp: (begun.get(tp, start), end) for tp, (start, end) in (await source.ranges([topic])).items()}
        async for record in source.read(now):
            reply = reply_of(record)
            if reply is None or reply[0] not in TERMINAL:
                continue
            if (reply[1].get("commandId"), reply[1].get("commandSource")) == (outgoing.command_id, outgoing.source):
                return reply
        begun = {tp: end for tp, (_, end) in now.items()}
        await asyncio.sleep(_POLL_INTERVAL)
    raise LogError(
        f"no reply within {seconds:g} s: the service may be stopped or its shard halted; the command stays in the topic"
        " and is carried out when it is served"
    )


def reply_of(record: TopicRecord) -> tuple[ReplyKind, dict[str, Any]] | None:
    """Kind and data of a reply; None for any other record."""
    envelope = cloudevents.decode(record.key, record.value, record.headers)
    if not isinstance(envelope, Envelope) or not envelope.type.startswith(REPLY_PREFIX):
        return None
    try:
        kind = ReplyKind(envelope.type.removeprefix(REPLY_PREFIX))
        data = json.loads(envelope.data)
    except ValueError:  # of a release that knows more kinds, or not ours
        return None
    return (kind, data) if isinstance(data, dict) else None
