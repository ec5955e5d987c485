"""What an operator sees of dead letters: nothing in one moves the cursor or passes for our own words."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from schemas import events
from service.cli.console import printable
from service.cli.dlq_output import as_json, row, show_letter, show_list, show_replay, size, source
from service.operator.dead_letters.dead_letter import DeadLetter
from service.operator.dead_letters.replay import ReplayResult

NOW = 1_700_000_000.0
EVIL = "\x1b[2J\r\n\u202e[red]x[/]"


def letter(key: bytes | None = b"key", value: bytes | None = b"canary", reason: str = "TooLarge") -> DeadLetter:
    place = events.RecordPosition("commands", 3, 7)
    headers = (("ce_id", b"c-1"), ("mine", None))
    made = events.dead_letter(key, value, headers, reason=reason, message=EVIL, position=place, now=NOW)
    return DeadLetter(1, 2, NOW, made.key, made.value, made.headers)


class Screen:
    def __init__(self) -> None:
        self.file = io.StringIO()
        self.console = Console(file=self.file, width=200)

    @property
    def text(self) -> str:
        return self.file.getvalue()


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, ""),
        (b"plain \xc3\xa9", "plain é"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\ud800", "\\ud800"),
        ("😀", "😀"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(content: bytes | str | None, wanted: str) -> None:
    assert printable(content) == wanted


def test_line_breaks_may_be_kept() -> None:
    assert printable("a\nb\x07", keep="\n") == "a\nb\\x07"


@pytest.mark.parametrize(("count", "wanted"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB")])
def test_sizes_for_people(count: int, wanted: str) -> None:
    assert size(count) == wanted


def test_a_line_for_programs_has_no_value() -> None:
    line = as_json(letter())
    assert "canary" not in line
    assert "\n" not in line
    found = json.loads(line)
    assert (found["partition"], found["offset"], found["source_partition"], found["source_offset"]) == (1, 2, 3, "7")
    assert (found["reason"], found["command_id"], found["key"], found["size"]) == ("TooLarge", "c-1", "key", 6)
    assert json.loads(as_json(letter(key=None)))["key"] is None


def test_where_a_letter_is_from_as_far_as_it_says() -> None:
    assert source(letter()) == "commands/3/7"
    assert source(DeadLetter(0, 0, NOW, None, None, ())) == "?/?/?"


def test_a_row_is_short_and_harmless() -> None:
    cells = [str(cell) for cell in row(letter(key=EVIL.encode() * 50, reason=EVIL))]
    assert cells[:2] == ["1 2", "2023-11-14 22:13:20"]
    assert all(cell.isprintable() and len(cell) <= 60 for cell in cells)
    assert cells[4].endswith("…")
    assert str(row(letter(value=None))[-1]) == "none"


def test_a_list_says_how_many_there_are() -> None:
    screen = Screen()
    show_list(screen.console, [row(letter())], 3, "dead")
    assert "the latest 1 of 3 dead letters in dead" in screen.text
    assert "[red]" not in screen.text.replace("[red]x[/]", "")
    screen = Screen()
    show_list(screen.console, [row(letter())], 1, "dead")
    assert "1 dead letter in dead" in screen.text
    screen = Screen()
    show_list(screen.console, [], 0, "dead")
    assert screen.text == "No dead letters in dead match.\n"


@pytest.mark.parametrize("value", [True, False])
def test_a_value_is_shown_only_when_it_is_asked_for(value: bool) -> None:
    screen = Screen()
    show_letter(screen.console, letter(), value=value)
    assert ("canary" in screen.text) == value
    assert ("--value prints it" in screen.text) != value
    assert "\x1b" not in screen.text
    assert "[red]x[/]" in screen.text, "it is no markup"
    assert "(null)" in screen.text
    assert "headers (2 of the original)" in screen.text


def test_a_letter_without_a_value_says_so() -> None:
    screen = Screen()
    show_letter(screen.console, letter(key=None, value=None), value=True)
    assert screen.text.count("(none)") == 2
    assert "--value" not in screen.text


@pytest.mark.parametrize(
    ("applied", "words"), [(True, "     2  sent to commands"), (False, "     2  would go to commands")]
)
def test_what_was_or_would_be_sent_back(applied: bool, words: str) -> None:
    outcome, screen = ReplayResult(), Screen()
    outcome.sent["commands"] += 2
    outcome.skipped[EVIL] += 1
    show_replay(screen.console, outcome, applied=applied)
    assert words in screen.text
    assert "\x1b" not in screen.text
    assert ("Nothing was sent; --apply sends." in screen.text) != applied


def test_nothing_to_send_back() -> None:
    screen: Any = Screen()
    show_replay(screen.console, ReplayResult(), applied=True)
    assert screen.text == "No dead letters match.\n"
