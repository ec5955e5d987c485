"""Times as text: Hive's format, ISO 8601, and the patterns of the table property `timestamp.formats`.

All functions give microseconds since 1970 in UTC; finer digits are cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone

from sandbox.jobs.formats import types

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(r"(\d{1,4})-(\d{1,2})-(\d{1,2})(?:[ Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?)?", re.ASCII)
_OFFSET = re.compile(r"(.+?)(?:[Zz]|([+-])(\d{2}):?(\d{2}))", re.ASCII)
_DATE = re.compile(r"(\d{1,4})-(\d{1,2})-(\d{1,2})(?: .*)?", re.ASCII | re.DOTALL)
_LETTERS = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|(.)", re.DOTALL)
_FIELDS = {
    "y": "year",
    "u": "year",
    "M": "month",
    "d": "day",
    "H": "hour",
    "m": "minute",
    "s": "second",
    "S": "fraction",
}
_MILLIS = re.compile(r"(-?\d+)(?:\.\d+)?", re.ASCII)

Parser = Callable[[str], int | None]


def hive(text: str) -> int | None:
    """``yyyy-MM-dd HH:mm:ss.fffffffff``, the time being optional, or ISO 8601 without an offset."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        return None
    numbers = [int(each or 0) for each in found.groups()[:6]]
    return _micros(numbers, found[7] or "", timedelta())


def with_offset(text: str) -> int | None:
    """The same, or with ``Z`` or an offset at its end."""
    zoned = _OFFSET.fullmatch(text.strip())
    if zoned is None or ":" not in zoned[1]:
        return hive(text)
    found = _TEXT.fullmatch(zoned[1])
    if found is None:
        return None
    offset = timedelta(hours=int(zoned[3] or 0), minutes=int(zoned[4] or 0)) * (-1 if zoned[2] == "-" else 1)
    return _micros([int(each or 0) for each in found.groups()[:6]], found[7] or "", offset)


def days(text: str) -> int | None:
    """``yyyy-MM-dd``, whatever follows a blank, as days since 1970."""
    found = _DATE.fullmatch(text.strip())
    try:
        return (date(*map(int, found.groups())) - _EPOCH.date()).days if found else None
    except ValueError:
        return None


def of_patterns(patterns: str, default: Parser) -> Parser:
    """A parser for a value of `timestamp.formats`: patterns separated by commas, tried before the default.

    Raises:
        UnreadableError: a pattern has an unknown character.
    """
    written = [each.replace("\0", ",") for each in patterns.replace("\\,", "\0").split(",") if each]
    tried = [_millis if each.lower() == "millis" else _of_pattern(each) for each in written]
    return lambda text: _first(tried, default, text)


def _first(tried: Sequence[Parser], default: Parser, text: str) -> int | None:
    found = (each(text.strip()) for each in (*tried, default))
    return next((micros for micros in found if micros is not None), None)


def _millis(text: str) -> int | None:
    found = _MILLIS.fullmatch(text)
    return int(found[1]) * 1000 if found else None


def _of_pattern(pattern: str) -> Parser:
    """A parser for one pattern in the common syntax of Joda and java.time."""
    compiled = re.compile("".join(_piece(match, pattern) for match in _LETTERS.finditer(pattern)), re.ASCII)

    def parse(text: str) -> int | None:
        found = compiled.fullmatch(text)
        if found is None:
            return None
        named = found.groupdict(default="")
        numbers = [int(named.get(field) or fallback) for field, fallback in _DEFAULTS]
        return _micros(numbers, named.get("fraction", ""), _offset(named.get("offset", "")))

    return parse


_DEFAULTS = (("year", 1970), ("month", 1), ("day", 1), ("hour", 0), ("minute", 0), ("second", 0))


def _piece(match: re.Match[str], pattern: str) -> str:
    literal, letter, other = match[1], match[2], match[3]
    if letter is None:
        return re.escape((literal.replace("''", "'") or "'") if literal is not None else other)
    if letter in _FIELDS and not (letter == "M" and len(match[0]) > 2):
        digits = len(match[0]) if letter == "S" or len(match[0]) > 1 else 2
        least = digits if len(match[0]) > 1 else 1
        return rf"(?P<{_FIELDS[letter]}>\d{{{least},{max(digits, 9 if letter == 'S' else digits)}}})"
    if letter in "ZX":
        return r"(?P<offset>[Zz]|[+-]\d{2}:?\d{2})"
    raise types.UnreadableError(f"timestamp.formats: {match[0]} in {pattern!r} is not supported")


def _offset(text: str) -> timedelta:
    if text in {"", "Z", "z"}:
        return timedelta()
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return -size if text[0] == "-" else size


def _micros(numbers: Sequence[int], fraction: str, offset: timedelta) -> int | None:
    """None if there is no such time."""
    year, month, day, hour, minute, second = numbers
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone(timedelta()))
    except ValueError:
        return None
    return (moment - _EPOCH - offset) // timedelta(microseconds=1) + int(f"{fraction:0<6}"[:6])
