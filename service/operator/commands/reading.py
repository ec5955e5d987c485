"""Reads what is known of commands: replies and events, and, where it is permitted, the commands themselves."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from schemas import cloudevents
from schemas.cloudevents import Envelope
from schemas.operations import COMMAND_PREFIX
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import Reader, TopicRecord, partitions, reader
from service.operator.commands.history import Histories, Notice, read_notice
from service.runtime.ports import TopicPartition, Unfit
from service.settings import Settings, SettingsError
from service.topology import kafka_settings

ROLE: Final = "commands"
"""Shown in the brokers' logs."""


@dataclass(frozen=True, slots=True)
class CommandTopics:
    """The topics of the tenants that are asked about.

    Attributes:
        commands: Where commands are sent to.
        published: Replies and events.
        named: Reply topics that a command may name; they need not exist.
    """

    commands: tuple[str, ...]
    published: tuple[str, ...]
    named: tuple[str, ...]


def topics_of(settings: Settings, tenant: str | None) -> CommandTopics:
    """The topics of a tenant; of all of them if none is named.

    Raises:
        SettingsError: There is no such tenant.
    """
    every = settings.tenant_topics()
    if tenant is not None and tenant not in every:
        raise SettingsError(f"no tenant is called {tenant!r}; there are: {', '.join(every)}")
    chosen = {name: topics for name, topics in every.items() if tenant in (None, name)}
    published = {topic for topics in chosen.values() for topic in (topics.replies, topics.events)}
    named = {topic for name in chosen if name in settings.tenants for topic in settings.tenants[name].reply_topics}
    named |= set(settings.replies.allowed_topics)
    commands = tuple(topics.commands for topics in chosen.values())
    return CommandTopics(commands, tuple(sorted(published)), tuple(sorted(named - published)))


class PublishedReader:
    """Reads the replies and events of some tenants."""

    def __init__(self, source: Reader, topics: tuple[str, ...]) -> None:
        self._source = source
        self.topics = topics

    async def ends(self) -> dict[TopicPartition, int]:
        """Where each partition ends now.

        Raises:
            LogError: Kafka did not answer in time, or a topic is missing.
        """
        return {partition: end for partition, (_, end) in (await self._source.committed_ranges(self.topics)).items()}

    async def notices(self, since: float | None, key: bytes | None = None) -> AsyncGenerator[Notice, None]:
        """What is kept of them up to now; of replies, only those with this key if there is one.

        Args:
            since: Epoch seconds; what was published before is left out.
            key: A command's id, or an event's resource.

        Raises:
            LogError: Kafka failed or made no progress, or a topic is missing.
        """
        ranges = await self._source.committed_ranges(self.topics, since)
        async with aclosing(self._source.read(ranges)) as records:
            async for record in records:
                if key in (None, record.key) and (notice := read_notice(record)):
                    yield notice

    async def follow(self, starts: Mapping[TopicPartition, int]) -> AsyncGenerator[list[Notice], None]:
        """What is published from these offsets on, as it comes; empty lists when there is nothing.

        Raises:
            LogError: Kafka failed, or has not answered for too long.
        """
        async with aclosing(self._source.follow(starts)) as batches:
            async for records in batches:
                yield [notice for record in records if (notice := read_notice(record))]


@asynccontextmanager
async def published(settings: Settings, tenant: str | None) -> AsyncIterator[PublishedReader]:
    """Connects.

    Raises:
        SettingsError: There is no such tenant.
        LogError: Kafka could not be reached in time.
    """
    topics, kafka = topics_of(settings, tenant), kafka_settings(settings)
    async with reader(kafka, ROLE) as source:
        existing = await partitions(kafka, topics.published) if topics.named else {}
        yield PublishedReader(source, (*topics.published, *(topic for topic in topics.named if topic in existing)))


async def histories(source: PublishedReader, since: float | None) -> Histories:
    """Every command of which something is kept.

    Raises:
        LogError: Kafka failed or made no progress, or a topic is missing.
    """
    found = Histories()
    async with aclosing(source.notices(since)) as notices:
        async for notice in notices:
            found.add(notice)
    return found


async def history_of(source: PublishedReader, command_id: str) -> Histories:
    """The commands with an id, with all that is kept of them.

    Replies have the id as their key. Events have their resource's, so that only those after the first reply are read.

    Raises:
        LogError: Kafka failed or made no progress, or a topic is missing.
    """
    found, since = Histories(keep=True), None
    async with aclosing(source.notices(None, command_id.encode("utf-8", "surrogateescape"))) as replies:
        async for notice in replies:
            if notice.key[2] == command_id and notice.reply:
                found.add(notice)
                since = min(since or notice.time, notice.time)
    if since is None:
        return found
    async with aclosing(source.notices(since - _EARLIER)) as notices:
        async for notice in notices:
            if notice.key in found.commands and notice.reply is None:
                found.add(notice)
    return found


_EARLIER: Final = 60.0
"""Seconds by which clocks may differ."""


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A record of a commands topic.

    Attributes:
        partition: Topic and partition.
        offset: Its offset.
        time: Epoch seconds, as Kafka has it.
        key: Its key.
        operation: What it asks for.
        command_id: Its id.
        source: Its source.
        about: Id of the command that it cancels or decides about; empty for none.
        about_source: Its source.
    """

    partition: TopicPartition
    offset: int
    time: float
    key: bytes | None
    operation: str
    command_id: str
    source: str
    about: str = ""
    about_source: str = ""


async def records_of(kafka: KafkaSettings, topics: tuple[str, ...], command_id: str) -> list[CommandRecord] | None:
    """The records that have an id or are about it, oldest first; None if commands must not be read.

    It takes a right that publishers need not have, so it is no condition for anything.

    Raises:
        LogError: Kafka failed or made no progress, or a topic is missing.
    """
    needle = command_id.encode("utf-8", "surrogateescape")
    try:
        async with reader(kafka, ROLE) as source:
            ranges = await source.committed_ranges(topics)
            async with aclosing(source.read(ranges)) as records:
                found = [
                    one async for record in records if _may_name(record, needle) and (one := _command_record(record))
                ]
    except Unfit:
        return None
    named = [each for each in found if command_id in (each.command_id, each.about)]
    return sorted(named, key=lambda each: (each.time, each.partition, each.offset))


def _may_name(record: TopicRecord, needle: bytes) -> bool:
    """A quick test, for topics of millions: ids are mostly plain; one with escapes in JSON is in a header then."""
    return needle in (record.value or b"") or any(needle == value for _, value in record.headers)


def _command_record(record: TopicRecord) -> CommandRecord | None:
    envelope = cloudevents.decode(record.key, record.value, record.headers)
    if not isinstance(envelope, Envelope):
        return None
    try:
        data = json.loads(envelope.data)
    except ValueError:
        data = None
    about, about_source = (data.get("commandId"), data.get("commandSource")) if isinstance(data, dict) else ("", "")
    operation = envelope.type.removeprefix(COMMAND_PREFIX)
    return CommandRecord(
        record.topic_partition,
        record.offset,
        record.time,
        record.key,
        operation,
        envelope.id,
        envelope.source,
        about if isinstance(about, str) else "",
        about_source if isinstance(about_source, str) else "",
    )
