"""Builds commands."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from ..client.composing import AnyRequest, checked, compose, open_limits
from ..client.errors import InvalidCommandError
from ..events import Message

__all__ = ["SOURCE", "InvalidCommandError", "command", "open_limits"]

SOURCE: Final = "/tests"


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
    message = compose(
        AnyRequest(command=operation, data={**(data or {}), **members}),
        command_id=identity,
        source=source,
        key=key.encode() if isinstance(key, str) else key or identity.encode(),
        extensions=extensions or {},
    )
    if check:
        checked(message)
    return message
