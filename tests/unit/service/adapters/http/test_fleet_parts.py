"""Times, rows and steps as a person reads them."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from schemas.records import Phase
from service.adapters.http import fleet_parts
from service.adapters.http.markup import joined
from service.core.command_state import CommandState
from service.runtime.catalogue import Query
from service.runtime.fleet_answers import TimelineStep
from tests.page.example import ended, job
from tests.support.clock import ManualClock
from tests.support.fleet_scene import Scene

NOW = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)


def text(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup.replace("<wbr>", ""))).strip()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 0 min"), (90_000, "1 d 1 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert fleet_parts.duration(seconds) == words


def test_ages_and_waits_are_times_that_the_script_can_go_on_counting() -> None:
    before = fleet_parts.age(NOW - timedelta(minutes=27), NOW)
    assert before == (
        '<time datetime="2026-11-27T16:33:00.000Z" title="2026-11-27T16:33:00.000Z" data-age>27 min</time>'
    )
    assert text(fleet_parts.until(NOW + timedelta(seconds=41), NOW) or "") == "in 41 s"
    assert text(fleet_parts.until(NOW - timedelta(seconds=1), NOW) or "") == "now"
    assert (fleet_parts.age(None, NOW), fleet_parts.until(None, NOW), fleet_parts.clock(None)) == (None, None, None)


async def rows(scene: Scene, states: frozenset[CommandState] = frozenset(CommandState)) -> dict[str, str]:
    page = await scene.view.commands.commands(Query(states=states))
    now = scene.view.identity().now
    return {each.id: text(fleet_parts.command_row(each, now)) for each in page.commands}


async def test_a_row_says_why_and_what_is_next() -> None:
    scene = Scene(ManualClock())
    now = scene.clock.wall()
    for number in range(3):
        scene.put(ended(now, f"old-{number}", "CreateAudienceModel", Phase.SUCCEEDED, 90.0, 600.0))
    waits = {"reason": "ConcurrencyLimit", "due": now + 41}
    scene.put(
        job(now, "waits", "CreateAudienceModel", Phase.QUEUED, 1500.0, **waits, name="Segment 2"),
        job(now, "runs", "CreateAudienceModel", Phase.RUNNING, 120.0, status="CREATE_PENDING"),
        job(now, "long", "CreateAudienceModel", Phase.RUNNING, 2000.0),
    )
    shown = await rows(scene)
    assert shown["waits"] == (
        "waits Segment 2 · /teams/marketing CreateAudienceModel default ◷ waiting 25 min ConcurrencyLimit position 1 "
        "of 1 in the queue next try in 41 s owner unknown partition 0"
    )
    assert (
        "▶ started CREATE_PENDING 2 min 2 min of usually 10 min polled by its owner about every 15 s" in shown["runs"]
    )
    assert "33 min of usually 10 min longer than usual" in shown["long"]
    assert "✓ succeeded ACTIVE 1 min ago" in shown["old-0"]


async def test_states_are_not_told_apart_by_colour_alone() -> None:
    symbols = [text(fleet_parts.pill(state)).split()[0] for state in CommandState]
    assert len(set(symbols)) == len(CommandState)


def test_a_timeline() -> None:
    steps = (
        TimelineStep(at=NOW - timedelta(minutes=3), what="received"),
        TimelineStep(at=None, what="unseen"),
        TimelineStep(at=NOW - timedelta(minutes=2), what="waiting", reason="<b>", attempt=3),
        TimelineStep(at=None, what="next", reason="poll"),
        TimelineStep(at=NOW + timedelta(minutes=2), what="next", reason="retry"),
    )
    shown = fleet_parts.timeline(steps, NOW)
    assert text(shown) == (
        "received by Kafka 2026-11-27 16:57:00 UTC ( 3 min ago) steps in between, which this replica has not seen "
        "◷ waiting &lt;b&gt;, call 3 2026-11-27 16:58:00 UTC ( 2 min ago) "
        "next poll when its owner has it due next try in 2 min"
    )


def test_a_long_name_can_be_broken_between_its_words() -> None:
    assert fleet_parts.words("StartAudienceExportJob") == (
        '<span class="operation">Start<wbr>Audience<wbr>Export<wbr>Job</span>'
    )
    assert joined(fleet_parts.words("<A")) == '<span class="operation">&lt;A</span>'
