"""What one transaction will hold: job records, events, replies, dead letters and the consumed offset.

Steps are applied to the store as they are gathered. If the commit fails, the shard closes and the store is dropped,
so nothing has to be undone.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from schemas import events, records, sizes
from schemas.events import Message, ReplyKind
from schemas.records import Command, Job, Record, ResourceChange, ResourceState
from service.core import chains, holding, outcomes, sequencing, spans
from service.core.effects import CommandReply, Event, StatusChange, Step
from service.core.job import ended, keeps_line, replace
from service.core.sequencing import is_final
from service.runtime.context import Context
from service.runtime.errors import location
from service.runtime.ports import InRecord, OutRecord, SpanReport, TopicPartition
from service.runtime.store import Store


class RecordTooLarge(Exception):
    """A record is larger than its topic takes, and so is not part of the batch.

    Attributes:
        topic: Where it was to go.
        size: Its bytes.
        limit: The topic's.
    """

    def __init__(self, topic: str, size: int, limit: int) -> None:
        super().__init__(f"a record of {size} bytes for {topic}, which takes {limit}")
        self.topic = topic
        self.size = size
        self.limit = limit


class Transaction:
    """One group commit in the making.

    Attributes:
        now: The owner's time of all that is decided in this batch.
        wall: The wall clock at that time, which what is published bears.
        next_offset: The offset after the last command consumed; None when none was.
        acting: Keys of the jobs whose activity must be planned again after the commit, in order.
        latest: Kafka's time: that of the record consumed last.
        ended: Keys of the jobs and resources that have ended, with the time by the latest clock.
        permits: Asked whether a new command's call can be made as soon as this is committed.
    """

    def __init__(
        self,
        partition: TopicPartition,
        store: Store,
        context: Context,
        latest: float = 0.0,
        permits: Callable[[bytes, Command], bool] = lambda *_: True,
    ) -> None:
        self.permits = permits
        self._partition = partition
        self._store = store
        self._context = context
        self.now = context.clock.now()
        self.wall = context.clock.wall()
        self._records: dict[bytes, OutRecord] = {}
        self._size = 0
        self._messages: list[OutRecord] = []
        self._on_commit: list[Callable[[], None]] = []
        self._named: dict[str, str] = {}
        self._undo: list[Callable[[], object]] = []
        self.next_offset: int | None = None
        self.acting: dict[bytes, None] = {}
        self.latest = latest
        self.ended: dict[bytes, float] = {}

    @property
    def topic(self) -> str:
        """The topic of the shard's commands."""
        return self._partition.topic

    @property
    def empty(self) -> bool:
        """True when there is nothing to commit."""
        return not self._records and not self._messages and self.next_offset is None

    @property
    def full(self) -> bool:
        """True when it holds as much as a transaction should: a larger one might never end within its deadline."""
        return self._size >= self._context.batch_bytes

    @property
    def named(self) -> Collection[str]:
        """Topics that commands have named for their replies."""
        return self._named.keys()

    def redirect_replies(self, missing: Collection[str]) -> None:
        """Replies to a topic that is not there go to the tenant's own: sent, they would fail the whole transaction."""
        for index, message in enumerate(self._messages):
            if message.topic in missing:
                self._messages[index] = dataclasses.replace(message, topic=self._named[message.topic])

    def apply(self, key: bytes, before: Job | None, step: Step, error: str = "") -> None:
        """Takes over a step, the job's record if it changed and its events: all, or nothing if one can't be written.

        Args:
            key: Of the changelog.
            before: The job before the step.
            step: The step.
            error: Code of the error that the step has heard of, for traces.

        Raises:
            RecordTooLarge: A record is, even when it says only what it must.
        """
        try:
            self._apply(key, before, step, error)
        except RecordTooLarge as excess:
            job = step.job or before
            self._context.telemetry.problem(
                "record_shortened",
                partition=f"{self._partition.topic}-{self._partition.partition}",
                command_id=job.command.id if job else "",
                topic=excess.topic,
                size=excess.size,
                limit=excess.limit,
            )
            self._apply(key, before, outcomes.shortened(before, step, excess.size, excess.limit, self.now), error)

    def _apply(self, key: bytes, before: Job | None, step: Step, error: str) -> None:
        after = self._born(step.job) if before is None and step.job is not None else step.job
        messages, tellings, size = len(self._messages), len(self._on_commit), self._size
        try:
            for event in step.events:
                after = self._publish(event, after or before)
            if after is not before:
                after, ends = self._kept(before, self._in_line(before, after))
                if after is not None and self._context.traced_by:
                    after = self._traced(before, after, error)
                self._put(key, after, ends)
        except Exception:
            del self._messages[messages:], self._on_commit[tellings:]
            self._size = size
            raise
        if after is not before:
            self.acting[key] = None
            self._on_commit.append(lambda: self._context.changed(key, before, after))
            if after is not None:
                self._on_commit.append(lambda: self._context.telemetry.transition(before, after))

    def _traced(self, before: Job | None, after: Job, error: str) -> Job:
        """The job with the times of the phase that goes on; the spans of those that end are made after the commit."""
        after, ended_spans = spans.follow(before, after, self.wall, self._context.traced_by, error)
        if ended_spans:
            ids = spans.awaited(before) if before is not None and not chains.waits(after) else ()
            found = (self._store.job(records.job_key(after.command.source, each)) for each in ids)
            report = SpanReport(after, ended_spans, self._partition, tuple(job for job in found if job is not None))
            self._on_commit.append(lambda: self._context.telemetry.spans(report))
        return after

    def _born(self, job: Job) -> Job:
        job = holding.born(job, self._context.policy)
        return replace(job, arrived=self.latest) if self.latest else job

    def _kept(self, before: Job | None, after: Job | None) -> tuple[Job | None, float | None]:
        """The retention of a job that ends now counts by the latest clock, and never from before its acceptance.

        An owner that began with a clock days behind keeps its time when the clock is set right, and knows Kafka's only
        from the next record on. A parked job may end once more, by a person's decision.

        Returns:
            The job, and when it has ended if it ends now.
        """
        if after is None or not ended(after):
            return after, None
        if before is not None and ended(before) and before.finished_at == after.finished_at:
            return after, None
        ends = max(after.finished_at, after.accepted_at, after.arrived, self.latest, self.wall)
        return replace(after, finished_at=ends), ends

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What raises within leaves no trace: what a record does to several jobs, it does to all of them or none."""
        messages, tellings, undo = len(self._messages), len(self._on_commit), len(self._undo)
        size = self._size
        try:
            yield
        except Exception:
            del self._messages[messages:], self._on_commit[tellings:]
            self._size = size
            while len(self._undo) > undo:
                self._undo.pop()()
            raise

    def repeat_reply(self, job: Job, reply: CommandReply, number: int) -> None:
        """Publishes a reply once more, or one that leaves the job as it is."""
        self._reply(job.command, reply, number)

    def number(self, change: ResourceChange) -> None:
        """Publishes a change under its resource's next number, unless it is no news."""
        key = records.resource_key(change.kind, change.resource_id)
        before = self._store.resource(key)
        after = sequencing.next_state(before, change)
        if after is None:
            return
        try:
            self._send_event(change, before, after)
        except RecordTooLarge as excess:
            self._context.telemetry.problem(
                "record_shortened",
                partition=f"{self._partition.topic}-{self._partition.partition}",
                command_id=change.command.id,
                topic=excess.topic,
                size=excess.size,
                limit=excess.limit,
            )
            self._send_event(outcomes.shortened_change(change), before, after)
        ends = max(self.now, self.latest, self.wall) if is_final(after) else None
        self._put(key, after if ends is None else replace(after, finished_at=ends), ends)
        self._on_commit.append(lambda: self._context.telemetry.event(change.kind, change.status))
        self._on_commit.append(lambda: self._context.changed(key, None, None))

    def _send_event(self, change: ResourceChange, before: ResourceState | None, after: ResourceState) -> None:
        message = events.status_changed(
            resource=after,
            previous_status=before.status if before else None,
            command=change.command,
            region=self._context.regions.get(change.command.target, ""),
            status_details=change.details,
            description=change.description,
            truncated=change.truncated,
            now=self.wall,
            source=self._context.names.source,
        )
        self._send(self._context.names.of(change.command.tenant).events, message)

    def dead_letter(self, record: InRecord, reason: str, message: str) -> None:
        """Publishes a record that could not be used, untouched, with the reason in headers.

        One that is too large to be wrapped is named and measured instead: its headers may have grown when they were
        read, or its topic takes more than ours do.
        """
        position = events.RecordPosition(record.topic, record.partition, record.offset)
        topic = self._context.names.of(self._context.tenant(record.topic)).dead_letters
        original = (record.key, record.value, record.headers)
        letter = events.dead_letter(*original, reason=reason, message=message, position=position, now=self.wall)
        try:
            self._send(topic, letter)
        except RecordTooLarge as excess:
            self._context.telemetry.problem(
                "dead_letter_omitted",
                partition=f"{record.topic}-{record.partition}",
                offset=record.offset,
                topic=topic,
                size=excess.size,
                limit=excess.limit,
            )
            self._send(
                topic,
                events.dead_letter_without_content(
                    *original, reason=reason, message=message, position=position, now=self.wall
                ),
            )
        name = f"{record.topic}-{record.partition}"
        self._on_commit.append(lambda: self._context.telemetry.dead_letter(reason, name, record.offset))

    def forget(self, key: bytes) -> None:
        """Writes a tombstone."""
        self._put(key, None)

    def out(self) -> list[OutRecord]:
        """Everything to be produced: the changelog first."""
        return [*self._records.values(), *self._position(), *self._messages]

    def _position(self) -> list[OutRecord]:
        """What is consumed, beside the state that it has led to.

        Nothing is written to the changelog without it: one that is recreated while its shard runs holds records of
        what it has lost, and only the position says that it is not the one in which the shard began.
        """
        position = self._store.position
        if position is None or (self.next_offset is None and not self._records):
            return []
        if self.next_offset is not None:
            position = self._store.position = replace(position, offset=self.next_offset)
        changelog = self._context.names.changelogs[self._partition.topic]
        return [OutRecord(changelog, records.POSITION_KEY, records.encode(position), (), self._partition.partition)]

    def committed(self) -> None:
        """Reports to telemetry what is now committed."""
        for callback in self._on_commit:
            try:
                callback()
            except Exception as error:
                self._context.telemetry.problem("telemetry_error", error=location(error))

    def _in_line(self, before: Job | None, after: Job | None) -> Job | None:
        """Numbers a job that joins the line of its key, in the commit of the step that lets it be called.

        One that waits for its predecessors is numbered when it comes, so that those that are released together keep
        their order; it is numbered again when it joins.
        """
        if after is None or not after.command.order:
            return after
        if before is None and chains.waits(after):
            return replace(after, turn=self._store.next_turn)
        if not keeps_line(after):
            return after
        joined = before is not None and keeps_line(before)
        return after if joined else replace(after, turn=self._store.next_turn)

    def _put(self, key: bytes, record: Record | None, ends: float | None = None) -> None:
        changelog = self._context.names.changelogs[self._partition.topic]
        value = records.encode_proven(record) if record else None
        written = self._measured(OutRecord(changelog, key, value, (), self._partition.partition), self._present)
        self._undo.append(self._as_it_is(key))
        self._records[key] = written
        self._store.put(key, record, value)
        if ends is not None:
            self.ended[key] = ends

    def _as_it_is(self, key: bytes) -> Callable[[], None]:
        """Brings a key back to what it is now, in all that is kept of it."""
        record, acts = self._store.record(key), key in self.acting
        written, ends = self._records.get(key), self.ended.get(key)

        def undo() -> None:
            self._store.put(key, record)
            self._records.pop(key)
            self.acting.pop(key, None)
            self.ended.pop(key, None)
            if written is not None:
                self._records[key] = written
            if acts:
                self.acting[key] = None
            if ends is not None:
                self.ended[key] = ends

        return undo

    def _publish(self, event: Event, job: Job | None) -> Job | None:
        if job is None:
            return None
        if isinstance(event, CommandReply):
            self._reply(job.command, event, job.told + 1)
            return replace(job, told=job.told + 1)
        self._change(event, job.command)
        return job

    def _reply(self, command: Command, reply: CommandReply, number: int) -> None:
        kind = ReplyKind(reply.kind)
        message = events.reply(
            command,
            kind,
            reply.data,
            number=number,
            now=self.wall,
            source=self._context.names.source,
        )
        own = self._context.names.of(command.tenant).replies
        if command.reply_to and command.reply_to != own:
            self._named[command.reply_to] = own
        self._send(command.reply_to or own, message)
        self._on_commit.append(lambda: self._context.telemetry.reply(reply.kind))
        if kind is ReplyKind.WAITING:
            reason, position = reply.data["reason"], reply.data["position"]
            self._on_commit.append(
                lambda: self._context.telemetry.waiting(command.id, command.target, reason, position)
            )

    def _change(self, change: StatusChange, command: Command) -> None:
        """Publishes a change to the partition that numbers the resource's events, within this transaction."""
        record = ResourceChange(
            change.kind,
            change.resource_id,
            change.status,
            replace(command, params={}),
            self.wall,
            change.name,
            dict(change.details) if change.details else None,
            dict(change.description) if change.description else None,
            change.truncated,
            change.back,
        )
        key = change.resource_id.encode()
        self._messages.append(
            self._measured(OutRecord(self._context.names.changes, key, records.encode_proven(record)))
        )

    def _send(self, topic: str, message: Message) -> None:
        self._messages.append(self._measured(OutRecord(topic, message.key, message.value, message.headers)))

    def _present(self, record: OutRecord) -> int:
        """Bytes of what a changelog holds of the record's key."""
        key = record.key or b""
        present = self._store.record(key)
        return sizes.record_size(key, records.encode(present), ()) if present else 0

    def _measured(self, record: OutRecord, present: Callable[[OutRecord], int] = lambda _: 0) -> OutRecord:
        """A record that can be written: nothing else gets into a batch."""
        size = sizes.record_size(record.key, record.value, record.headers)
        limit = self._context.ceilings.of(record.topic)
        if size > limit:
            limit = self._context.ceilings.of(record.topic, present(record))
        if size > limit:
            raise RecordTooLarge(record.topic, size, limit)
        self._size += size
        return record
