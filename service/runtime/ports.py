"""What the runtime needs of the world, as Protocols: Log, Membership, Api, Clock.

Adapters implement them on sockets, fakes in memory; one contract suite runs against both. Expected outcomes are
values; exceptions are::

    LogError                 something is wrong between us and Kafka
    ├── Unfit                needs an operator: halt, skip nothing
    ├── Fenced               another owner holds the partition: close dirty
    ├── RecordRefused        a record is larger than its topic takes: nothing was committed, close dirty
    ├── BatchRefused         records are too large together: nothing was committed, close dirty, sent apart from now on
    └── CommitUnknown        a transactional request was lost: the outcome is unknown, close dirty
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from schemas.records import Job
from service.core.observations import Failure, Reply
from service.core.position import PartitionOffsets
from service.core.spans import EndedSpan
from service.runtime.problems import Problem

__all__ = [
    "Api",
    "Assignee",
    "BatchRefused",
    "Broadcast",
    "Cause",
    "Clock",
    "CommitUnknown",
    "Failure",
    "Fenced",
    "Follower",
    "Headers",
    "InRecord",
    "Log",
    "LogError",
    "Membership",
    "OutRecord",
    "PartitionLog",
    "PartitionOffsets",
    "RecordRefused",
    "Reply",
    "SpanReport",
    "Telemetry",
    "TopicPartition",
    "Unfit",
]


class TopicPartition(NamedTuple):
    """A partition of a commands topic."""

    topic: str
    partition: int


Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class InRecord:
    """A record as consumed; ``timestamp`` in epoch seconds."""

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to produce; ``value`` None is a tombstone; ``partition`` None leaves it to the key's hash."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class LogError(Exception):
    """Something is wrong between us and Kafka.

    Attributes:
        topics: Topics that refused their records, as far as they are the reason.
    """

    def __init__(self, message: str = "", topics: Collection[str] = ()) -> None:
        super().__init__(message)
        self.topics = frozenset(topics)


class Unfit(LogError):
    """Needs an operator: records were lost, a permission is missing, or a topic is misconfigured."""


class Fenced(LogError):
    """Another owner holds the partition: nothing more can be committed here."""


class RecordRefused(LogError):
    """A record is by itself larger than its topic takes: nothing was committed.

    Attributes:
        topic: Whose limit it is.
        size: Bytes of the record.
        limit: The topic's ``max.message.bytes``; 0 when it could not be read.
    """

    def __init__(self, topic: str, size: int, limit: int = 0) -> None:
        takes = f", it takes {limit}" if limit else ""
        super().__init__(
            f"topic {topic} refuses a record of {size} bytes{takes}: raise its max.message.bytes, "
            "`python -m service check` says to what",
            (topic,),
        )
        self.topic = topic
        self.size = size
        self.limit = limit


class BatchRefused(LogError):
    """Several records are together larger than their topic takes, and may be small enough one by one.

    Nothing was committed. Logs that this process opens from now on send fewer records at once.
    """


class CommitUnknown(LogError):
    """A transactional request was lost or refused: only a new owner can find out what was committed."""


class PartitionLog(Protocol):
    """One commands partition, held by this process alone: fenced when opened, then restored, then run.

    Not safe for concurrent use: a shard awaits each call before the next.
    """

    def restore(self, known: int = 0) -> AsyncIterator[Sequence[tuple[bytes, bytes | None]]]:
        """Yields batches of (key, value) of the changelog partition in order, up to its high watermark.

        The watermark is taken after the fence and with ``read_uncommitted``; only committed records are yielded. What
        is yielded begins where :meth:`offsets`, if it was asked before, has found the changelog's beginning.

        Args:
            known: Offset before which nothing need be read.

        Raises:
            LogError: Kafka failed, or records were deleted meanwhile.
        """
        ...

    async def offsets(self) -> PartitionOffsets:
        """What the group has committed and what the topics hold; read after the fence, and now and then while it runs.

        May be asked while another call is under way.
        """
        ...

    async def existing(self, topics: Collection[str]) -> frozenset[str]:
        """Those of the topics that exist; a topic without permission to see it does not."""
        ...

    async def commit(self, records: Sequence[OutRecord], next_offset: int | None) -> None:
        """Commits records and the consumed offset (None: unchanged) in one transaction.

        Returns only when the transaction is committed and every record was acknowledged.

        Raises:
            Fenced: Another owner took over.
            CommitUnknown: Anything else went wrong. In both cases this object is spent: close it.
        """
        ...

    async def close(self) -> None:
        """Releases the producer. Idempotent; bounded in time; aborts what is open."""
        ...


class Assignee(Protocol):
    """Receives assignments and records: the runtime's assignment."""

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """The group rebalances: drain what is under way; awaited before the group goes on."""
        ...

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """The group has given us exactly these; returns soon, restoring goes on in tasks."""
        ...

    def received(self, partition: TopicPartition, records: Sequence[InRecord]) -> None:
        """Records of a started partition, in order, without gaps (but for aborted ones)."""
        ...

    def passed(self, partition: TopicPartition, offset: int) -> None:
        """Behind the records received, up to this offset, are only markers of transactions and aborted records."""
        ...

    async def superseded_by_peer(self, reason: str) -> None:
        """Another process has taken over the instance id: no partition is owned until the next assignment."""
        ...

    def halted(self, partition: TopicPartition, reason: str) -> None:
        """A started partition can't be read, and is tried again now and then; no reason: it is being read again."""
        ...


class Follower(Protocol):
    """Who keeps copies of the partitions that others own: the runtime's standby."""

    def wanted(self, partition: TopicPartition) -> int | None:
        """Offset of its changelog from which to continue reading; -1: its beginning; None: not at all."""
        ...

    def replicated(
        self,
        partition: TopicPartition,
        records: Sequence[tuple[bytes, bytes | None]],
        position: int,
        *,
        current: bool,
    ) -> None:
        """Committed (key, value) records of a partition's changelog, in order, none left out; maybe none at all.

        Args:
            partition: Of the commands topic.
            records: What came after the position of the call before.
            position: The offset to go on from.
            current: Whether this is the end of the changelog, for the moment.
        """
        ...

    def lost(self, partition: TopicPartition) -> None:
        """A partition's changelog can't be read any further: the copy grows old and must be dropped."""
        ...


class Membership(Protocol):
    """Membership in the consumer group, and delivery of what its partitions hold."""

    async def consume(self, assignee: Assignee) -> None:
        """Joins the group and delivers until cancelled; then leaves the group.

        A partition delivers nothing until ``start``. Broken connections are re-established.
        """
        ...

    async def holds(self, partition: TopicPartition) -> bool:
        """Whether the group's coordinator confirms now that this member owns the partition and no rebalance runs."""
        ...

    def start(self, partition: TopicPartition, offset: int) -> None:
        """Delivers the partition's records from this offset on."""
        ...

    def pause(self, partition: TopicPartition) -> None:
        """Stops delivery of a partition (its inbox is full); records under way may still come."""
        ...

    def resume(self, partition: TopicPartition) -> None:
        """Delivers again after :meth:`pause`, from where delivery stopped."""
        ...

    def rejoin(self) -> None:
        """Asks for a fresh assignment, soon: the only way back for a partition whose log was spent."""
        ...


class Log(Protocol):
    """Kafka: exclusive access to partitions, the changelogs of others, and the membership that assigns them."""

    @property
    def membership(self) -> Membership:
        """This process as a member of the group."""
        ...

    async def open(self, partition: TopicPartition) -> PartitionLog:
        """Fences the earlier owner of the partition, aborting what it left open.

        Raises:
            LogError: Kafka could not be reached in time, or refuses.
        """
        ...

    async def follow(self, follower: Follower) -> None:
        """Reads the changelogs of the partitions that the follower wants, as they grow, until cancelled.

        No member of the group, and never in an owner's way. Broken connections are re-established.
        """
        ...


class Broadcast(Protocol):
    """Reaches every replica, each record at most once and without any promise: for hints, never for facts."""

    def send(self, value: bytes) -> None:
        """Sends soon, or never; does not wait."""
        ...

    async def run(self, heard: Callable[[bytes], None]) -> None:
        """Sends, and hands over what any replica sends from now on, until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Cause:
    """The command behind a call.

    Attributes:
        marker: Its token at AWS.
        command_id: As the publisher chose it.
        tenant: Whose it is; empty for the default tenant.
    """

    marker: str
    command_id: str = ""
    tenant: str = ""


class Api(Protocol):
    """Performs any row of the operations table on any target."""

    async def call(
        self,
        target: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        timeout: float,
        may_send: Callable[[], bool] | None = None,
        cause: Cause | None = None,
    ) -> Reply | Failure:
        """Sends a request once.

        Args:
            target: A configured target's name.
            operation: A row's name.
            params: The request's members, validated.
            timeout: Seconds after which the outcome counts as unknown.
            may_send: Asked right before the request is written, after every wait for a connection or for credentials;
                False gives ``Failure("CallWindowClosed", sent=False)``.
            cause: The command that it is made for, so that AWS's own records name it; None if it serves several.
        """
        ...


class Clock(Protocol):
    """Three times, each for its own use; see docs/adr/0024-which-clock-decides-what.md."""

    def now(self) -> float:
        """The owner's time, for every decision: epoch seconds at the start of this process, advanced by monotonic().

        It never steps, so it may differ from the wall clock, and from the time of other processes.
        """
        ...

    def wall(self) -> float:
        """Epoch seconds as they are known now; may step in either direction.

        For what others read, and for the times that a publisher has named.
        """
        ...

    def monotonic(self) -> float:
        """Seconds that never go back and go on while the machine is suspended."""
        ...


@dataclass(frozen=True, slots=True)
class SpanReport:
    """What a committed step has ended of a command.

    Attributes:
        job: After the step.
        spans: In order; never empty.
        partition: Whose owner has committed it.
        predecessors: The jobs that the command waited for, if that has ended.
    """

    job: Job
    spans: tuple[EndedSpan, ...]
    partition: TopicPartition
    predecessors: tuple[Job, ...] = ()


class Telemetry(Protocol):
    """What the runtime reports; an adapter makes log lines and metrics of it. It never receives a payload."""

    def command(self, operation: str, outcome: str) -> None:
        """A record was read.

        Args:
            operation: Of the command; empty when it has none.
            outcome: ``accepted``, ``duplicate``, ``misused``, ``misplaced``, ``rejected`` or ``undecodable``.
        """
        ...

    def trace_dropped(self, attribute: str) -> None:
        """A record's ``traceparent`` or ``tracestate`` was malformed and is not carried on."""
        ...

    def reply(self, kind: str) -> None:
        """A reply was committed."""
        ...

    def waiting(self, command_id: str, target: str, reason: str, position: int) -> None:
        """A command waits, for a new reason; ``position`` from 1 in a target's queue, 0 when there is none."""
        ...

    def event(self, resource_kind: str, status: str) -> None:
        """A status change was committed."""
        ...

    def dead_letter(self, reason: str, partition: str, offset: int) -> None:
        """A dead letter was committed; partition and offset are the record's own."""
        ...

    def within(self, partition: str) -> None:
        """What the current task and its children log from now on concerns this partition."""
        ...

    def transition(self, before: Job | None, after: Job) -> None:
        """A job's state was committed; called when its phase, status or due time differs."""
        ...

    def spans(self, report: SpanReport) -> None:
        """A step that ended phases of a command was committed; only while traces are on."""
        ...

    def ignored(self, phase: str, observation: str) -> None:
        """An observation came too late to matter."""
        ...

    def call(self, target: str, operation: str, outcome: str, seconds: float) -> None:
        """A request to AWS ended: ``ok`` or an error code."""
        ...

    def answers_again(self, target: str, *, tries: int, seconds: float) -> None:
        """AWS answers at a target after this many calls without an answer, which was reported as a problem."""
        ...

    def poll(self, target: str, *, lists: int, gets: int, watched: int) -> None:
        """One tick of a poller made its requests."""
        ...

    def waited(self, target: str, lane: str, seconds: float) -> None:
        """A call has waited for its token of the budget, maybe not at all."""
        ...

    def commit(self, partition: str, records: int, seconds: float) -> None:
        """A transaction was committed."""
        ...

    def shard(self, partition: str, state: str) -> None:
        """A shard is ``opening``, ``restoring``, ``running``, ``paused``, ``closed`` or ``halted``."""
        ...

    def restored(self, partition: str, records: int, seconds: float, *, copied: int) -> None:
        """A shard has read its changelog; ``copied`` entries it had from a copy."""
        ...

    def problem(self, problem: Problem, **details: str | int | float) -> None:
        """Something that an operator should know; details are short and never a payload."""
        ...
