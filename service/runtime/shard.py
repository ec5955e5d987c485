"""A commands partition's only writer: fence, restore, then step and commit what comes through the inbox.

One task serves a shard, so its code holds no lock. *Commit, then act*: an activity starts only after the transaction
that wants it. A commit that fails ends the shard; memory is dropped and the changelog is the truth.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from itertools import chain
from typing import Final

from schemas.records import CorruptRecord, NewerRecord
from service.core.observations import Observation
from service.core.outcomes import lasting
from service.core.position import Disagreement, PartitionOffsets, foreign, position_at, resume
from service.core.sequencing import finished_at, is_final
from service.runtime.activities import Activities, ActivityDependencies
from service.runtime.backpressure import Backpressure
from service.runtime.context import Context
from service.runtime.errors import location
from service.runtime.inbox import Arrived, Inbox, Item, Observed, Outdated, Passed, Resumed
from service.runtime.ports import (
    CommitUnknown,
    InRecord,
    Log,
    LogError,
    PartitionLog,
    RecordRefused,
    TopicPartition,
    Unfit,
)
from service.runtime.processor import Processor, ProcessorContext
from service.runtime.reply_topics import ReplyTopics
from service.runtime.retention import Retention
from service.runtime.standby import Standby
from service.runtime.store import Store
from service.runtime.transaction import Transaction


class State(StrEnum):
    """Life of a shard; each state may follow only the one before it, PAUSED and RUNNING alternate."""

    OPENING = "opening"
    RESTORING = "restoring"
    RUNNING = "running"
    PAUSED = "paused"
    CLOSED = "closed"


class Shard:
    """One partition's state and its writer.

    Args:
        partition: Which commands partition.
        log: Kafka.
        workshop: What activities need.
        context: Shared by all shards.
        standby: Copies of partitions that others owned, this one maybe among them.
        processor: What a record of this partition's topic means.
    """

    def __init__(
        self,
        partition: TopicPartition,
        log: Log,
        workshop: ActivityDependencies,
        context: Context,
        standby: Standby,
        processor: Callable[[ProcessorContext], Processor],
    ) -> None:
        self.partition = partition
        self.name = f"{partition.topic}-{partition.partition}"
        self.position = self._consumed = 0
        self._log = log
        self._make_processor = processor
        self._context = context
        self._standby = standby
        self._inbox = Inbox()
        self._retention = Retention(context.policy)
        self._activities = Activities(partition, self._inbox, workshop, context)
        self._store = Store()
        self._processor = self._process(self._store)
        self._slow = workshop.dispatch.slow
        self._backpressure = Backpressure(partition, self._inbox, log.membership, self._slow, context)
        self._state = State.OPENING
        self._paused = False
        self._busy = False
        self._restored = 0
        self._reply_topics = ReplyTopics(self.name, context)
        self._ready = asyncio.Event()

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return State.PAUSED if self._paused and self._state is State.RUNNING else self._state

    def statistics(self) -> dict[str, object]:
        """For the status page: state, restore progress, jobs by phase, what is going on."""
        return {
            "state": self.state.value,
            "restored": self._restored,
            "position": self.position,
            "inbox": len(self._inbox),
            "delivery": "held" if self._backpressure.paused else "open",
            "throttled": sorted("/".join(budget) for budget in self._slow()),
            "jobs": self._store.phases(),
            "callable": self._store.census.callable,
            "waiting": self._store.census.waiting(),
            "remembered": len(self._retention),
            "remembered_bytes": self._store.ends.lasting + self._store.ends.fleeting,
            **self._activities.statistics(),
        }

    @property
    def consumed(self) -> int:
        """Offset of the first record that no transaction has consumed."""
        return self._consumed

    @property
    def kept(self) -> tuple[int, int]:
        """How many open commands it has, and records in all."""
        return self._store.going_on, len(self._store)

    @property
    def records_restored(self) -> int:
        """Records of the changelog that its restore has read."""
        return self._restored

    @property
    def waiting(self) -> int:
        """Items in the inbox."""
        return len(self._inbox)

    @property
    def held(self) -> Counter[str]:
        """How many jobs are held, by reason."""
        return self._activities.held

    @property
    def oldest_running(self) -> dict[str, float]:
        """Since when the job of each resource kind has been running that began first; owner's time."""
        return self._activities.oldest_running()

    @property
    def kept_waiting(self) -> dict[str, tuple[int, float]]:
        """Of the jobs that wait, by reason: how many, and since when the first of them could have been called."""
        return self._store.waiting()

    def phases(self) -> dict[str, int]:
        """How many jobs stand in each phase."""
        return self._store.phases()

    async def run(self) -> None:
        """Serves the partition until closed.

        Raises:
            LogError: Kafka refused or lost something, or another owner took over; this object is spent.
            CorruptRecord: The changelog can't be read.
        """
        self._context.telemetry.within(self.name)
        log = await self._log.open(self.partition)
        try:
            await self._restore(log)
            async with asyncio.TaskGroup() as tasks:
                self._activities.begin(tasks)
                watching = tasks.create_task(self._watch_topics(log), name=f"topics:{self.name}")
                self._enter(State.RUNNING)
                self._backpressure.begin(self._store)
                self._observe_restored()
                self._log.membership.start(self.partition, self.position)
                self._backpressure.pause()
                self._ready.set()
                await self._serve(log)
                watching.cancel()
                self._activities.end()
        finally:
            self._inbox.close()
            self._activities.end()
            self._backpressure.end()
            self._standby.give_back(self.partition)
            self._enter(State.CLOSED)
            await log.close()

    def receive(self, records: Sequence[InRecord]) -> None:
        """Takes records from the group's delivery, in order; pauses delivery when it can't keep up.

        What comes before :meth:`run` has asked for a position was meant for a predecessor that halted: taken, it would
        stand before the records that the predecessor has left, and its commit would skip them.
        """
        if not self._ready.is_set():
            return
        for record in records:
            self._inbox.put(Arrived(record))
            self.position = record.offset + 1
        self._backpressure.pause()

    def passed(self, offset: int) -> None:
        """Consumes offsets that hold no record for the shard.

        Kafka deletes them with the record before them. To the next owner, a position that stayed there would seem
        as if records had been deleted before they were read.
        """
        if self._ready.is_set() and offset > self.position:
            self._inbox.put(Passed(offset))
            self.position = offset

    def observe(self, key: bytes, observation: Observation) -> None:
        """Takes an observation about a job."""
        self._inbox.put(Observed(key, observation))

    def wake(self, key: bytes) -> None:
        """A slot may be free for a waiting job."""
        job = self._store.job(key)
        if job is not None:
            self._activities.wake(key, job)

    async def pause(self, grace: float) -> None:
        """Begins no new call, lets those under way end and commits all of it, for up to ``grace`` seconds.

        What was permitted but not begun is committed as not sent, so that a next owner need not search for it.
        A shard that is not running yet has nothing to wait for.
        """
        self._paused = True
        self._backpressure.hold()
        self._activities.hold()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                # Idleness has three sources; asking them now and then is enough for a hand-over.
                while self._state is State.RUNNING and not self._idle:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

    def resume(self) -> None:
        """Goes on after :meth:`pause`; delivery starts again where it stopped.

        A process that missed its session does not know who had the partition since. If it was restoring just then, its
        position may be behind commands that its memory lacks, and nothing would show it. So something is committed in
        any case: it fails if there was another owner, and the state is read again.
        """
        self._paused = False
        self._backpressure.proceed()
        self._inbox.put(Resumed())
        if self._ready.is_set():
            self._log.membership.start(self.partition, self.position)
            self._backpressure.pause()
        self._activities.proceed()

    async def close(self, grace: float) -> None:
        """Ends the shard cleanly: pauses, then stops serving."""
        await self.pause(grace)
        self._inbox.close()

    @property
    def _idle(self) -> bool:
        return not (self._busy or len(self._inbox) or self._activities.calling)

    def _process(self, store: Store) -> Processor:
        return self._make_processor(
            ProcessorContext(
                partition=self.partition,
                name=self.name,
                store=store,
                inbox=self._inbox,
                activities=self._activities,
                standby=self._standby,
                context=self._context,
            )
        )

    async def _restore(self, log: PartitionLog) -> None:
        self._enter(State.RESTORING)
        began = self._context.clock.monotonic()
        self._store, known = self._standby.take(self.partition)
        self._processor = self._process(self._store)
        self._store.note_ends()
        copied = len(self._store)
        # Before the changelog is read: what it records then is never behind the group's offset.
        found = await log.offsets()
        async for batch in log.restore(known):
            for key, value in batch:
                self._store.load(key, value)
            self._restored += len(batch)
            await asyncio.sleep(0)
        self._require_sound()
        self._standby.restored(self.partition, self._store)
        self._settle_position(found)
        seconds = self._context.clock.monotonic() - began
        self._context.telemetry.restored(self.name, self._restored, seconds, copied=copied)

    def _settle_position(self, found: PartitionOffsets) -> None:
        """Where to go on; a position that the changelog does not record yet is committed at once."""
        decided = resume(found, self._store.position, self._store.replayed)
        if isinstance(decided, Disagreement):
            raise Unfit(self._halted(decided))
        if decided.notice:
            self._context.telemetry.problem(
                "offset_corrected",
                partition=self.name,
                error=decided.notice,
            )
        self.position = self._consumed = decided.offset
        position = position_at(found, decided.offset)
        if position != self._store.position or found.committed != decided.offset:
            self._inbox.put(Resumed())
        self._store.position = position

    async def _watch_topics(self, log: PartitionLog) -> None:
        """A topic that is replaced under a running shard is written to and read on as if it were the old one.

        Raises:
            Unfit: That has happened.
        """
        while True:
            await asyncio.sleep(_TOPIC_CHECK_INTERVAL)
            with suppress(LogError):  # what stays wrong with Kafka is reported by commits
                found, recorded = await log.offsets(), self._store.position
                if recorded is not None and (why := foreign(found, recorded)):
                    break
        raise Unfit(self._halted(why))

    def _halted(self, found: Disagreement) -> str:
        return f"{self.name}: {found.reason}; nothing is skipped or repeated. {self._remedy(found)}"

    def _remedy(self, found: Disagreement) -> str:
        where = f"python -m service offsets set --topic {self.partition.topic} --partition {self.partition.partition}"
        rebuilt = "python -m service backfill rebuilds an empty changelog; or " if found.lost else ""
        return f"Stop the service; {rebuilt}{where} --to OFFSET says what that would mean, and sets where to go on"

    def _require_sound(self) -> None:
        changelog = self._context.names.changelogs[self.partition.topic]
        try:
            self._store.require_sound()
        except CorruptRecord as error:
            where = f"--topic {changelog} --partition {self.partition.partition}"
            remedy = f"if no release reads it, python -m service skip-corrupt {where} shows how to go on without it"
            raise CorruptRecord(f"{changelog}-{self.partition.partition}: {error}; {remedy}") from error

    def _observe_restored(self) -> None:
        gone = ((key, finished_at(state), True) for key, state in self._store.resources() if is_final(state))
        self._retention.restore(chain(gone, self._store.noted_ends()), self._context.clock.now())
        self._inbox.put(Outdated())
        self._processor.restored()

    async def _serve(self, log: PartitionLog) -> None:
        while items := await self._inbox.take(self._context.max_batch):
            self._busy = True
            self._backpressure.regard_slow()
            while items:
                items = await self._commit(log, items)
            self._busy = False
            self._backpressure.resume()

    async def _commit(self, log: PartitionLog, items: list[Item]) -> list[Item]:
        """Commits as many items as one transaction should hold; returns the others."""
        permits = self._activities.permits
        batch = Transaction(self.partition, self._store, self._context, self._retention.latest, permits)
        taken = 0
        while taken < len(items) and not batch.full:
            self._step(items[taken], batch)
            taken += 1
        self._forget(batch)
        # The window of a call opens before the commit: a process frozen in between must not find it open.
        began = self._context.clock.monotonic()
        if not batch.empty:
            await self._reply_topics.redirect(log, batch)
            records = await self._write(log, batch)
            self._context.telemetry.commit(self.name, records, self._context.clock.monotonic() - began)
            batch.committed()
            self._consumed = batch.next_offset or self._consumed
        for key, since in batch.ended.items():
            job = self._store.job(key)
            self._retention.keep(key, since, lasting=job is None or lasting(job))
        if self._overfull:
            self._inbox.put(Outdated())
        acting = [(key, self._store.job(key)) for key in batch.acting]
        self._activities.line_up((key, job) for key, job in acting if job is not None)
        for key, job in acting:
            self._activities.plan(key, job, began)
            self._processor.planned(key)
        self._activities.planned()
        return items[taken:]

    async def _write(self, log: PartitionLog, batch: Transaction) -> int:
        """Commits; what a topic has refused is sent otherwise by the next owner, which may be this process again.

        Returns:
            How many records there were.
        """
        records = batch.out()
        try:
            await log.commit(records, batch.next_offset)
        except LogError as error:
            if chosen := self._reply_topics.avoid(error, batch):
                raise CommitUnknown(f"reply topics refuse records: {', '.join(sorted(chosen))}: {error}") from error
            if isinstance(error, RecordRefused) and not self._fits(error):
                raise Unfit(str(error)) from error
            raise
        return len(records)

    def _fits(self, error: RecordRefused) -> bool:
        """Whether what was refused can be written shorter."""
        return self._context.ceilings.lower(error.topic, error.size, error.limit)

    def _step(self, item: Item, batch: Transaction) -> None:
        if isinstance(item, Arrived):
            batch.next_offset = item.record.offset + 1
            batch.latest = self._retention.latest = item.record.timestamp
            self._receive(item.record, batch)
            return
        if isinstance(item, Resumed):
            batch.next_offset = batch.next_offset or self._consumed
            return
        if isinstance(item, Passed):
            batch.next_offset = item.offset
            return
        if isinstance(item, Observed):
            self._processor.observe(item.key, item.observation, batch)

    def _forget(self, batch: Transaction) -> None:
        """Forgets what has ended long ago: commands, and resources about which nothing more is published."""
        for key, since in self._retention.take(batch.now, self._context.max_batch):
            self._let_go(key, since, batch)
        self._make_room(batch)
        if self._retention.outlived(batch.now):
            self._inbox.put(Outdated())

    def _make_room(self, batch: Transaction) -> None:
        """Forgets the oldest of what may be forgotten early, while more is remembered than there is room for."""
        for _ in range(self._context.max_batch):
            if not self._overfull:
                return
            self._let_go(*self._retention.take_early(), batch)

    def _let_go(self, key: bytes, since: float, batch: Transaction) -> None:
        if not self._processor.forget(key, since, batch):
            self._retention.defer(key, since, batch.now)

    @property
    def _overfull(self) -> bool:
        """Whether more is remembered than there is room for, and something of it may be forgotten."""
        excess = self._store.ends.excess(self._context.remembered_bytes)
        return excess and self._retention.has_early

    def _receive(self, record: InRecord, batch: Transaction) -> None:
        try:
            with batch.all_or_nothing():
                self._processor.receive(record, batch)
        except NewerRecord:
            raise
        except Exception as error:
            # A record that breaks the service is set aside with the reason, so that its partition goes on.
            batch.dead_letter(
                record, "ServiceError", f"{type(error).__name__}: a defect of the service, please report it"
            )
            self._context.telemetry.problem(
                "record_error", partition=self.name, offset=record.offset, error=location(error)
            )

    def _enter(self, state: State) -> None:
        self._state = state
        self._context.telemetry.shard(self.name, state.value)


_TOPIC_CHECK_INTERVAL: Final = 60.0
"""Seconds between two checks that the topics are still those in which the shard started."""
