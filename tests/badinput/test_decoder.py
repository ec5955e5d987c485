"""The decoder's part: what is told of every bad record, and that it never says what was in it."""

import pytest

from schemas import commands
from schemas.commands import NotACommand, Rejected
from schemas.records import Command
from tests.badinput.cases import CASES
from tests.badinput.classes import NAMES, Case
from tests.badinput.records import CANARY, LIMITS, identified


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_decoder(case: Case) -> None:
    record = identified(case.record, "c-1")
    found = commands.read(record.key, record.value, record.headers, LIMITS)
    assert CANARY not in repr(found)
    expected = case.expected
    if expected.outcome == "works":
        assert isinstance(found, Command), found
        return
    if expected.outcome == "letter":
        assert isinstance(found, NotACommand), found
        assert found.code == expected.code, found
        assert found.message
        return
    assert isinstance(found, Rejected), found
    assert found.code == expected.code, found
    assert {(violation.path, violation.rule) for violation in found.violations} == set(expected.said), found
    assert found.command.params == {}
    told = " ".join(violation.message for violation in found.violations)
    for words in expected.tells:
        assert words in told
    assert all(violation.message for violation in found.violations)


def test_every_case_is_of_a_class_and_unique() -> None:
    assert {case.number for case in CASES} <= set(NAMES)
    assert len({str(case) for case in CASES}) == len(CASES)
