"""An in-memory Kafka for tests of the runtime: the Log port with fencing, transactions, rebalances and faults.

It keeps what matters of the real one: transactions hide their records until they end and leave control
records behind, readers stop at the last stable offset, a rebalance is eager, positions are lost with every assignment.
Nothing sleeps but for ``latency`` and ``deadline``, so it runs on a virtual clock; the contract suite checks it.

    broker = MemoryBroker(partitions=2)
    log = broker.log("a")
    broker.produce("cleanroomsml.commands", b"key", b"value")
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from service.runtime.ports import (
    Assignee,
    CommitUnknown,
    Fenced,
    Headers,
    InRecord,
    LogError,
    OutRecord,
    TopicPartition,
    Unfit,
)

BATCH = 500


@dataclass
class Entry:
    """An offset of a partition; a control record has no record, an open transaction has not decided yet."""

    record: InRecord | None
    committed: bool | None = None


@dataclass
class Transaction:
    """Entries that become visible, or never, together."""

    parts: list[tuple["Partition", Entry]] = field(default_factory=list)

    def end(self, *, committed: bool) -> None:
        for _, entry in self.parts:
            entry.committed = committed
        for partition in {id(partition): partition for partition, _ in self.parts}.values():
            partition.entries.append(Entry(None, committed=True))


@dataclass
class Partition:
    """An append-only list; ``start`` is its beginning after deletions."""

    topic: str
    number: int
    entries: list[Entry] = field(default_factory=list)
    start: int = 0

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        """The last stable offset: nobody with ``read_committed`` reads beyond it."""
        return next((n for n in range(self.start, self.end) if self.entries[n].committed is None), self.end)

    def append(self, record: OutRecord, timestamp: float, transaction: Transaction | None) -> int:
        offset = self.end
        stored = InRecord(self.topic, self.number, offset, timestamp, record.key, record.value, tuple(record.headers))
        entry = Entry(stored, True if transaction is None else None)
        self.entries.append(entry)
        if transaction is not None:
            transaction.parts.append((self, entry))
        return offset

    def committed(self, offset: int, limit: int | None = None) -> list[InRecord]:
        stable = self.entries[max(offset, self.start) : self.stable_end]
        return [entry.record for entry in stable if entry.committed and entry.record][:limit]


@dataclass
class MemoryBroker:
    """Topics, the consumer group and the faults.

    Attributes:
        partitions: Of every topic.
        commands: Topics the group consumes, each with its changelog.
        wall: Gives records their timestamps, in epoch seconds.
        latency: Seconds that a commit takes.
        deadline: Seconds after which a call to a frozen broker fails.
        record_bytes: A commit with a larger value fails.
    """

    partitions: int = 2
    commands: dict[str, str] = field(default_factory=lambda: {"cleanroomsml.commands": "cleanroomsml.jobs"})
    wall: Callable[[], float] = time.time
    latency: float = 0.0
    deadline: float = 5.0
    record_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        self.group = Group(self)
        self._topics: dict[str, list[Partition]] = {}
        self._epochs: dict[TopicPartition, int] = {}
        self._open: dict[TopicPartition, Transaction] = {}
        self._offsets: dict[TopicPartition, int] = {}
        self._failures: list[bool] = []
        self._logs: dict[str, MemoryLog] = {}
        self._frozen = False

    def log(self, member_id: str, instance_id: str = "") -> "MemoryLog":
        """A member of the group, static if it has an instance id; the same member id gives the same member."""
        return self._logs.setdefault(member_id, MemoryLog(self, member_id, instance_id))

    def produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> tuple[int, int]:
        """Appends a record outside of any transaction; returns its partition and offset."""
        return self.append(OutRecord(topic, key, value, headers, partition), None)

    def read_committed(self, topic: str, partition: int | None = None) -> list[OutRecord]:
        """Everything a ``read_committed`` subscriber sees, partition by partition; tombstones included."""
        numbers = range(self.partitions) if partition is None else [partition]
        return [
            OutRecord(topic, record.key, record.value, record.headers, record.partition)
            for number in numbers
            for record in self.partition(topic, number).committed(0)
        ]

    def committed(self, partition: TopicPartition) -> int | None:
        """The offset that the group has committed."""
        return self._offsets.get(partition)

    def fail_next_commit(self, *, applied: bool) -> None:
        """The next commit raises CommitUnknown, after it was applied or with its transaction left open."""
        self._failures.append(applied)

    def fence(self, partition: TopicPartition) -> int:
        """A new owner opens the partition: aborts what the last one left open and returns the new epoch."""
        self._epochs[partition] = self._epochs.get(partition, 0) + 1
        if partition in self._open:
            self._open.pop(partition).end(committed=False)
        self.touch()
        return self._epochs[partition]

    def leave_open(self, partition: TopicPartition, records: Sequence[OutRecord]) -> None:
        """The partition's owner dies in a transaction; the next ``open`` aborts it."""
        transaction = self._open.setdefault(partition, Transaction())
        for record in records:
            self.append(record, transaction)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Moves the partition's beginning, as retention does."""
        self.partition(topic, partition).start = before

    def evict(self, member_id: str) -> None:
        """The member missed its session: its partitions go to others, and it does not know until :meth:`readmit`."""
        self.group.leave(self._logs[member_id])
        self._logs[member_id].evicted = True

    def readmit(self, member_id: str) -> None:
        """The evicted member notices, and joins again."""
        self._logs[member_id].evicted = False
        self.group.join(self._logs[member_id])

    def freeze(self) -> None:
        """No call is answered until :meth:`thaw`: each fails after ``deadline``."""
        self._frozen = True

    def thaw(self) -> None:
        """Answers again."""
        self._frozen = False
        self.touch()

    def partition(self, topic: str, number: int) -> Partition:
        if topic not in self._topics:
            self._topics[topic] = [Partition(topic, each) for each in range(self.partitions)]
        return self._topics[topic][number]

    def append(self, record: OutRecord, transaction: Transaction | None) -> tuple[int, int]:
        hashed = zlib.crc32(record.key or b"") % self.partitions
        number = hashed if record.partition is None else record.partition
        offset = self.partition(record.topic, number).append(record, self.wall(), transaction)
        self.touch()
        return number, offset

    async def answer(self) -> None:
        """Raises LogError, late, when the broker is frozen."""
        await asyncio.sleep(0)
        if self._frozen:
            await asyncio.sleep(self.deadline)
            raise LogError("the broker did not answer in time")

    async def transact(
        self, partition: TopicPartition, epoch: int, records: Sequence[OutRecord], next_offset: int | None
    ) -> None:
        """Commits in one step, unless a fault was asked for."""
        await asyncio.sleep(self.latency)
        if self._epochs[partition] != epoch:
            raise Fenced(f"another owner holds {partition}")
        failure = self._failures.pop(0) if self._failures else None
        if any(len(each.value or b"") > self.record_bytes for each in records):
            failure = False
        if self._frozen or failure is False:
            self.leave_open(partition, records)
            await asyncio.sleep(self.deadline if self._frozen else 0)
            raise CommitUnknown("refused or injected: the transaction was left open")
        transaction = Transaction()
        for record in records:
            self.append(record, transaction)
        transaction.end(committed=True)
        if next_offset is not None:
            self._offsets[partition] = next_offset
        self.touch()
        if failure:
            raise CommitUnknown("injected: the transaction was committed")

    def touch(self) -> None:
        for log in self._logs.values():
            log.woken_by.set()


class Group:
    """The eager rebalance: everybody gives up everything, then everybody is told what it has."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.generation = 0
        self._broker = broker
        self._members: list[MemoryLog] = []
        self._joined: set[str] = set()
        self._complete = True
        self._assignment: dict[str, frozenset[TopicPartition]] = {}

    def join(self, member: "MemoryLog") -> None:
        """A newcomer with a known instance id takes its holder's place; nobody else notices."""
        holder = self.holder(member)
        self._members.append(member)
        if holder is None:
            self.rebalance()
            return
        self._members.remove(holder)
        holder.superseded = True
        self._assignment[member.member_id] = self._assignment.pop(holder.member_id, frozenset())
        self._joined.discard(holder.member_id)
        self._broker.touch()

    def holder(self, member: "MemoryLog") -> "MemoryLog | None":
        """Who has the member's instance id, when it is not itself."""
        named = (each for each in self._members if each is not member and each.instance_id)
        return next((each for each in named if each.instance_id == member.instance_id), None)

    def leave(self, member: "MemoryLog") -> None:
        self._assignment.pop(member.member_id, None)
        member.evicted = False
        if member in self._members:
            self._members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        self.generation += 1
        self._joined.clear()
        self._complete = False
        self._broker.touch()

    async def sync(self, member: "MemoryLog") -> tuple[int, frozenset[TopicPartition]]:
        """Waits until every member has come, again when one more comes; returns generation and partitions."""
        while True:
            generation = self.generation
            self._joined.add(member.member_id)
            if self._members and self._joined >= {each.member_id for each in self._members}:
                self._assign()
            while member.evicted or (generation == self.generation and not self._complete):
                await member.woken()
            if generation == self.generation:
                return generation, self._assignment[member.member_id]

    def _assign(self) -> None:
        """Sticky: a member keeps what it had, as far as that is its fair share."""
        names = sorted(each.member_id for each in self._members)
        numbers = range(self._broker.partitions)
        everything = {TopicPartition(topic, number) for topic in self._broker.commands for number in numbers}
        share, extra = divmod(len(everything), len(names))
        kept: dict[str, set[TopicPartition]] = {}
        for index, name in enumerate(sorted(names, key=lambda each: -len(self._assignment.get(each, ())))):
            quota = share + (index < extra)
            kept[name] = set(sorted(self._assignment.get(name, frozenset()))[:quota])
        for partition in sorted(everything.difference(*kept.values())):
            min((kept[name] for name in names), key=len).add(partition)
        self._assignment = {name: frozenset(partitions) for name, partitions in kept.items()}
        self._complete = True
        self._broker.touch()


class MemoryLog:
    """A member of the group: twin of ``service.adapters.kafka.log.KafkaLog``."""

    def __init__(self, broker: MemoryBroker, member_id: str, instance_id: str = "") -> None:
        self.member_id, self.instance_id = member_id, instance_id
        self.evicted = self.superseded = False
        self._broker, self._generation = broker, -1
        self._held: frozenset[TopicPartition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self.woken_by = asyncio.Event()

    async def open(self, partition: TopicPartition) -> "MemoryPartitionLog":
        await self._broker.answer()
        return MemoryPartitionLog(self._broker, partition, self._broker.fence(partition))

    async def consume(self, assignee: Assignee) -> None:
        self._broker.group.join(self)
        try:
            while True:
                if self.superseded:
                    await self._step_back(assignee)
                elif not self.evicted and self._generation != self._broker.group.generation:
                    await self._rebalance(assignee)
                elif not self._deliver(assignee):
                    await self.woken()
                await asyncio.sleep(0)
        finally:
            self._drop()
            self._broker.group.leave(self)

    def start(self, partition: TopicPartition, offset: int) -> None:
        if partition in self._held:
            self._positions[partition] = offset
            self._paused.discard(partition)
            self.woken_by.set()

    def pause(self, partition: TopicPartition) -> None:
        if partition in self._held:
            self._paused.add(partition)

    def resume(self, partition: TopicPartition) -> None:
        self._paused.discard(partition)
        self.woken_by.set()

    def rejoin(self) -> None:
        self._broker.group.rebalance()

    async def woken(self) -> None:
        await self.woken_by.wait()
        self.woken_by.clear()

    def _drop(self) -> None:
        self._held, self._generation = frozenset(), -1
        self._positions.clear()
        self._paused.clear()

    async def _rebalance(self, assignee: Assignee) -> None:
        if held := self._held:
            self._drop()
            await assignee.revoked(held)
        self._generation, self._held = await self._broker.group.sync(self)
        await assignee.assigned(self._held)

    async def _step_back(self, assignee: Assignee) -> None:
        self._drop()
        await assignee.step_back(f"another process has joined as instance {self.instance_id!r}")
        while self._broker.group.holder(self):
            await self.woken()
        self.superseded = False
        self._broker.group.join(self)

    def _deliver(self, assignee: Assignee) -> bool:
        if self.evicted or self._broker._frozen:
            return False
        delivered = False
        for tp in sorted(self._positions.keys() - self._paused):
            partition = self._broker.partition(*tp)
            records = partition.committed(self._positions[tp], BATCH)
            if records:
                self._positions[tp] = records[-1].offset + 1
                assignee.received(tp, records)
                delivered = True
        return delivered


class MemoryPartitionLog:
    """Exclusive access to a partition: twin of ``service.adapters.kafka.partition.KafkaPartitionLog``."""

    def __init__(self, broker: MemoryBroker, partition: TopicPartition, epoch: int) -> None:
        self._broker, self._tp, self._epoch, self._spent = broker, partition, epoch, False

    async def restore(self) -> AsyncIterator[Sequence[tuple[bytes, bytes | None]]]:
        await self._broker.answer()
        changelog = self._broker.partition(self._broker.commands[self._tp.topic], self._tp.partition)
        end = changelog.end
        if changelog.stable_end < end:
            await asyncio.sleep(self._broker.deadline)
        if changelog.stable_end < end:
            raise LogError("an open transaction hides the end of the changelog")
        records = [(each.key or b"", each.value) for each in changelog.committed(changelog.start) if each.offset < end]
        for index in range(0, len(records), BATCH):
            await asyncio.sleep(0)
            yield records[index : index + BATCH]

    async def position(self) -> int:
        await self._broker.answer()
        commands, offset = self._broker.partition(*self._tp), self._broker.committed(self._tp)
        if offset is None:
            return commands.start
        if not commands.start <= offset <= commands.end:
            raise Unfit(f"offset {offset} is out of range [{commands.start}, {commands.end}]")
        return offset

    async def commit(self, records: Sequence[OutRecord], next_offset: int | None) -> None:
        if self._spent:
            raise CommitUnknown("this log is spent")
        if not records and next_offset is None:
            return
        self._spent = True  # holds when we are cancelled or fail
        await self._broker.transact(self._tp, self._epoch, tuple(records), next_offset)
        self._spent = False

    async def close(self) -> None:
        self._spent = True
        await asyncio.sleep(0)
