"""What the service persists in its changelog: job records and resource records, versioned.

The changelog is the only truth after a restart, so these types are a contract with our own past: a field is added
with a default, never renamed, and a change of meaning raises ``VERSION``. msgspec decodes them several times faster
than pydantic does, which is what a restore is made of.
"""

from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

VERSION: Final = 1


class Phase(StrEnum):
    """Where a command stands."""

    INTENDED = "intended"
    """The call is allowed (or, with ``due`` set, will be)."""
    QUEUED = "queued"
    """Waits for a concurrency slot of AWS."""
    UNCERTAIN = "uncertain"
    """The call may have happened; only a search can find out."""
    ACCEPTED = "accepted"
    """AWS said yes without naming what it made."""
    RUNNING = "running"
    """The resource is known and on its way."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    PARKED = "parked"
    """The outcome can't be known safely; a person decides."""


TERMINAL: Final = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.REJECTED, Phase.PARKED})


class Fault(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An error as the publisher receives it.

    Attributes:
        code: AWS's error code or ours.
        message: What was found, what was expected, what to do next.
        status_details: AWS's ``statusDetails`` of a failed job.
        retryable: True when the same command under a new id may succeed.
        http_status: Status of AWS's answer; 0 when there was none.
        origin: Of a command that ended because another did: id and code of the one whose end began it.
    """

    code: str
    message: str
    status_details: dict[str, str] | None = None
    retryable: bool = False
    http_status: int = 0
    origin: tuple[str, str] | None = None


class Command(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A valid command as it was received.

    Attributes:
        id: CloudEvents ``id``; with ``source`` the idempotency key.
        source: CloudEvents ``source``.
        operation: Name of a row of the operations table.
        target: Name of a configured AWS target.
        params: The API's request members; emptied once the command has ended.
        digest: SHA-256 of the content, hex; distinguishes a duplicate from a misuse of the id.
        correlation_id: Carried to every reply and event.
        reply_to: Topic for the replies; empty for the default.
        not_before: Epoch seconds before which the API is not called; 0 for none.
        deadline: Epoch seconds after which the API is not called; 0 for none.
        until: Epoch seconds by which what is watched is to have ended; 0 for none.
        priority: 0 to 9, order within a target's waiting queue.
        traceparent: W3C trace context.
        tracestate: W3C trace state.
        order: Digest of the record's key; commands with equal ones reach the API in order. Empty without a key.
        asked: The operation as the publisher asked for it, when the service performs another one instead.
        tenant: Whose it is; empty for the default tenant.
        predecessors: Ids of the commands that it names, as it was read; a job that waits has them among its ``params``.
    """

    id: str
    source: str
    operation: str
    target: str
    params: dict[str, Any]
    digest: str
    correlation_id: str = ""
    reply_to: str = ""
    not_before: float = 0.0
    deadline: float = 0.0
    priority: int = 0
    traceparent: str = ""
    tracestate: str = ""
    order: str = ""
    asked: str = ""
    tenant: str = ""
    predecessors: tuple[str, ...] = ()
    until: float = 0.0


class SpanTimes(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """When the phase of a command began that goes on, for the span that is made when it ends; kept for traces only.

    Attributes:
        phase: Its name in traces.
        began: Epoch seconds, by the wall clock.
        by: Process under which it began; empty if that is not known.
        opened: Epoch seconds at which the command was accepted or, of one that was parked, at which it was.
        opened_by: Process under which that was.
        run: 1, and one more each time that it was parked.
        spans: Phases of this run that have ended.
        called: Epoch seconds at which the call was permitted that may be under way; 0 for none.
        called_by: Process under which that was.
    """

    phase: str
    began: float
    by: str = ""
    opened: float = 0.0
    opened_by: str = ""
    run: int = 1
    spans: int = 0
    called: float = 0.0
    called_by: str = ""


class Job(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="record", tag="job"):
    """One command and what has become of it.

    Attributes:
        command: The command.
        phase: Where it stands.
        accepted_at: Epoch seconds of its first commit.
        tries_from: Of releases that counted the time of trying from here; read and kept, for those that still do.
        attempt: How many calls may have left for AWS so far, the intended one included.
        retries: Consecutive retryable refusals; determines the backoff.
        tried: Seconds rested between them, or between searches in vain, which limit how long either is tried; by no
            clock.
        since: By the present owner's time, of the last commit or take-over that changed its phase: no
            call was permitted after it while the phase is UNCERTAIN.
        searches: Searches finished without a find since then.
        empty: Those among them, in a row, that began after settling and may have missed something between two pages.
        due: Owner's time before which nothing is done; 0 for at once. A start time that the publisher has named is by
            the wall clock: then it equals the command's ``not_before``.
        resource_id: ARN, or the stable id of a resource without one.
        status: Last status seen.
        reason: Why the command waits.
        fault: The error that ended it, or the evidence carried into a search.
        finished_at: Epoch seconds of its end, by the owner's time or Kafka's, whichever was later.
        awaits: Changelog key, as text, of the job whose end this one waits for.
        told: Number of published replies; numbers them.
        reply: Data of the terminal reply, which is repeated for a duplicate.
        account: The account that its target stood for when the command was accepted; empty if it was not known.
        region: The Region that its target stood for then; empty in records of older releases.
        turn: Its number in the line of its Kafka key, drawn when it joined it; lower ones call first. 0: it never
            joined one, or was written by a release that kept no numbers.
        overdue: Whether its publisher has heard that it runs for longer than was asked or is usual.
        held: Why a process could not serve it when it was last restored; empty when it is served.
        arrived: Epoch seconds at which its record came to Kafka, by Kafka's clock; 0 when that is not known.
        filled: Members of its request that named predecessors, with what these have made.
        trace: Times of the phase that goes on; None while no traces are made.
        v: Version of this record.
    """

    command: Command
    phase: Phase
    accepted_at: float
    tries_from: float = 0.0
    attempt: int = 1
    retries: int = 0
    tried: float = 0.0
    since: float = 0.0
    searches: int = 0
    empty: int = 0
    due: float = 0.0
    resource_id: str = ""
    status: str = ""
    reason: str = ""
    fault: Fault | None = None
    finished_at: float = 0.0
    awaits: str = ""
    told: int = 0
    reply: dict[str, Any] | None = None
    account: str = ""
    region: str = ""
    turn: int = 0
    held: str = ""
    arrived: float = 0.0
    filled: dict[str, Any] | None = None
    overdue: bool = False
    trace: SpanTimes | None = None
    v: int = VERSION


class ResourceState(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="record", tag="resource"):
    """What has been published about one resource.

    Attributes:
        id: ARN, or the stable id of a resource without one.
        kind: Resource kind.
        sequence: Number of the last event published; events count from 1 without gaps.
        status: Status in that event.
        name: The resource's name, as far as known.
        observed_at: Epoch seconds of that observation.
        finished_at: Epoch seconds since when nothing more is published about it, as a job's; 0 while something may be,
            and in records of earlier releases.
        v: Version of this record.
    """

    id: str
    kind: str
    sequence: int
    status: str
    name: str = ""
    observed_at: float = 0.0
    finished_at: float = 0.0
    v: int = VERSION


class ResourceChange(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A change of a resource on its way to be numbered: committed with its cause, published from its own partition.

    Commands about one resource may lie in any partition, but its events are numbered in one partition: that of
    the changes topic that its id hashes to.

    Attributes:
        kind: Resource kind.
        resource_id: ARN, or the stable id of a resource without one.
        status: The new status.
        command: The command that caused or observed it, without its members.
        observed_at: Epoch seconds.
        name: The resource's name, as far as known.
        details: AWS's ``statusDetails``.
        description: The full description, on a terminal status.
        truncated: Whether it was too large, and only its short members are left.
        back: Whether the resource has gone back to a status that it had left behind.
        v: Version of this record.
    """

    kind: str
    resource_id: str
    status: str
    command: Command
    observed_at: float
    name: str = ""
    details: dict[str, Any] | None = None
    description: dict[str, Any] | None = None
    truncated: bool = False
    back: bool = False
    v: int = VERSION


class Position(msgspec.Struct, frozen=True, gc=False, tag_field="record", tag="resource"):
    """How far the consumed partition has been read, as of the transaction that wrote this record.

    It makes the consumed position as durable as the state that goes with it: the group's offsets expire, and can be
    deleted or reset. A release that does not know this record reads it as a resource of an unknown kind and leaves it
    alone, so that a rolling update and a rollback stay possible; hence the members that say nothing.

    Attributes:
        offset: Of the first record that no transaction has consumed.
        group: The consumer group that wrote it.
        topic_id: Kafka's id of the consumed topic; empty when it was not known.
        log_start: Where the changelog partition began. Compaction never moves it, deleting records does.
        log_id: Kafka's id of the changelog topic; empty when it was not known.
        id: Constant.
        kind: Constant.
        status: Constant.
        v: Version of this record.
    """

    offset: int = msgspec.field(name="sequence")
    group: str = ""
    topic_id: str = ""
    log_start: int = 0
    log_id: str = ""
    id: str = "position"
    kind: str = "position"
    status: str = ""
    v: int = VERSION


Record = Job | ResourceState | Position


class CorruptRecord(ValueError):
    """A changelog record that can't be read: the shard halts, because skipping it would forget a command."""


class NewerRecord(CorruptRecord):
    """A record of a version that only a later release can read."""


def job_key(source: str, command_id: str) -> bytes:
    """The changelog key of a command: a JSON array, so that no two (source, id) pairs share one."""
    return msgspec.json.encode([source, command_id])


def resource_key(kind: str, resource_id: str) -> bytes:
    """The changelog key of a resource: three elements, so that it is never a command's."""
    return msgspec.json.encode(["resource", kind, resource_id])


def key_of(record: Record) -> bytes:
    """The changelog key of a record."""
    if isinstance(record, Job):
        return job_key(record.command.source, record.command.id)
    return resource_key(record.kind, record.id)


POSITION_KEY: Final = resource_key("position", "position")
"""The changelog key of a partition's :class:`Position`."""


class _AnyVersion(msgspec.Struct, gc=False):
    """What records of all releases have in common."""

    v: int = 0


Versioned = TypeVar("Versioned", Job | ResourceState, ResourceChange, Position)

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Job | ResourceState)
_JOBS: Final = msgspec.json.Decoder(Job)
_RESOURCES: Final = msgspec.json.Decoder(ResourceState)
_POSITIONS: Final = msgspec.json.Decoder(Position)
_CHANGES: Final = msgspec.json.Decoder(ResourceChange)
_VERSIONS: Final = msgspec.json.Decoder(_AnyVersion)


def encode(record: Record | ResourceChange) -> bytes:
    """The bytes of a record, in no more memory than they take: the encoder's result is as large as its buffer was."""
    return bytes(memoryview(_ENCODER.encode(record)))


def encode_proven(record: Record | ResourceChange) -> bytes:
    """The bytes of a record of which it is certain that a next owner can read them.

    Raises:
        CorruptRecord: It could not.
    """
    value = encode(record)
    (decode_change if isinstance(record, ResourceChange) else decode)(value)
    return value


def decode(value: bytes) -> Record:
    """Reads a changelog value.

    Raises:
        CorruptRecord: The value is not a record, or of a newer version than this program knows.
    """
    record = _decoded(_DECODER, value)
    is_position = isinstance(record, ResourceState) and record.kind == "position"
    return _decoded(_POSITIONS, value) if is_position else record


def decode_job(value: bytes) -> Job:
    """Reads a job whose record has been read before, or was written by this process."""
    return _JOBS.decode(value)


def decode_resource(value: bytes) -> ResourceState:
    """Reads a resource whose record has been read before, or was written by this process."""
    return _RESOURCES.decode(value)


def decode_change(value: bytes) -> ResourceChange:
    """Reads a value of the changes topic.

    Raises:
        CorruptRecord: The value is not a change, or of a newer version than this program knows.
    """
    return _decoded(_CHANGES, value)


def _decoded(decoder: msgspec.json.Decoder[Versioned], value: bytes) -> Versioned:
    try:
        record = decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _require_known(_version(value))  # a later release may have another shape
        newer = "; run the release that wrote it" if isinstance(error, msgspec.ValidationError) else ""
        raise CorruptRecord(f"not a changelog record: {error}{newer}") from error
    _require_known(record.v)
    return record


def _require_known(version: int) -> None:
    if version > VERSION:
        raise NewerRecord(
            f"record version {version} is newer than {VERSION}, the newest this release reads: "
            "run the release that wrote it, or a later one"
        )


def _version(value: bytes) -> int:
    """The version of a record that can't be read otherwise; 0 when it has none."""
    try:
        return _VERSIONS.decode(value).v
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0
