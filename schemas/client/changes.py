"""Records of the replies and events topics as typed values. Tolerant: what a later release adds is kept or skipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from .. import cloudevents, events
from ..cloudevents import Envelope, Headers
from ..events import ReplyKind

TERMINAL: Final = frozenset({ReplyKind.SUCCEEDED, ReplyKind.FAILED, ReplyKind.REJECTED, ReplyKind.PARKED})
"""Replies that end a command; ``parked`` until an operator decides."""
MISUSE: Final = "IdMisuse"
"""Code of a rejection that answers another command with the same id and source."""


@dataclass(frozen=True, slots=True)
class Received:
    """A record as it was read.

    Attributes:
        topic: Its topic.
        partition: Its partition.
        offset: Its offset.
        time: When it was written, epoch seconds.
        key: Its key.
        value: Its value.
        headers: Its headers.
    """

    topic: str
    partition: int
    offset: int
    time: float
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class _AboutCommand:
    """What replies and events have in common.

    Attributes:
        id: CloudEvents id: the same when the record is repeated.
        time: When the service wrote it, RFC 3339.
        command_id: The command's id; of an event: that of the command which the resource belongs to.
        command_source: The command's source.
        operation: The command's operation; empty when it named none that is known.
        target: The AWS target.
        tenant: The tenant; empty for the default one.
        correlation_id: The command's.
        data: Everything that the record says.
        record: Where it was read.
    """

    id: str
    time: str
    command_id: str
    command_source: str
    operation: str
    target: str
    tenant: str
    correlation_id: str
    data: Mapping[str, Any]
    record: Received


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyReceived(_AboutCommand):
    """A reply to a command.

    Attributes:
        kind: What became of the command.
    """

    kind: ReplyKind

    @property
    def is_terminal(self) -> bool:
        """Whether the command has ended with it; ``parked`` ends it until an operator decides."""
        return self.kind in TERMINAL

    @property
    def code(self) -> str:
        """The error's code; empty where there is no error."""
        error = self.data.get("error")
        return str(error.get("code", "")) if isinstance(error, dict) else ""

    @property
    def resource_id(self) -> str:
        """Of ``started``: ARN or id of the resource; else empty."""
        return str(self.data.get("resourceArn") or self.data.get("resourceId") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(_AboutCommand):
    """A resource's status is another than before.

    Attributes:
        resource_kind: Which kind of resource, such as ``audience-model``.
        resource_id: ARN of the resource, or its stable id.
        sequence: Counts the resource's events from 1 without gaps.
        previous_status: Status in the event before; None for the first.
        status: AWS's status, or ``created``, ``updated``, ``deleted``.
    """

    resource_kind: str
    resource_id: str
    sequence: int
    previous_status: str | None
    status: str


CommandChange = ReplyReceived | StatusChanged
"""What is published about a command."""


def decode(record: Received) -> CommandChange | None:
    """Reads a record; None for what is neither a reply nor an event that this release knows. Never raises."""
    envelope = cloudevents.decode(record.key, record.value, record.headers)
    if not isinstance(envelope, Envelope):
        return None
    try:
        data = orjson.loads(envelope.data)
        if not isinstance(data, dict):
            return None
        if envelope.type.startswith(events.REPLY_PREFIX):
            return _reply(envelope, data, record)
        if envelope.type.startswith(events.EVENT_PREFIX) and envelope.type.endswith(events.EVENT_SUFFIX):
            return _event(envelope, data, record)
    except (KeyError, ValueError, TypeError):  # of a later release, or another program's
        return None
    return None


def _reply(envelope: Envelope, data: dict[str, Any], record: Received) -> ReplyReceived:
    kind = ReplyKind(envelope.type.removeprefix(events.REPLY_PREFIX))
    return ReplyReceived(kind=kind, **_common(envelope, data, record))


def _event(envelope: Envelope, data: dict[str, Any], record: Received) -> StatusChanged:
    return StatusChanged(
        resource_kind=envelope.type.removeprefix(events.EVENT_PREFIX).removesuffix(events.EVENT_SUFFIX),
        resource_id=envelope.subject,
        sequence=int(envelope.extensions["sequence"]),
        previous_status=data.get("previousStatus"),
        status=_text(data["status"]),
        **_common(envelope, data, record),
    )


def _common(envelope: Envelope, data: dict[str, Any], record: Received) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "time": envelope.time,
        "command_id": _text(data["commandId"]),
        "command_source": _text(data["commandSource"]),
        "operation": _text(data.get("operation", "")),
        "target": _text(data.get("target", "")),
        "tenant": envelope.extensions.get("tenant", ""),
        "correlation_id": envelope.extensions.get("correlationid", ""),
        "data": data,
        "record": record,
    }


def _text(value: Any) -> str:
    """What must be text.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, str):
        raise TypeError
    return value
