"""Parquet: types by what the file itself says, not by what its writer noted for Arrow; columns by name.

By Athena's documentation names are compared without regard to case and a column that the file lacks is null;
``parquet.column.index.access`` finds columns by their position. Clean Rooms ML takes no ZSTD.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.jobs.formats import types

_ARROW_NOTE, _UNKNOWN_NOTE = b"ARROW:schema", b"arrow_schema"
_TAIL = 8
"""Bytes after the footer: its length, and the mark of the format."""


def read(body: bytes, columns: Mapping[str, str], names: Sequence[str], settings: Mapping[str, str]) -> pa.Table:
    """The named columns of one file; see `lazy_simple.read`.

    Raises:
        ValueError: a column is of another type than Glue says, or the file is compressed by ZSTD.
    """
    file = pq.ParquetFile(pa.BufferReader(_without_note(body)), coerce_int96_timestamp_unit="us")
    metadata = file.metadata
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if any(group.column(at).compression == "ZSTD" for group in groups for at in range(group.num_columns)):
        raise ValueError("ZSTD compression is not supported")
    stored = _stored(file.schema_arrow.names, list(columns), names, settings)
    found = file.read(columns=[each for each in stored.values() if each is not None])
    made = {}
    for name in names:
        own = stored[name]
        kind = types.arrow_type(columns[name])
        if own is None:
            made[name] = pa.chunked_array([pa.nulls(metadata.num_rows, kind)])
        else:
            made[name] = _converted(found.column(own), name, columns[name])
    return pa.table(made)


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
        raise ValueError(f"column {name} is in the file {len(alike)} times, as {', '.join(alike)}")
    return alike[0] if alike else None


def _converted(column: pa.ChunkedArray, name: str, glue_type: str) -> pa.ChunkedArray:
    kind = types.arrow_type(glue_type)
    if not _compatible(column.type, kind):
        raise ValueError(f"column {name} is {column.type} in the file and {glue_type} in Glue")
    if pa.types.is_timestamp(kind) and not pa.types.is_null(column.type):
        column = pc.floor_temporal(column, unit="microsecond")  # a cast would move times before 1970 to the next one
    # Doubles are rounded to floats; nothing else loses anything in silence.
    return types.bounded(column.cast(kind, safe=not pa.types.is_floating(kind)), glue_type)


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
