"""Parquet: types by what the file itself says, not by what its writer noted for Arrow; columns by name.

By Athena's documentation names are compared without regard to case and a column that the file lacks is null;
``parquet.column.index.access`` finds columns by their position. ENUM and JSON are text and FLOAT16 is a number; BSON,
UUID and INTERVAL are nothing that a column of Glue could be, and are refused by name. Clean Rooms ML takes no ZSTD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.jobs.formats import types

_ARROW_NOTE, _UNKNOWN_NOTE = b"ARROW:schema", b"arrow_schema"
_UNMARKED = frozenset({"NONE", "UNKNOWN"})
_TEXT = _UNMARKED | {"STRING", "UTF8", "ENUM", "JSON", "NULL"}
"""Logical types of byte arrays that are text; others, such as BSON, can resemble text by chance."""
_TAIL = 8
"""Bytes after the footer: its length, and the mark of the format."""


def read(body: bytes, columns: Mapping[str, str], names: Sequence[str], settings: Mapping[str, str]) -> pa.Table:
    """The named columns of one file; see `lazy_simple.read`.

    Raises:
        UnreadableError: a column is of another type than Glue says, or the file is damaged or compressed by ZSTD.
    """
    file = _opened(body)
    metadata = file.metadata
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if any(group.column(at).compression == "ZSTD" for group in groups for at in range(group.num_columns)):
        raise types.UnreadableError("ZSTD compression is not supported")
    marks = _marks(file)
    stored = _stored(file.schema_arrow.names, list(columns), names, settings)
    found = _fetched(file, [each for each in stored.values() if each is not None])
    made = {}
    for name in names:
        own = stored[name]
        kind = types.arrow_type(columns[name])
        if own is None:
            made[name] = pa.chunked_array([pa.nulls(metadata.num_rows, kind)])
        else:
            made[name] = _converted(found.column(own), name, columns[name], marks[own])
    return pa.table(made)


def _opened(body: bytes) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(
            pa.BufferReader(_without_note(body)), coerce_int96_timestamp_unit="us", arrow_extensions_enabled=False
        )
    except (pa.ArrowException, OSError) as error:
        raise types.UnreadableError(f"it is damaged, or no Parquet file ({type(error).__name__})") from None


def _fetched(file: pq.ParquetFile, names: Sequence[str]) -> pa.Table:
    try:
        return file.read(columns=names)
    except (pa.ArrowException, OSError) as error:
        raise types.UnreadableError(f"its columns are damaged ({type(error).__name__})") from None


def _marks(file: pq.ParquetFile) -> dict[str, str]:
    """Parquet's logical type of each column by name, of a list's elements for a list; "NONE" without one."""
    found, leaf = {}, 0
    for field in file.schema_arrow:
        column = file.schema.column(leaf)
        logical = column.logical_type.type
        found[field.name] = column.converted_type if logical in _UNMARKED else logical
        leaf += _leaves(field.type)
    return found


def _leaves(kind: pa.DataType) -> int:
    """How many of Parquet's columns a column of Arrow is made of."""
    return sum(_leaves(kind.field(at).type) for at in range(kind.num_fields)) if kind.num_fields else 1


def _without_note(body: bytes) -> bytes:
    """The file with the writer's note of its Arrow types under a name that Arrow does not know."""
    length = int.from_bytes(body[-_TAIL:-4], "little")
    begin = len(body) - _TAIL - length
    if begin < 0 or _ARROW_NOTE not in body[begin:]:
        return body
    return body[:begin] + body[begin:].replace(_ARROW_NOTE, _UNKNOWN_NOTE)


def _stored(
    present: Sequence[str], order: Sequence[str], names: Sequence[str], settings: Mapping[str, str]
) -> dict[str, str | None]:
    """Name in the file of each column; None if it is not there."""
    if (settings.get("parquet.column.index.access") or "").lower() == "true":
        positions = {name: order.index(name) for name in names}
        return {name: present[at] if at < len(present) else None for name, at in positions.items()}
    return {name: _named(present, name) for name in names}


def _named(present: Sequence[str], name: str) -> str | None:
    alike = [each for each in present if each.lower() == name]
    if len(alike) > 1:
        raise types.UnreadableError(f"column {name} is in the file {len(alike)} times, as {', '.join(alike)}")
    return alike[0] if alike else None


def _converted(column: pa.ChunkedArray, name: str, glue_type: str, mark: str) -> pa.ChunkedArray:
    kind = types.arrow_type(glue_type)
    if not _compatible(column.type, kind) or (_is_text(kind) and mark not in _TEXT):
        marked = f" ({mark})" if _is_binary(column.type) and mark not in _UNMARKED else ""
        raise types.UnreadableError(f"column {name} is {column.type}{marked} in the file and {glue_type} in Glue")
    if pa.types.is_timestamp(kind) and not pa.types.is_null(column.type):
        _require_finite(column, name)
        column = pc.floor_temporal(column, unit="microsecond")  # a cast would move times before 1970 to the next one
    return types.bounded(_cast(column, name, glue_type), glue_type)


def _cast(column: pa.ChunkedArray, name: str, glue_type: str) -> pa.ChunkedArray:
    """Doubles are rounded to floats; nothing else loses anything in silence."""
    kind = types.arrow_type(glue_type)
    safe = not pa.types.is_floating(kind)
    try:
        return column.cast(kind, safe=safe)
    except pa.ArrowException:
        row = _first_failing(column, lambda part: part.cast(kind, safe=safe))
    raise types.UnreadableError(f"column {name}, row {row}: the value, {column.type}, does not fit Glue's {glue_type}")


def _first_failing(column: pa.ChunkedArray, convert: Callable[[pa.ChunkedArray], Any]) -> int:
    """Number, from 1, of the first row that makes a conversion fail, by halving."""
    good, bad = 0, len(column)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(column.slice(good, middle - good))
        except pa.ArrowException:
            bad = middle
        else:
            good = middle
    return bad


def _require_finite(column: pa.ChunkedArray, name: str) -> None:
    """Refuse DuckDB's and PostgreSQL's infinite times, which are the ends of the numbers."""
    infinite = pc.is_in(column.cast(pa.int64()), pa.array([2**63 - 1, -(2**63) + 1]))
    row = pc.index(infinite, True).as_py()
    if row >= 0:
        raise types.UnreadableError(f"column {name}, row {row + 1}: the time is infinite")


def _is_binary(found: pa.DataType) -> bool:
    return bool(pa.types.is_binary(found) or pa.types.is_fixed_size_binary(found))


def _is_text(wanted: pa.DataType) -> bool:
    return bool(_is_text(wanted.value_type) if pa.types.is_list(wanted) else pa.types.is_string(wanted))


def _compatible(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a type of the file may stand for one of Glue; one without any value may for each."""
    if pa.types.is_null(found):
        return True
    if pa.types.is_list(wanted):
        return bool(pa.types.is_list(found)) and _compatible(found.value_type, wanted.value_type)
    if pa.types.is_integer(wanted):
        return bool(pa.types.is_integer(found) or (pa.types.is_decimal(found) and found.scale == 0))
    checks = (
        (pa.types.is_string, lambda kind: pa.types.is_string(kind) or pa.types.is_binary(kind)),
        (pa.types.is_floating, pa.types.is_floating),
        (pa.types.is_timestamp, pa.types.is_timestamp),
        (pa.types.is_decimal, pa.types.is_decimal),
    )
    return next((bool(check(found)) for expected, check in checks if expected(wanted)), found == wanted)
