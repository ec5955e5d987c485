"""All 60 classes are there, each with a record or a test that carries its number."""

import re
from types import ModuleType
from typing import Final

import pytest

from tests.badinput import test_at_aws, test_over_quota, test_transport, test_unreadable
from tests.badinput.cases import CASES
from tests.badinput.classes import ELSEWHERE, NAMES
from tests.badinput.test_granted import DENIED

CLASSES: Final = 60
_NUMBERS: Final = re.compile(r"test_((?:\d\d_)+)")


def _tested(module: ModuleType) -> set[int]:
    found = filter(None, (_NUMBERS.match(name) for name in vars(module)))
    return {int(number) for match in found for number in match[1].split("_") if number}


IN_TESTS: Final = set[int]().union(*map(_tested, (test_at_aws, test_over_quota, test_transport, test_unreadable)))
IN_GRANTS: Final = {int(number) for what, _, _ in DENIED for number in re.findall(r"\d\d", what)}


def test_there_are_60_classes_and_every_one_is_tested() -> None:
    assert sorted(NAMES) == list(range(1, CLASSES + 1))
    assert len(set(NAMES.values())) == CLASSES
    assert {case.number for case in CASES} | IN_TESTS | IN_GRANTS == set(NAMES)


@pytest.mark.parametrize("number", NAMES, ids=lambda number: f"{number:02}")
def test_a_class_has_records_in_the_table_or_an_outcome_of_its_own(number: int) -> None:
    assert any(case.number == number for case in CASES) or number in ELSEWHERE
    assert (number in ELSEWHERE) == (number in IN_TESTS | IN_GRANTS), "the table and the tests agree"
