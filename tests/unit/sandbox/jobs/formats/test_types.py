"""Glue's types of columns, and what they are in Arrow."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sandbox.jobs.formats import types


@pytest.mark.parametrize(
    ("glue", "base"),
    [
        ("varchar(9)", "string"),
        ("array<int>", "array"),
        ("Integer", "int"),
        ("decimal(9,2)", "decimal"),
        ("long", "bigint"),
    ],
)
def test_glue_types_have_a_base(glue: str, base: str) -> None:
    assert types.base_type(glue) == base


def test_decimals_and_lists_have_arrow_types() -> None:
    assert types.arrow_type("decimal(9,2)") == pa.decimal128(9, 2)
    assert types.arrow_type("array<bigint>") == pa.list_(pa.int64())


@pytest.mark.parametrize(
    ("glue", "arrow"),
    [
        ("tinyint", pa.int8()),
        ("SMALLINT", pa.int16()),
        ("integer", pa.int32()),
        ("long", pa.int64()),
        ("real", pa.float32()),
        ("double", pa.float64()),
        ("bool", pa.bool_()),
        ("timestamp", pa.timestamp("us")),
        ("date", pa.date32()),
        (" varchar(9) ", pa.string()),
        ("char(1)", pa.string()),
        ("decimal", pa.decimal128(10, 0)),
        ("decimal(5)", pa.decimal128(5, 0)),
        ("decimal( 38 , 38 )", pa.decimal128(38, 38)),
        ("array<array<decimal(9,2)>>", pa.list_(pa.list_(pa.decimal128(9, 2)))),
        ("ARRAY < VARCHAR(3) >", pa.list_(pa.string())),
    ],
)
def test_types_that_are_read(glue: str, arrow: pa.DataType) -> None:
    assert types.arrow_type(glue) == arrow


@pytest.mark.parametrize(
    "glue",
    [
        "map<string,int>",
        "struct<a:int>",
        "uniontype<int,string>",
        "binary",
        "array<binary>",
        "array<>",
        "decimal(0,0)",
        "decimal(39,1)",
        "decimal(5,6)",
        "decimal(-1)",
        "interval",
        "",
    ],
)
def test_types_that_are_not_read_are_refused_by_name(glue: str) -> None:
    with pytest.raises(types.UnsupportedTypeError, match="are not read by the sandbox"):
        types.arrow_type(glue)


@pytest.mark.parametrize(
    ("glue", "item"),
    [
        ("array<int>", "int"),
        ("array< array<int> >", "array<int>"),
        ("array<struct<a:int>>", "struct<a:int>"),
        ("map<string,array<int>>", None),
        ("string", None),
        ("array", None),
    ],
)
def test_the_element_of_an_array(glue: str, item: str | None) -> None:
    assert types.element(glue) == item


@pytest.mark.parametrize(
    ("glue", "cut"),
    [
        ("varchar(3)", ["abc", "a ", "😀üx", None]),
        ("CHAR ( 3 )", ["abc", "a", "😀üx", None]),
        ("varchar(0)", ["", "", "", None]),
        ("string", ["abcd", "a ", "😀üxy", None]),
        ("varchar", ["abcd", "a ", "😀üxy", None]),
    ],
)
def test_bounded_strings_are_cut_by_characters(glue: str, cut: list[str | None]) -> None:
    assert types.bounded(pa.array(["abcd", "a ", "😀üxy", None]), glue).to_pylist() == cut
