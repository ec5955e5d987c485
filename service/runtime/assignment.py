"""Partitions gained or lost -> shards opened or closed.

A rebalance revokes everything and gives most of it back. State stays warm meanwhile; only what was really lost is
closed. A shard whose log was spent comes back through a fresh assignment and in no other way. A shard that is halted is
tried again now and then, and only when the group's coordinator confirms that its partition is still ours. A halted
partition does not make its process unready, unless nothing else is served: docs/adr/0044 says why.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from schemas.records import CorruptRecord
from service.runtime.errors import location
from service.runtime.ports import InRecord, LogError, Membership, Telemetry, TopicPartition, Unfit
from service.runtime.shard import Shard, State


class Assignment:
    """The shards of this process; implements :class:`service.runtime.ports.Assignee`.

    Args:
        membership: In the consumer group.
        make_shard: Makes a shard of a partition.
        telemetry: Receives metrics and problems.
        grace: Seconds that running calls get to end when partitions are revoked.
        resized: Called with the partitions held after every assignment.
        halted_retry: Seconds after which a halted partition is tried again.
    """

    def __init__(
        self,
        membership: Membership,
        make_shard: Callable[[TopicPartition], Shard],
        telemetry: Telemetry,
        *,
        grace: float,
        resized: Callable[[frozenset[TopicPartition]], None],
        halted_retry: float = 30.0,
    ) -> None:
        self._membership = membership
        self._make_shard = make_shard
        self._telemetry = telemetry
        self._grace = grace
        self._resized = resized
        self._halted_retry = halted_retry
        self._shards: dict[TopicPartition, Shard] = {}
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._halted: dict[TopicPartition, str] = {}
        self._unread: dict[TopicPartition, str] = {}
        self._retries: dict[TopicPartition, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._given: frozenset[TopicPartition] = frozenset()
        self._joined = False
        self._started = False
        self._closing = False
        self._superseded = ""

    @property
    def superseded(self) -> str:
        """Why another process owns this instance id; empty if none does."""
        return self._superseded

    @property
    def shards(self) -> Mapping[TopicPartition, Shard]:
        """The shards there are."""
        return self._shards

    @property
    def standing(self) -> Mapping[TopicPartition, str]:
        """Halted partitions, and why each can't be served; one that is tried again counts until it is served."""
        return {**self._unread, **{each: why for each, why in self._halted.items() if not self._is_restored(each)}}

    @property
    def ready(self) -> bool:
        """True once every partition that the group gave is restored or halted, and not all of them are halted."""
        if not self._joined or self._closing or self._superseded:
            return False
        halted = self.standing
        served = {each for each in self._shards if self._is_restored(each)}
        if not self._given | self._shards.keys() <= served | halted.keys():
            return False
        return not self._given or bool(served - halted.keys())

    @property
    def started(self) -> bool:
        """True once what the group gave first is restored or halted; later restores don't undo it."""
        opening = {each for each, shard in self._shards.items() if shard.state in (State.OPENING, State.RESTORING)}
        if self._joined and opening <= self._halted.keys():
            self._started = True
        return self._started

    def _is_restored(self, partition: TopicPartition) -> bool:
        shard = self._shards.get(partition)
        return shard is not None and shard.state in (State.RUNNING, State.PAUSED)

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Shards are served by tasks of this group."""
        self._group = group

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Drains the shards and keeps them: most come back."""
        for partition in list(self._unread):
            self.halted(partition, "")
        async with asyncio.TaskGroup() as pauses:
            for partition in sorted(partitions & self._shards.keys()):
                pauses.create_task(self._pause(partition, self._shards[partition]))

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Closes what was lost, goes on with what was kept, opens what is new."""
        if self._is_closing():
            return
        self._joined, self._superseded, self._given = True, "", partitions
        await self._give_up(self._shards.keys() - partitions, self._halted.keys() - partitions)
        if self._is_closing():  # meanwhile: what would be opened now would stay open
            return
        for partition in sorted(partitions):
            if partition in self._shards:
                self._shards[partition].resume()
            else:
                self._open(partition)
        try:
            self._resized(partitions)
        except Exception as error:
            self._telemetry.problem("assignment_error", error=location(error))

    async def _pause(self, partition: TopicPartition, shard: Shard) -> None:
        """A shard that can't be drained is closed dirty, as by a crash."""
        try:
            await shard.pause(self._grace)
        except Exception as error:
            self._telemetry.problem("assignment_error", error=location(error))
            if self._shards.get(partition) is shard:
                self._halted.pop(partition, None)
                self._tasks[partition].cancel()

    async def superseded_by_peer(self, reason: str) -> None:
        """Gives up all partitions: the process with this instance id fences them anyway."""
        if not self._superseded:
            self._telemetry.problem("instance_id_conflict", error=reason)
        self._superseded = reason
        await self._give_up(set(self._shards), set(self._halted))

    def received(self, partition: TopicPartition, records: Sequence[InRecord]) -> None:
        """Passes records on to their shard; of a shard that just ended they are read again by its successor."""
        if shard := self._shards.get(partition):
            shard.receive(records)

    def passed(self, partition: TopicPartition, offset: int) -> None:
        """Informs a shard of offsets that hold no records."""
        if shard := self._shards.get(partition):
            shard.passed(offset)

    def halted(self, partition: TopicPartition, reason: str) -> None:
        """Shows that a partition's records can't be read, or can again; its shard goes on with what it has."""
        shard = self._shards.get(partition)
        if reason:
            self._unread[partition] = reason
            self._report_halted(partition, reason)
        elif self._unread.pop(partition, None) and shard is not None:
            self._telemetry.shard(shard.name, shard.state.value)

    def wake(self, partition: TopicPartition, key: bytes) -> None:
        """A slot may be free for a waiting job."""
        if shard := self._shards.get(partition):
            shard.wake(key)

    async def close(self) -> None:
        """Ends all shards cleanly, side by side."""
        self._closing = True
        for retry in self._retries.values():
            retry.cancel()
        await self._close(set(self._shards), grace=self._grace)

    def abandon(self) -> None:
        """Ends what is left of the shards, dirty."""
        for task in self._tasks.values():
            task.cancel()

    def _is_closing(self) -> bool:
        return self._closing

    async def _give_up(self, shards: set[TopicPartition], halted: set[TopicPartition]) -> None:
        await self._close(shards, grace=0.0)
        for elsewhere in sorted(halted):
            self._let_go(elsewhere)

    async def _close(self, partitions: set[TopicPartition], *, grace: float) -> None:
        tasks = [self._tasks[partition] for partition in partitions if partition in self._tasks]
        async with asyncio.TaskGroup() as closings:
            for partition in sorted(partitions):
                closings.create_task(self._close_one(self._shards[partition], self._tasks[partition], grace))
        if tasks:
            await asyncio.wait(tasks)

    async def _close_one(self, shard: Shard, task: asyncio.Task[None], grace: float) -> None:
        if shard.state in (State.OPENING, State.RESTORING):
            task.cancel()
        else:
            await shard.close(grace)

    def _open(self, partition: TopicPartition) -> None:
        if self._group is None:
            raise RuntimeError("begin() comes before assigned()")
        self._stop_retrying(partition)
        shard = self._shards[partition] = self._make_shard(partition)
        task = self._group.create_task(self._serve(partition, shard), name=f"shard:{shard.name}")
        self._tasks[partition] = task
        task.add_done_callback(lambda _: self._ended(partition, shard))  # also of one that was cancelled unbegun

    def _ended(self, partition: TopicPartition, shard: Shard) -> None:
        if self._shards.get(partition) is shard:
            del self._tasks[partition]
            del self._shards[partition]

    async def _serve(self, partition: TopicPartition, shard: Shard) -> None:
        try:
            try:
                await shard.run()
            finally:
                # Before anything else is done about it: an assignment that comes now has to open the partition again.
                self._ended(partition, shard)
        except* Unfit as errors:
            self._halt(partition, "; ".join(str(error) for error in _leaves(errors)))
        except* LogError as errors:
            self._lost(partition, shard, "; ".join(repr(error) for error in _leaves(errors)))
        except* CorruptRecord as errors:
            self._halt(partition, "; ".join(str(error) for error in _leaves(errors)))
        except* Exception as errors:
            # Whatever it is, other partitions go on: a process that dies of it takes it to the next one.
            why = "; ".join(location(error) for error in _leaves(errors))
            self._halt(partition, f"a defect of the service, please report it: {why}")

    def _halt(self, partition: TopicPartition, why: str) -> None:
        """Halts the partition and reports it; tried again at intervals, since a repair sends no notification."""
        self._halted[partition] = why
        self._report_halted(partition, why)
        if self._group is not None and not self._closing:
            name = f"retry:{partition.topic}-{partition.partition}"
            self._retries[partition] = self._group.create_task(self._retry(partition), name=name)

    async def _retry(self, partition: TopicPartition) -> None:
        """Opens it again once the group confirms the assignment: opening fences any other owner."""
        while True:
            await asyncio.sleep(self._halted_retry)
            if await self._is_ours(partition):
                break
        del self._retries[partition]
        self._open(partition)

    async def _is_ours(self, partition: TopicPartition) -> bool:
        try:
            return await self._membership.holds(partition)
        except LogError:
            return False

    def _stop_retrying(self, partition: TopicPartition) -> None:
        if retry := self._retries.pop(partition, None):
            retry.cancel()

    def _let_go(self, partition: TopicPartition) -> None:
        """The partition has another owner now."""
        self._halted.pop(partition, None)
        self._stop_retrying(partition)
        self._telemetry.shard(f"{partition.topic}-{partition.partition}", State.CLOSED.value)

    def _report_halted(self, partition: TopicPartition, why: str) -> None:
        name = f"{partition.topic}-{partition.partition}"
        self._telemetry.shard(name, "halted")
        self._telemetry.problem("shard_halted", partition=name, error=why)

    def _lost(self, partition: TopicPartition, shard: Shard, why: str) -> None:
        self._halted.pop(partition, None)
        self._telemetry.problem("shard_closed_dirty", partition=shard.name, error=why)
        if not self._closing:
            self._membership.rejoin()


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
