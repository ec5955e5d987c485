"""LazySimpleSerDe: cells separated by one character, without quotes.

By Hive's and Athena's documentation: the separator is ``field.delim``, else ``serialization.format``, else 0x01; a
missing cell is null, cells too many are ignored; ``\\N`` (``serialization.null.format``) is null in every column; what
is not a value of its type is null; with ``escape.delim``, the character after it stands for itself; the elements of an
array are separated by ``collection.delim``, else 0x02.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.jobs.formats import text, timestamps, types

_DEFAULTS = ("\x01", "\x02")


def read(body: bytes, columns: Mapping[str, str], names: Sequence[str], settings: Mapping[str, str]) -> pa.Table:
    """The named columns of one file.

    Args:
        body: the file, unpacked.
        columns: name -> Glue type of all columns, in the file's order.
        names: the columns wanted.
        settings: the SerDe's and the table's properties.

    Raises:
        UnreadableError: the bytes are not UTF-8, or a property or type is not supported.
    """
    escape = character(settings, "escape.delim", "\\" if "escape.delim" in settings else "")
    # Hive 1 has a spelling mistake in the name, which stayed in many tables.
    inner = character(settings, "collection.delim", character(settings, "colelction.delim", _DEFAULTS[1]))
    cells = _split(text.decoded(text.lines(body, settings)), separator(settings), escape)
    order = list(columns)
    made = {}
    for name in names:
        column = _column(cells, order.index(name), settings)
        made[name] = _typed(column, columns[name], inner, escape, settings)
    return pa.table(made)


def separator(settings: Mapping[str, str]) -> str:
    """What separates cells; ``delimiter`` is how Glue's crawlers note it for themselves."""
    return next(
        (
            found
            for name in ("field.delim", "serialization.format", "delimiter")
            if (found := character(settings, name, ""))
        ),
        _DEFAULTS[0],
    )


def character(settings: Mapping[str, str], name: str, default: str) -> str:
    """A property that is a character, or its number; ``\\t`` and ``\\001`` may be spelt out.

    Raises:
        UnreadableError: it has several characters, of which the SerDes would take the first.
    """
    written = settings.get(name) or ""
    if re.fullmatch(r"-?[0-9]+", written) and -128 <= int(written) < 128:
        return chr(int(written) % 256)
    if re.fullmatch(r"\\(?:u[0-9a-fA-F]{4}|[0-7]{3}|[tnr\\])", written):
        return written.encode("ascii").decode("unicode_escape")
    if len(written) > 1:
        raise types.UnreadableError(f"{name} is {written!r}; one character is supported")
    return written or default


def _split(lines: pa.Array, by: str, escape: str) -> pa.Array:
    """Cells of each line, still escaped."""
    if escape and pc.any(pc.match_substring(lines, escape)).as_py():
        return pa.array([_parts(line, by, escape) for line in lines.to_pylist()], pa.large_list(pa.large_string()))
    return pc.split_pattern(lines, by).cast(pa.large_list(pa.large_string()))


def _parts(line: str, by: str, escape: str) -> list[str]:
    """Split at separators that are not escaped."""
    parts, begin, at = [], 0, 0
    while at < len(line):
        if line[at] == escape:
            at += 1
        elif line[at] == by:
            parts.append(line[begin:at])
            begin = at + 1
        at += 1
    return [*parts, line[begin:]]


def _column(cells: pa.Array, position: int, settings: Mapping[str, str]) -> pa.Array:
    """The cells at a position; null where a line ends before, or where the null format stands."""
    offsets = np.asarray(cells.offsets)
    starts, missing = offsets[:-1] + position, offsets[:-1] + position >= offsets[1:]
    column = cells.values.take(pa.array(starts, mask=missing))
    null = pc.equal(column, settings.get("serialization.null.format", "\\N"))
    return pc.if_else(pc.fill_null(null, True), None, column)


def _typed(cells: pa.Array, glue_type: str, inner: str, escape: str, settings: Mapping[str, str]) -> pa.Array:
    item = types.element(glue_type)
    if item is None:
        return _values(cells, glue_type, escape, settings)
    if types.element(item) is not None:
        raise types.UnsupportedTypeError(f"{glue_type}: arrays in arrays are not read from text")
    lists = [None if cell is None else _parts(cell, inner, escape) if cell else [] for cell in cells.to_pylist()]
    null = settings.get("serialization.null.format", "\\N")
    flat = [None if cell == null else cell for cell in chain.from_iterable(each or [] for each in lists)]
    inside = _values(pa.array(flat, pa.large_string()), item, escape, settings)
    offsets = np.cumsum([0, *(len(each or []) for each in lists)])
    mask = pa.array([each is None for each in lists], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), inside, mask=mask)


def _values(cells: pa.Array, glue_type: str, escape: str, settings: Mapping[str, str]) -> pa.Array:
    parsers = dict(text.HIVE)
    if types.base_type(glue_type) == "decimal":
        parsers["decimal"] = text.decimal(glue_type)
    if "timestamp.formats" in settings:
        parsers["timestamp"] = timestamps.of_patterns(settings["timestamp.formats"], timestamps.hive)
    if escape and types.base_type(glue_type) == "string":
        pattern = f"{re.escape(escape)}(.)"
        cells = pc.replace_substring_regex(cells, pattern=f"(?s){pattern}", replacement=r"\1")
    return text.values(cells, glue_type, lambda _: None, parsers)
