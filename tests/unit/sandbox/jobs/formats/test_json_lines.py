"""The JSON SerDes: coercions, names, malformed lines. Right values: Athena's user guide, the SerDes' own pages."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jobs.formats import json_lines
from sandbox.jobs.formats.types import UnreadableError, UnsupportedTypeError

READERS = {"openx": json_lines.read_openx, "hive": json_lines.read_hive}
BOTH = pytest.mark.parametrize("serde", READERS)


def read(
    serde: str, body: str | bytes, columns: dict[str, str], settings: dict[str, str] | None = None
) -> list[tuple[Any, ...]]:
    data = body.encode() if isinstance(body, str) else body
    table = READERS[serde](data, columns, list(columns), settings or {})
    return [tuple(row.values()) for row in table.to_pylist()]


def value(serde: str, glue_type: str, text: str, settings: dict[str, str] | None = None) -> Any:
    ((found,),) = read(serde, f'{{"a": {text}}}\n', {"a": glue_type}, settings)
    return found


@pytest.mark.parametrize("settings", [{}, {"ignore.malformed.json": "true"}])
def test_a_file_that_is_one_array_of_records_is_refused(settings: dict[str, str]) -> None:
    """Each record would be a column of one row: one user, and the others gone without a word."""
    body = '[{"a": "u1"}, {"a": "u2"}]\n'
    with pytest.raises(UnreadableError, match="line 1 of the data is an array of objects"):
        read("openx", body, {"a": "string"}, settings)
    assert read("openx", '["u1", {"x": 1}]\n', {"a": "string", "b": "string"}) == [("u1", '{"x":1}')]


@BOTH
@pytest.mark.parametrize(
    ("glue_type", "text", "expected"),
    [
        ("string", '"u1"', "u1"),
        ("string", "7", "7"),
        ("string", "12345678901234567890123", "12345678901234567890123"),
        ("string", "1.50", "1.50"),
        ("string", "-0", "-0"),
        ("bigint", "-0", 0),
        ("double", "-0", 0.0),
        ("string", "true", "true"),
        ("string", "null", None),
        ("string", '"null"', "null"),
        ("string", '"u0\\u0000"', "u0\0"),
        ("string", '"\\ud83d\\ude00"', "😀"),
        ("varchar(2)", '"abc"', "ab"),
        ("bigint", "7", 7),
        ("bigint", "7.0", 7),
        ("bigint", "7e3", 7000),
        ("tinyint", "-128", -128),
        ("double", "7", 7.0),
        ("double", "1e-3", 0.001),
        ("float", "0.5", 0.5),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("boolean", '"TRUE"', True),
        ("boolean", '"yes"', False),
        ("boolean", "1", False),
        ("timestamp", '"2025-01-02 03:04:05.5"', datetime(2025, 1, 2, 3, 4, 5, 500000)),
        ("timestamp", '"2025-01-02T03:04:05"', datetime(2025, 1, 2, 3, 4, 5)),
        ("date", '"2025-01-02"', date(2025, 1, 2)),
        ("decimal(5,2)", "1.005", Decimal("1.01")),
        ("decimal(5,2)", '"12"', Decimal(12)),
        ("array<string>", '["x", null, 7]', ["x", None, "7"]),
        ("array<int>", "[]", []),
        ("array<array<int>>", "[[1], []]", [[1], []]),
    ],
)
def test_what_both_make_of_a_value(serde: str, glue_type: str, text: str, expected: Any) -> None:
    assert value(serde, glue_type, text) == expected


@pytest.mark.parametrize(
    ("glue_type", "text", "expected"),
    [
        ("bigint", '"7"', 7),
        ("bigint", '"-7.0"', -7),
        ("bigint", '"0x1F"', 31),
        ("bigint", '"010"', 8),
        ("double", '"1.5"', 1.5),
        ("double", '"NaN"', "nan"),
        ("double", "NaN", "nan"),
        ("double", '"Infinity"', float("inf")),
        ("string", '{"b": [1, "é"]}', '{"b":[1,"é"]}'),
        ("string", "1e3", "1E+3"),
        ("string", '{"b": 1.50}', '{"b":1.50}'),
        ("string", "[1.5, -0.25, 7]", "[1.5,-0.25,7]"),
        ("string", '{"b": {"c": [0.1, [2.0]]}}', '{"b":{"c":[0.1,[2.0]]}}'),
        ("string", "[12345678901234567890.123456789012345]", "[12345678901234567890.123456789012345]"),
        ("string", "[123456789012345678901234567890]", "[123456789012345678901234567890]"),
        ("string", "[1e400, 1E-400]", "[1E+400,1E-400]"),
        ("string", '["1.5", "x\\"y", "\\n", true, null, {}]', '["1.5","x\\"y","\\n",true,null,{}]'),
        ("string", '{"1.5": 1.5, "é": []}', '{"1.5":1.5,"é":[]}'),
        ("array<string>", '[{"b": 1.5}, 2.50]', ['{"b":1.5}', "2.50"]),
        ("boolean", '{"b": 1}', False),
        ("boolean", "[true]", False),
        ("timestamp", "1735689600", datetime(2025, 1, 1)),
        ("timestamp", '"1735689600"', datetime(2025, 1, 1)),
        ("timestamp", "1735689600123", datetime(2025, 1, 1, 0, 0, 0, 123000)),
        ("timestamp", "1735689600.5", datetime(2025, 1, 1, 0, 0, 0, 500000)),
        ("timestamp", "1.7356896e9", datetime(2025, 1, 1)),
        ("timestamp", "1.7356896005E9", datetime(2025, 1, 1, 0, 0, 0, 500000)),
        ("timestamp", "1.7356896e12", datetime(2025, 1, 1)),
        ("timestamp", '"17356896e2"', datetime(2025, 1, 1)),
        ("string", "1e2", "1E+2"),
        ("string", "1.10", "1.10"),
        ("string", "15e-8", "1.5E-7"),
        ("string", "-2.50e1", "-25.0"),
        ("string", "1e300", "1E+300"),
        ("string", "[1e2, -0]", "[1E+2,-0]"),
        ("timestamp", '"2025-01-01T00:00:00Z"', datetime(2025, 1, 1)),
        ("timestamp", '"2025-01-01T02:00:00+0200"', datetime(2025, 1, 1)),
        ("timestamp", '"2024-12-31T19:00:00.25-05:00"', datetime(2025, 1, 1, 0, 0, 0, 250000)),
        ("date", "20089", date(2025, 1, 1)),
        ("array<string>", '"x"', ["x"]),
        ("array<string>", '""', None),
        ("array<int>", "7", [7]),
    ],
)
def test_what_openx_coerces(glue_type: str, text: str, expected: Any) -> None:
    found = value("openx", glue_type, text)
    assert str(found) == "nan" if expected == "nan" else found == expected


@pytest.mark.parametrize(("glue_type", "text", "expected"), [("bigint", "7.9", 7), ("int", "-7.9", -7)])
def test_what_hive_coerces(glue_type: str, text: str, expected: Any) -> None:
    assert value("hive", glue_type, text) == expected


@pytest.mark.parametrize(
    ("serde", "glue_type", "text"),
    [
        ("openx", "bigint", "7.5"),
        ("openx", "bigint", '"seven"'),
        ("openx", "bigint", '""'),
        ("openx", "bigint", '"08"'),
        ("openx", "bigint", "true"),
        ("openx", "bigint", "[7]"),
        ("openx", "int", "2147483648"),
        ("openx", "bigint", "1e30"),
        ("openx", "double", '"1,5"'),
        ("openx", "timestamp", '"yesterday"'),
        ("openx", "timestamp", '{"at": 1}'),
        ("openx", "decimal(3,2)", "10"),
        ("openx", "array<int>", '["x"]'),
        ("hive", "bigint", '"7"'),
        ("hive", "bigint", "true"),
        ("hive", "int", "2147483648"),
        ("hive", "double", '"1.5"'),
        ("hive", "string", '{"b": 1}'),
        ("hive", "boolean", "[true]"),
        ("hive", "timestamp", "1735689600"),
        ("hive", "timestamp", '"2025-01-01T00:00:00Z"'),
        ("hive", "array<string>", '"x"'),
        ("hive", "double", "NaN"),
    ],
)
def test_what_is_refused_names_line_and_column_and_no_value(serde: str, glue_type: str, text: str) -> None:
    body = f'{{"a": null}}\n{{"a": {text}}}\n'
    with pytest.raises(ValueError, match="line 2 of the data") as caught:
        read(serde, body, {"a": glue_type})
    assert text.strip('"') not in str(caught.value) or text == '""'
    if serde == "openx" and "[" not in text:
        assert read(serde, body, {"a": glue_type}, {"use.null.for.invalid.data": "true"}) == [(None,), (None,)]


@BOTH
def test_names_are_compared_without_regard_to_case(serde: str) -> None:
    body = '{"User_ID": "u1", "ITEM": 7, "more": {"x": 1}}\n{"user_id": "u2"}\n{}\n'
    assert read(serde, body, {"user_id": "string", "item": "bigint"}) == [("u1", 7), ("u2", None), (None, None)]


@BOTH
@pytest.mark.parametrize("line", ['{"a": 1, "a": 2}', '{"a": 1, "A": 2}', '{"a": 1, "x": {"y": 1, "y": 2}}'])
def test_a_key_that_occurs_twice_is_refused(serde: str, line: str) -> None:
    with pytest.raises(ValueError, match="line 2 of the data is not one JSON object whose keys differ"):
        read(serde, '{"a": 0}\n' + line, {"a": "int"})


@pytest.mark.parametrize(
    ("settings", "line", "row"),
    [
        ({"mapping.ts": "timestamp"}, '{"timestamp": "x", "ts": "y"}', ("x", None)),
        ({"mapping.ts": "TimeStamp"}, '{"timestamp": "x"}', ("x", None)),
        ({"case.insensitive": "false", "mapping.ts": "Ts"}, '{"Ts": "x", "TS": "y", "key_name": "z"}', ("x", "z")),
        ({"case.insensitive": "FALSE"}, '{"Ts": "x", "KEY_NAME": "y"}', (None, None)),
        ({"dots.in.keys": "true"}, '{"key.name": "x"}', (None, "x")),
        ({"dots.in.keys": "true"}, '{"Key.Name": "x", "key_name": "y"}', (None, "y")),
        ({}, '{"key.name": "x"}', (None, None)),
        ({}, '["x", "y", "z"]', ("x", "y")),
        ({}, '["x"]', ("x", None)),
    ],
)
def test_where_openx_finds_a_column(settings: dict[str, str], line: str, row: tuple[Any, ...]) -> None:
    assert read("openx", line, {"ts": "string", "key_name": "string"}, settings) == [row]


MALFORMED = [
    '{"a": "x"',
    '{"a": "x"} {"a": "y"}',
    '{"a": "x"} more',
    "x",
    '"x"',
    "7",
    "{'a': 'x'}",
    "{",
    "}",
    '{"a": ' + "[" * 5000,
    '{"a": ' + "9" * 5000 + "}",
    '{"a": "x\t"}',
]


@BOTH
@pytest.mark.parametrize("line", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_line_is_an_error_and_no_other_is_swallowed(serde: str, line: str) -> None:
    body = f'{{"a": "u1"}}\n{line}\n{{"a": "u3"}}\n'
    with pytest.raises(ValueError, match="line 2 of the data is not one JSON object"):
        read(serde, body, {"a": "string"})
    if serde == "openx":
        rows = read(serde, body, {"a": "string"}, {"ignore.malformed.json": "TRUE"})
        assert rows == [("u1",), (None,), ("u3",)]


@BOTH
def test_bytes_that_are_not_utf_8_are_refused(serde: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read(serde, b'{"a": "u1"}\n{"a": "u\xff"}\n', {"a": "string"})
    with pytest.raises(ValueError, match="surrogate"):
        read(serde, b'{"a": "u\\ud800"}\n', {"a": "string"})


@pytest.mark.parametrize("text", ['"\\ud800"', '{"b": "\\udc00"}', '["\\ud800x"]', '{"\\ud800": 1}'])
def test_half_a_surrogate_pair_is_refused_wherever_it_is(text: str) -> None:
    with pytest.raises(ValueError, match="line 1 of the data, column a: the text has half a surrogate pair"):
        value("openx", "string", text)
    assert value("openx", "string", text, {"use.null.for.invalid.data": "true"}) is None


@BOTH
def test_blank_lines_marks_and_ends_of_lines(serde: str) -> None:
    body = '\ufeff{"a": "u1"}\r\n \r\n\r\n\t{"a": "u2"} \r{"a": "u3\u2028"}'
    assert read(serde, body, {"a": "string"}) == [("u1",), ("u2",), ("u3\u2028",)]
    assert read(serde, '"head"\n{"a": "u1"}', {"a": "string"}, {"skip.header.line.count": "1"}) == [("u1",)]
    assert read(serde, " \n", {"a": "string"}) == []


@BOTH
def test_a_line_of_megabytes(serde: str) -> None:
    long = json.dumps({"rest": "x" * 5_000_000, "a": "u1"})
    assert read(serde, f'{long}\n{{"a": "u2"}}\n', {"a": "string"}) == [("u1",), ("u2",)]


@pytest.mark.parametrize("serde", READERS)
def test_formats_of_timestamps(serde: str) -> None:
    settings = {"timestamp.formats": "dd.MM.yyyy HH:mm,millis"}
    body = '{"a": "02.01.2025 03:04"}\n{"a": "2025-01-02 03:04:00"}\n'
    assert read(serde, body, {"a": "timestamp"}, settings) == [(datetime(2025, 1, 2, 3, 4),)] * 2
    assert value("hive", "timestamp", "1735689600000", settings) == datetime(2025, 1, 1)


@BOTH
def test_types_that_are_not_read_are_refused_only_where_they_are_asked_for(serde: str) -> None:
    columns = {"a": "struct<b:int>", "b": "string"}
    with pytest.raises(UnsupportedTypeError):
        read(serde, '{"a": {"b": 1}, "b": "u"}', columns)
    assert READERS[serde](b'{"a": {"b": 1}, "b": "u"}', columns, ["b"], {}).to_pylist() == [{"b": "u"}]


@BOTH
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b"]), st.none() | st.text(st.characters(codec="utf-8"))),
        max_size=4,
    )
)
def test_what_json_writes_is_read(serde: str, rows: list[dict[str, str | None]]) -> None:
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    assert read(serde, body, {"a": "string", "b": "string"}) == [(row.get("a"), row.get("b")) for row in rows]
