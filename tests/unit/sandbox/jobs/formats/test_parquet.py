"""Parquet as several writers and ages write it. Right values: Parquet's own types, and Athena's user guide."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jobs.formats import parquet
from sandbox.jobs.formats.types import UnreadableError

AT = datetime(2025, 1, 2, 3, 4, 5, 678901)


def written(columns: dict[str, pa.Array], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def read(body: bytes, columns: dict[str, str], settings: dict[str, str] | None = None) -> list[tuple[Any, ...]]:
    table = parquet.read(body, columns, list(columns), settings or {})
    return [tuple(row.values()) for row in table.to_pylist()]


def one(array: pa.Array, glue_type: str, **options: Any) -> list[Any]:
    return [row[0] for row in read(written({"a": array}, **options), {"a": glue_type})]


@pytest.mark.parametrize(
    ("array", "glue_type", "values"),
    [
        # the writer's Arrow types are none of the file's
        (pa.array(["x", None, "x"]).dictionary_encode(), "string", ["x", None, "x"]),
        (pa.array([3, None, 5]).dictionary_encode(), "bigint", [3, None, 5]),
        (pa.array(["x", None], pa.large_string()), "string", ["x", None]),
        (
            pa.array(["x", "longer than the twelve of a view"], pa.string_view()),
            "string",
            ["x", "longer than the twelve of a view"],
        ),
        (pa.array([b"x", None], pa.binary()), "string", ["x", None]),
        (pa.array([b"x"], pa.large_binary()), "string", ["x"]),
        (pa.array([b"x"], pa.binary_view()), "string", ["x"]),
        (pa.array([["x", None], None, []], pa.large_list(pa.large_string())), "array<string>", [["x", None], None, []]),
        (pa.array([[b"x"], [None]], pa.list_(pa.binary())), "array<string>", [["x"], [None]]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), "array<int>", [[1, 2], None]),
        (pa.array([["x"], []], pa.list_(pa.dictionary(pa.int32(), pa.string()))), "array<string>", [["x"], []]),
        (pa.array([timedelta(microseconds=7)]), "bigint", [7]),
        # whole numbers
        (pa.array([7], pa.int8()), "bigint", [7]),
        (pa.array([7], pa.uint32()), "int", [7]),
        (pa.array([7], pa.int64()), "int", [7]),
        (pa.array([2**63 - 1], pa.uint64()), "bigint", [2**63 - 1]),
        (pa.array([Decimal(7), None], pa.decimal128(38, 0)), "bigint", [7, None]),
        # others
        (pa.array([1.5], pa.float32()), "double", [1.5]),
        (pa.array([0.1], pa.float64()), "float", [0.10000000149011612]),
        (pa.array([True, None]), "boolean", [True, None]),
        (pa.array([Decimal("1.50")], pa.decimal128(5, 2)), "decimal(9,3)", [Decimal("1.500")]),
        (pa.array(["abcd"]), "varchar(3)", ["abc"]),
        # times
        (pa.array([AT], pa.timestamp("us")), "timestamp", [AT]),
        (pa.array([1735787045678], pa.timestamp("ms")), "timestamp", [datetime(2025, 1, 2, 3, 4, 5, 678000)]),
        (pa.array([1735787045678901234], pa.timestamp("ns")), "timestamp", [AT]),
        (pa.array([1735787045678901], pa.timestamp("us", tz="Europe/Berlin")), "timestamp", [AT]),
        (pa.array([AT.replace(tzinfo=UTC)], pa.timestamp("us", tz="UTC")), "timestamp", [AT]),
        (pa.array([-1], pa.timestamp("ns")), "timestamp", [datetime(1969, 12, 31, 23, 59, 59, 999999)]),
        (pa.array([0], pa.timestamp("s")), "timestamp", [datetime(1970, 1, 1)]),
        (pa.nulls(2), "string", [None, None]),
    ],
)
def test_types_are_the_files_own(array: pa.Array, glue_type: str, values: list[Any]) -> None:
    assert one(array, glue_type) == values


@pytest.mark.parametrize(
    "options",
    [
        {"version": "1.0"},
        {"version": "1.0", "use_deprecated_int96_timestamps": True},
        {"use_deprecated_int96_timestamps": True},
        {"use_compliant_nested_type": False},
        {"store_schema": False},
        {"data_page_version": "2.0"},
        {"use_dictionary": False},
        {"row_group_size": 1},
        {"compression": "gzip"},
        {"compression": "brotli"},
        {"compression": "lz4"},
        {"compression": "snappy", "write_statistics": False},
        {"coerce_timestamps": "ms", "allow_truncated_timestamps": True},
    ],
    ids=str,
)
def test_files_of_every_age(options: dict[str, Any]) -> None:
    table: dict[str, pa.Array] = {
        "user": pa.array(["u1", None, "u3"]),
        "n": pa.array([1, 2, None], pa.int32()),
        "at": pa.array(
            [datetime(2025, 1, 1, 0, 0, 0, 5000), datetime(1900, 1, 1), datetime(2999, 12, 31)], pa.timestamp("us")
        ),
        "tags": pa.array([["x", "y"], [], None], pa.list_(pa.string())),
    }
    rows = read(
        written(table, **options), {"user": "string", "n": "bigint", "at": "timestamp", "tags": "array<string>"}
    )
    assert rows == [
        ("u1", 1, datetime(2025, 1, 1, 0, 0, 0, 5000), ["x", "y"]),
        (None, 2, datetime(1900, 1, 1), []),
        ("u3", None, datetime(2999, 12, 31), None),
    ]


@pytest.mark.parametrize(
    ("array", "glue_type", "message"),
    [
        (pa.array(["7"]), "bigint", "column a is string in the file and bigint in Glue"),
        (pa.array([7]), "string", "column a is int64 in the file and string in Glue"),
        (pa.array([7.0]), "bigint", "column a is double"),
        (pa.array([7]), "double", "column a is int64"),
        (pa.array([7]), "timestamp", "column a is int64"),
        (pa.array([1], pa.timestamp("us")), "bigint", "column a is timestamp"),
        (pa.array([0, 1, 2**31, 5]), "int", "column a, row 3: the value, int64, does not fit Glue's int"),
        (pa.array([2**63], pa.uint64()), "bigint", "column a, row 1: the value, uint64, does not fit"),
        (pa.array([Decimal("1.5")], pa.decimal128(5, 1)), "bigint", "column a is decimal"),
        (pa.array([Decimal("1.55")], pa.decimal128(5, 2)), "decimal(5,1)", "column a, row 1: "),
        (pa.array(["x"]), "array<string>", "column a is string"),
        (pa.array([["x"]]), "string", "column a is list"),
        (pa.array([b"u1", b"\xff"]), "string", "column a, row 2: the value, binary, does not fit Glue's string"),
        (pa.array([{"x": 1}]), "string", "column a is struct"),
    ],
)
def test_another_type_than_glue_says_is_refused(array: pa.Array, glue_type: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one(array, glue_type)


def test_names_are_compared_without_regard_to_case_and_missing_columns_are_null() -> None:
    body = written({"User_ID": pa.array(["u1", "u2"]), "Ä": pa.array([1, 2]), "__index_level_0__": pa.array([8, 9])})
    columns = {"user_id": "string", "missing": "array<string>", "ä": "int"}
    assert read(body, columns) == [("u1", None, 1), ("u2", None, 2)]
    assert read(body, {"missing": "string"}) == [(None,), (None,)]


def test_two_columns_that_differ_by_case_only_are_refused_if_they_are_asked_for() -> None:
    body = written({"a": pa.array([1]), "A": pa.array([2]), "b": pa.array([3])})
    with pytest.raises(ValueError, match="column a is in the file 2 times"):
        read(body, {"a": "int"})
    assert read(body, {"b": "int"}) == [(3,)]


def test_columns_by_position() -> None:
    body = written({"x": pa.array(["u1"]), "y": pa.array([7])})
    columns = {"user": "string", "n": "bigint", "new": "int"}
    assert read(body, columns, {"parquet.column.index.access": "true"}) == [("u1", 7, None)]
    assert read(body, columns) == [(None, None, None)]


def test_files_without_rows() -> None:
    assert read(written({"a": pa.array([], pa.string())}), {"a": "string", "b": "int"}) == []
    assert read(written({"a": pa.nulls(0)}), {"a": "string"}) == []


def test_zstd_is_refused_in_any_column() -> None:
    body = written({"a": pa.array(["x"]), "b": pa.array([1])}, compression={"a": "none", "b": "zstd"})
    with pytest.raises(ValueError, match="ZSTD"):
        read(body, {"a": "string"})


def test_what_the_note_of_arrow_types_looks_like_in_data_stays() -> None:
    assert one(pa.array(["ARROW:schema"]), "string", use_dictionary=False, compression="none") == ["ARROW:schema"]


def test_files_of_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE TYPE kinds AS ENUM ('e1', 'e2');
            CREATE TABLE t
                ("User" VARCHAR, n TINYINT, big UBIGINT, f FLOAT, seen TIMESTAMP_NS, tags VARCHAR[], kind kinds);
            INSERT INTO t VALUES
                ('u1', 1, 2, 1.5, '2025-01-02 03:04:05.678901234', ['x', NULL], 'e1'),
                (NULL, NULL, NULL, NULL, NULL, NULL, NULL)
            """)
        connection.table("t").write_parquet(str(path))
    columns = {"user": "string", "n": "int", "big": "bigint", "f": "double"}
    columns |= {"seen": "timestamp", "tags": "array<string>", "kind": "string"}
    assert read(path.read_bytes(), columns) == [("u1", 1, 2, 1.5, AT, ["x", None], "e1"), (None,) * 7]


# --- logical types ----------------------------------------------------------------------------------------------------

JSON_MARK = b"\x25\x26\x4c\xcc"
"""Compact Thrift of a footer: converted type JSON, logical type JSON."""
OTHER_MARKS = {"BSON": b"\x25\x28\x4c\xdc", "ENUM": b"\x25\x08\x4c\x4c"}


def marked(mark: str, values: list[str | None]) -> bytes:
    """A column of byte arrays with a logical type which no writer at hand writes."""
    body = written({"a": pa.array(values, pa.json_())})
    assert body.count(JSON_MARK) == 1
    return body if mark == "JSON" else body.replace(JSON_MARK, OTHER_MARKS[mark])


@pytest.mark.parametrize("mark", ["JSON", "ENUM"])
def test_json_and_enum_are_text(mark: str) -> None:
    assert read(marked(mark, ['{"b": 1.50}', None]), {"a": "string"}) == [('{"b": 1.50}',), (None,)]
    assert read(marked(mark, ["abc"]), {"a": "varchar(2)"}) == [("ab",)]


def test_bson_is_refused_by_name_even_where_it_looks_like_text() -> None:
    with pytest.raises(UnreadableError, match=r"column a is binary \(BSON\) in the file and string in Glue"):
        read(marked("BSON", ["text by chance"]), {"a": "string"})


@pytest.mark.parametrize("glue_type", ["string", "bigint", "double", "timestamp", "array<string>"])
@pytest.mark.parametrize(
    ("array", "mark"),
    [
        (pa.array([b"0123456789abcdef"], pa.uuid()), r"fixed_size_binary\[16\] \(UUID\)"),
        (pa.array([b"0123456789ab"], pa.binary(12)), r"fixed_size_binary\[12\]"),
        (pa.array([1], pa.time64("us")), r"time64\[us\]"),
    ],
    ids=["uuid", "fixed", "time"],
)
def test_types_that_glue_does_not_have_are_refused_by_name(array: pa.Array, mark: str, glue_type: str) -> None:
    with pytest.raises(UnreadableError, match=rf"column a is {mark} in the file and {glue_type} in Glue"):
        one(array, glue_type)


def test_lists_of_marked_values() -> None:
    ids = pa.ListArray.from_arrays([0, 1], pa.array([b"0123456789abcdef"], pa.uuid()))
    with pytest.raises(UnreadableError, match="column a is list"):
        one(ids, "array<string>")
    words = pa.ListArray.from_arrays([0, 2], pa.array(['{"b": 1}', None], pa.json_()))
    assert one(words, "array<string>") == [['{"b": 1}', None]]


def test_intervals_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    with duckdb.connect() as connection:
        connection.sql("SELECT INTERVAL 3 DAY AS i, uuid() AS u, ['x'] AS tags, 'u1' AS a").write_parquet(str(path))
    body = path.read_bytes()
    for name, mark in (("i", "INTERVAL"), ("u", "UUID")):
        with pytest.raises(UnreadableError, match=rf"column {name} is fixed_size_binary\[\d+\] \({mark}\) in the file"):
            read(body, {name: "string"})
    assert read(body, {"a": "string", "tags": "array<string>"}) == [("u1", ["x"])]


@pytest.mark.parametrize("glue_type", ["double", "float"])
def test_halves_are_numbers(glue_type: str) -> None:
    values = [1.5, -0.25, 65504.0, 6e-8, None, float("inf")]
    expected = [1.5, -0.25, 65504.0, 2.0**-24, None, float("inf")]
    assert one(pa.array(values, pa.float16()), glue_type) == expected
    with pytest.raises(UnreadableError, match="column a is halffloat in the file and string in Glue"):
        one(pa.array(values, pa.float16()), "string")


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1.0])
@pytest.mark.parametrize("glue_type", ["string", "int", "bigint", "timestamp"])
def test_a_double_is_no_id_and_no_time_whatever_its_value(value: float, glue_type: str) -> None:
    with pytest.raises(UnreadableError, match=f"column a is double in the file and {glue_type} in Glue") as caught:
        one(pa.array([value]), glue_type)
    assert str(value) not in str(caught.value)


@pytest.mark.parametrize("value", ["infinity", "-infinity"])
@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS"])
def test_infinite_times_are_refused_with_their_row(tmp_path: Path, value: str, kind: str) -> None:
    path = tmp_path / "part.parquet"
    with duckdb.connect() as connection:
        connection.sql(f"SELECT unnest(['2025-01-02 03:04:05'::{kind}, NULL, '{value}'::{kind}]) AS a").write_parquet(
            str(path)
        )
    with pytest.raises(UnreadableError, match="column a, row 3: the time is infinite"):
        read(path.read_bytes(), {"a": "timestamp"})


@given(st.integers(1, 200), st.data())
def test_the_row_that_does_not_fit_is_named(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, count - 1))
    later = data.draw(st.integers(bad, count - 1))
    values = [2**40 if at in {bad, later} else at for at in range(count)]
    with pytest.raises(UnreadableError, match=f"column a, row {bad + 1}: the value, int64, does not fit Glue's int$"):
        one(pa.array(values), "int")


@pytest.mark.parametrize("cut", [4, 20, 200])
def test_a_damaged_file_is_named_as_such(cut: int) -> None:
    body = written({"a": pa.array(["u1"] * 1000)})
    with pytest.raises(UnreadableError, match="it is damaged, or no Parquet file"):
        read(body[:-cut], {"a": "string"})
    with pytest.raises(UnreadableError, match="damaged"):
        read(body[:4] + bytes(len(body) - 300) + body[-296:], {"a": "string"})
