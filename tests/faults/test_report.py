"""What is told of runs: every violation, and figures that are those of the runs."""

import math
from pathlib import Path

from tests.faults import document, report
from tests.faults.history import Violation
from tests.faults.matrix import FIGURES, FOOTINGS, ROWS
from tests.faults.runner import Outcome

KILLED = ROWS[0]
WELL = Outcome(KILLED.number, 0, (), 5.5, {}, 80, 13.0, 2.0)
BROKEN = Outcome(KILLED.number, 1, (Violation("I2", "model", "created 2 times"),), 6.5, {}, 90, 14.0, 2.5)


def test_a_line_tells_every_violation() -> None:
    told = report.line(KILLED, [WELL, BROKEN])
    assert "runs 2 violations 1 resumed 6.00/6.50" in told
    assert "seed 1: I2 model: created 2 times" in told


def test_what_is_stored_is_read_again(tmp_path: Path) -> None:
    report.store(tmp_path / "runs", [WELL])
    report.store(tmp_path / "runs", [BROKEN])
    assert report.stored(tmp_path / "runs") == [WELL, BROKEN]


def test_a_run_that_did_not_resume_has_no_figure() -> None:
    assert report.spread([math.nan]) == "-"
    assert report.spread([math.nan, 1.0, 3.0, 2.0]) == "2.00/3.00"


def test_the_document_counts_runs_commands_and_violations() -> None:
    text = document.text([WELL, BROKEN], [WELL])
    assert "2 runs, 170 commands, 1 violations" in text
    assert f"| {KILLED.number} | {KILLED.name} | {KILLED.how} | 2 | 1 | 6.00 / 6.50 | {KILLED.bound:g} |" in text


def test_every_fault_of_the_study_has_a_row() -> None:
    numbers = [row.number for row in ROWS]
    assert len(numbers) == len(set(numbers))
    assert {number.rstrip("abcs") for number in numbers} == {str(number) for number in range(1, 45)}


def test_rows_and_figures_name_what_there_is() -> None:
    assert {row.footing for row in ROWS} <= FOOTINGS.keys()
    assert {number for _, of, _, _ in FIGURES for number in of} <= {row.number for row in ROWS}
    assert len([row for row in ROWS if row.quick]) == 10
