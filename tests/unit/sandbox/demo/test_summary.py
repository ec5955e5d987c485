"""The last screen: a run's outcome in words, within the terminal's width."""

import io
import re
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.datasets.movielens import Taste, seed_for
from sandbox.demo.calls import Calls
from sandbox.demo.records import EVENTS, REPLIES, Command, Record
from sandbox.demo.story import STEPS
from sandbox.demo.summary import FILES, DemoResult, asked, metrics_table, most_active, relevance, show
from sandbox.demo.timeline import Timeline
from tests.support.terminal import console, text

TASTE = Taste(1, "Fargo", seed=("1", "2", "3"), hidden=("4", "5", "6"))


METRICS = {
    "relevanceMetrics": [
        {"audienceSize": {"type": "PERCENTAGE", "value": 5}, "score": 0.71},
        {"audienceSize": {"type": "ABSOLUTE", "value": 90}, "score": 0.5},
    ],
    "recallMetric": 0.66,
}


def outcome(*, once: bool = True) -> DemoResult:
    commands = [Command(f"c-{n}", step.operation, {}, 100.0 + n) for n, step in enumerate(STEPS)]
    read = [
        Record(REPLIES, 100.5, {"type": "cleanroomsml.reply.succeeded"}, {"operation": STEPS[0].operation}),
        Record(EVENTS, 100.5, {"type": "cleanroomsml.x.created", "sequence": "1"}, {"status": "created"}),
    ]
    creating = Counter({step.operation: 1 for step in STEPS})
    if not once:
        creating["CreateAudienceModel"] = 2
    users = ["4", "7", "8", "5", "9", "10", "11"]
    lines = [f'{{"user_id": "{user}"}}' for user in users]
    calls = Calls(creating, Counter({"GetAudienceModel": 4}))
    return DemoResult(Timeline(commands, read), METRICS, users, lines, "s3://b/audiences/x", TASTE, calls, 12.0)


def test_the_last_screen_tells_everything_within_80_columns(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).touch()
    shown = console()
    show(shown, outcome(), Path("somewhere"))
    told = text(shown)
    assert max(map(len, told.splitlines())) <= 80
    assert "1 replies and 1 events" in told
    for step in STEPS:
        assert f"command  {step.operation}" in told
    assert re.search(r" 5 %\s+0\.71  █{21}\n", told)
    assert re.search(r" 90\s+0\.50  █{15}\n", told)
    assert "Recall 0.66" in told
    assert re.search(r'1  \{"user_id": "4"\}.*  yes\n', told)
    assert re.search(r'2  \{"user_id": "7"\}.*  not known\n', told)
    assert "and 2 more rows in s3://b/audiences/x" in told
    assert re.search(r"7 people +hidden likers", told)
    assert re.search(r"this audience +2 +█", told)
    assert re.search(r"those who rate most +\d", told)
    assert "exactly one for each command" in told
    assert "4 calls that only read: GetAudienceModel 4" in told


def test_the_most_active_are_no_seeds() -> None:
    taste = seed_for("Fargo")
    active = most_active(taste, 50)
    assert len(set(active)) == 50
    assert not set(active) & set(taste.seed)


def test_files_are_listed_when_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "audience.jsonl").touch()
    shown = console(200)
    show(shown, outcome(), tmp_path)
    assert f"{tmp_path}/audience.jsonl  the audience, best first" in text(shown)
    assert "events.jsonl" not in text(shown)


def test_a_repeated_call_is_not_hidden(tmp_path: Path) -> None:
    shown = console()
    show(shown, outcome(once=False), tmp_path)
    assert "NOT one for each command" in text(shown)


def test_sizes_are_written_as_people_do() -> None:
    assert list(relevance(METRICS)) == [("5 %", 0.71), ("90", 0.5)]
    assert list(relevance({})) == list(relevance({"relevanceMetrics": None})) == []


def test_missing_metrics_are_said_to_be_missing() -> None:
    shown = console()
    shown.print(metrics_table(shown, {}))
    assert "gave no recall" in text(shown)


def test_bars_of_a_terminal_without_unicode_are_ascii() -> None:
    class Ascii(io.StringIO):
        encoding = "ascii"

    shown = Console(file=Ascii(), width=80, color_system=None)
    shown.print(metrics_table(shown, METRICS))
    assert "#" * 21 in text(shown)
    assert text(shown).isascii()


def test_calls_in_words() -> None:
    creating = Counter({step.operation: 1 for step in STEPS})
    looking = Counter({"ListAudienceModels": 1, "GetAudienceModel": 3})
    assert asked(Calls(creating, looking)).splitlines() == [
        "5 calls that create or start something: exactly one for each command.",
        "4 calls that only read: GetAudienceModel 3, ListAudienceModels 1.",
    ]
    creating["CreateAudienceModel"] = 2
    assert "6 calls" in asked(Calls(creating, looking))
    assert "CreateAudienceModel 2" in asked(Calls(creating, looking))


@pytest.mark.parametrize("size", [0, 1, 10_000])
def test_the_most_active_are_as_many_as_asked_for_at_most_all(size: int) -> None:
    found = most_active(TASTE, size)
    assert len(found) == min(size, 943 - len(TASTE.seed))
