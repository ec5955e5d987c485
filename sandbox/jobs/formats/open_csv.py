"""OpenCSVSerDe: cells separated by a character, with quotes and escapes; a line is a record whatever its quotes.

By Athena's documentation: separator, quote and escape are ``separatorChar``, ``quoteChar`` and ``escapeChar``, else
comma, double quote and backslash; there are no line breaks inside quotes; a numeric cell that is empty or no number
is bad data, unless ``use.null.for.invalid.data`` is true; timestamps are milliseconds and dates days since 1970. What
becomes of misplaced quotes is what the parser of OpenCSV, which the SerDe uses, does.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sandbox.jobs.formats import lazy_simple, text, types

_LONG = csv.field_size_limit()
_NO_TEXT = frozenset({"array", "map", "struct"})


class BadDataError(types.UnreadableError):
    """A cell is not a value of its column's type."""


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """The three characters; "\\0" for a quote or escape that is switched off."""

    separator: str
    quote: str
    escape: str

    def regular(self) -> re.Pattern[str]:
        """Lines that every reader of CSV understands alike: cells without quotes, or quoted as a whole."""
        separator, quote, escape = (re.escape(each) for each in (self.separator, self.quote, self.escape))
        cell = f"{quote}(?:[^{quote}{escape}]|{quote}{quote})*{quote}|[^{quote}{escape}{separator}]*"
        return re.compile(f"(?:{cell})(?:{separator}(?:{cell}))*", re.DOTALL)


def read(body: bytes, columns: Mapping[str, str], names: Sequence[str], settings: Mapping[str, str]) -> pa.Table:
    """The named columns of one file; see `lazy_simple.read`.

    Raises:
        UnreadableError: a cell is bad data, the bytes are not UTF-8, or a property or type is not supported.
    """
    dialect = _dialect(settings)
    lines = text.decoded(text.lines(body, settings)).to_pylist()
    order = list(columns)
    wanted = [order.index(name) for name in names]
    rows = [
        [row[position] if position < len(row) else None for position in wanted]
        for row in _rows(lines, dialect, len(order))
    ]
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(wanted)
    made = {
        name: _values(pa.array(cells[number], pa.large_string()), name, columns[name], settings)
        for number, name in enumerate(names)
    }
    return pa.table(made)


def _dialect(settings: Mapping[str, str]) -> CsvDialect:
    made = CsvDialect(
        lazy_simple.character(settings, "separatorChar", ","),
        lazy_simple.character(settings, "quoteChar", '"'),
        lazy_simple.character(settings, "escapeChar", "\\"),
    )
    if made.escape == '"':  # Hive takes the writer's default escape to mean the reader's
        made = CsvDialect(made.separator, made.quote, "\\")
    if len({made.separator, made.quote, made.escape}) < 3 and (made.quote, made.escape) != ("\0", "\0"):
        raise types.UnreadableError("separatorChar, quoteChar and escapeChar must differ")
    return made


def _rows(lines: Sequence[str], dialect: CsvDialect, width: int) -> Iterator[list[str]]:
    """Cells of each line."""
    regular = dialect.regular()
    for line in lines:
        if dialect.quote not in line and dialect.escape not in line:
            yield line.split(dialect.separator)
        elif len(line) < _LONG and dialect.quote != "\0" and regular.fullmatch(line):
            yield next(csv.reader((line,), delimiter=dialect.separator, quotechar=dialect.quote, strict=False))
        else:
            yield _Line(line, dialect, width).cells()


@dataclass(slots=True)
class _Line:
    """The walk through a line whose quotes or escapes are misplaced."""

    text: str
    dialect: CsvDialect
    width: int
    made: list[str] = field(default_factory=list)
    cell: str = ""
    quoted: bool = False
    """Whether separators are text now."""
    begun: bool = False
    """Whether something of the cell has been seen, so that two quotes may mean one."""

    def cells(self) -> list[str]:
        """Cells of the line; one whose quote does not end is missing."""
        at = 0
        while at < len(self.text) and len(self.made) < self.width:
            character = self.text[at]
            if character == self.dialect.escape:
                at += self._escape(at)
            elif character == self.dialect.quote:
                at += self._quote(at)
            elif character == self.dialect.separator and not self.quoted:
                self.made.append(self.cell)
                self.cell, self.begun = "", False
            else:
                self.cell += character
                self.begun = True
            at += 1
        return self.made if self.quoted else [*self.made, self.cell]

    def _next(self, at: int) -> str:
        return self.text[at + 1 : at + 2]

    def _escape(self, at: int) -> int:
        """Take what is escaped, and say how many characters it has; an escape before anything else vanishes."""
        following = self._next(at)
        if (self.quoted or self.begun) and following and following in self.dialect.quote + self.dialect.escape:
            self.cell += following
            return 1
        return 0

    def _quote(self, at: int) -> int:
        """Take a quote that is doubled, keep one inside a cell's text, else open or close."""
        doubled = (self.quoted or self.begun) and self._next(at) == self.dialect.quote
        if doubled:
            self.cell += self.dialect.quote
        else:
            if self._is_inside(at):
                blank = self.cell and not self.cell.strip()
                self.cell = "" if blank else self.cell + self.dialect.quote
            self.quoted = not self.quoted
        self.begun = not self.begun
        return 1 if doubled else 0

    def _is_inside(self, at: int) -> bool:
        """Whether a quote stands between other characters of a cell; of a line's first three it never does."""
        after = self._next(at)
        return at > 2 and self.text[at - 1] != self.dialect.separator and after not in {"", self.dialect.separator}


def _values(cells: pa.Array, name: str, glue_type: str, settings: Mapping[str, str]) -> pa.Array:
    if types.base_type(glue_type) in _NO_TEXT:
        raise types.UnsupportedTypeError(f"column {name}: OpenCSVSerDe has no {glue_type}")
    parsers = {**_PARSERS, "decimal": text.decimal(glue_type)} if _is_decimal(glue_type) else _PARSERS
    return text.values(cells, glue_type, _otherwise(name, settings), parsers)


def _is_decimal(glue_type: str) -> bool:
    return types.base_type(glue_type) == "decimal"


def _otherwise(name: str, settings: Mapping[str, str]) -> Callable[[str], Any]:
    null = (settings.get("use.null.for.invalid.data") or "").lower() == "true"

    def refuse(glue_type: str) -> Any:
        if null:
            return None
        raise BadDataError(f"column {name}: a cell is not a value of type {glue_type}")

    return refuse


def _millis(cell: str) -> int | None:
    number = text.whole(cell)
    return None if number is None else number * 1000


_PARSERS: Mapping[str, text.Parser] = {
    **text.HIVE,
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), text.whole),
    "timestamp": _millis,
    "date": text.whole,
}
