"""Builds commands."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from schemas import cloudevents, commands
from schemas.cloudevents import Envelope
from schemas.commands import TopicRules
from schemas.events import Message
from schemas.operations import COMMAND_PREFIX
from schemas.permissions import open_grant

SOURCE: Final = "/tests"


class InvalidCommandError(ValueError):
    """The service would reject this command; the message says everything that is wrong with it."""


def command(
    operation: str,
    data: Mapping[str, Any] | None = None,
    /,
    *,
    command_id: str = "",
    source: str = SOURCE,
    key: str | bytes | None = None,
    extensions: Mapping[str, str] | None = None,
    check: bool = True,
    **members: Any,
) -> Message:
    """Builds a command as a Kafka record, with an id of its own.

    Args:
        operation: Which one, for example ``ListAudienceModels``.
        data: Members of the data.
        command_id: CloudEvents id; a new one if empty.
        source: CloudEvents source.
        key: The record's key; by default the id.
        extensions: CloudEvents extensions, such as ``correlationid`` or ``deadline``.
        check: Whether an invalid command is refused here; False to test what the service says to one.
        members: More members of the data, in the API's own names.

    Raises:
        InvalidCommandError: The command is invalid, and ``check`` is true.
    """
    identity = command_id or str(uuid.uuid4())
    envelope = Envelope(
        id=identity,
        source=source,
        type=f"{COMMAND_PREFIX}{operation}",
        extensions=extensions or {},
        data=orjson.dumps({**(data or {}), **members}),
    )
    value, headers = cloudevents.encode(envelope)
    message = Message(key.encode() if isinstance(key, str) else key or identity.encode(), value, headers)
    if check:
        _check(message)
    return message


def _check(message: Message) -> None:
    """Refuses what the service would reject; which targets and topics it knows is not known here."""
    named = dict(message.headers)
    targets, topics = (_values(named, name) for name in ("ce_target", "ce_replyto"))
    limits = open_limits(targets, topics)
    read = commands.read(message.key, message.value, message.headers, limits)
    if isinstance(read, commands.NotACommand):
        raise InvalidCommandError(f"{read.code}: {read.message}")
    if isinstance(read, commands.Rejected):
        told = "; ".join(f"{one.path}: {one.message}" for one in read.violations)
        raise InvalidCommandError(f"{read.code}: {told}")


def _values(named: Mapping[str, bytes | None], name: str) -> list[str]:
    return [text] if (text := (named.get(name) or b"").decode()) else []


def open_limits(targets: Iterable[str] = (), reply_topics: Iterable[str] = ()) -> TopicRules:
    """What a service without tenants allows: every target and reply topic that it knows, ``default`` among them."""
    return TopicRules(open_grant({"default", *targets}, reply_topics), "default")
