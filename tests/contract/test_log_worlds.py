"""What the contract suite of the Log port runs against: the in-memory broker and a real Kafka, behind one face."""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete

from sandbox.kafka.broker import Broker
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.log import KafkaLog
from service.adapters.kafka.offsets import Offsets
from service.adapters.kafka.producer import open_producer
from service.adapters.kafka.topics import changelog, ensure, output_topic
from service.runtime.ports import Broadcast, InRecord, Log, LogError, OutRecord, PartitionLog, TopicPartition
from tests.support.log import MemoryBroker

PARTITIONS = 2
RECORD_BYTES = 20_000
_members = itertools.count()


class World(Protocol):
    """A Kafka with one commands topic, its changelog and replies."""

    commands: str
    jobs: str
    replies: str
    retry_interval: float
    """Seconds between a superseded member's attempts to come back."""

    def log(self, instance_id: str = "") -> Log:
        """A new member of the group, static if it has an instance id."""
        ...

    def broadcast(self) -> Broadcast:
        """A new process that reaches all others, through the topic of replies."""
        ...

    async def produce(self, partition: int, values: Sequence[bytes]) -> None:
        """Commands, outside of any transaction."""
        ...

    async def produce_aborted(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        """Records of a transaction that somebody aborted."""
        ...

    async def leave_open(self, partition: int, values: Sequence[bytes]) -> None:
        """The partition's owner dies amid a transaction on the changelog."""
        ...

    async def read(self, topic: str) -> list[tuple[bytes | None, bytes | None]]:
        """Key and value of every committed record."""
        ...

    async def delete_before(self, partition: int, offset: int, topic: str = "") -> None:
        """Records are deleted: of the commands unless a topic is given."""
        ...

    async def limit(self, topic: str, record_bytes: int) -> None:
        """Somebody lowers a topic's limit."""
        ...

    async def remove(self, topic: str) -> None:
        """Somebody deletes a topic."""
        ...

    async def recreate(self, topic: str) -> None:
        """Somebody deletes a topic and makes it anew."""
        ...

    async def close(self) -> None:
        """Ends what the world has opened itself."""
        ...


class MemoryWorld:
    """The twin."""

    retry_interval = 0.0

    def __init__(self) -> None:
        self.commands, self.jobs, self.replies = "cleanroomsml.commands", "cleanroomsml.jobs", "replies"
        self.broker = MemoryBroker(PARTITIONS, deadline=1.0, record_bytes=RECORD_BYTES)

    def log(self, instance_id: str = "") -> Log:
        return self.broker.log(f"member-{next(_members)}", instance_id)

    def broadcast(self) -> Broadcast:
        return self.broker.broadcast(f"b{next(_members)}")

    async def produce(self, partition: int, values: Sequence[bytes]) -> None:
        for value in values:
            self.broker.produce(self.commands, b"key", value, partition=partition)

    async def produce_aborted(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        elsewhere = TopicPartition("elsewhere", 0)
        self.broker.leave_open(elsewhere, [OutRecord(topic, b"key", value, (), partition) for value in values])
        self.broker.fence(elsewhere)

    async def leave_open(self, partition: int, values: Sequence[bytes]) -> None:
        records = [OutRecord(self.jobs, b"key", value, (), partition) for value in values]
        self.broker.leave_open(TopicPartition(self.commands, partition), records)

    async def read(self, topic: str) -> list[tuple[bytes | None, bytes | None]]:
        return [(record.key, record.value) for record in self.broker.read_committed(topic)]

    async def delete_before(self, partition: int, offset: int, topic: str = "") -> None:
        self.broker.delete_records(topic or self.commands, partition, offset)

    async def limit(self, topic: str, record_bytes: int) -> None:
        self.broker.topic_bytes[topic] = record_bytes

    async def remove(self, topic: str) -> None:
        self.broker.missing.add(topic)

    async def recreate(self, topic: str) -> None:
        self.broker.recreate(topic)

    async def close(self) -> None:
        """Nothing is open."""


class KafkaWorld:
    """A running Kafka, with topics of its own for every world."""

    def __init__(self, broker: Broker, **settings: Any) -> None:
        name = uuid.uuid4().hex[:8]
        self.commands, self.jobs, self.replies = f"{name}.commands", f"{name}.jobs", f"{name}.replies"
        limits = {"session_timeout": 6.0, "commit_deadline": 5.0, "stop_deadline": 3.0} | settings
        self.settings = KafkaSettings(broker.bootstrap, name, application=name, **limits)
        self.retry_interval = self.settings.session_timeout / 2
        self._exits = contextlib.AsyncExitStack()
        self.offsets = Offsets(self.settings)  # reads uncommitted: the markers of the last commit may be on their way
        self._exits.push_async_callback(self.offsets.close)

    async def prepare(self) -> None:
        """Creates the topics."""
        commands = output_topic(self.commands, PARTITIONS, retention=3600, record_bytes=RECORD_BYTES)
        replies = output_topic(self.replies, PARTITIONS, retention=3600, record_bytes=RECORD_BYTES)
        jobs = changelog(self.jobs, commands, record_bytes=RECORD_BYTES)
        await ensure(self.settings, [commands, replies, jobs], replication=1)

    def log(self, instance_id: str = "") -> KafkaLog:
        settings = replace(self.settings, group_instance_id=instance_id or self.settings.group_instance_id)
        log = KafkaLog(settings, {self.commands: self.jobs})
        self._exits.push_async_callback(log.close)
        return log

    def broadcast(self) -> Broadcast:
        return self.log().broadcast(self.replies)

    async def produce(self, partition: int, values: Sequence[bytes]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.settings.bootstrap_servers) as producer:
            sent = [await producer.send(self.commands, value, b"key", partition) for value in values]
            await asyncio.gather(*sent)

    async def produce_aborted(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        options = {"bootstrap_servers": self.settings.bootstrap_servers, "transactional_id": uuid.uuid4().hex}
        async with AIOKafkaProducer(**options) as producer:
            await producer.begin_transaction()
            await asyncio.gather(*[await producer.send(topic, value, b"key", partition) for value in values])
            await producer.abort_transaction()

    async def leave_open(self, partition: int, values: Sequence[bytes]) -> None:
        producer = await open_producer(self.settings, TopicPartition(self.commands, partition))
        self._exits.push_async_callback(producer.stop)
        await producer.begin_transaction()
        await asyncio.gather(*[await producer.send(self.jobs, value, b"key", partition) for value in values])

    async def read(self, topic: str) -> list[tuple[bytes | None, bytes | None]]:
        options = {"bootstrap_servers": self.settings.bootstrap_servers, "isolation_level": "read_committed"}
        partitions = [KafkaPartition(topic, number) for number in range(PARTITIONS)]
        async with AIOKafkaConsumer(**options) as consumer:
            consumer.assign(partitions)
            ends = {each: (await self.offsets.bounds(TopicPartition(*each)))[1] for each in partitions}
            await consumer.seek_to_beginning(*partitions)
            found = []
            while any([await consumer.position(each) < end for each, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    found += [(record.key, record.value) for record in records]
            return found

    async def delete_before(self, partition: int, offset: int, topic: str = "") -> None:
        if topic:  # Kafka deletes nothing of a topic that is only compacted
            await self._alter(topic, {"cleanup.policy": "compact,delete"})
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_records({KafkaPartition(topic or self.commands, partition): RecordsToDelete(offset)})
        finally:
            await admin.close()

    async def limit(self, topic: str, record_bytes: int) -> None:
        await self._alter(topic, {"max.message.bytes": str(record_bytes)})

    async def _alter(self, topic: str, config: dict[str, str]) -> None:
        """Sets this and nothing else; what is left out gets the broker's defaults."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)
        await admin.start()
        try:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
        finally:
            await admin.close()

    async def remove(self, topic: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_topics([topic])
            while topic in await admin.list_topics():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        finally:
            await admin.close()

    async def recreate(self, topic: str) -> None:
        await self.remove(topic)
        await self.prepare()

    async def close(self) -> None:
        await self._exits.aclose()


class Member:
    """A small service: opens what it is assigned, copies commands to the changelog and to replies, exactly once."""

    def __init__(self, log: Log, world: World) -> None:
        self.log = log
        self.held: frozenset[TopicPartition] = frozenset()
        self.partitions: dict[TopicPartition, PartitionLog] = {}
        self.deliveries: list[InRecord] = []
        self.halts: list[tuple[TopicPartition, str]] = []
        self.passes: list[tuple[TopicPartition, int]] = []
        self.committed: set[bytes | None] = set()
        self.assignments = 0
        self.steps_back: list[str] = []
        self.lock = asyncio.Lock()
        self._world = world
        self._inbox: asyncio.Queue[tuple[TopicPartition, Sequence[InRecord]]] = asyncio.Queue()

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        async with self.lock:
            self.held = frozenset()
            self._inbox = asyncio.Queue()
            for partition in list(self.partitions):
                await self.partitions.pop(partition).close()

    async def superseded_by_peer(self, reason: str) -> None:
        self.steps_back.append(reason)
        await self.revoked(self.held)

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self.held = partitions
        self.assignments += 1
        for partition in partitions:
            with self._coming_back():
                log = self.partitions[partition] = await self.log.open(partition)
                self.log.membership.start(partition, await position(log))

    @contextlib.contextmanager
    def _coming_back(self) -> Iterator[None]:
        try:
            yield
        except LogError:
            self.log.membership.rejoin()

    def received(self, partition: TopicPartition, records: Sequence[InRecord]) -> None:
        self.deliveries += records
        self._inbox.put_nowait((partition, records))

    def passed(self, partition: TopicPartition, offset: int) -> None:
        self.passes.append((partition, offset))

    def halted(self, partition: TopicPartition, reason: str) -> None:
        self.halts.append((partition, reason))

    async def work(self) -> None:
        """Commits what comes in."""
        while True:
            if self._inbox.empty():
                await asyncio.sleep(0.005)
                continue
            async with self.lock:
                partition, records = self._inbox.get_nowait()
                out = [OutRecord(self._world.jobs, each.key, each.value, (), partition.partition) for each in records]
                replies = [OutRecord(self._world.replies, each.value, each.value) for each in records]
                with self._coming_back():
                    await self.partitions[partition].commit([*out, *replies], records[-1].offset + 1)
                    self.committed |= {each.value for each in records}


@contextlib.asynccontextmanager
async def running(world: World, log: Log | None = None) -> AsyncIterator[Member]:
    """A member which consumes and commits, until the block ends."""
    member = Member(log or world.log(), world)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(member.log.membership.consume(member)), group.create_task(member.work())]
            try:
                yield member
            finally:
                for task in tasks:
                    task.cancel()
    finally:
        await member.revoked(member.held)


async def position(log: PartitionLog) -> int:
    """Where a reader without a changelog would go on."""
    found = await log.offsets()
    return found.start if found.committed is None else found.committed


async def eventually(condition: Callable[[], object], within: float = 15.0) -> None:
    """Waits until something is true."""
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, "it did not become true in time"
        await asyncio.sleep(0.02)
