"""JSON as RFC 8259 and I-JSON mean it, with bounded work: what other readers let pass is refused here.

Refused: anything but UTF-8 without a byte order mark, ``NaN`` and ``Infinity``, numbers that overflow, a member name
twice in one object, lone surrogates, deep nesting, too many values, trailing text. An integer beyond 64 bits is read as
the double that it is to most readers. A shallow scan bounds depth and count before the parser may spend time or memory
on them; a long string costs one step of it.
Messages name positions and limits, never content; each is a predicate, to follow "it" or a name.
"""

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID


class JsonError(ValueError):
    """The bytes are not JSON that this service reads.

    Attributes:
        code: ``InvalidJson``, or ``TooLarge`` when a limit was met.
        message: What was found and what is expected, without content; begins with a verb.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How much structure a document may have.

    Attributes:
        depth: Objects and arrays within each other.
        values: Members and elements in the whole document.
    """

    depth: int = 32
    values: int = 2_000


DEFAULT: Final = JsonLimits()

_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**64 - 1
_INTEGER_CHARS: Final = 20
MAX_NUMBER: Final = 4_096
"""Characters of the longest number that is read."""

# A whole string in one step, or one structural character. Possessive and with an optional closing quote, so that no
# text is scanned twice: a document of unterminated strings would cost the square of its size otherwise.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[\]{},:]', re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,64}")


def loads(value: bytes, limits: JsonLimits = DEFAULT, spared: Collection[str] = ()) -> Any:
    """Parses a JSON document.

    Args:
        value: The document, UTF-8.
        limits: Bounds on its structure.
        spared: Members of the document that may have lone surrogates; their reader judges them.

    Raises:
        JsonError: It is not JSON, or JSON that readers disagree about, or beyond the limits.
    """
    text = _decode(value)
    _bound(value, limits)
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"{error.msg[:1].lower()}{error.msg[1:]}"
        message = f"is not JSON: {reason} at line {error.lineno}, column {error.colno}"
        raise JsonError("InvalidJson", message) from None
    if _SURROGATE_ESCAPE.search(value):
        judged = (
            [item for item in document.items() if item[0] not in spared] if isinstance(document, dict) else document
        )
        _refuse_lone_surrogates(judged)
    return document


def _decode(value: bytes) -> str:
    if value.startswith(b"\xef\xbb\xbf"):
        raise JsonError("InvalidJson", "starts with a byte order mark; send UTF-8 without one")
    if frame := _registry_frame(value):
        raise JsonError("InvalidJson", f"{frame}; send the JSON alone, without a registry's serializer")
    if value[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in value[:4]:
        raise JsonError("InvalidJson", "is UTF-16 or UTF-32; send UTF-8")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError("InvalidJson", f"is not UTF-8: {error.reason} at byte {error.start}") from None


def _registry_frame(value: bytes) -> str:
    """What a schema registry's serializer has put in front of the payload; empty when nothing is there."""
    if value[:2] in (b"\x03\x00", b"\x03\x05") and len(value) > _GLUE_FRAME:
        return "starts with the frame of the AWS Glue Schema Registry"
    wide = value[1:2] != b"\x00" or value[4:7] == b"\x00\x00\x00"  # the zeros of UTF-16 and UTF-32
    if value[:1] == b"\x00" and len(value) > _CONFLUENT_FRAME and (not wide or value[5:6] in _JSON_STARTS):
        number = int.from_bytes(value[1:_CONFLUENT_FRAME])
        return f"starts with the frame of a Confluent schema registry (schema id {number})"
    if value[:1] == b"\x01" and len(value) > _CONFLUENT_GUID_FRAME:
        guid = UUID(bytes=value[1:_CONFLUENT_GUID_FRAME])
        return f"starts with the frame of a Confluent schema registry (schema GUID {guid})"
    return ""


_GLUE_FRAME: Final = 18
_CONFLUENT_GUID_FRAME: Final = 17
"""The format with magic byte 1: a GUID of 16 bytes instead of an id of 4."""
_CONFLUENT_FRAME: Final = 5
_JSON_STARTS: Final = tuple(bytes((char,)) for char in b'{["-0123456789tfn \t\r\n')


def _bound(value: bytes, limits: JsonLimits) -> None:
    # In valid JSON each value brings at most: its name, ":", its own string or brackets, and one ",".
    budget = 5 * limits.values + 8
    depth = commas = 0
    for token in _TOKEN.finditer(value):
        budget -= 1
        char = value[token.start()]
        if char in b"[{":
            depth += 1
        elif char in b"]}":
            depth -= 1
        elif char == 0x2C:
            commas += 1
        if depth > limits.depth:
            raise JsonError("TooLarge", f"nests deeper than {limits.depth} objects and arrays")
        if commas >= limits.values or budget < 0:
            raise JsonError("TooLarge", f"has more than {limits.values} values")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                shown = f"the member {name!r}" if _PLAIN_NAME.fullmatch(name) else "a member"
                raise JsonError("InvalidJson", f"has {shown} twice in one object")
            seen.add(name)
    return result


def _integer(literal: str) -> int | float:
    if len(literal) <= _INTEGER_CHARS:
        number = int(literal)
        if _INTEGER_MIN <= number <= _INTEGER_MAX:
            return number
    return _float(literal)


def _float(literal: str) -> float:
    if len(literal) > MAX_NUMBER:
        raise JsonError("TooLarge", f"has a number of more than {MAX_NUMBER} characters")
    number = float(literal)
    if math.isinf(number):
        raise JsonError("InvalidJson", "has a number too large for a double")
    return number


def _constant(literal: str) -> Any:
    raise JsonError("InvalidJson", f"has {literal}, which is not JSON")


def _refuse_lone_surrogates(document: Any) -> None:
    todo = [document]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if not item.isascii():
                _refuse_lone_surrogate(item)
        elif isinstance(item, dict):
            todo.extend(item)
            todo.extend(item.values())
        elif isinstance(item, list | tuple):
            todo.extend(item)


def _refuse_lone_surrogate(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise JsonError("InvalidJson", "has a lone surrogate (\\ud800 to \\udfff) in a string") from None


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
