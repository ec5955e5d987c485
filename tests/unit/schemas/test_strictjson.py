"""Strict JSON: what is refused, what is not, and how long it takes."""

import contextlib
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import strictjson
from schemas.strictjson import JsonError, JsonLimits

MIB = 1 << 20

INVALID = {
    "empty": b"",
    "space": b" ",
    "invalid-utf8": b'{"a":"\xff"}',
    "overlong-utf8": b'{"a":"\xc0\xaf"}',
    "utf8-surrogate": b'{"a":"\xed\xa0\x80"}',
    "bom": b"\xef\xbb\xbf{}",
    "utf16": "{}".encode("utf-16"),
    "utf16le": "{}".encode("utf-16-le"),
    "utf16be": "{}".encode("utf-16-be"),
    "utf32": "{}".encode("utf-32-be"),
    "truncated": b'{"a":',
    "trailing": b"{} x",
    "two": b"{}{}",
    "trailing-comma": b"[1,]",
    "nan": b"[NaN]",
    "infinity": b"[Infinity]",
    "minus-infinity": b"[-Infinity]",
    "overflow": b"1e999",
    "minus-overflow": b"[-1e999]",
    "duplicate": b'{"a":1,"a":2}',
    "duplicate-escaped": b'{"a":1,"\\u0061":2}',
    "duplicate-deep": b'[{"x":{"a":1,"b":2,"a":1}}]',
    "lone-high": b'"\\ud800"',
    "lone-low": b'["\\uDFFF"]',
    "lone-name": b'{"\\ud800":1}',
    "lone-pair-reversed": b'"\\udc00\\ud800"',
    "integer-overflow": b"1" * 400,
    "confluent": b"\x00\x00\x00\x00\x2a{}",
    "leading-zero": b"01",
    "plus": b"+1",
    "hex": b"0x1",
    "control": b'"\x01"',
    "single-quotes": b"{'a':1}",
    "comment": b"{}//",
}


@pytest.mark.parametrize("value", INVALID.values(), ids=INVALID)
def test_what_readers_disagree_about_is_refused(value: bytes) -> None:
    with pytest.raises(JsonError) as caught:
        strictjson.loads(value)
    assert caught.value.code == "InvalidJson"
    assert caught.value.message in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [b"{}", b" [1, 2.5, -0, 1e3] ", b'"\\ud83d\\ude00"', b"18446744073709551615", b'{"a":{"a":1}}', b'"\\\\ud800"'],
)
def test_what_is_json_is_read(value: bytes) -> None:
    assert strictjson.loads(value) == json.loads(value)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (b"[" * 32 + b"]" * 32, True),
        (b"[" * 33 + b"]" * 33, False),
        (b'{"a":' * 33 + b"1" + b"}" * 33, False),
        (b"[" + b"1," * 1999 + b"1]", True),
        (b"[" + b"1," * 2000 + b"1]", False),
        (b"{" + b",".join(b'"%d":"x"' % number for number in range(2000)) + b"}", True),
        (b"{" + b",".join(b'"%d":"x"' % number for number in range(2001)) + b"}", False),
        (b'["' + b"[{,:" * 10_000 + b'"]', True),
        (b'["\\"' + b'[{,:\\"' * 10_000 + b'"]', True),
    ],
)
def test_structure_is_bounded_outside_strings(value: bytes, good: bool) -> None:
    if good:
        assert strictjson.loads(value) == json.loads(value)
    else:
        with pytest.raises(JsonError) as caught:
            strictjson.loads(value)
        assert caught.value.code == "TooLarge"


@pytest.mark.parametrize("value", [b"0." + b"1" * 100, b"-0." + b"0" * 4000 + b"1", b"1." + b"0" * 90 + b"e-3"])
def test_a_long_number_that_fits_a_double_is_read(value: bytes) -> None:
    assert strictjson.loads(value) == float(value)


@pytest.mark.parametrize("value", [b"18446744073709551616", b"-9223372036854775809", b"1" * 70, b"-" + b"9" * 300])
def test_an_integer_beyond_64_bits_is_a_double(value: bytes) -> None:
    found = strictjson.loads(value)
    assert isinstance(found, float)
    assert found == float(value)
    orjson.dumps(found)


@pytest.mark.parametrize("value", [b"0." + b"1" * 5000, b"1" * 5000])
def test_a_number_beyond_the_limit_is_too_large(value: bytes) -> None:
    with pytest.raises(JsonError) as caught:
        strictjson.loads(value)
    assert caught.value.code == "TooLarge"


def test_spared_members_may_have_lone_surrogates_and_others_not() -> None:
    assert strictjson.loads(b'{"a":"\\ud800"}', spared=("a",)) == {"a": "\ud800"}
    for value in (b'{"a":"\\ud800","b":"\\ud800"}', b'{"b":{"a":"\\ud800"}}', b'["\\ud800"]', b'{"\\ud800":""}'):
        with pytest.raises(JsonError, match="lone surrogate"):
            strictjson.loads(value, spared=("a",))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"\x00\x00\x00\x00\x2a{}", "Confluent schema registry (schema id 42)"),
        (b'\x00\x7f\x00\x00\x01{"a":1}', "Confluent schema registry (schema id 2130706433)"),
        (b"\x00\x00\x00\x01\x00\x02\x06foo", "Confluent schema registry (schema id 256)"),
        (b"\x01" + bytes(range(16)) + b"{}", "schema GUID 00010203-0405-0607-0809-0a0b0c0d0e0f"),
        (b"\x01" + b"\xff" * 16 + b"\x00\x02", "schema GUID ffffffff-ffff-ffff-ffff-ffffffffffff"),
        (b"\x03\x00" + b"u" * 16 + b"{}", "AWS Glue Schema Registry"),
        (b"\x03\x05" + b"u" * 16 + b"x\x9c", "AWS Glue Schema Registry"),
        ('{"a":1}'.encode("utf-16-be"), "UTF-16 or UTF-32"),
        ('{"a":1}'.encode("utf-32-be"), "UTF-16 or UTF-32"),
        ('{"a":1}'.encode("utf-16"), "UTF-16 or UTF-32"),
        ("[1]".encode("utf-16-le"), "UTF-16 or UTF-32"),
    ],
)
def test_what_a_serializer_has_made_of_it_is_named(value: bytes, named: str) -> None:
    with pytest.raises(JsonError) as caught:
        strictjson.loads(value)
    assert named in caught.value.message


def test_the_limits_can_be_set() -> None:
    assert strictjson.loads(b"[[1]]", JsonLimits(depth=2, values=2)) == [[1]]
    with pytest.raises(JsonError):
        strictjson.loads(b"[[1]]", JsonLimits(depth=1))
    with pytest.raises(JsonError):
        strictjson.loads(b"[1,2,3]", JsonLimits(values=2))


def _is_predicate(message: str) -> bool:
    return message.split(maxsplit=1)[0] in {"is", "has", "nests", "starts"}


@pytest.mark.parametrize(
    "value", [*INVALID.values(), b"[" * 40, b"[" + b"1," * 3000, b"1" * 5000, b'"', b'{"a"', b"{1"]
)
def test_a_message_is_a_predicate(value: bytes) -> None:
    """So that it can follow "it", "data" or the name of a member."""
    with pytest.raises(JsonError) as caught:
        strictjson.loads(value)
    assert _is_predicate(caught.value.message), caught.value.message


@given(st.binary(max_size=20) | st.text(alphabet='{}[]",:\\u0d8eE+-.truefalsnN', max_size=20).map(str.encode))
def test_whatever_is_refused_its_message_is_a_predicate(value: bytes) -> None:
    message = "is JSON"
    try:
        strictjson.loads(value)
    except JsonError as error:
        message = error.message
    assert _is_predicate(message), message


def test_content_is_not_told() -> None:
    for value in (b'{"secret value":1,"secret value":2}', b'{"a":secret}', b'["secret\x01"]', b'["secret'):
        with pytest.raises(JsonError) as caught:
            strictjson.loads(value)
        assert "secret" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


HOSTILE = {
    "deep": b"[" * MIB,
    "deep-objects": b'{"a":' * (MIB // 5),
    "many-names": b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}",
    "many-elements": b"[" + b"1," * (MIB // 2) + b"1]",
    "quotes": b'"' * MIB,
    "escaped-quotes": b'"' + b'\\"' * (MIB // 2),
    "backslashes": b'"' + b"\\" * MIB,
    "unterminated": b'"' + b"a" * MIB,
    "digits": b"1" * MIB,
    "fraction": b"0." + b"1" * MIB,
    "exponent": b"1e" + b"9" * MIB,
    "escapes": b'"' + b"\\n" * (MIB // 2) + b'"',
    "surrogates": b'"' + b"\\ud83d\\ude00" * (MIB // 12) + b'"',
    "spaces": b" " * MIB,
    "lines": b"\n" * MIB,
    "colons": b":" * MIB,
    "minus": b"-" * MIB,
    "zeros": b"\x00" * MIB,
    "commas-in-string": b'"' + b"a,[{" * (MIB // 4) + b'"',
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_documents_are_cheap(value: bytes) -> None:
    assert min(_seconds(value) for _ in range(3)) < 0.05


def _seconds(value: bytes) -> float:
    begun = time.process_time()
    with contextlib.suppress(JsonError):
        strictjson.loads(value)
    return time.process_time() - begun


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(_VALUES)
def test_what_is_written_is_read(value: Any) -> None:
    assert strictjson.loads(orjson.dumps(value)) == value
    assert strictjson.loads(json.dumps(value).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0dD8eE+-.1nta \n', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_and_never_more_widely_than_by_orjson(value: bytes) -> None:
    try:
        document = strictjson.loads(value)
    except JsonError:
        return
    assert orjson.loads(value) == document
