"""Glue table descriptions and the bytes of their files, turned into Arrow tables. Pure: no S3, no Glue client.

Which formats and column types count is AWS's list (user guide, "training data requirements"): CSV, JSON Lines or
Parquet without ZSTD; ids are string, int or bigint; times are Unix seconds in int or bigint, or ``timestamp``.

Columns are found as Athena finds them: in text by position in the Glue schema, whatever a header says; in JSON and
Parquet by name, without regard to case. Partitions are Glue's, or, of a table without any, those in the objects' keys.
"""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa

from sandbox.jobs.formats import json_lines, lazy_simple, open_csv, parquet, text
from sandbox.jobs.formats.types import UnreadableError, arrow_type, base_type

_IDS = frozenset({"string", "int", "bigint"})
ALLOWED_TYPES: Mapping[str, frozenset[str]] = {
    "USER_ID": _IDS,
    "ITEM_ID": _IDS,
    "TIMESTAMP": frozenset({"bigint", "int", "timestamp"}),
    "CATEGORICAL_FEATURE": frozenset({"string", "int", "float", "bigint", "double", "boolean", "array"}),
    "NUMERICAL_FEATURE": frozenset({"double", "float", "int", "bigint"}),
}
"""Glue types which a declared column type may have; keys are the API's ``columnTypes``."""

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name of the partition whose rows have no value of the key."""

Reader = Callable[[bytes, Mapping[str, str], Sequence[str], Mapping[str, str]], pa.Table]
_READERS: Mapping[str, Reader] = {
    "LazySimpleSerDe": lazy_simple.read,
    "OpenCSVSerDe": open_csv.read,
    "OpenX JSON SerDe": json_lines.read_openx,
    "Hive JSON SerDe": json_lines.read_hive,
    "Parquet": parquet.read,
}
_LIBRARIES: Mapping[str, str] = {
    "org.apache.hadoop.hive.serde2.lazy.lazysimpleserde": "LazySimpleSerDe",
    "org.apache.hadoop.hive.serde2.opencsvserde": "OpenCSVSerDe",
    "com.bizo.hive.serde.csv.csvserde": "OpenCSVSerDe",
    "org.openx.data.jsonserde.jsonserde": "OpenX JSON SerDe",
    "org.apache.hive.hcatalog.data.jsonserde": "Hive JSON SerDe",
    "org.apache.hadoop.hive.serde2.jsonserde": "Hive JSON SerDe",
    "org.apache.hadoop.hive.ql.io.parquet.serde.parquethiveserde": "Parquet",
    "parquet.hive.serde.parquethiveserde": "Parquet",
}
"""SerDe by serialization library, in lower case."""
_CLASSIFIED = {"csv": "LazySimpleSerDe", "json": "OpenX JSON SerDe", "parquet": "Parquet"}
"""SerDe by a crawler's classification, for a table that names no library."""


class TableError(Exception):
    """A table's description or data is not what it should be; the message names the table's part or the object."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What Glue says about the files of a table, or of one of its partitions.

    Attributes:
        location: ``s3://bucket/prefix`` of the data.
        serde: what reads them, a key of the readers.
        columns: name, in lower case -> Glue type, in file order.
        partitions: name, in lower case -> Glue type of the partition keys.
        settings: properties of the SerDe and of the table.
        values: of the partition keys, if this is a partition in Glue.
        parts: the table's partitions in Glue.
    """

    location: str
    serde: str
    columns: Mapping[str, str]
    partitions: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] | None = None
    parts: tuple[Layout, ...] = ()

    @property
    def all_columns(self) -> dict[str, str]:
        """Name -> Glue type of everything a query can ask for."""
        return {**self.columns, **self.partitions}


def layout(table: Mapping[str, Any]) -> Layout:
    """Understand the ``Table`` member of Glue's GetTable answer.

    Raises:
        TableError: no location, a SerDe or property that is not supported, or two columns of one name.
    """
    storage = table.get("StorageDescriptor") or {}
    if not storage.get("Location"):
        raise TableError("the Glue table has no location")
    described = storage.get("SerdeInfo") or {}
    settings = {**_settings(table), **_settings(storage), **_settings(described)}
    if not described.get("SerializationLibrary"):
        settings.setdefault("delimiter", ",")  # of a table that a crawler has only classified
    return Layout(
        location=storage["Location"],
        serde=_serde(described, settings),
        columns=_columns(storage.get("Columns")),
        partitions=_columns(table.get("PartitionKeys")),
        settings=settings,
    )


def partition(table: Layout, described: Mapping[str, Any]) -> Layout:
    """Understand a partition of Glue's GetPartitions answer; what it leaves out is as in the table.

    Raises:
        TableError: it has not as many values as the table has keys, or its SerDe is not supported.
    """
    given = described.get("Values") or []
    if len(given) != len(table.partitions):
        raise TableError(f"a partition has {len(given)} values, the table {len(table.partitions)} keys")
    values = dict(zip(table.partitions, given, strict=True))
    storage = described.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    named = bool(serde.get("SerializationLibrary"))
    settings = {**table.settings, **_settings(described), **_settings(storage), **_settings(serde)}
    folders = "/".join(f"{name}={value}" for name, value in values.items())
    return replace(
        table,
        location=storage.get("Location") or f"{table.location.rstrip('/')}/{folders}/",
        serde=_serde(serde, settings) if named else table.serde,
        settings=settings,
        values=values,
    )


def check_schema(table: Layout, declared: Sequence[tuple[str, str]]) -> None:
    """Compare a training dataset's schema, (column name, column type) pairs, with Glue.

    Raises:
        TableError: naming the column which is missing or has a type AWS does not take.
    """
    known = table.all_columns
    for name, kind in declared:
        glue_type = known.get(name.lower())
        if glue_type is None:
            raise TableError(f"column {name} is not in the Glue table, which has {', '.join(known) or 'none'}")
        allowed = ALLOWED_TYPES.get(kind)
        if allowed is None:
            raise TableError(f"column {name}: unknown column type {kind}")
        if base_type(glue_type) not in allowed:
            raise TableError(f"column {name}: Glue says {glue_type}, {kind} takes {', '.join(sorted(allowed))}")


def decode(body: bytes, key: str, table: Layout, names: Sequence[str]) -> pa.Table:
    """Read the named columns of one object, compressed or not; ``key`` is used for partitions and in errors.

    Raises:
        TableError: the bytes contradict the table's description.
    """
    try:
        plain = unpacked(body, key)
        stored = [name for name in names if name in table.columns]
        # A query may ask for partition keys only; some stored column still has to say how many rows there are.
        read = _READERS[table.serde](plain, table.columns, stored or list(table.columns)[:1], table.settings)
        for name in names:
            if name in table.partitions:
                value = _partition_value(table, key, name)
                read = read.append_column(name, pa.repeat(value, read.num_rows))
    except UnreadableError as error:
        raise TableError(f"object {key} is not readable by {table.serde}: {error}") from error
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        # The library's own words may quote the data.
        raise TableError(f"object {key} is not readable by {table.serde} ({type(error).__name__})") from None
    return read.select(list(names))


def unpacked(body: bytes, key: str = "") -> bytes:
    """Gzipped bytes unpacked, and those of a ``.bz2``; others as they are.

    Raises:
        UnreadableError: they are damaged, or packed by something else: read as text they would be other records.
    """
    if packed := _packed(body, key):
        raise UnreadableError(f"it is compressed by {packed}; of text only gzip and bzip2 are read, so recompress it")
    bzipped = key.endswith(".bz2") and body[:3] == b"BZh"
    if not bzipped and body[:2] != b"\x1f\x8b":
        return body
    try:
        return bz2.decompress(body) if bzipped else gzip.decompress(body)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        kind = "bzip2" if bzipped else "gzip"
        raise UnreadableError(f"its {kind} data are damaged ({type(error).__name__})") from None


_ENDINGS: Final[Mapping[str, str]] = {
    ".br": "brotli",
    ".deflate": "deflate",
    ".lz4": "LZ4",
    ".lzma": "LZMA",
    ".lzo": "LZO",
    ".snappy": "Snappy",
    ".xz": "XZ",
    ".z": "compress",
    ".zip": "ZIP",
    ".zst": "Zstandard",
    ".zstd": "Zstandard",
}
_MAGIC: Final[Mapping[bytes, str]] = {
    b"(\xb5/\xfd": "Zstandard",
    b'\x04"M\x18': "LZ4",
    b"\xfd7zXZ\x00": "XZ",
    b"\xff\x06\x00\x00sNaPpY": "Snappy",
    b"PK\x03\x04": "ZIP",
    b"\x1f\x9d": "compress",
    b"\x89LZO\x00": "LZO",
}
_PARQUET: Final = b"PAR1"
"""Files of Parquet are compressed inside, whatever their names say."""


def _packed(body: bytes, key: str) -> str | None:
    """What packed an object, by its first bytes or its name; raw Snappy and the like have no mark of their own."""
    by_content = next((name for mark, name in _MAGIC.items() if body.startswith(mark)), None)
    if by_content or body.startswith((_PARQUET, b"\x1f\x8b")):
        return by_content
    return next((name for ending, name in _ENDINGS.items() if key.lower().endswith(ending)), None)


def unreadable(glue_type: str) -> str | None:
    """Why columns of a Glue type are not read; None if they are."""
    try:
        arrow_type(glue_type)
    except UnreadableError as error:
        return str(error)
    return None


def empty(table: Layout, names: Sequence[str]) -> pa.Table:
    """The named columns without rows."""
    return pa.schema([(name, arrow_type(table.all_columns[name])) for name in names]).empty_table()


def _settings(part: Mapping[str, Any] | None) -> dict[str, str]:
    return dict((part or {}).get("Parameters") or {})


def _columns(described: Sequence[Mapping[str, Any]] | None) -> dict[str, str]:
    pairs = [(each["Name"].lower(), (each.get("Type") or "string").lower()) for each in described or ()]
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TableError(f"the Glue table has two columns of one name: {', '.join(name for name, _ in pairs)}")
    return found


def _serde(described: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    """SerDe by serialization library, else by the crawler's classification."""
    library = str(described.get("SerializationLibrary") or "")
    classification = str(settings.get("classification", ""))
    found = _LIBRARIES.get(library.lower()) if library else _CLASSIFIED.get(classification.lower())
    if found is None:
        named = f"serde {library or 'missing'} (classification {classification or 'missing'})"
        raise TableError(f"{named} is not supported; supported: {', '.join(_READERS)}")
    return found


def _partition_value(table: Layout, key: str, name: str) -> pa.Scalar:
    """The value of a partition key: Glue's, else the one in the object's key."""
    written = _in_key(key, table.location, name) if table.values is None else table.values[name]
    kind = table.partitions[name]
    if written == NO_VALUE:
        return pa.scalar(None, arrow_type(kind))

    def refuse(glue_type: str) -> Any:
        raise UnreadableError(f"partition {name}: its value is not one of type {glue_type}")

    parsers = {**text.HIVE, "decimal": text.decimal(kind)} if base_type(kind) == "decimal" else text.HIVE
    return text.values(pa.array([written], pa.large_string()), kind, refuse, parsers)[0]


def _in_key(key: str, location: str, name: str) -> str:
    """A partition's value in an object's key, below the table's location: what stands above it is no partition."""
    above = location.partition("://")[2].partition("/")[2].rstrip("/")
    for segment in key.removeprefix(above).split("/")[:-1]:
        label, equals, value = segment.partition("=")
        if equals and label.lower() == name:
            return unquote(value)
    raise UnreadableError(f"the key names no value for partition {name}")
