"""What the service publishes: replies, status changes and dead letters.

The builders encode fast, for the shard's commit; the models below say the same field by field, for schemas and tests.
Ids are deterministic, so that a subscriber recognises what it has read before.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field

from . import cloudevents, records, sizes
from .cloudevents import Envelope, format_time

REPLY_PREFIX: Final = "cleanroomsml.reply."
EVENT_PREFIX: Final = "cleanroomsml."
EVENT_SUFFIX: Final = ".status-changed"

_SEQUENCE_DIGITS: Final = 10


class ReplyKind(StrEnum):
    """What became of a command."""

    ACCEPTED = "accepted"
    """The intent is durable; the API has not been called yet."""
    WAITING = "waiting"
    """It waits for a quota slot, a budget, its time or another command."""
    STARTED = "started"
    """AWS took it."""
    SUCCEEDED = "succeeded"
    """The end: done."""
    FAILED = "failed"
    """The end: AWS refused, the job failed, too late, or cancelled."""
    REJECTED = "rejected"
    """The end: invalid or not allowed; AWS was never called."""
    PARKED = "parked"
    """The end until a person decides: the outcome can't be known safely."""


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka record to be produced.

    Attributes:
        key: Its key; ``None`` only for a dead letter whose original had none.
        value: Its value; ``None`` only for a dead letter whose original had none.
        headers: Its headers, in order.
    """

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


# --- builders ---------------------------------------------------------------------------------------------------------


def reply(
    command: records.Command, kind: ReplyKind, data: Mapping[str, Any], *, number: int, now: float, source: str
) -> Message:
    """Builds a reply to a command.

    Args:
        command: The command.
        kind: What became of it.
        data: What to say beside the command's identity.
        number: Which reply to this command it is; part of the id.
        now: Epoch seconds.
        source: CloudEvents source of the service.
    """
    envelope = Envelope(
        id=f"{command_digest(command)}/{number}-{kind.value}",
        source=source,
        type=f"{REPLY_PREFIX}{kind.value}",
        time=format_time(now),
        extensions=_carried(command),
        data=orjson.dumps({**_identity(command), **data}, option=orjson.OPT_UTC_Z),
    )
    return _message(command.id, envelope)


def status_changed(
    *,
    resource: records.ResourceState,
    previous_status: str | None,
    command: records.Command,
    region: str,
    status_details: Mapping[str, Any] | None,
    description: Mapping[str, Any] | None,
    now: float,
    source: str,
    truncated: bool = False,
) -> Message:
    """Builds the event of a resource's new status.

    Args:
        resource: The resource as of this event, with the event's sequence number.
        previous_status: Status in the event before; ``None`` for the first.
        command: The command that the resource belongs to.
        region: AWS region.
        status_details: AWS's ``statusDetails``, if any.
        description: The full description; given on a terminal status.
        now: Epoch seconds.
        source: CloudEvents source of the service.
        truncated: Whether only the short members of the description are left.
    """
    data = {
        ("resourceArn" if resource.id.startswith("arn:") else "resourceId"): resource.id,
        "name": resource.name or None,
        "previousStatus": previous_status,
        "status": resource.status,
        "statusDetails": status_details,
        "observedTime": format_time(resource.observed_at or now),
        **_identity(command),
        "region": region,
    }
    if description is not None:
        data["resource"] = description
    if truncated:
        data["truncated"] = True
    # The extension wants strings that sort: zeros in front.
    sequence = {"sequence": f"{resource.sequence:0{_SEQUENCE_DIGITS}d}", "sequencetype": "Integer"}
    envelope = Envelope(
        # The kind is part of it: a policy and tags have the ARN of the model that they belong to.
        id=f"{resource.kind}:{resource.id}#{resource.sequence}",
        source=source,
        type=f"{EVENT_PREFIX}{resource.kind}{EVENT_SUFFIX}",
        time=format_time(now),
        subject=resource.id,
        extensions={**sequence, **_carried(command)},
        data=orjson.dumps(data, option=orjson.OPT_UTC_Z),
    )
    return _message(resource.id, envelope)


class RecordPosition(NamedTuple):
    """Where a record is."""

    topic: str
    partition: int
    offset: int


def dead_letter(
    key: bytes | None,
    value: bytes | None,
    headers: cloudevents.Headers,
    *,
    reason: str,
    message: str,
    position: RecordPosition,
    now: float,
) -> Message:
    """Builds a dead letter: the original untouched, and ``dlq_`` headers behind its own.

    A record that was dead before, and sent again with its headers, has them twice: the last ones count.

    Args:
        key: The original's key.
        value: The original's value.
        headers: The original's headers.
        reason: What kind of fault, for machines.
        message: What was found, for people.
        position: Position of the original.
        now: Epoch seconds.
    """
    return Message(key, value, (*headers, *_dlq_headers(reason, message, position, now)))


def dead_letter_without_content(
    key: bytes | None,
    value: bytes | None,
    headers: cloudevents.Headers,
    *,
    reason: str,
    message: str,
    position: RecordPosition,
    now: float,
) -> Message:
    """Builds a dead letter of a record that is too large to be wrapped: its position, its size and its hash.

    The arguments are those of :func:`dead_letter`. The key is kept if it is short.
    """
    omitted = {
        "dlq_omitted": "value, headers" if len(key or b"") <= sizes.MAX_KEPT_KEY else "key, value, headers",
        "dlq_size": str(sizes.record_size(key, value, headers)),
        "dlq_sha256": hashlib.sha256(value or b"").hexdigest(),
    }
    kept = key if len(key or b"") <= sizes.MAX_KEPT_KEY else None
    return Message(kept, None, _dlq_headers(reason, message, position, now, omitted))


def _dlq_headers(
    reason: str, message: str, position: RecordPosition, now: float, more: Mapping[str, str] = MappingProxyType({})
) -> tuple[tuple[str, bytes | None], ...]:
    added = {
        "dlq_reason": reason,
        "dlq_message": sizes.shortened(message, sizes.MAX_MESSAGE),
        "dlq_topic": position.topic,
        "dlq_partition": str(position.partition),
        "dlq_offset": str(position.offset),
        "dlq_time": format_time(now),
        **more,
    }
    return tuple((name, text.encode("utf-8", "backslashreplace")) for name, text in added.items())


def command_digest(command: records.Command) -> str:
    """26 characters for a command's tenant, source and id, the same on every replica."""
    whose = f"@{command.tenant}/".encode() if command.tenant else b""
    hashed = hashlib.sha256(whose + records.job_key(command.source, command.id)).digest()
    return base64.b32encode(hashed).decode()[:26].lower()


def _identity(command: records.Command) -> dict[str, Any]:
    return {
        "commandId": command.id,
        "commandSource": command.source,
        "operation": command.asked or command.operation,
        "target": command.target,
    }


def _carried(command: records.Command) -> dict[str, str]:
    found = {
        "correlationid": command.correlation_id,
        "traceparent": command.traceparent,
        "tracestate": command.tracestate,
        "tenant": command.tenant,
    }
    return {name: text for name, text in found.items() if text}


def _message(key: str, envelope: Envelope) -> Message:
    value, headers = cloudevents.encode(envelope)
    return Message(key.encode(), value, headers)


# --- models -----------------------------------------------------------------------------------------------------------


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ViolationData(_Data):
    """One thing wrong with a command."""

    path: str = Field(description="Where: data.<member> in the payload, or the name of an envelope attribute.")
    rule: str = Field(description="Which constraint, for machines.")
    message: str = Field(description="What is expected, for people.")


class ErrorData(_Data):
    """Why a command did not succeed."""

    code: str = Field(description="AWS's error code or the service's.")
    message: str = Field(description="What was found, what was expected, what to do next.")
    statusDetails: dict[str, Any] | None = Field(None, description="AWS's statusDetails of a failed job.")  # noqa: N815
    retryable: bool = Field(False, description="True when the same command under a new id may succeed.")
    httpStatus: int | None = Field(None, description="Status of AWS's answer, if there was one.")  # noqa: N815
    violations: list[ViolationData] | None = Field(None, description="Everything that is wrong with the command.")


class ReplyData(_Data):
    """What all replies say."""

    model_config = ConfigDict(frozen=True, extra="allow")

    commandId: str = Field(description="CloudEvents id of the command.")  # noqa: N815
    commandSource: str = Field(description="CloudEvents source of the command.")  # noqa: N815
    operation: str = Field(description="The API operation; empty when the command named none that is known.")
    target: str = Field(description="The AWS target; empty when the command named none that is configured.")


_FILLED = "Members of the request that named other commands, as they were sent to AWS; absent if none did."


class AcceptedData(ReplyData):
    """The intent is durable; the API has not been called yet."""


class WaitingData(ReplyData):
    """The command waits; sent when waiting begins and when the reason changes."""

    reason: str = Field(description="What it waits for.")
    position: int | None = Field(None, description="Position in the waiting queue, from 1, where there is one.")
    predecessors: list[str] | None = Field(
        None, description="Ids of the commands that it waits for, which have not ended; with the reason Predecessor."
    )


class StartedData(ReplyData):
    """AWS took it."""

    resourceArn: str | None = Field(None, description="ARN of the resource, if it has one.")  # noqa: N815
    resourceId: str | None = Field(None, description="Stable id of a resource without ARN.")  # noqa: N815
    status: str | None = Field(None, description="Its status.")
    request: dict[str, Any] | None = Field(None, description=_FILLED)


_PARTIAL = (
    "True when result was too large, and has its short members only; also when a reply with a long result is "
    "repeated for a duplicate: then its texts and lists are cut."
)
_SHORTENED = "True when error is shortened: it was too large, or long in a reply that is repeated for a duplicate."


class SucceededData(ReplyData):
    """Done."""

    result: dict[str, Any] = Field(description="The API's response, or the resource's final description.")
    request: dict[str, Any] | None = Field(None, description=_FILLED)
    truncated: bool = Field(False, description=_PARTIAL)


class FailedData(ReplyData):
    """AWS refused, the job failed, the deadline passed, it was cancelled, or a command that it names failed."""

    error: ErrorData
    predecessors: list[str] | None = Field(
        None, description="Ids of the commands that have failed, with the code PredecessorFailed."
    )
    truncated: bool = Field(False, description=_SHORTENED)


class RejectedData(ReplyData):
    """Invalid or not allowed; AWS was never called."""

    error: ErrorData
    truncated: bool = Field(False, description=_SHORTENED)


class ParkedData(ReplyData):
    """The outcome can't be known safely: the end, until a person resolves it and the real end follows."""

    error: ErrorData
    truncated: bool = Field(False, description=_SHORTENED)


class StatusChangedData(_Data):
    """A resource's status is another than in the event before."""

    resourceArn: str | None = Field(None, description="ARN of the resource, if it has one.")  # noqa: N815
    resourceId: str | None = Field(None, description="Stable id of a resource without ARN.")  # noqa: N815
    name: str | None = Field(description="The resource's name, as far as known.")
    previousStatus: str | None = Field(description="Status in the event before; null in the first.")  # noqa: N815
    status: str = Field(description="AWS's status; created, updated or deleted where there is no lifecycle.")
    statusDetails: dict[str, Any] | None = Field(description="AWS's statusDetails.")  # noqa: N815
    observedTime: str = Field(description="When the status was seen, RFC 3339.")  # noqa: N815
    commandId: str = Field(description="CloudEvents id of the command.")  # noqa: N815
    commandSource: str = Field(description="CloudEvents source of the command.")  # noqa: N815
    operation: str = Field(description="The command's API operation.")
    target: str = Field(description="The command's AWS target.")
    region: str = Field(description="AWS region.")
    resource: dict[str, Any] | None = Field(None, description="Full description; on a terminal status.")
    truncated: bool = Field(False, description="True when resource was too large, and holds its short members only.")


class AttributesData(BaseModel):
    """The envelope of everything that is published: CloudEvents attributes, in headers with the prefix ce_."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    specversion: Literal["1.0"]
    id: str = Field(description="Deterministic: the same when a message is repeated.")
    source: str = Field(description="The service.")
    type: str = Field(description="cleanroomsml.reply.<kind> or cleanroomsml.<resource-kind>.status-changed.")
    time: str = Field(description="When it was written, RFC 3339.")
    subject: str | None = Field(None, description="The resource's id; events only.")
    sequence: str | None = Field(None, description="Counter of the resource's events, from 1; events only.")
    sequencetype: Literal["Integer"] | None = Field(None, description="Meaning of sequence; events only.")
    correlationid: str | None = Field(None, description="The command's.")
    traceparent: str | None = Field(None, description="The command's trace.")
    tracestate: str | None = Field(None, description="The command's trace.")
    tenant: str | None = Field(None, description="Whose command it is; absent for the default tenant.")


REPLY_MODELS: Final[Mapping[ReplyKind, type[ReplyData]]] = {
    ReplyKind.ACCEPTED: AcceptedData,
    ReplyKind.WAITING: WaitingData,
    ReplyKind.STARTED: StartedData,
    ReplyKind.SUCCEEDED: SucceededData,
    ReplyKind.FAILED: FailedData,
    ReplyKind.REJECTED: RejectedData,
    ReplyKind.PARKED: ParkedData,
}
"""The data of each kind of reply."""
