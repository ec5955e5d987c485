"""Closed sets of label values: each word of the sources is known, and every other is ``other``."""

import re
from pathlib import Path

import pytest

from schemas.operations import OPERATIONS, RESOURCES
from schemas.records import Phase
from service.adapters.telemetry.labels import (
    DEAD_LETTER_REASONS,
    OPERATION_NAMES,
    OTHER,
    OUTCOMES,
    PHASES,
    RESOURCE_KINDS,
    STATUSES,
    WAITING_REASONS,
    known_or_other,
)

ROOT = Path(__file__).parents[5]


@pytest.mark.parametrize("value", ["", "ok ", "OK", "ok\n", "something\u202e", "x" * 10_000])
def test_what_is_not_known_is_other(value: str) -> None:
    assert known_or_other(value, OUTCOMES) == OTHER
    assert known_or_other("ok", OUTCOMES) == "ok"


def test_the_table_is_known() -> None:
    assert {*OPERATIONS, "CancelCommand", "ResolveCommand", "TrackResource"} <= OPERATION_NAMES
    assert set(RESOURCES) == RESOURCE_KINDS
    assert {phase.value for phase in Phase} == PHASES
    assert {"ACTIVE", "CREATE_FAILED", "DELETE_IN_PROGRESS"} <= STATUSES
    assert OTHER not in OPERATION_NAMES | RESOURCE_KINDS | PHASES | STATUSES | OUTCOMES | DEAD_LETTER_REASONS


def test_every_reason_of_a_dead_letter_in_the_tests_is_known() -> None:
    cases = (ROOT / "tests" / "badinput" / "cases.py").read_text()
    codes = set(re.findall(r'"((?:Not|In|Un|Miss|Too|Dup|Batch|Reply|Validation)[A-Z]?[a-z]+[A-Z][A-Za-z]*)"', cases))
    assert {"NotCloudEvent", "InvalidHeader"} <= codes
    assert codes <= DEAD_LETTER_REASONS


def test_every_reason_of_a_waiting_reply_is_known() -> None:
    """`other` has an alert, which would be raised while a cancellation waits for the end of a job that takes hours."""
    page = (ROOT / "docs" / "howto" / "publish-and-subscribe.md").read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith("| `waiting` | `reason`:")]
    stated = set(re.findall(r"`([A-Z][A-Za-z]+)`", row)) - {"Overdue", "ResolveCommand"}
    assert {"CommandUnderWay", "CommandParked"} <= stated
    assert stated <= WAITING_REASONS
