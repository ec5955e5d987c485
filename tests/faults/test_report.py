"""What is told of runs: every violation, and figures that are those of the runs."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import document, report
from tests.faults.history import Violation
from tests.faults.matrix import ALONE, FIGURES, FOOTINGS, ROWS
from tests.faults.rendezvous import Rendezvous
from tests.faults.runner import Outcome
from tests.faults.store import Campaign, key, open_campaign, read

KILLED = ROWS[0]
WELL = Outcome(KILLED.number, 0, (), 5.5, {}, 80, 13.0, 2.0)
BROKEN = Outcome(KILLED.number, 1, (Violation("I2", "model", "created 2 times"),), 6.5, {}, 90, 14.0, 2.5)


def test_a_line_tells_every_violation() -> None:
    told = report.line(KILLED, [WELL, BROKEN])
    assert "runs 2 violations 1 resumed 6.00/6.50" in told
    assert "seed 1: I2 model: created 2 times" in told


def campaign(file: Path | None = None, *outcomes: Outcome) -> Campaign:
    found = Campaign(file, "abc1234")
    found.begin()
    found.add(outcomes)
    return found


def test_a_campaign_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    file, wanted = tmp_path / "runs" / "campaign", [key(WELL), key(BROKEN)]
    first = open_campaign(file, wanted, "abc1234")
    first.begin()
    first.add([WELL])
    with file.open("a") as torn:
        torn.write('{"outcome": {"num')
    again = open_campaign(file, wanted, "abc1234")
    assert again.outcomes == [WELL]
    assert len(again.begun) == 1


@pytest.mark.parametrize(("commit", "complete"), [("def5678", False), ("abc1234", True)])
def test_another_commit_or_a_complete_campaign_begins_anew(tmp_path: Path, commit: str, complete: bool) -> None:
    file, wanted = tmp_path / "campaign", [key(WELL), key(BROKEN)]
    campaign(file, *([WELL, BROKEN] if complete else [WELL]))
    assert open_campaign(file, wanted, commit).outcomes == []


def test_what_was_run_alone_is_another_run(tmp_path: Path) -> None:
    alone = replace(WELL, alone=True, resumed=math.nan)
    campaign(tmp_path / "campaign", alone, WELL)
    found = read(tmp_path / "campaign")
    assert found.done == {("1", 0, True), ("1", 0, False)}
    assert math.isnan(found.outcomes[0].resumed)


def test_a_run_that_did_not_resume_has_no_figure() -> None:
    assert report.spread([math.nan]) == "-"
    assert report.spread([math.nan, 1.0, 3.0, 2.0]) == "2.00/3.00"


def test_the_document_counts_runs_commands_and_violations() -> None:
    text = document.text(campaign(None, WELL, BROKEN, replace(WELL, alone=True, resumed=3.0)))
    assert "3 runs, 1 of them alone to measure and 2 side by side; 250 commands, 1 violations" in text
    assert "One campaign, in one piece" in text
    assert "- 1, seed 1 (load 2.5): I2 model: created 2 times" in text
    assert "| SIGKILL: taken over (session 6 s)* | <= 7 | 1 | 3.00 / 3.00 |" in text
    assert f"| {KILLED.number} | {KILLED.name} | {KILLED.how} | 2 | 1 | 6.00 / 6.50 | {KILLED.bound:g} |" in text


def test_every_fault_of_the_study_has_a_row() -> None:
    numbers = [row.number for row in ROWS]
    assert len(numbers) == len(set(numbers))
    study = {str(number) for number in range(1, 45)}
    assert {number.rstrip("abcdes") for number in numbers} >= study


def test_rows_and_figures_name_what_there_is() -> None:
    assert {row.footing for row in ROWS} <= FOOTINGS.keys()
    assert {number for _, of, _, _ in FIGURES for number in of} <= {row.number for row in ROWS}
    assert len([row for row in ROWS if row.quick]) == 11
    assert set(ALONE) <= {number for _, of, _, _ in FIGURES for number in of}


async def test_who_has_gone_is_not_waited_for_and_one_acts_for_all() -> None:
    meeting, acts = Rendezvous(), []

    async def act() -> None:
        await asyncio.sleep(0)
        acts.append("struck")

    async def fails_before() -> None:
        meeting.leave()

    meeting.expect(3)
    async with asyncio.timeout(5):
        await asyncio.gather(meeting.together(act), fails_before(), meeting.together(act))
        assert acts == ["struck"]
        await asyncio.gather(meeting.together(act), meeting.together(act))
    assert acts == ["struck", "struck"]


async def test_what_fails_for_all_is_told_to_all() -> None:
    meeting = Rendezvous()

    async def act() -> None:
        raise OSError("no broker")

    meeting.expect(2)
    told = await asyncio.gather(meeting.together(act), meeting.together(act), return_exceptions=True)
    assert [str(error) for error in told] == ["no broker", "no broker"]
