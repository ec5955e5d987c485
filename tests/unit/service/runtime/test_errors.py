"""What is said of a defect, and how often the same is tried again."""

import re

import pytest

from service.runtime.errors import RepeatedErrors, location
from service.settings.aws import is_loopback


def test_the_innermost_line_of_ours_is_named() -> None:
    with pytest.raises(TypeError) as raised:
        RepeatedErrors().delay([])  # type: ignore[arg-type]
    assert re.fullmatch(r"TypeError at service\.runtime\.errors:\d+", location(raised.value))


def test_a_job_is_tried_again_three_times_and_later_each_time() -> None:
    failures = RepeatedErrors()
    assert [failures.delay(b"a") for _ in range(5)] == [1.0, 5.0, 25.0, None, None]


def test_each_job_has_its_own_count_until_it_goes_well() -> None:
    failures = RepeatedErrors()
    assert (failures.delay(b"a"), failures.delay(b"b"), failures.delay(b"a")) == (1.0, 1.0, 5.0)
    failures.clear(b"a")
    failures.clear(b"unknown")
    assert (failures.delay(b"a"), failures.delay(b"b")) == (1.0, 5.0)


def test_a_defect_is_told_by_its_place_and_not_by_its_message() -> None:
    try:
        is_loopback(["canary"])  # type: ignore[arg-type]
    except AttributeError as error:
        told = location(error)
    assert re.fullmatch(r"AttributeError at service\.settings\.aws:\d+", told)
    assert location(ValueError("canary")) == "ValueError"
