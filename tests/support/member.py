"""A member of the in-memory Kafka's group: the Log port, and exclusive access to its partitions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import TYPE_CHECKING

from service.runtime.ports import (
    Assignee,
    CommitUnknown,
    Follower,
    LogError,
    OutRecord,
    PartitionOffsets,
    TopicPartition,
    Unfit,
)

if TYPE_CHECKING:
    from tests.support.log import MemoryBroker

BATCH = 500
QUIET = 60.0
"""Seconds without news after which what holds no record is passed over."""


class MemoryLog:
    """A member of the group, and its log: twin of ``service.adapters.kafka.log.KafkaLog`` and of its membership."""

    def __init__(self, broker: "MemoryBroker", member_id: str, instance_id: str, topics: frozenset[str]) -> None:
        self.member_id, self.instance_id, self.topics = member_id, instance_id, topics
        self.evicted = self.superseded = False
        self._broker, self._generation = broker, -1
        self._held: frozenset[TopicPartition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self.woken_by = asyncio.Event()
        self.followed = asyncio.Event()

    @property
    def membership(self) -> "MemoryLog":
        return self

    async def open(self, partition: TopicPartition) -> "MemoryPartitionLog":
        await self._broker.answer()
        return MemoryPartitionLog(self._broker, partition, self._broker.fence(partition, self.member_id))

    async def consume(self, assignee: Assignee) -> None:
        self._broker.group.join(self)
        try:
            while True:
                if self.superseded:
                    await self._superseded_by_peer(assignee)
                elif not self.evicted and self._generation != self._broker.group.generation:
                    await self._rebalance(assignee)
                elif not self._deliver(assignee):
                    await self._wait(assignee)
                await asyncio.sleep(0)
        finally:
            self._drop()
            self._broker.group.leave(self)

    async def holds(self, partition: TopicPartition) -> bool:
        await self._broker.answer()
        return not self.evicted and self._generation == self._broker.group.generation and partition in self._held

    async def follow(self, follower: Follower) -> None:
        ends: dict[TopicPartition, int] = {}
        while True:
            for topic, changelog in self._broker.commands.items():
                for number in range(self._broker.partitions if topic in self.topics else 0):
                    self._replicate(follower, TopicPartition(topic, number), changelog, ends)
            # A follower may want another partition without anything new on the broker.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._broker.follow_every):
                    await self.followed.wait()
            self.followed.clear()
            await asyncio.sleep(self._broker.follow_lag)

    def _replicate(
        self, follower: Follower, partition: TopicPartition, changelog: str, ends: dict[TopicPartition, int]
    ) -> None:
        wanted = follower.wanted(partition)
        if wanted is None or self._broker._frozen:
            ends.pop(partition, None)
            return
        log = self._broker.partition(changelog, partition.partition)
        end = log.stable_end
        if wanted > log.end:  # another topic of the same name
            follower.lost(partition)
            return
        if ends.get(partition) != end or wanted != end:
            ends[partition] = end
            pairs = [(each.key or b"", each.value) for each in log.committed(wanted) if each.offset < end]
            follower.replicated(partition, pairs, end, current=True)

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

    async def _wait(self, assignee: Assignee) -> None:
        """Until there is news; when there is none for a while, control and aborted records are passed over."""
        try:
            async with asyncio.timeout(QUIET):
                await self.woken()
        except TimeoutError:
            for tp in sorted(self._positions.keys() - self._paused):
                partition, position = self._broker.partition(*tp), self._positions[tp]
                stable, empty = partition.stable_end, not partition.committed(position, 1)
                if stable > position and empty and not self.evicted and not self._broker._frozen:
                    self._positions[tp] = stable
                    assignee.passed(tp, stable)

    def _drop(self) -> None:
        self._held, self._generation = frozenset(), -1
        self._positions.clear()
        self._paused.clear()

    async def _rebalance(self, assignee: Assignee) -> None:
        if held := self._held:
            self._drop()
            await assignee.revoked(held)
        self._generation, self._held = await self._broker.group.sync(self)
        if self._broker.witness is not None:
            self._broker.witness.assigned(self.member_id, self._held)
        await assignee.assigned(self._held)

    async def _superseded_by_peer(self, assignee: Assignee) -> None:
        self._drop()
        await assignee.superseded_by_peer(f"another process has joined as instance {self.instance_id!r}")
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

    def __init__(self, broker: "MemoryBroker", partition: TopicPartition, epoch: int) -> None:
        self._broker, self._tp, self._epoch, self._spent = broker, partition, epoch, False
        self._log_start: int | None = None

    async def restore(self, known: int = 0) -> AsyncIterator[Sequence[tuple[bytes, bytes | None]]]:
        await self._broker.answer()
        changelog = self._broker.partition(self._broker.commands[self._tp.topic], self._tp.partition)
        end = changelog.end
        if self._log_start not in (None, changelog.start):
            raise LogError(f"the changelog began at offset {self._log_start}, and now begins at {changelog.start}")
        if known > end:
            raise Unfit(f"the changelog ends at {end}, before {known}: it was made anew")
        if changelog.stable_end < end:
            await asyncio.sleep(self._broker.deadline)
        if changelog.stable_end < end:
            raise LogError("an open transaction hides the end of the changelog")
        records = [(each.key or b"", each.value) for each in changelog.committed(known) if each.offset < end]
        for index in range(0, len(records), BATCH):
            await asyncio.sleep(0)
            yield records[index : index + BATCH]

    async def offsets(self) -> PartitionOffsets:
        await self._broker.answer()
        commands = self._broker.partition(*self._tp)
        log = self._broker.commands[self._tp.topic]
        self._log_start = self._broker.partition(log, self._tp.partition).start
        return PartitionOffsets(
            self._broker.group_id,
            self._broker.committed(self._tp),
            commands.start,
            commands.end,
            self._log_start,
            self._broker.topic_id(self._tp.topic),
            self._broker.topic_id(log),
        )

    async def existing(self, topics: Collection[str]) -> frozenset[str]:
        await self._broker.answer()
        return frozenset(topics) - self._broker.missing

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


class MemoryBroadcast:
    """Reaches every member that listens: twin of ``service.adapters.kafka.broadcast.KafkaBroadcast``."""

    def __init__(self, broker: "MemoryBroker") -> None:
        self._broker = broker
        self._come: asyncio.Queue[bytes] | None = None

    def send(self, value: bytes) -> None:
        self._broker.reach(value)

    def hear(self, value: bytes) -> None:
        if self._come is not None:
            self._come.put_nowait(value)

    async def run(self, heard: Callable[[bytes], None]) -> None:
        self._come = asyncio.Queue()
        try:
            while True:
                heard(await self._come.get())
        finally:
            self._come = None
