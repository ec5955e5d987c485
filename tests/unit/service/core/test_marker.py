"""The marker: a token of 130 bits that survives in a description and leaves no trace in what is published."""

import string
from itertools import pairwise
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemas.operations import MARKER_MEMBER, OPERATIONS, RESOURCES
from schemas.records import Command
from service.core.job import jitter, marker
from service.core.marker import carried, identify, restamp, stable_id, stamp, strip, unquoted
from tests.support import builders as start

CROCKFORD = set(string.digits + string.ascii_uppercase) - set("ILOU")
LONGEST = 221
UNICODE = st.characters(codec="utf-8")
texts = st.text(UNICODE)
descriptions = st.text(UNICODE, max_size=LONGEST)
tokens = st.text(st.sampled_from(sorted(CROCKFORD)), min_size=26, max_size=26)
CREATE = OPERATIONS["CreateAudienceModel"]


def of(source: str, command_id: str) -> Command:
    return start.command(CREATE, source=source, id=command_id)


@given(texts, texts)
def test_a_marker_has_26_characters_of_crockfords_alphabet(source: str, command_id: str) -> None:
    token = marker(of(source, command_id))
    assert len(token) == 26
    assert set(token) <= CROCKFORD
    assert token == marker(of(source, command_id))


@given(texts, texts, texts, texts)
@example("a", "bc", "ab", "c")
@example("", "ab", "a", "b")
@example("1:a", "b", "1", ":ab")
@example("/s", "1:x", "/s1", ":x")
def test_distinct_commands_have_distinct_markers(one: str, two: str, three: str, four: str) -> None:
    assume((one, two) != (three, four))
    assert marker(of(one, two)) != marker(of(three, four))


@given(texts, st.data())
def test_no_split_of_one_text_shares_a_marker(text: str, data: st.DataObject) -> None:
    cuts = range(len(text) + 1)
    assert len({marker(of(text[:cut], text[cut:])) for cut in cuts}) == len(cuts)


def test_a_marker_never_changes_between_releases() -> None:
    """Commands that were issued by an older release are found by it."""
    assert marker(of("/shop", "c-1")) == "KS3KZYETHVKXTC650Z7TKTJZDK"


@given(descriptions, tokens)
@example("", "0" * 26)
@example(" leading", "0" * 26)
@example("trailing \n", "0" * 26)
@example(f"quoting [crml:{'1' * 26}]", "0" * 26)
def test_a_stamped_description_fits_and_is_restored(text: str, token: str) -> None:
    stamped = stamp({"name": "n", MARKER_MEMBER: text}, token)
    assert len(stamped[MARKER_MEMBER]) <= 255
    assert carried(stamped[MARKER_MEMBER]) == token
    assert strip(stamped) == {"name": "n", MARKER_MEMBER: text}


@given(tokens)
def test_a_request_without_description_carries_only_the_marker(token: str) -> None:
    assert stamp({}, token) == {MARKER_MEMBER: f"[crml:{token}]"}


@given(descriptions)
def test_a_description_of_somebody_else_is_left_alone(text: str) -> None:
    assume("[crml:" not in text)
    assert carried(text) == ""
    assert strip({MARKER_MEMBER: text}) == {MARKER_MEMBER: text}


@given(descriptions, texts, tokens, st.integers(0, 33))
def test_nothing_of_a_marker_is_left_where_aws_quotes_it_whole_or_in_part(
    text: str, after: str, token: str, cut: int
) -> None:
    assume("[crml:" not in text + after)
    stamped = f"{text} [crml:{token}]"
    part = stamped if cut == 33 else stamped[: len(text) + 7 + min(cut, 26)]
    assert unquoted(f"Value '{part}' at {after}") == f"Value '{text}' at {after}"
    assert unquoted(f"{part}...") == f"{text}..."
    assert unquoted(part) == text
    assert strip({"statusDetails": {"message": f"'{part}'", "statusCode": "C"}}) == {
        "statusDetails": {"message": f"'{text}'", "statusCode": "C"}
    }


@given(texts)
def test_a_text_without_a_marker_is_quoted_as_it_is(text: str) -> None:
    assume("[crml:" not in text)
    assert unquoted(text) == text


def nearly(token: str) -> list[str]:
    return [
        f"[crml:{token}] ",
        f"[crml:{token}]\n",
        f"[crml:{token}].",
        f"[crml:{token[:-1]}]",
        f"[crml:{token}0]",
        f"[crml:{token.lower()}x]",
        f"[crml:{token[:-1]}U]",
        f"crml:{token}",
        f"[CRML:{token}]",
    ]


@given(tokens)
def test_what_nearly_is_a_marker_is_none(token: str) -> None:
    assert [carried(text) for text in nearly(token)] == [""] * len(nearly(token))
    assert carried(None) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=12,
)


@given(json_values)
def test_stripping_changes_nothing_else(value: Any) -> None:
    assert strip(value) == value


@given(descriptions, descriptions, tokens)
def test_an_update_keeps_the_marker_of_the_creation(old: str, new: str, token: str) -> None:
    present = stamp({MARKER_MEMBER: old}, token)
    updated = restamp({MARKER_MEMBER: new, "minMatchingSeedSize": 25}, present)
    assert carried(updated[MARKER_MEMBER]) == token
    assert strip(updated) == {MARKER_MEMBER: new, "minMatchingSeedSize": 25}


@given(descriptions, tokens)
def test_an_update_of_other_members_or_of_unmarked_resources_stays_as_it_is(text: str, token: str) -> None:
    assert restamp({"a": 1}, stamp({MARKER_MEMBER: text}, token)) == {"a": 1}
    assume("[crml:" not in text)
    assert restamp({MARKER_MEMBER: "new"}, {MARKER_MEMBER: text}) == {MARKER_MEMBER: "new"}
    assert restamp({MARKER_MEMBER: "new"}, {}) == {MARKER_MEMBER: "new"}


@given(st.integers(0, 10**6), texts)
def test_jitter_is_a_fraction_that_a_replay_repeats(number: int, command_id: str) -> None:
    command = of("/shop", command_id)
    assert 0.0 <= jitter(command, number) < 1.0
    assert jitter(command, number) == jitter(command, number)


def test_jitter_spreads() -> None:
    spread = sorted(jitter(of("/shop", f"c-{number}"), 1) for number in range(1000))
    assert max(after - before for before, after in pairwise(spread)) < 0.02


@given(tokens)
def test_a_resource_is_identified_by_its_arn_or_by_its_marker(token: str) -> None:
    for resource in RESOURCES.values():
        described = stamp({resource.identity: "arn:1"} if resource.identity else {}, token)
        assert identify(resource, described) == ("arn:1" if resource.identity else stable_id(resource, token))
        assert identify(resource, {}) == ""
