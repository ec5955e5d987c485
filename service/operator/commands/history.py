"""What replies and events say of commands: each record read, and all of them put together command by command.

Nothing else is needed: no changelog, no right beyond a subscriber's. What neither a reply nor an event says, such as
when a resource is polled next, is not known here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.client.changes import Received, ReplyReceived, decode
from schemas.cloudevents import timestamp
from schemas.events import ReplyKind
from service.adapters.kafka.topic_reader import TopicRecord

OPEN: Final = frozenset({ReplyKind.ACCEPTED, ReplyKind.WAITING, ReplyKind.STARTED})
"""States of a command that goes on by itself."""
_ASIDE: Final = frozenset({"IdMisuse", "WrongPartition"})
"""Codes of rejections that say nothing of the command itself, but of another record with its id."""

CommandKey = tuple[str, str, str]
"""Tenant, source and id."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One reply or one event.

    Attributes:
        key: Which command it is about.
        reply: The kind of reply; None for an event.
        resource_kind: Of an event, such as ``audience-model``.
        time: Epoch seconds.
        event_id: CloudEvents id: the same when it is repeated.
        sequence: Number of an event among those of its resource; 0 for a reply.
        correlation: The command's correlation id.
        traceparent: The command's trace.
        data: The payload.
    """

    key: CommandKey
    reply: ReplyKind | None
    resource_kind: str
    time: float
    event_id: str
    sequence: int
    correlation: str
    traceparent: str
    data: Mapping[str, Any]

    @property
    def word(self) -> str:
        """What it says: the kind of reply, or the resource's status."""
        return self.reply.value if self.reply else str(self.data.get("status", ""))

    @property
    def resource(self) -> str:
        """ARN or stable id that it names, or nothing."""
        return str(self.data.get("resourceArn") or self.data.get("resourceId") or "")

    @property
    def error(self) -> Mapping[str, Any]:
        """The error of a reply; empty for none."""
        found = self.data.get("error")
        return found if isinstance(found, Mapping) else {}


def read_notice(record: TopicRecord) -> Notice | None:
    """A reply or an event, as the client for publishers reads it; None for any other record."""
    received = Received(*record.topic_partition, record.offset, record.time, record.key, record.value, record.headers)
    change = decode(received)
    if change is None:
        return None
    reply = change.kind if isinstance(change, ReplyReceived) else None
    return Notice(
        (change.tenant, change.command_source, change.command_id),
        reply,
        "" if isinstance(change, ReplyReceived) else change.resource_kind,
        timestamp(change.time) or record.time,
        change.id,
        0 if isinstance(change, ReplyReceived) else change.sequence,
        change.correlation_id,
        (dict(record.headers).get("ce_traceparent") or b"").decode(errors="replace"),
        change.data,
    )


@dataclass(slots=True)
class CommandHistory:
    """A command as far as replies and events say.

    Attributes:
        key: Tenant, source and id.
        operation: As its publisher asked for it.
        target: Name of the AWS target.
        correlation: Its correlation id.
        traceparent: Its trace.
        state: The last reply that changed it; None while only events are known.
        since: Epoch seconds: when it was accepted, or when it ended or was parked.
        accepted: Epoch seconds; 0 when that reply is no longer kept.
        updated: Epoch seconds of the last news.
        reason: What it waits for.
        position: Its position in the queue; 0 for none or unknown.
        predecessors: Ids of the commands that it waits for.
        resources: What it made or changed, in order of appearance.
        status: Last status of the resource.
        details: AWS's details of that status.
        error: Of its end.
        attempts: Calls, as its last reply says.
        searched: What a search for a lost call's effect found.
        repeats: How often replies were repeated for duplicates.
        strangers: Rejections of other records with its id: other content, or in another partition.
        timeline: All notices, if they are kept.
    """

    key: CommandKey
    operation: str = ""
    target: str = ""
    correlation: str = ""
    traceparent: str = ""
    state: ReplyKind | None = None
    since: float = 0.0
    accepted: float = 0.0
    updated: float = 0.0
    reason: str = ""
    position: int = 0
    predecessors: tuple[str, ...] = ()
    resources: list[str] = field(default_factory=list)
    status: str = ""
    details: Mapping[str, Any] | None = None
    error: Mapping[str, Any] = field(default_factory=dict)
    attempts: int | None = None
    searched: str = ""
    repeats: int = 0
    strangers: list[Notice] = field(default_factory=list)
    timeline: list[Notice] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    @property
    def tenant(self) -> str:
        """Name of its tenant; empty for the default one."""
        return self.key[0]

    @property
    def source(self) -> str:
        """CloudEvents source."""
        return self.key[1]

    @property
    def id(self) -> str:
        """CloudEvents id."""
        return self.key[2]

    @property
    def open(self) -> bool:
        """Whether it goes on by itself."""
        return self.state is None or self.state in OPEN

    def add(self, notice: Notice, *, keep: bool) -> bool:
        """Takes note; False when it was known, or says nothing of this command."""
        self.operation = self.operation or str(notice.data.get("operation", ""))
        self.target = self.target or str(notice.data.get("target", ""))
        self.correlation = self.correlation or notice.correlation
        self.traceparent = self.traceparent or notice.traceparent
        if notice.reply is ReplyKind.REJECTED and notice.error.get("code") in _ASIDE:
            self.strangers.append(notice)
            return False
        if notice.event_id in self._seen:
            self.repeats += 1
            return False
        self._seen.add(notice.event_id)
        self.updated = max(self.updated, notice.time)
        if keep:
            self.timeline.append(notice)
        if notice.resource and notice.resource not in self.resources:
            self.resources.append(notice.resource)
        if notice.reply is None:
            self._event(notice)
        else:
            self._reply(notice, notice.reply)
        return True

    def _event(self, notice: Notice) -> None:
        details = notice.data.get("statusDetails")
        self.status, self.details = notice.word, details if isinstance(details, Mapping) else None

    def _reply(self, notice: Notice, kind: ReplyKind) -> None:
        if kind is ReplyKind.ACCEPTED:
            self.accepted = self.since = notice.time
            if self.state is not None:  # replies of one partition keep their order; this one is of another
                return
        if kind not in OPEN:
            self.since = notice.time
        elif not self.open:  # a decision about a parked command: it goes on
            self.since = self.accepted or notice.time
        self.state = kind
        self.reason = str(notice.data.get("reason", "")) if kind is ReplyKind.WAITING else ""
        position = notice.data.get("position")
        self.position = position if isinstance(position, int) else 0
        predecessors = notice.data.get("predecessors")
        self.predecessors = tuple(map(str, predecessors)) if isinstance(predecessors, list) else ()
        result = notice.data.get("result")
        last = result.get("status") if isinstance(result, Mapping) else notice.data.get("status")
        self.status = str(last or self.status)
        attempts = notice.data.get("attempts")
        self.attempts = attempts if isinstance(attempts, int) else self.attempts
        self.error = notice.error
        self.searched = str(notice.data.get("searched") or "")


class Histories:
    """All commands of which something is known, by their keys."""

    def __init__(self, *, keep: bool = False) -> None:
        """Starts empty; ``keep`` holds on to every notice, not only to what follows from it."""
        self.commands: dict[CommandKey, CommandHistory] = {}
        self._keep = keep

    def add(self, notice: Notice) -> tuple[CommandHistory, bool]:
        """The command that it is about, and whether this was news of it."""
        history = self.commands.setdefault(notice.key, CommandHistory(notice.key))
        return history, history.add(notice, keep=self._keep)

    def add_all(self, records: Iterable[TopicRecord]) -> None:
        """Takes note of records; what is neither reply nor event is passed over."""
        for record in records:
            if notice := read_notice(record):
                self.add(notice)

    def called(self, command_id: str, source: str | None = None) -> list[CommandHistory]:
        """Those with this id, of any source and tenant unless one is named."""
        return [each for each in self.commands.values() if each.id == command_id and source in (None, each.source)]
