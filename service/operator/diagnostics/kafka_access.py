"""Looks whether we may do in Kafka what serving needs, and names each missing right as an ACL.

Everything is tried for real, in transactions that are aborted: subscribers that read committed records see nothing, and
no offset moves. The transactional id is of this probe's own, within our prefix, so a running service isn't fenced.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    BrokerResponseError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    for_code,
)

from service.adapters.kafka.aiokafka_patches.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.missing_rights import MissingRight, description
from service.adapters.kafka.producer import open_producer
from service.runtime.ports import LogError, TopicPartition

TRANSACTION_TIMEOUT = 20.0
"""Should we die in between, the broker aborts after so long; open transactions hold readers up."""

POLL_MS = 100
RETRY = 0.2
_KEY = b"check"
_VALUE = b"a probe of rights, never committed"


@dataclass(frozen=True, slots=True)
class Right:
    """Something that we must be allowed.

    Attributes:
        subject: What was tried.
        ok: Whether it went well.
        message: What was done, or which right is missing and how to grant it.
    """

    subject: str
    ok: bool
    message: str


async def probe_rights(settings: KafkaSettings, sources: Mapping[str, str], outputs: Sequence[str]) -> list[Right]:
    """Tries everything that serving needs; the topics must exist.

    Args:
        settings: How to connect, and as whom.
        sources: Topics that are consumed, each with its changelog.
        outputs: Topics that are written only.

    Raises:
        LogError: Kafka could not be reached in time.
    """
    changelogs = list(dict.fromkeys(sources.values()))
    async with _admin(settings) as admin:
        async with deadline(settings.admin_deadline, "listing topics"):
            visible = {each["topic"] for each in await admin.describe_topics()}
        probe = _Probe(settings, visible)
        rights = [await probe.describe_group(admin)]
    rights += [await probe.read(topic) for topic in dict.fromkeys([*sources, *changelogs])]
    readable = all(right.ok for right in rights)
    rights.append(await probe.use_transactional_id())
    if not rights[-1].ok:
        return rights
    rights += [await probe.write(topic) for topic in dict.fromkeys([*changelogs, *outputs])]
    if readable:
        rights.append(await probe.commit_offsets(list(sources)))
    return rights


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(**client_options(settings, "check"))
    try:
        async with deadline(settings.admin_deadline, "connecting"):
            await client.start()
        yield client
    finally:
        await shut_down(client, settings.stop_deadline)


class _Probe:
    def __init__(self, settings: KafkaSettings, visible: Collection[str]) -> None:
        self._visible = visible
        self._settings = replace(
            settings,
            transaction_timeout=max(TRANSACTION_TIMEOUT, settings.commit_deadline + 1),
            compression=None,
        )
        self._id = TopicPartition(f"check-{secrets.token_hex(4)}", 0)

    async def describe_group(self, admin: Any) -> Right:
        """Finds the group's coordinator and asks it for the group."""
        group, seconds = self._settings.group_id, self._settings.admin_deadline

        async def describe() -> None:
            async with deadline(seconds, f"describing group {group}"):
                while code := await _group_error(admin, group):
                    if not for_code(code).retriable:
                        raise for_code(code)()
                    await asyncio.sleep(RETRY)

        lack = MissingRight("Describe", "group", group)
        return await self._tried(f"group {group}: describe", describe, lack, "may be described")

    async def read(self, topic: str) -> Right:
        """Asks for the end of a partition and fetches there: nothing is read, but the broker has answered."""
        wanted = KafkaPartition(topic, 0)

        async def fetch() -> None:
            self._require_visible(topic)
            consumer = AIOKafkaConsumer(
                **client_options(self._settings, "check"),
                isolation_level="read_committed",
                auto_offset_reset="none",
                enable_auto_commit=False,
                fetch_max_wait_ms=POLL_MS,
            )
            try:
                async with deadline(self._settings.read_deadline, f"reading {topic}"):
                    await consumer.start()
                    end = (await consumer.end_offsets([wanted]))[wanted]
                    consumer.assign([wanted])
                    consumer.seek(wanted, end)
                    while consumer.last_poll_timestamp(wanted) is None:
                        if await consumer.getmany(wanted, timeout_ms=POLL_MS):
                            break
            finally:
                await shut_down(consumer, self._settings.stop_deadline)

        return await self._tried(f"topic {topic}: read", fetch, MissingRight("Read", "topic", topic), "may be read")

    async def use_transactional_id(self) -> Right:
        """Opens and closes a producer."""

        async def use() -> None:
            async with self._transaction():
                pass

        lack = self._transactional_id()
        return await self._tried(f"{lack.kind} {lack.name}", use, lack, "may be used")

    async def write(self, topic: str) -> Right:
        """Writes a record in a transaction that is aborted."""

        async def write() -> None:
            self._require_visible(topic)
            async with self._transaction() as producer:
                acknowledged = await producer.send(topic, _VALUE, _KEY, partition=0)
                await acknowledged

        return await self._tried(
            f"topic {topic}: write", write, MissingRight("Write", "topic", topic), "may be written"
        )

    async def commit_offsets(self, topics: Sequence[str]) -> Right:
        """Commits offsets in a transaction that is aborted."""
        group = self._settings.group_id

        async def commit() -> None:
            async with self._transaction() as producer:
                offsets = {KafkaPartition(topic, 0): 0 for topic in topics}
                await producer.send_offsets_to_transaction(offsets, group)

        return await self._tried(
            f"group {group}: offsets", commit, MissingRight("Read", "group", group), "may be committed"
        )

    def _transactional_id(self) -> MissingRight:
        return MissingRight("Write", "transactional id", f"{self._settings.application}-*")

    def _require_visible(self, topic: str) -> None:
        """A topic that we may not describe seems not to exist; aiokafka waits for it."""
        if topic not in self._visible:
            raise LogError(f"topic {topic} is not to be seen") from TopicAuthorizationFailedError(topic)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        """A producer of its own in a transaction, which is aborted."""
        producer = await open_producer(self._settings, self._id)
        clean = False
        try:
            async with deadline(self._settings.commit_deadline, "trying a transaction"):
                await producer.begin_transaction()
                yield producer
                await producer.abort_transaction()
            clean = True
        finally:
            await shut_down(producer, self._settings.stop_deadline, dirty=not clean)

    async def _tried(self, subject: str, work: Callable[[], Awaitable[None]], lack: MissingRight, good: str) -> Right:
        try:
            await work()
        except LogError as error:
            return Right(subject, False, self._missing(error, lack))
        return Right(subject, True, good)

    def _missing(self, error: LogError, lack: MissingRight) -> str:
        for each in _chain(error):
            if isinstance(each, TransactionalIdAuthorizationFailed):
                lack = self._transactional_id()
            elif isinstance(each, GroupAuthorizationFailedError):
                lack = MissingRight("Read", "group", self._settings.group_id)
            elif not isinstance(each, TopicAuthorizationFailedError):
                continue
            return description(self._settings, lack)
        return str(error)


async def _group_error(client: Any, group: str) -> int:
    """Kafka's error code for the group, 0 for none; a cluster that never had a group has no coordinator at first."""
    try:
        [response] = await client.describe_consumer_groups([group])
    except BrokerResponseError as error:
        return int(error.errno)
    return next((int(each[0]) for each in response.groups if each[0]), 0)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
