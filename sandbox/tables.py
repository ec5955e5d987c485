"""Glue table descriptions and the bytes of their files, turned into Arrow tables. Pure: no S3, no Glue client.

Which formats and column types count is AWS's list (user guide, "training data requirements"): CSV, JSON Lines or
Parquet without ZSTD; ids are string, int or bigint; times are Unix seconds in int or bigint, or ``timestamp``.

Columns of text formats are found as Athena finds them: CSV by position in the Glue schema, whatever a header says; JSON
and Parquet by name. Hive partitions (``.../day=7/...``) are read from the object's key.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

_IDS = frozenset({"string", "int", "bigint"})
ALLOWED_TYPES: Mapping[str, frozenset[str]] = {
    "USER_ID": _IDS,
    "ITEM_ID": _IDS,
    "TIMESTAMP": frozenset({"bigint", "int", "timestamp"}),
    "CATEGORICAL_FEATURE": frozenset({"string", "int", "float", "bigint", "double", "boolean", "array"}),
    "NUMERICAL_FEATURE": frozenset({"double", "float", "int", "bigint"}),
}
"""Glue types which a declared column type may have; keys are the API's ``columnTypes``."""

_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
}
_SYNONYMS = {"integer": "int", "long": "bigint", "varchar": "string", "char": "string", "bool": "boolean"}


class TableError(Exception):
    """A table's description or data is not what it should be; the message names the table's part or the object."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a Glue table says about its files.

    Attributes:
        location: ``s3://bucket/prefix`` of the data.
        format: csv, json or parquet.
        columns: name -> Glue type, in file order.
        partitions: name -> Glue type of the partition keys.
        delimiter: between the cells of a CSV line.
        quote: CSV quote character, or "" for none.
        escape: CSV escape character, or "" for none.
        skipped_lines: CSV header lines.
    """

    location: str
    format: str
    columns: Mapping[str, str]
    partitions: Mapping[str, str]
    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    skipped_lines: int = 0

    @property
    def all_columns(self) -> dict[str, str]:
        """Name -> Glue type of everything a query can ask for."""
        return {**self.columns, **self.partitions}


def layout(table: Mapping[str, Any]) -> Layout:
    """Understand the ``Table`` member of Glue's GetTable answer.

    Raises:
        TableError: no location, or a format other than CSV, JSON and Parquet.
    """
    storage = table.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    settings = {**table.get("Parameters", {}), **storage.get("Parameters", {}), **serde.get("Parameters", {})}
    if not storage.get("Location"):
        raise TableError("the Glue table has no location")
    library = str(serde.get("SerializationLibrary", ""))
    return Layout(
        location=storage["Location"],
        format=_format(library, str(settings.get("classification", ""))),
        columns={column["Name"]: column.get("Type", "string").lower() for column in storage.get("Columns", ())},
        partitions={column["Name"]: column.get("Type", "string").lower() for column in table.get("PartitionKeys", ())},
        delimiter=_delimiter(settings),
        quote=settings.get("quoteChar", '"')[:1],
        escape=settings.get("escapeChar", settings.get("escape.delim", ""))[:1],
        skipped_lines=int(settings.get("skip.header.line.count", 0)),
    )


def check_schema(table: Layout, declared: Sequence[tuple[str, str]]) -> None:
    """Compare a training dataset's schema, (column name, column type) pairs, with Glue.

    Raises:
        TableError: naming the column which is missing or has a type AWS does not take.
    """
    known = table.all_columns
    for name, kind in declared:
        if name not in known:
            raise TableError(f"column {name} is not in the Glue table, which has {', '.join(known) or 'none'}")
        allowed = ALLOWED_TYPES.get(kind)
        if allowed is None:
            raise TableError(f"column {name}: unknown column type {kind}")
        if base_type(known[name]) not in allowed:
            raise TableError(f"column {name}: Glue says {known[name]}, {kind} takes {', '.join(sorted(allowed))}")


def base_type(glue_type: str) -> str:
    """Glue type without its parameters: ``array<string>`` -> ``array``, ``varchar(9)`` -> ``string``."""
    name = re.split(r"[(<]", glue_type, maxsplit=1)[0].strip().lower()
    return _SYNONYMS.get(name, name)


def arrow_type(glue_type: str) -> pa.DataType:
    """Arrow's type for a Glue type; what Arrow's readers cannot produce from text is read as a string."""
    base = base_type(glue_type)
    inner = re.fullmatch(r"array<(.+)>", glue_type.strip())
    if inner:
        return pa.list_(arrow_type(inner[1]))
    precision = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", glue_type.strip())
    if precision:
        return pa.decimal128(int(precision[1]), int(precision[2]))
    return _ARROW_TYPES.get(base, pa.string())


def decode(body: bytes, key: str, table: Layout, names: Sequence[str]) -> pa.Table:
    """Read the named columns of one object, gzipped or not; ``key`` is used for partitions and in errors.

    Raises:
        TableError: the bytes contradict the table's description.
    """
    try:
        plain = unpacked(body)
        stored = [name for name in names if name in table.columns]
        # A query may ask for partition keys only; some stored column still has to say how many rows there are.
        read = _READERS[table.format](plain, table, stored or list(table.columns)[:1])
        for name in names:
            if name in table.partitions:
                value = pa.scalar(_partition_value(key, name)).cast(arrow_type(table.partitions[name]))
                read = read.append_column(name, pa.repeat(value, read.num_rows))
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise TableError(f"object {key} is not readable as {table.format}: {error}") from error
    return read.select(list(names))


def unpacked(body: bytes) -> bytes:
    """Gzipped bytes unpacked, others as they are.

    Raises:
        ValueError: damaged gzip.
    """
    if body[:2] != b"\x1f\x8b":
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"gzip: {error}") from error


def empty(table: Layout, names: Sequence[str]) -> pa.Table:
    """The named columns without rows."""
    return pa.schema([(name, arrow_type(table.all_columns[name])) for name in names]).empty_table()


def _format(library: str, classification: str) -> str:
    """Format by serde class name, else by the crawler's classification."""
    simple = library.rsplit(".", 1)[-1].lower()
    for mark, name in (("parquet", "parquet"), ("json", "json"), ("csv", "csv"), ("lazysimple", "csv")):
        if mark in simple:
            return name
    if not library and classification.lower() in _READERS:
        return classification.lower()
    raise TableError(f"serde {library or 'missing'} (classification {classification or 'missing'}) is not supported")


def _delimiter(settings: Mapping[str, str]) -> str:
    named = settings.get("separatorChar") or settings.get("field.delim") or settings.get("delimiter")
    return (named or ",").replace("\\t", "\t")[:1]


def _read_csv(body: bytes, table: Layout, names: Sequence[str]) -> pa.Table:
    schema = _schema(table, names)
    if body.count(b"\n", 0, len(body.rstrip(b"\n")) + 1) < table.skipped_lines or not body.strip():
        return schema.empty_table()
    return pyarrow.csv.read_csv(
        io.BytesIO(body),
        read_options=pyarrow.csv.ReadOptions(column_names=list(table.columns), skip_rows=table.skipped_lines),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=table.delimiter, quote_char=table.quote or False, escape_char=table.escape or False
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=list(names),
            column_types=dict(zip(schema.names, schema.types, strict=True)),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=["", "\\N"],
        ),
    )


def _read_json(body: bytes, table: Layout, names: Sequence[str]) -> pa.Table:
    schema = _schema(table, names)
    if not body.strip():
        return schema.empty_table()
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    return pyarrow.json.read_json(io.BytesIO(body), parse_options=options).select(list(names))


def _read_parquet(body: bytes, table: Layout, names: Sequence[str]) -> pa.Table:
    file = pyarrow.parquet.ParquetFile(pa.BufferReader(body))
    schema = _schema(table, names)
    for name in names:
        found = file.schema_arrow.field(name).type
        if _family(found) != _family(schema.field(name).type):
            raise ValueError(f"column {name} is {found} in the file and {table.columns[name]} in Glue")
    groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
    if any(group.column(at).compression == "ZSTD" for group in groups for at in range(group.num_columns)):
        raise ValueError("ZSTD compression is not supported")
    return file.read(columns=list(names)).select(list(names)).cast(schema)


_READERS = {"csv": _read_csv, "json": _read_json, "parquet": _read_parquet}


def _schema(table: Layout, names: Sequence[str]) -> pa.Schema:
    """Arrow schema of stored columns; CSV has no lists, so there they stay text."""
    types = {name: arrow_type(table.columns[name]) for name in names}
    as_text = table.format == "csv"
    return pa.schema(
        [(name, pa.string() if as_text and pa.types.is_list(kind) else kind) for name, kind in types.items()]
    )


def _family(kind: pa.DataType) -> str:
    """Arrow types which may stand for one another."""
    checks = {
        "integer": pa.types.is_integer,
        "number": pa.types.is_floating,
        "text": lambda given: pa.types.is_string(given) or pa.types.is_large_string(given),
        "time": pa.types.is_timestamp,
        "list": pa.types.is_list,
    }
    return next((name for name, check in checks.items() if check(kind)), str(kind))


def _partition_value(key: str, name: str) -> str:
    for segment in key.split("/")[:-1]:
        label, equals, value = segment.partition("=")
        if equals and label.lower() == name.lower():
            return unquote(value)
    raise ValueError(f"the key names no value for partition {name}")
