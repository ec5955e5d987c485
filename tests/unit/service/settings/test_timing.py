"""Settings of time: durations that must fit."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.settings.timing import Timing


def test_the_defaults_keep_law_2() -> None:
    assert Timing().settle > Timing().call_window


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"settle": 2.0}, "settle (2 s) must be longer than call_window (2 s)"),
        ({"settle": 5.0, "call_window": 6.0}, "settle (5 s) must be longer than call_window (6 s)"),
        ({"retry_base": 10.0, "retry_cap": 9.0}, "retry_cap must not be below retry_base"),
    ],
)
def test_durations_that_do_not_fit(given: dict[str, float], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Timing.model_validate(given)
    assert words in str(raised.value)


def test_all_that_does_not_fit_is_told_at_once() -> None:
    with pytest.raises(ValidationError, match=r"settle \(1 s\) must be longer .*; retry_cap must not be below"):
        Timing(settle=1.0, retry_base=10.0, retry_cap=9.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("call_window", 0.4),
        ("settle", float("inf")),
        ("settle", -1.0),
        ("search_delays", []),
        ("search_delays", [-1.0]),
        ("retention", 0.0),
    ],
)
def test_what_is_no_duration_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Timing.model_validate({name: value})


def test_a_search_may_begin_at_once() -> None:
    assert Timing.model_validate({"search_delays": "0, 2.5"}).search_delays == (0.0, 2.5)


def test_a_kind_may_run_for_longer_and_the_others_keep_their_limit() -> None:
    limits = Timing.model_validate({"running_limit": {"audience_model": 5.0}}).running_limit
    assert limits.pop("audience-model") == 5.0
    assert set(limits.values()) == {604_800.0}


def test_a_kind_of_which_nothing_runs_has_no_limit() -> None:
    with pytest.raises(ValidationError, match="unknown: tags; known: audience-model"):
        Timing.model_validate({"running_limit": {"tags": 5.0}})
