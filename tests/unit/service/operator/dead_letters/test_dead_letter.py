"""A letter is read as it lies there, whatever is in it; and an operator's words select letters."""

import pytest

from schemas import events
from service.operator.dead_letters.dead_letter import DeadLetter, Selection, moment, selection

NOW = 1_700_000_000.0
PLACE = events.RecordPosition("commands", 3, 7)
HEADERS = (("ce_id", b"c-1"), ("ce_source", b"/s"), ("content-type", b"application/json"), ("mine", None))


def letter(**more: object) -> DeadLetter:
    fields = {"reason": "TooLarge", "message": "é", "position": PLACE, "now": NOW} | more
    made = events.dead_letter(b"key", b"value", HEADERS, **fields)  # type: ignore[arg-type]
    return DeadLetter(1, 2, NOW + 60, made.key, made.value, made.headers)


def raw(*headers: tuple[str, bytes | None], value: bytes | None = b"v") -> DeadLetter:
    return DeadLetter(1, 2, NOW, b"k", value, headers)


def test_a_letter_tells_why_and_where_from_and_keeps_the_original() -> None:
    found = letter()
    place = (found.topic, found.source_partition, found.dlq_headers["offset"])
    assert (found.reason, *place) == ("TooLarge", "commands", 3, "7")
    assert found.dlq_headers["message"] == "é"
    assert found.original_headers == HEADERS
    assert (found.time, found.size) == (NOW, 5)


def test_of_a_letter_that_was_dead_before_the_last_headers_count() -> None:
    once = letter()
    again = events.dead_letter(
        once.key, once.value, once.headers, reason="New", message="", position=PLACE, now=NOW + 1
    )
    found = DeadLetter(0, 0, NOW, again.key, again.value, again.headers)
    assert (found.reason, found.time) == ("New", NOW + 1)
    assert found.original_headers == HEADERS


def test_what_somebody_else_wrote_into_the_topic_is_read_all_the_same() -> None:
    found = raw(("dlq_reason", b"\xff"), ("dlq_partition", b"three"), ("dlq_time", b"soon"), value=None)
    assert (found.reason, found.topic, found.source_partition) == ("\ufffd", "", None)
    assert (found.time, found.size, found.command_id) == (NOW, 0, "")


@pytest.mark.parametrize("number", [b"-1", b"", b"1e3", b"9" * 30, "²".encode()])
def test_what_is_no_partition_is_none(number: bytes) -> None:
    assert raw(("dlq_partition", number)).source_partition is None


def test_the_command_that_it_names() -> None:
    assert raw(("ce_id", b"c-1")).command_id == "c-1"
    assert raw().command_id == ""


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [
        (Selection(), True),
        (Selection(reasons=frozenset({"toolarge"})), True),
        (Selection(reasons=frozenset({"invalidjson"})), False),
        (Selection(since=NOW), True),
        (Selection(since=NOW + 1), False),
        (Selection(until=NOW), False),
        (Selection(until=NOW + 1), True),
        (Selection(key="key"), True),
        (Selection(key="other"), False),
        (Selection(topics=frozenset({"commands"})), True),
        (Selection(topics=frozenset({"other"})), False),
        (Selection(reasons=frozenset({"toolarge"}), key="other"), False),
    ],
)
def test_which_letters_are_meant(chosen: Selection, meant: bool) -> None:
    assert chosen.has(letter()) is meant


def test_a_key_that_is_no_text_can_be_meant() -> None:
    """As the shell gives it: surrogate escapes."""
    found = DeadLetter(0, 0, NOW, b"\xff", b"", ())
    assert Selection(key="\udcff").has(found)


def test_an_operators_words() -> None:
    found = selection(reason=["TooLarge", "x"], since="2h", until=None, key="k", topic=["t"], now=NOW)
    assert found == Selection(frozenset({"toolarge", "x"}), NOW - 7200, None, "k", frozenset({"t"}))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90s", NOW - 90),
        ("30m", NOW - 1800),
        ("7d", NOW - 604_800),
        ("0s", NOW),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T23:13:20+01:00", NOW),
    ],
)
def test_moments(text: str, wanted: float) -> None:
    assert moment(text, NOW) == wanted


@pytest.mark.parametrize("text", ["", "yesterday", "5", "-5s", "5 s", "5w", "1" * 10 + "s", "2025-02-30T00:00:00Z"])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write 2025-01-31T12:00:00Z, or how long ago it was"):
        moment(text, NOW)
