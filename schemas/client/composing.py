"""Commands as Kafka records: typed requests, their attributes, and the check that the service makes too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, TypedDict, TypeVar

import orjson

from .. import cloudevents, commands, records
from ..cloudevents import Envelope
from ..commands import TopicRules
from ..events import Message
from ..operations import COMMAND_PREFIX
from ..permissions import open_grant
from .errors import InvalidCommandError

R_co = TypeVar("R_co", covariant=True)

REFERENCE: Final = "command:"
"""Stands before the id of an earlier command where an ARN is wanted: what that command has made."""


@dataclass(frozen=True, kw_only=True)
class CommandRequest(Generic[R_co]):
    """A command's operation and members; the type argument is the type of its result."""

    operation: ClassVar[str] = ""


@dataclass(frozen=True, kw_only=True)
class AnyRequest(CommandRequest[dict[str, Any]]):
    """A command of which only the name is known, for programs that get it from a file or a person.

    Attributes:
        command: Name of the operation.
        data: Its members.
    """

    command: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.data, Mapping):
            raise InvalidCommandError(f"data: found {type(self.data).__name__}; expected a mapping of members")


def operation_of(request: CommandRequest[Any]) -> str:
    """Name of a request's operation."""
    return request.command if isinstance(request, AnyRequest) else request.operation


def members_of(request: CommandRequest[Any]) -> dict[str, Any]:
    """The members that were given, in the API's own names."""
    if isinstance(request, AnyRequest):
        return dict(request.data)
    return {each.name: value for each in fields(request) if (value := getattr(request, each.name)) is not None}


class Attributes(TypedDict, total=False):
    """Optional attributes of a command.

    A time may be text in RFC 3339 or a ``datetime`` with a time zone. What is not named here goes into ``extensions``.
    """

    target: str
    correlation_id: str
    not_before: datetime | str
    deadline: datetime | str
    until: datetime | str
    priority: int
    reply_to: str
    traceparent: str
    tracestate: str
    after: Sequence[str]
    extensions: Mapping[str, str]


def extensions_of(attributes: Attributes) -> dict[str, str]:
    """The CloudEvents extensions that attributes stand for.

    Raises:
        InvalidCommandError: A ``datetime`` has no time zone.
    """
    given = {name: value for name, value in attributes.items() if name != "extensions" and value is not None}
    found = {name.replace("_", ""): _text(name, value) for name, value in given.items()}
    return {**found, **(attributes.get("extensions") or {})}


def _text(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidCommandError(f"{name} has no time zone; use datetime.now(UTC) or another aware time")
        try:
            return cloudevents.format_time(value.timestamp())
        except (ValueError, OverflowError) as error:
            raise InvalidCommandError(f"{name} is a time that UTC has no year for") from error
    if name == "after":
        return _json(list(value), name).decode()
    return str(value)


def utf8(text: str, what: str) -> bytes:
    """Its bytes.

    Raises:
        InvalidCommandError: It has a lone surrogate.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidCommandError(f"{what} is no text that UTF-8 can write: {error}") from error


def _json(value: Any, what: str) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:  # orjson's own is one, for lone surrogates and integers beyond 64 bits too
        raise InvalidCommandError(f"{what} can't be written as JSON: {error}") from error


def compose(
    request: CommandRequest[Any],
    *,
    command_id: str,
    source: str,
    key: bytes,
    extensions: Mapping[str, str],
    time: str = "",
) -> Message:
    """A command as a Kafka record.

    Args:
        request: Operation and members.
        command_id: CloudEvents id.
        source: CloudEvents source.
        key: The record's key.
        extensions: CloudEvents extensions.
        time: CloudEvents time, RFC 3339.

    Raises:
        InvalidCommandError: It can't be written as one.
    """
    if taken := cloudevents.CORE & extensions.keys():
        raise InvalidCommandError(f"extensions: found {', '.join(sorted(taken))}, which every command has already")
    envelope = Envelope(
        id=command_id,
        source=source,
        type=f"{COMMAND_PREFIX}{operation_of(request)}",
        time=time,
        extensions=extensions,
        data=_json(members_of(request), "the request"),
    )
    try:
        value, headers = cloudevents.encode(envelope)
    except (AttributeError, UnicodeEncodeError) as error:
        raise InvalidCommandError(f"an attribute is no text that UTF-8 can write: {error}") from error
    return Message(key, value, headers)


def checked(message: Message, rules: TopicRules | None = None) -> records.Command:
    """The command in a record, as the service reads it.

    Args:
        message: The record.
        rules: What is allowed; by default everything, since targets and rights are settings of the service.

    Raises:
        InvalidCommandError: The service would reject it.
    """
    read = commands.read(message.key, message.value, message.headers, rules or _open_rules(message))
    if isinstance(read, commands.NotACommand):
        raise InvalidCommandError(f"{read.code}: {read.message}")
    if isinstance(read, commands.Rejected):
        violations = "; ".join(f"{one.path}: {one.message}" for one in read.violations)
        raise InvalidCommandError(f"{read.code}: {violations}")
    return read


def digest_of(message: Message) -> str:
    """The digest that the service keeps of a command; empty if it is none. Valid or not makes no difference."""
    read = commands.read(message.key, message.value, message.headers, _open_rules(message))
    if isinstance(read, commands.NotACommand):
        return ""
    return read.command.digest if isinstance(read, commands.Rejected) else read.digest


def _open_rules(message: Message) -> TopicRules:
    named = dict(message.headers)
    targets, topics = (_values(named, name) for name in ("ce_target", "ce_replyto"))
    return open_limits(targets, topics)


def _values(named: Mapping[str, bytes | None], name: str) -> list[str]:
    return [text] if (text := (named.get(name) or b"").decode()) else []


def open_limits(targets: Iterable[str] = (), reply_topics: Iterable[str] = ()) -> TopicRules:
    """What a service without tenants allows: every target and reply topic that it knows, ``default`` among them."""
    return TopicRules(open_grant({"default", *targets}, reply_topics), "default")
