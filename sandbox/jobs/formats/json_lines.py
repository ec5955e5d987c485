"""The JSON SerDes: an object a line; what is coerced into what is a matter of the SerDe.

By Athena's documentation a line that is not one object is an error (``ignore.malformed.json`` of OpenX makes it nulls),
keys must not occur twice, and names are compared without regard to case (``case.insensitive`` of OpenX switches that
off). OpenX takes nearly everything for everything and knows ``mapping.<column>``, ``dots.in.keys`` and
``use.null.for.invalid.data``; Hive's own SerDe refuses strings where numbers are due, and objects where text is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sandbox.jobs.formats import text, timestamps, types

Coercion = Callable[[Any], Any]
"""Turns a value of JSON, never null, into what Arrow's array of a type is made of; raises `InvalidValueError`."""

_HEX, _OCTAL = re.compile(r"0[xX][0-9a-fA-F]+"), re.compile(r"0[0-7]+")
_OCTAL_LIKE = re.compile(r"0\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_EPOCH = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)
_MILLIS_DIGITS = 13
_LONGEST = 40
"""Digits before or after the point."""


class InvalidValueError(types.UnreadableError):
    """A value is not one of its column's type."""


class Real(str):
    """A number with a point or an exponent, as it is written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class JsonDialect:
    """What makes one JSON SerDe different from another.

    Attributes:
        coercion: makes a coercion to a Glue type; the second argument is the SerDe's properties.
        skips_malformed: whether a line that is not an object becomes a row of nulls.
        nulls_invalid: whether a value that cannot be coerced becomes null.
        constants: what NaN and Infinity, which are not JSON, become.
    """

    coercion: Callable[[str, Mapping[str, str]], Coercion]
    skips_malformed: bool
    nulls_invalid: bool
    constants: Callable[[str], Any]


def read_openx(body: bytes, columns: Mapping[str, str], names: Sequence[str], settings: Mapping[str, str]) -> pa.Table:
    """The named columns of one file; see `lazy_simple.read`.

    Raises:
        UnreadableError: a line is malformed, a value invalid, or a type not supported.
    """
    flag = {
        name: (settings.get(name) or "").lower() == "true"
        for name in ("ignore.malformed.json", "use.null.for.invalid.data")
    }
    dialect = JsonDialect(_openx, flag["ignore.malformed.json"], flag["use.null.for.invalid.data"], str)
    return _read(body, columns, names, settings, dialect, _OpenxKeys(list(columns), settings).values)


def read_hive(body: bytes, columns: Mapping[str, str], names: Sequence[str], settings: Mapping[str, str]) -> pa.Table:
    """The named columns of one file; see `lazy_simple.read`.

    Raises:
        UnreadableError: a line is malformed, a value invalid, or a type not supported.
    """
    return _read(body, columns, names, settings, JsonDialect(_hive, False, False, _refuse_constant), _folded)


def _read(
    body: bytes,
    columns: Mapping[str, str],
    names: Sequence[str],
    settings: Mapping[str, str],
    dialect: JsonDialect,
    values_of: Callable[[Any], Mapping[str, Any]],
) -> pa.Table:
    rows = list(_rows(text.lines(body, settings), dialect, values_of, _integer if b"-0" in body else None))
    made = {}
    for name in names:
        kind, coerce = types.arrow_type(columns[name]), dialect.coercion(columns[name], settings)
        found = [_coerced(row.get(name), coerce, name, number, dialect) for number, row in rows]
        made[name] = types.bounded(text.typed(found, kind), columns[name])
    return pa.table(made)


def _rows(
    lines: Sequence[bytes],
    dialect: JsonDialect,
    values_of: Callable[[Any], Mapping[str, Any]],
    integer: Callable[[str], Any] | None,
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Number of each line that is not blank, and its values by column."""
    decoder = json.JSONDecoder(
        object_pairs_hook=_unique, parse_float=Real, parse_int=integer, parse_constant=dialect.constants
    )
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, values_of(decoder.decode(line.decode()))
        except _ArrayOfObjectsError:
            raise types.UnreadableError(
                f"line {number} of the data is an array of objects; the SerDe reads an object a line (JSON Lines)"
            ) from None
        except (ValueError, RecursionError):
            if not dialect.skips_malformed:
                raise types.UnreadableError(
                    f"line {number} of the data is not one JSON object whose keys differ"
                ) from None
            yield number, {}


class _ArrayOfObjectsError(Exception):
    """A file that is one array of records: its records would be the columns of one row."""


def _integer(written: str) -> Any:
    """A whole number; minus zero, which no integer is, as it is written."""
    return Real(written) if written == "-0" else int(written)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key occurs twice")
    return made


def _folded(document: Any) -> dict[str, Any]:
    """Values by key in lower case."""
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the data are wrong
    return _unique([(key.lower(), value) for key, value in document.items()])


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


class _OpenxKeys:
    """Which key each column is under."""

    def __init__(self, columns: Sequence[str], settings: Mapping[str, str]) -> None:
        self._columns = columns
        self._folds = (settings.get("case.insensitive") or "true").lower() != "false"
        self._dots = (settings.get("dots.in.keys") or "").lower() == "true"
        self._keys = {column: self._fold(settings.get(f"mapping.{column}") or column) for column in columns}

    def _fold(self, key: str) -> str:
        return key.lower() if self._folds else key

    def values(self, document: Any) -> dict[str, Any]:
        """Values of a line by column; an array's go to the columns in their order."""
        if isinstance(document, list):
            if document and all(isinstance(each, dict) for each in document):
                raise _ArrayOfObjectsError
            return dict(zip(self._columns, document, strict=False))
        if not isinstance(document, dict):
            raise ValueError("neither an object nor an array")  # noqa: TRY004 - the data are wrong
        known = _unique([(self._fold(key), value) for key, value in document.items()])
        if self._dots:
            known = {key.replace(".", "_"): value for key, value in known.items()} | known
        return {column: known[key] for column, key in self._keys.items() if key in known}


def _coerced(value: Any, coerce: Coercion, name: str, number: int, dialect: JsonDialect) -> Any:
    if value is None:
        return None
    try:
        return coerce(value)
    except InvalidValueError as error:
        if dialect.nulls_invalid:
            return None
        raise types.UnreadableError(f"line {number} of the data, column {name}: {error}") from None


def _fitting(glue_type: str, parse: Coercion) -> Coercion:
    """A coercion whose result is one that the type can hold."""
    kind = types.arrow_type(glue_type)

    def coerce(value: Any) -> Any:
        made = parse(value)
        if made is None or not text.fits(made, kind):
            raise InvalidValueError(f"the value is not one of type {glue_type}")
        return made

    return coerce


def _whole_characters(text: str) -> str:
    """The same text.

    Raises:
        InvalidValueError: it has half a surrogate pair, which is no character.
    """
    if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        raise InvalidValueError("the text has half a surrogate pair")
    return text


def _written(value: Any) -> str | None:
    """A scalar as text; None for an object or array."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if isinstance(value, dict | list) else str(value)


# --- OpenX ------------------------------------------------------------------------------------------------------------


def _openx(glue_type: str, settings: Mapping[str, str]) -> Coercion:
    if item := types.element(glue_type):
        inner = _openx(item, settings)
        return lambda value: _openx_array(value, inner)
    base = types.base_type(glue_type)
    if base == "string":
        return _canonical
    if base == "boolean":
        return lambda value: (_written(value) or "").lower() == "true"
    parse = _openx_parser(glue_type, base, settings)
    if parse is _whole:
        return _fitting(glue_type, lambda value: value if type(value) is int else _whole(_written(value) or ""))
    return _fitting(glue_type, lambda value: None if (cell := _written(value)) is None else parse(cell))


def _openx_parser(glue_type: str, base: str, settings: Mapping[str, str]) -> text.Parser:
    if base in {"tinyint", "smallint", "int", "bigint"}:
        return _whole
    if base == "decimal":
        return text.decimal(glue_type)
    if base == "timestamp":
        return timestamps.of_patterns(settings.get("timestamp.formats", ""), _moment)
    if base == "date":
        return lambda cell: timestamps.days(cell) if "-" in cell[1:] else _whole(cell)
    return text.HIVE[base]


def _openx_array(value: Any, inner: Coercion) -> list[Any] | None:
    """An array; a value alone is an array of one, and the empty string none."""
    if value == "":
        return None
    return [None if each is None else inner(each) for each in (value if isinstance(value, list) else [value])]


def _canonical(value: Any) -> str:
    """Text as it is, numbers as Java's `BigDecimal` writes them, objects and arrays as compact JSON."""
    if type(value) is str:
        return _whole_characters(value)
    if isinstance(value, Real):
        return str(Decimal(value)) if _NUMBER.fullmatch(value) else str(value)
    written = _written(value)
    return _whole_characters(_compact(value)) if written is None else written


def _compact(value: Any) -> str:
    """Compact JSON; numbers inside stay numbers, with all their digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{_compact(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    if value is None:
        return "null"
    return _quoted(value) if type(value) is str else _canonical(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _whole(cell: str) -> int | None:
    """A whole number, also as 7.0 or 7e3, and hexadecimal or octal as in Java."""
    if _HEX.fullmatch(cell):
        return int(cell, 16)
    if _OCTAL_LIKE.fullmatch(cell):
        return int(cell, 8) if _OCTAL.fullmatch(cell) else None
    if _NUMBER.fullmatch(cell) is None:
        return None
    number = Decimal(cell)
    return int(number) if number == number.to_integral_value() and number.adjusted() < _LONGEST else None


def _moment(cell: str) -> int | None:
    """A time as text, or as a number: seconds, or milliseconds if it has 13 digits or more."""
    if ":" in cell:
        return timestamps.with_offset(cell)
    if _EPOCH.fullmatch(cell) is None:
        return _scientific(cell)
    if "." in cell:
        return int(Decimal(cell) * 1000) * 1000
    return int(cell) * (1000 if len(cell) >= _MILLIS_DIGITS else 1_000_000)


def _scientific(cell: str) -> int | None:
    """A time as a number with an exponent, such as 1.7040672e9; None if it is none."""
    number = Decimal(cell) if _NUMBER.fullmatch(cell) else None
    if number is None or abs(number.adjusted()) >= _LONGEST:
        return None
    millis = number if number.adjusted() >= _MILLIS_DIGITS - 1 else number * 1000
    return int(millis) * 1000


# --- Hive -------------------------------------------------------------------------------------------------------------


def _hive(glue_type: str, settings: Mapping[str, str]) -> Coercion:
    if item := types.element(glue_type):
        inner = _hive(item, settings)
        return lambda value: _hive_array(value, inner)
    base = types.base_type(glue_type)
    if base in {"tinyint", "smallint", "int", "bigint", "float", "double"}:
        return _fitting(glue_type, _hive_whole if "int" in base else _hive_real)
    if base == "boolean":
        return lambda value: _scalar(value).lower() == "true"
    if base == "string":
        return _scalar
    if base == "decimal":
        parse: text.Parser = text.decimal(glue_type)
    elif base == "timestamp":
        parse = timestamps.of_patterns(settings.get("timestamp.formats", ""), timestamps.hive)
    else:
        parse = text.HIVE[base]
    return _fitting(glue_type, lambda value: parse(_scalar(value)))


def _scalar(value: Any) -> str:
    written = _written(value)
    if written is None:
        raise InvalidValueError("the value is an object or an array")
    return _whole_characters(written)


def _hive_array(value: Any, inner: Coercion) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidValueError("the value is not an array")
    return [None if each is None else inner(each) for each in value]


def _hive_whole(value: Any) -> int | None:
    """A number; its decimals are cut."""
    if isinstance(value, Real):
        number = Decimal(value)
        return int(number) if number.adjusted() < _LONGEST else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _hive_real(value: Any) -> float | None:
    if isinstance(value, Real):
        return float(value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else None
