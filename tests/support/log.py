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
from collections.abc import Callable, Collection, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from schemas import sizes
from service.runtime.ports import (
    BatchRefused,
    CommitUnknown,
    Fenced,
    Headers,
    InRecord,
    LogError,
    OutRecord,
    RecordRefused,
    TopicPartition,
)
from tests.support.member import MemoryBroadcast, MemoryLog
from tests.support.membership import Group
from tests.support.partitions import Partition, Transaction

T = TypeVar("T")

BATCH_BYTES = 512 * 1024


@dataclass(frozen=True)
class Fate:
    """What becomes of a commit whose caller learns nothing: it is applied seconds later, or never.

    Late, it is applied only if no new owner has come before: the fence aborts what is open.
    """

    after: float | None


APPLIED, LEFT_OPEN = Fate(0.0), Fate(None)


class Witness(Protocol):
    """Who is told what happens at the broker, as it happens."""

    def assigned(self, member: str, partitions: frozenset[TopicPartition]) -> None:
        """The group has given a member exactly these."""

    def opened(self, member: str, partition: TopicPartition) -> None:
        """A member has fenced a partition."""

    def committed(
        self, member: str, partition: TopicPartition, records: Sequence[InRecord], next_offset: int | None
    ) -> None:
        """A member's transaction is decided."""


@dataclass
class MemoryBroker:
    """Topics, the consumer group and the faults.

    Attributes:
        partitions: Of every topic.
        commands: Topics the group consumes, each with its changelog.
        wall: Gives records their timestamps, in epoch seconds.
        latency: Seconds that a commit takes; half of them until its records are written, half until it is decided.
        deadline: Seconds after which a call to a frozen broker fails.
        record_bytes: A commit with a larger record is refused.
        topic_bytes: The same for single topics.
        chance: Asked for the fate of a commit.
        spread: Asked for the seconds after which a partition gets its marker of a decided transaction.
        opening: Asked for the seconds that the opening of a partition takes.
        witness: Is told of everything.
        follow_every: Seconds after which followers are asked again what they want.
        follow_lag: Seconds by which followers are behind.
        missing: Topics that do not exist; all others do.
        refusing: Topics that refuse records, and what comes of it.
        group_id: Of the consumer group.
        loses: Asked whether a record that is sent to all is lost on its way to one of them.
    """

    partitions: int = 2
    commands: dict[str, str] = field(default_factory=lambda: {"cleanroomsml.commands": "cleanroomsml.jobs"})
    wall: Callable[[], float] = time.time
    latency: float = 0.0
    deadline: float = 5.0
    record_bytes: int = sizes.largest_record()
    topic_bytes: dict[str, int] = field(default_factory=dict)
    chance: Callable[[TopicPartition], Fate | None] = lambda _: None
    spread: Callable[[], float] = lambda: 0.0
    opening: Callable[[], float] = lambda: 0.0
    witness: Witness | None = None
    follow_every: float = 1.0
    follow_lag: float = 0.03
    missing: set[str] = field(default_factory=set)
    refusing: dict[str, type[LogError]] = field(default_factory=dict)
    group_id: str = "cleanroomsml-service"
    loses: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.group = Group(self)
        self._topics: dict[str, list[Partition]] = {}
        self._made: dict[str, int] = {}
        self._epochs: dict[TopicPartition, int] = {}
        self._owners: dict[TopicPartition, str] = {}
        self._careful: set[str] = set()
        self._open: dict[TopicPartition, Transaction] = {}
        self._decided: dict[TopicPartition, Transaction] = {}
        self._offsets: dict[TopicPartition, int] = {}
        self._failures: list[Fate] = []
        self._logs: dict[str, MemoryLog] = {}
        self._broadcasts: dict[str, MemoryBroadcast] = {}
        self._frozen = False
        self._held: list[Callable[[], None]] = []
        self._world = copy_context()

    def log(self, member_id: str, instance_id: str = "", topics: Collection[str] | None = None) -> "MemoryLog":
        """A member of the group, static if it has an instance id; the same member id gives the same member.

        Args:
            member_id: Its name.
            instance_id: Of a static member.
            topics: Those of the commands topics that it consumes; all unless given.
        """
        subscribed = frozenset(self.commands if topics is None else topics)
        return self._logs.setdefault(member_id, MemoryLog(self, member_id, instance_id, subscribed))

    def broadcast(self, name: str) -> MemoryBroadcast:
        """What a member says to all; the same name gives the same one."""
        return self._broadcasts.setdefault(name, MemoryBroadcast(self))

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

    def forget_offset(self, partition: TopicPartition) -> None:
        """The group's offset expires, or somebody deletes it."""
        self._offsets.pop(partition, None)

    def fail_next_commit(self, *, applied: bool) -> None:
        """The next commit raises CommitUnknown, after it was applied or with its transaction left open."""
        self._failures.append(APPLIED if applied else LEFT_OPEN)

    def fence(self, partition: TopicPartition, member: str = "") -> int:
        """A new owner opens the partition: ends what the last one has decided, aborts what it left open.

        Returns:
            The new epoch.
        """
        self._epochs[partition] = self._epochs.get(partition, 0) + 1
        self._owners[partition] = member
        self._complete(partition)
        if partition in self._open:
            self._open.pop(partition).end(committed=False)
        if self.witness is not None:
            self.witness.opened(member, partition)
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

    def compact(self, topic: str, partition: int) -> None:
        """Leaves the last committed record of each key, as the log cleaner does; the beginning stays where it is."""
        last: set[bytes | None] = set()
        for entry in reversed(self.partition(topic, partition).entries):
            if entry.committed and entry.record is not None:
                if entry.record.key in last:
                    entry.record = None
                else:
                    last.add(entry.record.key)

    def lose_offsets(self, topic: str | None = None) -> None:
        """The group's offsets expire, or somebody deletes them; of one topic, or of all."""
        self._offsets = {each: offset for each, offset in self._offsets.items() if topic not in (None, each.topic)}

    def set_offset(self, partition: TopicPartition, offset: int) -> None:
        """Somebody sets the group's offset with Kafka's own tools."""
        self._offsets[partition] = offset

    def recreate(self, topic: str) -> None:
        """Somebody deletes a topic and makes it anew: Kafka drops the group's offsets of it."""
        self._topics.pop(topic, None)
        self._made[topic] = self._made.get(topic, 0) + 1
        self.lose_offsets(topic)

    def topic_id(self, topic: str) -> str:
        """What tells a topic from another one made later under its name."""
        return f"{topic}:{self._made.get(topic, 0)}"

    def evict(self, member_id: str) -> None:
        """The member missed its session: its partitions go to others, and it does not know until :meth:`readmit`."""
        self.group.leave(self._logs[member_id])
        self._logs[member_id].evicted = True

    def readmit(self, member_id: str) -> None:
        """The evicted member notices, and joins again; nothing happens to one that was not evicted."""
        if self._logs[member_id].evicted:
            self._logs[member_id].evicted = False
            self.group.join(self._logs[member_id])

    def freeze(self) -> None:
        """No call is answered until :meth:`thaw`: each fails after ``deadline``, and is carried out then."""
        self._frozen = True

    def thaw(self) -> None:
        """Answers again."""
        self._frozen = False
        held, self._held = self._held, []
        for work in held:
            work()
        self.touch()

    def partition(self, topic: str, number: int) -> Partition:
        if topic not in self._topics:
            self._topics[topic] = [Partition(topic, each) for each in range(self.partitions)]
        return self._topics[topic][number]

    def append(self, record: OutRecord, transaction: Transaction | None) -> tuple[int, int]:
        hashed = zlib.crc32(record.key or b"") % self.partitions
        number = hashed if record.partition is None else record.partition
        offset = self.partition(record.topic, number).append(record, self.wall(), transaction)
        if transaction is None:
            self.touch()
        return number, offset

    async def answer(self) -> None:
        """Raises LogError, late, when the broker is frozen."""
        await asyncio.sleep(self.opening())
        if self._frozen:
            await asyncio.sleep(self.deadline)
            raise LogError("the broker did not answer in time")

    async def transact(
        self, partition: TopicPartition, epoch: int, records: Sequence[OutRecord], next_offset: int | None
    ) -> None:
        """Writes, then commits; whatever becomes of the caller, a request under way arrives."""
        await self._exchange(lambda: self._write(partition, epoch, records))
        fate = self._failures.pop(0) if self._failures else self.chance(partition)
        if fate is None:
            await self._exchange(lambda: self._decide(partition, epoch, next_offset))
        elif fate.after is None:
            raise CommitUnknown("injected: the transaction was left open")
        elif fate.after == 0:
            self._decide(partition, epoch, next_offset)
            raise CommitUnknown("injected: the transaction was committed")
        else:
            self._later(fate.after, lambda: self._decide_late(partition, epoch, next_offset))
            raise CommitUnknown("injected: the transaction may be committed later")

    async def _exchange(self, work: Callable[[], None]) -> None:
        """A request and its answer; it is carried out on nobody's behalf."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._later(self.latency / 2, lambda: self._serve(work, answer))
        await answer

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, work, context=self._world)

    def _serve(self, work: Callable[[], None], answer: asyncio.Future[None]) -> None:
        if self._frozen:
            self._held.append(lambda: self._serve(work, answer))
            self._later(self.deadline, lambda: _fail(answer, CommitUnknown("the broker did not answer in time")))
            return
        try:
            work()
        except LogError as error:
            _fail(answer, error)
        else:
            if not answer.done():
                answer.set_result(None)

    def _write(self, partition: TopicPartition, epoch: int, records: Sequence[OutRecord]) -> None:
        self._require(partition, epoch)
        self._complete(partition)
        self.leave_open(partition, records)
        self._measure(self._owners[partition], records)
        if refusing := {each.topic for each in records} & self.refusing.keys():
            raise self.refusing[min(refusing)]("nothing was committed: a topic refuses records", refusing)
        if any(each.topic in self.missing for each in records):
            raise CommitUnknown("a topic does not exist: the transaction was left open")

    def _measure(self, owner: str, records: Sequence[OutRecord]) -> None:
        """A record may be too large; a batch, too, until its sender sends fewer records at once."""
        together: dict[str, int] = {}
        for each in records:
            size, limit = _size(each), self.topic_bytes.get(each.topic, self.record_bytes)
            if size > limit:
                raise RecordRefused(each.topic, size, limit)
            together[each.topic] = together.get(each.topic, 0) + size
        for topic, size in together.items():
            if min(size, BATCH_BYTES) > self.topic_bytes.get(topic, BATCH_BYTES) and owner not in self._careful:
                self._careful.add(owner)
                raise BatchRefused(f"topic {topic} refuses a batch")

    def _decide(self, partition: TopicPartition, epoch: int, next_offset: int | None) -> None:
        self._require(partition, epoch)
        transaction = self._decided[partition] = self._open.pop(partition)
        if self.witness is not None:
            self.witness.committed(self._owners[partition], partition, transaction.records(), next_offset)
        transaction.settle = lambda: self._settle(partition, next_offset)
        for part in list(transaction.parts):
            if wait := self.spread():
                self._later(wait, lambda part=part: self._mark(transaction, part))  # type: ignore[misc]
            else:
                transaction.mark(part, committed=True)
        if not transaction.parts:
            transaction.settle()
        self.touch()

    def _decide_late(self, partition: TopicPartition, epoch: int, next_offset: int | None) -> None:
        if self._epochs[partition] == epoch:
            self._decide(partition, epoch, next_offset)

    def _mark(self, transaction: Transaction, part: tuple[str, int]) -> None:
        transaction.mark(part, committed=True)
        self.touch()

    def _settle(self, partition: TopicPartition, next_offset: int | None) -> None:
        if next_offset is not None:
            self._offsets[partition] = next_offset

    def _complete(self, partition: TopicPartition) -> None:
        """Nothing new begins before the markers of the last transaction are written."""
        if partition in self._decided:
            self._decided.pop(partition).end(committed=True)

    def _require(self, partition: TopicPartition, epoch: int) -> None:
        if self._epochs[partition] != epoch:
            raise Fenced(f"another owner holds {partition}")

    def reach(self, value: bytes) -> None:
        """Hands a record to everyone who listens, soon, unless it is lost."""
        for each in self._broadcasts.values():
            if not self._frozen and not self.loses():
                self._later(self.follow_lag, partial(each.hear, value))

    def touch(self) -> None:
        for log in self._logs.values():
            log.woken_by.set()
            log.followed.set()


def _size(record: OutRecord) -> int:
    return sizes.record_size(record.key, record.value, record.headers)


def _fail(answer: asyncio.Future[None], error: LogError) -> None:
    if not answer.done():
        answer.set_exception(error)
