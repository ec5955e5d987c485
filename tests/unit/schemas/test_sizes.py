"""Nothing that comes in makes what can't be written: texts are cut, results keep their names, records are measured."""

from typing import Any

import msgspec
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from schemas import sizes
from schemas.sizes import MAX_KEPT_REPLY, MAX_SHORT_MEMBER, essentials, kept, printable, record_size, shortened


@given(st.text(), st.integers(1, 50))
def test_a_text_is_cut_to_its_limit_and_shows_it(text: str, limit: int) -> None:
    cut = shortened(text, limit)
    assert len(cut) <= limit
    assert cut == text if len(text) <= limit else cut[:-1] == text[: limit - 1] and cut.endswith("…")


@given(st.text(), st.integers(1, 50))
def test_a_printable_text_has_one_line_and_nothing_to_obey(text: str, limit: int) -> None:
    found = printable(text, limit)
    assert found.isprintable()
    assert len(found) <= limit


def test_what_cannot_be_printed_is_a_question_mark() -> None:
    assert printable("a\r\n\x1b[2J\u202eb", 99) == "a???[2J?b"


def test_the_short_members_of_a_description() -> None:
    arn = "arn:" + "x" * 2_044
    description = {
        "audienceModelArn": arn,
        "status": "ACTIVE",
        "count": 3,
        "none": None,
        "long": "x" * MAX_SHORT_MEMBER,
        "list": ["a"],
        "map": {"a": "b"},
    }
    assert essentials(description) == {"audienceModelArn": arn, "status": "ACTIVE", "count": 3, "none": None}


def test_a_member_is_measured_as_it_is_written() -> None:
    assert essentials({"a": "\u0001" * 400}) == {}  # six bytes each
    assert essentials({"a": "x" * 400}) == {"a": "x" * 400}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=3_000),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=20), inner, max_size=6),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=20), json_values, max_size=8))
def test_a_kept_result_has_all_members_and_is_short(result: dict[str, Any]) -> None:
    found = kept(result)
    assert set(found) == set(result)
    least = sum(len(msgspec.json.encode(name)) + CUT for name in _names(found))
    assert len(msgspec.json.encode(found)) <= MAX_KEPT_REPLY + least + CUT


CUT = 256
"""More bytes than a text has that was cut, and what stands around it."""


def _names(value: Any) -> list[str]:
    """Members outside of lists: those are never left out."""
    return [*value, *(name for each in value.values() for name in _names(each))] if isinstance(value, dict) else []


def test_a_short_result_is_kept_as_it_is() -> None:
    result = {"audienceModelArn": "a", "tags": {"k": "v"}, "list": [1, 2, {"x": None}]}
    assert kept(result) == result


def test_of_a_long_result_the_lists_end_early_and_long_texts_are_cut_last() -> None:
    result = {"names": [f"{number:04}" for number in range(2_000)], "policy": "p" * 9_000, "arn": "arn:aws:x"}
    found = kept(result)
    assert found["arn"] == "arn:aws:x"
    assert found["policy"] == "p" * 39 + "…"
    assert found["names"] == result["names"][: len(found["names"])]
    assert 100 < len(found["names"]) < 2_000


def test_what_a_command_is_wrapped_into_has_room() -> None:
    """A job record holds a command and its reply's result."""
    for most in (1000, sizes.MAX_VALUE):
        assert sizes.largest_record(most) >= sizes.largest_command(most) + most
        assert sizes.largest_command(most) > most


headers = st.lists(st.tuples(st.text(max_size=300), st.none() | st.binary(max_size=300)), max_size=5)


@given(st.none() | st.binary(max_size=300), st.none() | st.binary(max_size=70_000), headers)
def test_a_record_is_no_larger_in_a_batch_of_its_own(
    key: bytes | None, value: bytes | None, pairs: list[tuple[str, bytes | None]]
) -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=1,
        producer_id=1,
        producer_epoch=1,
        base_sequence=1,
        batch_size=10**9,
    )
    builder.append(0, 1_700_000_000_000, key, value, pairs)
    written, measured = len(builder.build()), record_size(key, value, tuple(pairs))
    assert written <= measured <= written + 32


@pytest.mark.parametrize(("key", "value"), [(None, None), (b"", b""), (b"k", None)])
def test_nothing_has_a_size_too(key: bytes | None, value: bytes | None) -> None:
    assert record_size(key, value, ()) > 61
