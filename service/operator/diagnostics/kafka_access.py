"""Tries in Kafka every right that the service needs, and names each that is missing.

Everything is tried for real, in transactions that are aborted: subscribers that read committed records see nothing, and
no offset moves. The transactional id is of this probe's own, within our prefix, so a running service isn't fenced.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import BrokerResponseError, TopicAuthorizationFailedError, for_code

from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.client_options import KafkaSettings, client_options
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.missing_rights import description, refused
from service.adapters.kafka.producer import open_producer
from service.adapters.kafka.topic_reader import admin
from service.operator.access.kafka_acls import Acl
from service.operator.diagnostics.finding import Finding
from service.runtime.errors import causes
from service.runtime.ports import LogError, TopicPartition

TRANSACTION_TIMEOUT = 20.0
"""If the process dies in between, the broker aborts after this time; open transactions block readers."""

POLL_MS = 100
RETRY = 0.2
_KEY = b"check"
_VALUE = b"a probe of rights, never committed"


async def probe_rights(settings: KafkaSettings, rows: Sequence[Acl]) -> list[Finding]:
    """Tries the rights of the service; the topics must exist.

    Args:
        settings: How to connect, and as whom.
        rows: Its rights. Those to read topics' settings are left out: the verification of the topics has used them.

    Raises:
        LogError: Kafka could not be reached in time.
    """
    [group] = [row for row in rows if row.resource_type == "group"]
    [transactional_id] = [row for row in rows if row.resource_type == "transactionalId"]
    topics = [row for row in rows if row.resource_type == "topic"]
    reads = [row for row in topics if row.operation == "Read"]
    async with admin(settings) as client:
        async with deadline(settings.admin_deadline, "listing topics"):
            visible = {each["topic"] for each in await client.describe_topics()}
        probe = _PermissionProbe(settings, visible, rows)
        findings = [await probe.describe_group(group, client)]
    findings += [await probe.read(row) for row in reads]
    readable = all(finding.ok for finding in findings)
    findings.append(await probe.use_transactional_id(transactional_id))
    if not findings[-1].ok:
        return findings
    findings += [await probe.write(row) for row in topics if row.operation == "Write"]
    if readable:
        findings.append(await probe.commit_offsets(group, [row.name for row in reads]))
    return findings


class _PermissionProbe:
    def __init__(self, settings: KafkaSettings, visible: Collection[str], rows: Sequence[Acl]) -> None:
        self._visible = visible
        self._rows = rows
        self._settings = replace(
            settings,
            transaction_timeout=max(TRANSACTION_TIMEOUT, settings.commit_deadline + 1),
        )
        self._id = TopicPartition(f"check-{secrets.token_hex(4)}", 0)

    async def describe_group(self, row: Acl, client: Any) -> Finding:
        """Finds the group's coordinator and asks it for the group."""
        seconds = self._settings.admin_deadline

        async def describe() -> None:
            async with deadline(seconds, f"describing group {row.name}"):
                while code := await _group_error(client, row.name):
                    if not for_code(code).retriable:
                        raise for_code(code)()
                    await asyncio.sleep(RETRY)

        return await self._tried(f"group {row.name}: describe", describe, row, "may be described")

    async def read(self, row: Acl) -> Finding:
        """Asks for the end of a partition and fetches there: nothing is read, but the broker has answered."""
        wanted = KafkaPartition(row.name, 0)

        async def fetch() -> None:
            self._require_visible(row.name)
            consumer = AIOKafkaConsumer(
                **client_options(self._settings, "check"),
                isolation_level="read_committed",
                auto_offset_reset="none",
                enable_auto_commit=False,
                fetch_max_wait_ms=POLL_MS,
            )
            try:
                async with deadline(self._settings.read_deadline, f"reading {row.name}"):
                    await consumer.start()
                    end = (await consumer.end_offsets([wanted]))[wanted]
                    consumer.assign([wanted])
                    consumer.seek(wanted, end)
                    while consumer.last_poll_timestamp(wanted) is None:
                        if await consumer.getmany(wanted, timeout_ms=POLL_MS):
                            break
            finally:
                await shut_down(consumer, self._settings.stop_deadline)

        return await self._tried(f"topic {row.name}: read", fetch, row, "may be read")

    async def use_transactional_id(self, row: Acl) -> Finding:
        """Opens and closes a producer."""

        async def use() -> None:
            async with self._transaction():
                pass

        return await self._tried(f"{row.right.kind} {row.right.name}", use, row, "may be used")

    async def write(self, row: Acl) -> Finding:
        """Writes a record in a transaction that is aborted."""

        async def write() -> None:
            self._require_visible(row.name)
            async with self._transaction() as producer:
                acknowledged = await producer.send(row.name, _VALUE, _KEY, partition=0)
                await acknowledged

        return await self._tried(f"topic {row.name}: write", write, row, "may be written")

    async def commit_offsets(self, row: Acl, topics: Sequence[str]) -> Finding:
        """Commits offsets in a transaction that is aborted."""

        async def commit() -> None:
            async with self._transaction() as producer:
                offsets = {KafkaPartition(topic, 0): 0 for topic in topics}
                await producer.send_offsets_to_transaction(offsets, row.name)

        return await self._tried(f"group {row.name}: offsets", commit, row, "may be committed")

    def _require_visible(self, topic: str) -> None:
        """Without permission to describe a topic it seems not to exist; aiokafka waits for it."""
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

    async def _tried(self, subject: str, work: Callable[[], Awaitable[None]], row: Acl, good: str) -> Finding:
        try:
            await work()
        except LogError as error:
            return Finding(subject, False, self._missing(error, row))
        return Finding(subject, True, good)

    def _missing(self, error: LogError, row: Acl) -> str:
        for each in causes(error):
            if kind := refused(each):
                lack = row if kind == "topic" else next(other for other in self._rows if other.right.kind == kind)
                return description(self._settings, lack.right)
        return str(error)


async def _group_error(client: Any, group: str) -> int:
    """Kafka's error code for the group, 0 for none; a cluster that never had a group has no coordinator at first."""
    try:
        [response] = await client.describe_consumer_groups([group])
    except BrokerResponseError as error:
        return int(error.errno)
    return next((int(each[0]) for each in response.groups if each[0]), 0)
