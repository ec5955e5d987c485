"""OpenCSVSerDe: a line is a record, whatever its quotes. Right values: Athena's user guide, and OpenCSV's parser."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jobs.formats import open_csv
from sandbox.jobs.formats.open_csv import BadDataError
from sandbox.jobs.formats.types import UnsupportedTypeError


def read(body: str, columns: dict[str, str], settings: dict[str, str] | None = None) -> list[tuple[Any, ...]]:
    table = open_csv.read(body.encode(), columns, list(columns), settings or {})
    return [tuple(row.values()) for row in table.to_pylist()]


TWO = {"a": "string", "b": "string"}


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ('"u1","i1"\n', [("u1", "i1")]),
        ("u1,i1\n", [("u1", "i1")]),
        ('"u,1",i1\n', [("u,1", "i1")]),
        ('"u""1",""""\n', [('u"1', '"')]),
        ('"",\n', [("", "")]),
        ('"u\\"1","i\\\\1"\n', [('u"1', "i\\1")]),
        ('"u\\n1",i\\t1\n', [("un1", "it1")]),
        # a quote that does not end: the cell is missing, and no other line is
        ('u1,"i1\nu2,i2\nu3,"i3"\n', [("u1", None), ("u2", "i2"), ("u3", "i3")]),
        ('"u1\nu2,i2\n', [(None, None), ("u2", "i2")]),
        ('u1,"two\nlines"\nu2,i2\n', [("u1", None), (None, None), ("u2", "i2")]),
        # quotes inside cells
        ('u1,5" disc\nu2,i2\n', [("u1", None), ("u2", "i2")]),
        ('abc,d"e"f\n', [("abc", 'd"e"f')]),
        ('abc, "d"\n', [("abc", "d")]),
        # short and long lines
        ("u1\nu2,i2,i3,\n", [("u1", None), ("u2", "i2")]),
        ('"u2","i2","i3"\n', [("u2", "i2")]),
        ("u1,i1\r\n\r\nu2,i2\r\n", [("u1", "i1"), ("u2", "i2")]),
        ("\ufeffu1,i1\n", [("u1", "i1")]),
        ("u0\0,i\nu0,i\n", [("u0\0", "i"), ("u0", "i")]),
        (" u1 ,\ti1\n", [(" u1 ", "\ti1")]),
        ("NULL,\\N\n", [("NULL", "N")]),
        ("", []),
    ],
)
def test_cells(body: str, rows: list[tuple[Any, ...]]) -> None:
    assert read(body, TWO) == rows


@pytest.mark.parametrize(
    ("settings", "body", "row"),
    [
        ({"separatorChar": ";"}, '"u;1";i1', ("u;1", "i1")),
        ({"separatorChar": "\t"}, 'u1\t"i1"', ("u1", "i1")),
        ({"separatorChar": "\\t"}, 'u1\t"i1"', ("u1", "i1")),
        ({"quoteChar": "'"}, "'u,1',\"i1\"", ("u,1", '"i1"')),
        ({"quoteChar": "`"}, "`u,1`,i1", ("u,1", "i1")),
        ({"escapeChar": "^"}, '"u^"1",i\\1', ('u"1', "i\\1")),
        ({"escapeChar": '"'}, '"u\\"1",i1', ('u"1', "i1")),
        ({"field.delim": ";"}, "u1,i1;", ("u1", "i1;")),
        ({"skip.header.line.count": "1"}, "a,b\nu1,i1", ("u1", "i1")),
    ],
)
def test_characters(settings: dict[str, str], body: str, row: tuple[str, str]) -> None:
    assert read(body, TWO, settings) == [row]


@pytest.mark.parametrize("settings", [{"separatorChar": '"'}, {"quoteChar": "\\"}, {"separatorChar": "||"}])
def test_characters_that_do_not_go_together(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"must differ|one character"):
        read("u1,i1", TWO, settings)


@pytest.mark.parametrize(
    ("glue_type", "cell", "value"),
    [
        ("bigint", "7", 7),
        ("bigint", "-7", -7),
        ("int", "+007", 7),
        ("double", "1.5", 1.5),
        ("float", "2", 2.0),
        ("boolean", "True", True),
        ("timestamp", "1579059880000", datetime(2020, 1, 15, 3, 44, 40)),
        ("timestamp", "-1", datetime(1969, 12, 31, 23, 59, 59, 999000)),
        ("date", "18276", date(2020, 1, 15)),
        ("varchar(2)", "abc", "ab"),
    ],
)
def test_values(glue_type: str, cell: str, value: Any) -> None:
    assert read(f'"{cell}","x"', {"a": glue_type, "b": "string"}) == [(value, "x")]
    assert read("\n", {"b": "string", "a": glue_type}) == []
    assert read("x", {"b": "string", "a": glue_type}) == [("x", None)], "a missing cell is null"


@pytest.mark.parametrize(
    ("glue_type", "cell"),
    [
        ("bigint", ""),
        ("bigint", "7.5"),
        ("bigint", "seven"),
        ("int", "2147483648"),
        ("double", ""),
        ("boolean", "yes"),
        ("timestamp", "2025-01-01 00:00:00"),
        ("timestamp", ""),
        ("date", "2025-01-01"),
        ("timestamp", "9" * 30),
    ],
)
def test_bad_data_is_an_error_or_null_as_the_table_says(glue_type: str, cell: str) -> None:
    columns = {"a": glue_type, "b": "string"}
    with pytest.raises(BadDataError, match="column a: a cell is not a value of type") as caught:
        read(f'"{cell}","x"', columns)
    assert not cell or cell not in str(caught.value)
    assert read(f'"{cell}","x"', columns, {"use.null.for.invalid.data": "TRUE"}) == [(None, "x")]


def test_arrays_are_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"column a: OpenCSVSerDe has no array<int>"):
        read("u", {"a": "array<int>"})
    assert open_csv.read(b"x,u\n", {"a": "array<int>", "b": "string"}, ["b"], {}).to_pylist() == [{"b": "u"}]


def test_a_long_cell() -> None:
    long = "x" * 200_000
    assert read(f'"u1","{long}"\nu2,i2\n', TWO) == [("u1", long), ("u2", "i2")]


_CELL = st.text(st.characters(exclude_characters="\n\r\\\ufeff", codec="utf-8"), max_size=6)


@given(st.lists(st.tuples(_CELL, _CELL), max_size=5), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_what_other_writers_quote_is_read(rows: list[tuple[str, str]], quoting: Any) -> None:
    sink = io.StringIO()
    csv.writer(sink, quoting=quoting, lineterminator="\n").writerows(rows)
    assert read(sink.getvalue(), TWO) == rows


@given(st.lists(st.text(alphabet='ab,"\\ ', min_size=1, max_size=12), min_size=1, max_size=5))
def test_a_line_is_a_row_whatever_its_quotes(lines: list[str]) -> None:
    assert len(read("\n".join(lines), TWO)) == len(lines)


@given(st.text(alphabet='ab,"\\ ', max_size=14))
def test_the_short_way_reads_as_the_whole_walk(line: str) -> None:
    dialect = open_csv.CsvDialect(",", '"', "\\")
    walked = open_csv._Line(line, dialect, 20).cells()
    assert next(open_csv._rows([line], dialect, 20)) == walked
