"""LazySimpleSerDe: what each cell becomes, and how many rows there are. Right values: the guides of Hive and Athena."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jobs.formats import lazy_simple
from sandbox.jobs.formats.types import UnsupportedTypeError

COMMA = {"field.delim": ","}


def read(body: str | bytes, columns: dict[str, str], settings: dict[str, str] | None = None) -> list[tuple[Any, ...]]:
    data = body.encode() if isinstance(body, str) else body
    table = lazy_simple.read(data, columns, list(columns), COMMA if settings is None else settings)
    return [tuple(row.values()) for row in table.to_pylist()]


TWO = {"a": "string", "b": "string"}


@pytest.mark.parametrize(
    ("body", "settings", "rows"),
    [
        # quotes are text: no cell is cut, no line is swallowed
        ('"u1","i,1"\n', COMMA, [('"u1"', '"i')]),
        ('u1,5" disc\nu2,"\nu3,i\n', COMMA, [("u1", '5" disc'), ("u2", '"'), ("u3", "i")]),
        # short and long lines
        ("u1\nu2,i2,more,and more\n", COMMA, [("u1", None), ("u2", "i2")]),
        ("u1,\n,i2\n,\n", COMMA, [("u1", ""), ("", "i2"), ("", "")]),
        # the separator
        ("u1\x01i1\n", {}, [("u1", "i1")]),
        ("u1,i1\n", {}, [("u1,i1", None)]),
        ("u1\ti1\n", {"field.delim": "\t"}, [("u1", "i1")]),
        ("u1\ti1\n", {"field.delim": "\\t"}, [("u1", "i1")]),
        ("u1\ti1\n", {"field.delim": "9"}, [("u1", "i1")]),
        ("u1\x01i1\n", {"field.delim": "\\001"}, [("u1", "i1")]),
        ("u1\x01i1\n", {"field.delim": "\\u0001"}, [("u1", "i1")]),
        ("u1|i1\n", {"serialization.format": "|"}, [("u1", "i1")]),
        ("u1\x01i1\n", {"serialization.format": "1"}, [("u1", "i1")]),
        ("u1|i,1\n", {"serialization.format": ",", "field.delim": "|"}, [("u1", "i,1")]),
        ("u1;i1\n", {"delimiter": ";"}, [("u1", "i1")]),
        ("u1·i1\n", {"field.delim": "·"}, [("u1", "i1")]),
        # escapes
        ("u\\,1,i\\\\1\n", COMMA, [("u\\", "1")]),
        ("u\\,1,i\\\\1\n", COMMA | {"escape.delim": "\\"}, [("u,1", "i\\1")]),
        ("u\\,1,i\\\\1\n", COMMA | {"escape.delim": ""}, [("u,1", "i\\1")]),
        ("u^,1,i^\n", COMMA | {"escape.delim": "^"}, [("u,1", "i^")]),
        # null
        ("\\N,i1\nu2,\\N\n", COMMA, [(None, "i1"), ("u2", None)]),
        ("\\N,NULL\n", COMMA | {"serialization.null.format": "NULL"}, [("\\N", None)]),
        ("u1,\n", COMMA | {"serialization.null.format": ""}, [("u1", None)]),
        ("\\N,\\\\N\n", COMMA | {"escape.delim": "\\"}, [(None, "\\N")]),
        # ends of lines, empty lines, marks
        ("u1,i1\r\nu2,i2\r\n", COMMA, [("u1", "i1"), ("u2", "i2")]),
        ("u1,i1\ru2,i2", COMMA, [("u1", "i1"), ("u2", "i2")]),
        ("u1,i1\n\n\nu2,i2\n\n", COMMA, [("u1", "i1"), ("u2", "i2")]),
        ("\ufeffu1,i1\n", COMMA, [("u1", "i1")]),
        ("", COMMA, []),
        ("u1,i1\u2028\x0b\x0c\x85\n", COMMA, [("u1", "i1\u2028\x0b\x0c\x85")]),
        ("u0\0,i1\nu0,i1\n", COMMA, [("u0\0", "i1"), ("u0", "i1")]),
        # headers and footers
        (
            "a,b\nu1,i1\n2 rows,\n",
            COMMA | {"skip.header.line.count": "1", "skip.footer.line.count": "1"},
            [("u1", "i1")],
        ),
        ("a,b\n", COMMA | {"skip.header.line.count": "3"}, []),
        ("a,b\n", COMMA | {"skip.header.line.count": "1", "skip.footer.line.count": "1"}, []),
    ],
)
def test_cells(body: str, settings: dict[str, str], rows: list[tuple[Any, ...]]) -> None:
    assert read(body, TWO, settings) == rows


@pytest.mark.parametrize(
    ("glue_type", "cell", "value"),
    [
        ("int", "7", 7),
        ("int", "+7", 7),
        ("int", "-07", -7),
        ("int", "7.9", 7),
        ("int", "-7.9", -7),
        ("int", "7.", 7),
        ("int", ".9", 0),
        ("int", "2147483648", None),
        ("int", "-2147483648", -2147483648),
        ("tinyint", "128", None),
        ("smallint", "-32769", None),
        ("bigint", "9223372036854775807", 9223372036854775807),
        ("bigint", "9223372036854775808", None),
        ("bigint", "", None),
        ("bigint", " 7", None),
        ("bigint", "0x10", None),
        ("bigint", "1e3", None),
        ("bigint", "1_000", None),
        ("bigint", "٧", None),
        ("bigint", '"7"', None),
        ("bigint", "-", None),
        ("double", "1.5", 1.5),
        ("double", "-1.5e3", -1500.0),
        ("double", " 1.5 ", 1.5),
        ("double", "1.5f", 1.5),
        ("double", ".5", 0.5),
        ("double", "Infinity", float("inf")),
        ("double", "inf", None),
        ("double", "1,5", None),
        ("double", "", None),
        ("float", "0.25", 0.25),
        ("boolean", "TRUE", True),
        ("boolean", "false", False),
        ("boolean", "1", None),
        ("boolean", "t", None),
        ("boolean", "", None),
        ("timestamp", "2025-01-02 03:04:05", datetime(2025, 1, 2, 3, 4, 5)),
        ("timestamp", "2025-01-02 03:04:05.123456789", datetime(2025, 1, 2, 3, 4, 5, 123456)),
        ("timestamp", "2025-01-02 03:04:05.5", datetime(2025, 1, 2, 3, 4, 5, 500000)),
        ("timestamp", "2025-1-2 3:4:5", datetime(2025, 1, 2, 3, 4, 5)),
        ("timestamp", "2025-01-02T03:04:05", datetime(2025, 1, 2, 3, 4, 5)),
        ("timestamp", "2025-01-02", datetime(2025, 1, 2)),
        ("timestamp", "1969-12-31 23:59:59.25", datetime(1969, 12, 31, 23, 59, 59, 250000)),
        ("timestamp", "2025-02-30 00:00:00", None),
        ("timestamp", "1735689600", None),
        ("timestamp", "2025-01-02 03:04", None),
        ("timestamp", "", None),
        ("date", "2025-01-02", date(2025, 1, 2)),
        ("date", "2025-01-02 03:04:05", date(2025, 1, 2)),
        ("date", "20090", None),
        ("decimal(5,2)", "1.005", Decimal("1.01")),
        ("decimal(5,2)", "1000", None),
        ("decimal(38,0)", "9" * 38, Decimal("9" * 38)),
        ("decimal", "12.5", Decimal(13)),
        ("decimal(5,2)", "NaN", None),
        ("decimal(5,2)", "1_0", None),
        ("string", "7", "7"),
        ("string", "", ""),
        ("varchar(3)", "abcd", "abc"),
        ("char(4)", "ab  cd", "ab"),
    ],
)
@pytest.mark.parametrize("neighbour", ["1", "x", "2025-01-01 00:00:00"])
def test_values(glue_type: str, cell: str, value: Any, neighbour: str) -> None:
    """A value is the same whatever stands in the other rows."""
    body = f"{cell}|x\n{neighbour}|x\n"
    assert read(body, {"a": glue_type, "b": "string"}, {"field.delim": "|"})[0] == (value, "x")


@pytest.mark.parametrize(
    ("glue_type", "cell", "value"),
    [
        ("array<string>", "x\x02y", ["x", "y"]),
        ("array<string>", "x|y", ["x|y"]),
        ("array<string>", "", []),
        ("array<string>", "\\N", None),
        ("array<string>", "x\x02\\N\x02", ["x", None, ""]),
        ("array<int>", "1\x02two\x023", [1, None, 3]),
        ("array<decimal(3,1)>", "1.25", [Decimal("1.3")]),
    ],
)
def test_arrays(glue_type: str, cell: str, value: Any) -> None:
    assert read(f"u,{cell}\nv\n", {"a": "string", "b": glue_type}) == [("u", value), ("v", None)]


@pytest.mark.parametrize("name", ["collection.delim", "colelction.delim"])
def test_the_separator_of_arrays_and_its_old_spelling(name: str) -> None:
    settings = COMMA | {name: ":", "escape.delim": "\\"}
    assert read("x:y\\:z\n", {"a": "array<string>"}, settings) == [(["x", "y:z"],)]


@pytest.mark.parametrize(
    ("formats", "cell", "value"),
    [
        ("dd/MM/yyyy HH:mm", "31/12/2025 23:59", datetime(2025, 12, 31, 23, 59)),
        ("yyyy-dd-MM HH:mm:ss", "2025-05-01 00:00:00", datetime(2025, 1, 5)),
        ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2025-01-02T03:04:05.125Z", datetime(2025, 1, 2, 3, 4, 5, 125000)),
        ("yyyy-MM-dd HH:mm:ssZ", "2025-01-02 03:04:05+02:00", datetime(2025, 1, 2, 1, 4, 5)),
        ("millis", "1735689600123", datetime(2025, 1, 1, 0, 0, 0, 123000)),
        ("yyyyMMdd,millis", "20250102", datetime(2025, 1, 2)),
        ("MMM d\\, yyyy", "x", ValueError),
        ("d. M. yyyy", "2025-01-02 00:00:00", datetime(2025, 1, 2)),
        ("yyyyMMdd", "20251301", None),
    ],
)
def test_formats_of_timestamps(formats: str, cell: str, value: Any) -> None:
    settings = {"field.delim": "|", "timestamp.formats": formats}
    if value is ValueError:
        with pytest.raises(ValueError, match=r"MMM in .* is not supported"):
            read(cell, {"a": "timestamp"}, settings)
    else:
        assert read(cell, {"a": "timestamp"}, settings) == [(value,)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"field.delim": "||"}, "one character is supported"),
        ({"skip.header.line.count": "one"}, "not a number"),
        ({"skip.header.line.count": "-1"}, "not a number"),
    ],
)
def test_properties_that_are_not_supported(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read("u\n", TWO, settings)


@pytest.mark.parametrize(
    "glue_type", ["map<string,int>", "struct<a:int>", "array<array<int>>", "binary", "uniontype<int>"]
)
def test_types_that_are_not_read(glue_type: str) -> None:
    with pytest.raises(UnsupportedTypeError):
        read("u\n", {"a": glue_type})
    assert lazy_simple.read(b"x,u\n", {"a": glue_type, "b": "string"}, ["b"], COMMA).to_pylist() == [{"b": "u"}]


_CELL = st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=5)


@given(st.lists(st.tuples(_CELL, _CELL), max_size=5))
def test_what_is_written_with_escapes_is_read(rows: list[tuple[str, str]]) -> None:
    def written(cell: str) -> str:
        return "".join("\\" + each if each in "\\," else each for each in cell)

    body = "".join(f"{written(a)},{written(b)}\n" for a, b in rows)
    expected = [row for row in rows if not row[0].startswith("\ufeff")] == rows
    if expected:
        assert read(body, TWO, COMMA | {"escape.delim": "\\"}) == rows
