"""Glue's description of a table: its columns, its partitions, and what its files are read as."""

from __future__ import annotations

import bz2
import gzip
import lzma
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sandbox.jobs import glue_tables, seed_query
from sandbox.jobs import storage as store
from sandbox.jobs.formats.types import UnreadableError
from sandbox.jobs.storage import TableUnreadableError
from tests.support.glue_and_s3 import COLUMNS, JSON, LAZY, Cloud

FRAMES = (("zstd", "Zstandard"), ("lz4", "LZ4"))
"""Codecs of Arrow whose bytes begin with a mark."""


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (("nobody", "USER_ID"), "nobody is not in the Glue table"),
        (("minutes", "USER_ID"), "USER_ID takes bigint, int, string"),
        (("viewer", "TIMESTAMP"), "TIMESTAMP takes"),
        (("title", "NUMERICAL_FEATURE"), "NUMERICAL_FEATURE takes"),
        (("title", "TEXT"), "unknown column type TEXT"),
    ],
)
def test_the_declared_schema_has_to_agree_with_glue(declared: tuple[str, str], message: str) -> None:
    table = glue_tables.Layout("s3://b/k", "LazySimpleSerDe", dict(COLUMNS), {})
    with pytest.raises(glue_tables.TableError, match=message):
        glue_tables.check_schema(table, [declared])


def test_partitions_are_those_of_glue(cloud: Cloud) -> None:
    """Values and places are Glue's, not what the keys say; what is not registered does not exist."""
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("Day", "int"), ("country", "string")])
    cloud.put("t/day=1/country=de/a", "u-1\n")
    cloud.put("t/day=2/country=fr/a", "not registered\n")
    cloud.put("elsewhere/2025/a", "u-2\nu-3\n")
    cloud.put("t/day=9/country=__HIVE_DEFAULT_PARTITION__/a", "u-4\n")
    cloud.partition("t", ["1", "de"], "s3://data/t/day=1/country=de/")
    cloud.partition("t", ["03", "us%20east"], "s3://data/elsewhere/2025")
    cloud.partition("t", ["9", "__HIVE_DEFAULT_PARTITION__"], "s3://data/t/day=9/country=__HIVE_DEFAULT_PARTITION__")
    cloud.partition("t", ["4", "gone"], "s3://data/empty/")
    rows = [tuple(row.values()) for row in cloud.read("t", ["viewer", "day", "country"])]
    assert sorted(rows, key=str) == [
        ("u-1", 1, "de"),
        ("u-2", 3, "us%20east"),
        ("u-3", 3, "us%20east"),
        ("u-4", 9, None),
    ]
    assert seed_query.run(cloud.where, "SELECT viewer FROM t WHERE DAY = 3", ()) == ["u-2", "u-3"]


def test_a_partition_may_be_stored_in_another_way(cloud: Cloud) -> None:
    cloud.table("t", LAZY, columns=[("viewer", "string"), ("n", "int")], partitions=[("day", "date")])
    cloud.put("t/a/x", "u-1,1\n")
    cloud.put("t/b/x", '{"N": 2, "viewer": "u-2"}\n')
    cloud.put("t/c/x", "u-3;3\n")
    cloud.partition("t", ["2025-01-01"], "s3://data/t/a")
    cloud.partition("t", ["2025-01-02"], "s3://data/t/b", JSON)
    cloud.partition("t", ["2025-01-03"], "s3://data/t/c", LAZY, {"field.delim": ";"})
    rows = [(row["viewer"], row["n"], row["day"].isoformat()) for row in cloud.read("t", ["viewer", "n", "day"])]
    assert sorted(rows) == [("u-1", 1, "2025-01-01"), ("u-2", 2, "2025-01-02"), ("u-3", 3, "2025-01-03")]


@pytest.mark.parametrize(
    ("kind", "segment", "value"),
    [
        ("int", "p=007", 7),
        ("bigint", "P=-1", -1),
        ("string", "p=a%3Db%2Fc d+", "a=b/c d+"),
        ("string", "p=", ""),
        ("string", "p=__HIVE_DEFAULT_PARTITION__", None),
        ("int", "p=__HIVE_DEFAULT_PARTITION__", None),
        ("boolean", "p=true", True),
        ("double", "p=1.5", 1.5),
        ("decimal(4,2)", "p=1.5", Decimal("1.50")),
        ("varchar(2)", "p=abc", "ab"),
        ("date", "p=2025-01-02", date(2025, 1, 2)),
        ("timestamp", "p=2025-01-02 03%3A04%3A05", datetime(2025, 1, 2, 3, 4, 5)),
    ],
)
def test_values_of_partitions_in_keys(cloud: Cloud, kind: str, segment: str, value: Any) -> None:
    """For a table that has no partition in Glue."""
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("p", kind)])
    cloud.put(f"t/{segment}/a", "u-1\n")
    assert cloud.read("t", ["p"]) == [{"p": value}]


def test_the_tables_own_location_names_no_partition(cloud: Cloud) -> None:
    cloud.table("p=eu", LAZY, columns=[("viewer", "string")], partitions=[("p", "string")])
    cloud.put("p=eu/p=us/a", "u-1\n")
    assert cloud.read("p=eu", ["viewer", "p"]) == [{"viewer": "u-1", "p": "us"}]


def test_values_of_partitions_that_are_none_of_their_type(cloud: Cloud) -> None:
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("p", "int")])
    cloud.put("t/p=one/a", "u-1\n")
    with pytest.raises(TableUnreadableError, match="partition p: its value is not one of type int"):
        cloud.read("t", ["p"])
    cloud.s3.delete_object(Bucket="data", Key="t/p=one/a")
    cloud.put("t/a", "u-1\n")
    with pytest.raises(TableUnreadableError, match="the key names no value for partition p"):
        cloud.read("t", ["p"])
    layout = store.read_layout(cloud.where, "db", "t")
    with pytest.raises(glue_tables.TableError, match="a partition has 2 values, the table 1 keys"):
        glue_tables.partition(layout, {"Values": ["1", "2"]})
    assert glue_tables.partition(layout, {"Values": ["1"]}).location == "s3://data/t/p=1/"


def test_names_of_tables_and_columns_fold(cloud: Cloud) -> None:
    cloud.table("people", JSON, columns=[("User_Id", "string"), ("AGE", "Int")])
    cloud.put("people/a", '{"userid": "x", "USER_ID": "u-1", "age": 7}\n')
    layout = store.read_layout(cloud.where, "DB", "People")
    assert store.read_columns(cloud.where, layout, ["age", "user_id"]).to_pylist() == [{"age": 7, "user_id": "u-1"}]
    glue_tables.check_schema(layout, [("USER_ID", "USER_ID"), ("Age", "NUMERICAL_FEATURE")])
    with pytest.raises(glue_tables.TableError, match="two columns of one name"):
        glue_tables.layout(
            {
                "StorageDescriptor": {
                    "Location": "s3://b",
                    "Columns": [{"Name": "a"}, {"Name": "A"}],
                    "SerdeInfo": {"SerializationLibrary": LAZY},
                }
            }
        )


# --- descriptions and bytes, without a server -------------------------------------------------------------------------


def described(serde: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Glue's `Table` of two columns and one partition key."""
    columns = [{"Name": "Viewer"}, {"Name": "n", "Type": "INT"}]
    storage = {"Location": "s3://b/t/", "Columns": columns, "SerdeInfo": serde or {"SerializationLibrary": LAZY}}
    return {"StorageDescriptor": storage, "PartitionKeys": [{"Name": "Day", "Type": "date"}], **more}


def test_a_description_is_understood_with_names_and_types_in_lower_case() -> None:
    found = glue_tables.layout(described())
    assert (found.location, found.serde) == ("s3://b/t/", "LazySimpleSerDe")
    assert list(found.columns.items()) == [("viewer", "string"), ("n", "int")]
    assert found.all_columns == {"viewer": "string", "n": "int", "day": "date"}
    assert (found.values, found.parts) == (None, ())


@pytest.mark.parametrize(
    ("library", "classification", "serde"),
    [
        ("org.openx.data.jsonserde.JsonSerDe", "csv", "OpenX JSON SerDe"),
        ("ORG.APACHE.HIVE.HCATALOG.DATA.JSONSERDE", "", "Hive JSON SerDe"),
        ("org.apache.hadoop.hive.serde2.OpenCSVSerde", "", "OpenCSVSerDe"),
        ("", "CSV", "LazySimpleSerDe"),
        ("", "json", "OpenX JSON SerDe"),
        ("", "parquet", "Parquet"),
    ],
)
def test_the_library_says_who_reads_and_else_the_classification(library: str, classification: str, serde: str) -> None:
    serde_info: dict[str, Any] = {"SerializationLibrary": library} if library else {"Parameters": {}}
    assert glue_tables.layout(described(serde_info, Parameters={"classification": classification})).serde == serde


@pytest.mark.parametrize(("library", "classification"), [("org.x.AvroSerDe", "json"), ("", "avro"), ("", "")])
def test_what_nothing_here_reads_is_refused_with_what_is_read(library: str, classification: str) -> None:
    serde_info: dict[str, Any] = {"SerializationLibrary": library} if library else {"Parameters": {}}
    with pytest.raises(glue_tables.TableError, match=r"not supported; supported: LazySimpleSerDe, .*Parquet"):
        glue_tables.layout(described(serde_info, Parameters={"classification": classification}))


def test_properties_of_the_serde_win_over_those_of_the_storage_and_the_table() -> None:
    table = described({"SerializationLibrary": LAZY, "Parameters": {"a": "serde"}}, Parameters={"a": "t", "b": "t"})
    table["StorageDescriptor"]["Parameters"] = {"a": "storage", "b": "storage", "c": "storage"}
    assert glue_tables.layout(table).settings == {"a": "serde", "b": "storage", "c": "storage"}


def test_a_table_that_is_only_classified_has_commas() -> None:
    table = described({"Parameters": {}}, Parameters={"classification": "csv"})
    layout = glue_tables.layout(table)
    assert layout.settings["delimiter"] == ","
    assert glue_tables.decode(b"u-1,7\n", "t/a", layout, ["n", "viewer"]).to_pylist() == [{"n": 7, "viewer": "u-1"}]


def test_a_partition_has_the_tables_ways_unless_it_has_its_own() -> None:
    table = glue_tables.layout(described(Parameters={"skip.header.line.count": "1"}))
    plain = glue_tables.partition(table, {"Values": ["2025-01-02"]})
    assert (plain.location, plain.serde, plain.values) == (
        "s3://b/t/day=2025-01-02/",
        table.serde,
        {"day": "2025-01-02"},
    )
    storage = {"Location": "s3://c/x/", "SerdeInfo": {"SerializationLibrary": JSON}}
    own = glue_tables.partition(table, {"Values": ["2025-01-03"], "StorageDescriptor": storage})
    assert (own.location, own.serde) == ("s3://c/x/", "OpenX JSON SerDe")
    read = glue_tables.decode(b'first\n{"viewer": "u-1"}', "x/a", own, ["viewer", "day"])
    assert read.to_pylist() == [{"viewer": "u-1", "day": date(2025, 1, 3)}]


@pytest.mark.parametrize(
    ("body", "key", "plain"),
    [
        (gzip.compress(b"x"), "t/a", b"x"),
        (gzip.compress(b"x") + gzip.compress(b"y"), "t/a.txt", b"xy"),
        (bz2.compress(b"x"), "t/a.bz2", b"x"),
        (bz2.compress(b"x"), "t/a", bz2.compress(b"x")),
        (b"BZ is text", "t/a.bz2", b"BZ is text"),
        (b"", "t/a.gz", b""),
        (b"\x1f", "t/a", b"\x1f"),
    ],
    ids=["gzip", "two of them", "bzip2", "bzip2 by another name", "text that begins like bzip2", "empty", "one byte"],
)
def test_compression_is_known_by_the_bytes_and_bzip2_by_the_name_too(body: bytes, key: str, plain: bytes) -> None:
    assert glue_tables.unpacked(body, key) == plain


@pytest.mark.parametrize("cut", range(2, 21))
def test_cut_gzip_is_refused_wherever_it_is_cut(cut: int) -> None:
    whole = gzip.compress(b"u-1,t-1\n", mtime=0)
    with pytest.raises(UnreadableError, match="gzip data are damaged"):
        glue_tables.unpacked(whole[:cut])


@pytest.mark.parametrize(
    ("body", "key", "packed"),
    [
        *((b"u1\n", f"t/part-0.csv.{ending}", name) for ending, name in (("snappy", "Snappy"), ("lz4", "LZ4"))),
        *((b"u1\n", f"t/part-0.csv.{ending}", name) for ending, name in (("deflate", "deflate"), ("BR", "brotli"))),
        *((b"u1\n", f"t/part-0.csv.{ending}", name) for ending, name in (("lzo", "LZO"), ("Z", "compress"))),
        *((pa.compress(b"u1\n", codec=codec, asbytes=True), "t/a", name) for codec, name in FRAMES),
        (lzma.compress(b"u1\n"), "t/a.csv", "XZ"),
        (b"PK\x03\x04", "t/a.csv", "ZIP"),
    ],
)
def test_what_is_packed_otherwise_is_refused_by_name(body: bytes, key: str, packed: str) -> None:
    """Snappy of some short lines is nearly text: it was read with a record more, and one of them wrong."""
    with pytest.raises(UnreadableError, match=f"^it is compressed by {packed}; of text only gzip and bzip2"):
        glue_tables.unpacked(body, key)


def test_parquet_is_compressed_inside_whatever_its_name_says() -> None:
    assert glue_tables.unpacked(b"PAR1...", "t/part-0.snappy") == b"PAR1..."
    assert glue_tables.unpacked(b"PAR1...", "t/part-0.snappy.parquet") == b"PAR1..."


def test_an_empty_table_has_the_types_of_glue() -> None:
    table = glue_tables.layout(described())
    found = glue_tables.empty(table, ["day", "n"])
    assert (found.num_rows, found.column_names) == (0, ["day", "n"])
    assert [str(kind) for kind in found.schema.types] == ["date32[day]", "int32"]
    assert glue_tables.unreadable("array<string>") is None
    assert "not read by the sandbox" in str(glue_tables.unreadable("map<string,int>"))


def test_all_types_that_aws_takes_are_read() -> None:
    for allowed in glue_tables.ALLOWED_TYPES.values():
        for glue_type in allowed:
            assert glue_tables.unreadable("array<string>" if glue_type == "array" else glue_type) is None
