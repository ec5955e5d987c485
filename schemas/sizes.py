"""How long a derived text may be, and how large a record is: nothing that comes in can make what can't be written.

Every text that we derive from a record, or take from an answer of AWS, is cut to the limit that is stated here. So a
job record or a reply is at most a command's own bytes and a known remainder. What has no limit of its own, such as a
result, is measured with its whole record: :func:`record_size` counts as Kafka's record format does, uncompressed.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from .cloudevents import Headers

MAX_PATH: Final = 200
"""Characters of a violation's path."""
MAX_MESSAGE: Final = 1_000
"""Characters of a violation's message."""
MAX_VIOLATIONS_BYTES: Final = 24 * 1024
"""Bytes of all violations of a command; the first one is always reported."""
MAX_CODE: Final = 128
"""Characters of an error's code, a status or a header that names one."""
MAX_ERROR: Final = 2_048
"""Characters of an error's message, and of each text in AWS's ``statusDetails``."""
MAX_NAME: Final = 255
"""Characters of a resource's name, as the API limits it."""
MAX_KEPT_REPLY: Final = 2_048
"""Bytes of a reply's result or error that are kept whole for a repeated command; a longer one is cut to about that."""
MAX_KEPT_KEY: Final = 1_024
"""Bytes of the longest key that a dead letter without content keeps."""

MAX_VALUE: Final = 1024 * 1024
"""Bytes of the longest command that is read, unless a setting says otherwise."""

_CUT: Final = 40
"""Characters that are left of a text for which there is no room; what names a resource or a time is not among those."""
_HEADROOM: Final = 64 * 1024
MAX_SHORT_MEMBER: Final = 2_112
"""Bytes of a member that a shortened description keeps: more than the longest ARN has, with its quotes."""

_BATCH_HEADER: Final = 61
_RECORD_OVERHEAD: Final = 21


def largest_record(max_value: int = MAX_VALUE) -> int:
    """Bytes of the largest record that is written, for a limit of what is read: a command is wrapped into others."""
    return 2 * max_value + _HEADROOM


def largest_command(max_value: int = MAX_VALUE) -> int:
    """Bytes of the largest record of a commands topic: a value as long as is read, its key and its headers."""
    return max_value + _HEADROOM


def shortened(text: str, limit: int) -> str:
    """The text, cut to a number of characters; an ellipsis shows that it was longer."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def printable(text: str, limit: int) -> str:
    """A text of unknown origin on one line: what can't be printed becomes a question mark."""
    return "".join(char if char.isprintable() else "?" for char in shortened(text, limit))


def essentials(result: Mapping[str, Any]) -> dict[str, Any]:
    """The short members of a description that is too large as a whole: its ARN, name, status and times."""
    scalars = {name: value for name, value in result.items() if value is None or isinstance(value, str | int | float)}
    return {name: value for name, value in scalars.items() if len(msgspec.json.encode(value)) <= MAX_SHORT_MEMBER}


def kept(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as it is kept for a repeated command: all of its members, but long texts are cut and lists end early."""
    fitted: dict[str, Any] = _fitted(result, [MAX_KEPT_REPLY])
    return fitted


def _fitted(value: Any, room: list[int]) -> Any:
    """The value in what is left of the ``room``, which it takes from. Short members come first, lists last."""
    if isinstance(value, Mapping):
        return {name: _fitted(value[name], room) for name in sorted(value, key=lambda name: _rank(value[name]))}
    if isinstance(value, list):
        items = []
        for item in value:
            size = len(msgspec.json.encode(item))
            if size > room[0]:
                break
            room[0] -= size
            items.append(item)
        return items
    if isinstance(value, str) and len(msgspec.json.encode(value)) > room[0]:
        value = shortened(value, _CUT)
    room[0] -= len(msgspec.json.encode(value))
    return value


def _rank(value: Any) -> tuple[bool, bool, int]:
    return isinstance(value, list), isinstance(value, Mapping), len(value) if isinstance(value, str) else 0


def record_size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Bytes of a record in a batch of its own: the upper bound that aiokafka's producer measures by."""
    size = _BATCH_HEADER + _RECORD_OVERHEAD + _sized(key) + _sized(value) + _varint(len(headers))
    for name, content in headers:
        length = len(name) if name.isascii() else len(name.encode())
        size += length + (1 if length < _ONE_BYTE else _varint(length)) + _sized(content)
    return size


def _sized(content: bytes | None) -> int:
    if content is None:
        return 1
    length = len(content)
    return length + (1 if length < _ONE_BYTE else _varint(length))


_ONE_BYTE: Final = 64
"""Numbers below it take one byte."""


def _varint(number: int) -> int:
    return (number.bit_length() + 7) // 7  # seven bits a byte, after zigzag has doubled the number
