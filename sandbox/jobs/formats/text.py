"""Lines of text files, and cells of text turned into values of a type.

A value that is not one of its type is given to `otherwise`: a SerDe makes it null or refuses the file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sandbox.jobs.formats import timestamps, types

Parser = Callable[[str], Any]
"""Turns a cell into what Arrow's array of the type is made of; None if it is not a value of the type."""

_WHOLE = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_INTEGER = re.compile(r"([+-]?\d+)(?:\.\d*)?|([+-]?)\.\d+", re.ASCII)
_PLAIN_INTEGERS = r"^-?(0|[1-9][0-9]{0,17})$"
_REAL = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?|NaN|Infinity)", re.ASCII)
_PLAIN_REALS = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"
_PLAIN_TIMES = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Longer ones first: that of UTF-32 begins with that of UTF-16."""
_HEAD, _FEWEST = 256, 8
"""Number of bytes that are checked for UTF-16 without a mark, and the minimum number."""
_WIDE = Context(prec=80)


def lines(body: bytes, settings: Mapping[str, str]) -> list[bytes]:
    """Lines without their ends, as Hadoop reads them: ended by LF, CR or both, a byte order mark does not count.

    Lines without a character are left out, and as many at the beginning and end as the table's properties say.

    Raises:
        UnreadableError: a property is no number, or the text is of another encoding.
    """
    encoding = settings.get("serialization.encoding") or "UTF-8"
    if encoding.lower() not in _UTF8:
        raise types.UnreadableError(f"serialization.encoding is {encoding!r}; only UTF-8 is read")
    text = utf8(body)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found = text.removesuffix(b"\n").split(b"\n") if text else []
    first, last = (_count(settings, f"skip.{part}.line.count") for part in ("header", "footer"))
    return [line for line in found[first : max(len(found) - last, 0)] if line]


def utf8(body: bytes) -> bytes:
    """Text without its byte order mark.

    Raises:
        UnreadableError: it is UTF-16 or UTF-32, by its mark or by its zeros: every other byte of the head is one.
    """
    head = body[:_HEAD]
    wide = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if wide is None and len(head) >= _FEWEST and _zeros_alternate(head):
        wide = "UTF-16"
    if wide:
        raise types.UnreadableError(f"the text is {wide}; only UTF-8 is read, so convert it")
    return body.removeprefix(codecs.BOM_UTF8)


def _zeros_alternate(head: bytes) -> bool:
    halves = head[0::2], head[1::2]
    return any(not any(one) and all(other) for one, other in (halves, halves[::-1]))


def _count(settings: Mapping[str, str], name: str) -> int:
    written = str(settings.get(name) or 0)
    if not written.isdecimal():
        raise types.UnreadableError(f"{name} is {written!r}, not a number")
    return int(written)


def decoded(found: list[bytes]) -> pa.Array:
    """Lines as strings.

    Raises:
        UnreadableError: a line is not UTF-8.
    """
    try:
        return pa.array(found, pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        number = next(number for number, line in enumerate(found, 1) if not _is_utf8(line))
        raise types.UnreadableError(f"line {number} of the data is not UTF-8") from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def values(cells: pa.Array, glue_type: str, otherwise: Callable[[str], Any], parsers: Mapping[str, Parser]) -> pa.Array:
    """Cells, null or text, as values of a type.

    Args:
        cells: strings.
        glue_type: a type other than an array.
        otherwise: called with the type for a cell that is not a value of it; returns the value instead.
        parsers: by base type; those of the SerDe.
    """
    kind, base = types.arrow_type(glue_type), types.base_type(glue_type)
    if base == "string":
        return types.bounded(cells.cast(pa.string()), glue_type)
    if parsers[base] in _FAST and _all_match(cells, _FAST[parsers[base]]):
        try:
            return cells.cast(kind)
        except pa.ArrowInvalid:
            pass  # out of the type's range; the parser says what becomes of it
    encoded = cells.dictionary_encode()
    parse = parsers[base]
    made = [parse(cell) for cell in encoded.dictionary.to_pylist()]
    fitting = [otherwise(glue_type) if each is None or not fits(each, kind) else each for each in made]
    return typed(fitting, kind).take(encoded.indices)


def _all_match(cells: pa.Array, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(cells, pattern)).as_py() is not False


def typed(found: list[Any], kind: pa.DataType) -> pa.Array:
    """Values of the parsers, or null, as an array: times are numbers of microseconds, dates of days."""
    if pa.types.is_timestamp(kind):
        return pa.array(found, pa.int64()).cast(kind)
    if pa.types.is_date(kind):
        return pa.array(found, pa.int32()).cast(kind)
    return pa.array(found, kind)


def fits(value: Any, kind: pa.DataType) -> bool:
    """Whether a type can hold a value that its parser has made."""
    if pa.types.is_integer(kind):
        return bool(-(2 ** (kind.bit_width - 1)) <= value < 2 ** (kind.bit_width - 1))
    if pa.types.is_timestamp(kind):
        return bool(abs(value) < 2**63)
    if pa.types.is_date(kind):
        return bool(abs(value) < 2**31)
    return True


def integer(cell: str) -> int | None:
    """A whole number; decimals are cut."""
    found = _INTEGER.fullmatch(cell)
    return int(found[1] or 0) if found and len(cell) < 100 else None


def whole(cell: str) -> int | None:
    """A whole number, and nothing else."""
    return int(cell) if _WHOLE.fullmatch(cell) else None


def real(cell: str) -> float | None:
    """A number as Java writes it, blanks around it allowed."""
    trimmed = cell.strip()
    if _REAL.fullmatch(trimmed) is None:
        return None
    return float(trimmed if trimmed.endswith(("NaN", "Infinity")) else trimmed.rstrip("fFdD"))


def boolean(cell: str) -> bool | None:
    """``true`` or ``false``, in any case."""
    return {"true": True, "false": False}.get(cell.lower())


def decimal(glue_type: str) -> Parser:
    """A parser of decimals, rounded half up to the type's scale; None where there are too many digits."""
    kind = types.arrow_type(glue_type)

    def parse(cell: str) -> Decimal | None:
        if _DECIMAL.fullmatch(cell) is None:
            return None
        try:
            number = Decimal(cell).quantize(Decimal(1).scaleb(-kind.scale), ROUND_HALF_UP, _WIDE)
        except InvalidOperation:
            return None
        return number if len(number.as_tuple().digits) <= kind.precision else None

    return parse


HIVE: Mapping[str, Parser] = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), integer),
    **dict.fromkeys(("float", "double"), real),
    "boolean": boolean,
    "timestamp": timestamps.hive,
    "date": timestamps.days,
}
"""Parsers of Hive's text form."""

_FAST: Mapping[Parser, str] = {
    integer: _PLAIN_INTEGERS,
    whole: _PLAIN_INTEGERS,
    real: _PLAIN_REALS,
    timestamps.hive: _PLAIN_TIMES,
}
"""Cells which Arrow turns into the same value as the parser, and much faster."""
