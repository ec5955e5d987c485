"""Backoff, search delays, cadence and the cheapest way to look."""

from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.operations import RESOURCES
from service.core.pacing import Cadence, backoff, search_delay
from service.core.policy import Policy
from service.core.polling import UNKNOWN_SIZE, plan
from service.core.reconciliation import PAGE

fractions = st.floats(0.0, 1.0, exclude_max=True)


@given(st.integers(-5, 10_000), st.floats(0.01, 10.0), st.floats(0.01, 600.0), fractions)
def test_backoff_is_bounded(retries: int, base: float, cap: float, fraction: float) -> None:
    wait = backoff(retries, base, cap, fraction)
    ceiling = min(cap, base * 2.0 ** min(max(retries - 1, 0), 62))
    assert 0.1 * ceiling <= wait <= ceiling <= cap
    assert wait > 0


@given(st.floats(0.01, 10.0), fractions)
def test_backoff_doubles_up_to_its_cap(base: float, fraction: float) -> None:
    waits = [backoff(retries, base, base * 100, fraction) for retries in range(1, 12)]
    assert all(two == pytest.approx(2 * one) for one, two in pairwise(waits[:7]))
    assert waits[8:] == [waits[-1]] * 3


@given(st.integers(0, 100), st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_the_last_search_delay_repeats(searches: int, delays: list[float]) -> None:
    assert search_delay(searches, delays) == (delays + [delays[-1]] * 100)[searches]


def test_a_resource_is_looked_at_less_often_when_it_is_old() -> None:
    cadence = Cadence(first=15.0, later=60.0, young_for=600.0)
    assert [cadence.interval(age) for age in (0.0, 599.9, 600.0, 1e6)] == [15.0, 15.0, 60.0, 60.0]


@given(*[st.floats(0.1, 1000.0)] * 4, st.integers(-3, 3), st.floats(-1000.0, 1000.0))
def test_an_absence_is_confirmed_soon_and_by_no_look_more_than_it_takes(
    first: float, later: float, young_for: float, age: float, looks: int, seconds: float
) -> None:
    cadence = Cadence(first, later, young_for)
    usual, found = cadence.interval(age), cadence.confirming(age, looks, seconds)
    assert min(first, usual) <= found <= usual
    if looks > 1:
        assert found <= first
    else:
        assert found >= min(usual, seconds), "a look that decides nothing"
        assert found <= max(first, seconds), "and it is not put off any longer"


@pytest.mark.parametrize("settle", [0.0, 1.9, 2.0])
def test_a_policy_that_breaks_law_2_is_refused(settle: float) -> None:
    with pytest.raises(ValueError, match="must be longer than call_window"):
        Policy(settle=settle, call_window=2.0)


watched = {kind: resource for kind, resource in RESOURCES.items() if resource.list_operation}
dues = st.dictionaries(st.sampled_from(sorted(watched)), st.sets(st.text("abc", min_size=1), max_size=12))
sizes = st.dictionaries(st.sampled_from(sorted(watched)), st.integers(0, 2_000))


@given(dues, sizes)
def test_looking_never_costs_more_than_the_cheaper_way(due: dict[str, set[str]], listed: dict[str, int]) -> None:
    chosen = plan(due, listed)
    for kind, ids in due.items():
        gets = [resource_id for other, resource_id in chosen.gets if other == kind]
        pages = max(1, ceil(listed.get(kind, UNKNOWN_SIZE) / PAGE))
        cost = chosen.lists.count(kind) * pages + len(gets)
        if watched[kind].get_operation:
            assert cost == min(pages, len(ids))
        else:
            assert cost == (pages if ids else 0)


@given(dues, sizes)
def test_everything_due_is_looked_at_in_exactly_one_way(due: dict[str, set[str]], listed: dict[str, int]) -> None:
    chosen = plan(due, listed)
    assert len(set(chosen.lists)) == len(chosen.lists)
    for kind, ids in due.items():
        gets = {resource_id for other, resource_id in chosen.gets if other == kind}
        assert gets == (set() if kind in chosen.lists else ids)


def test_on_a_tie_details_are_preferred() -> None:
    assert plan({"audience-model": ["a"]}, {"audience-model": 100}).gets == (("audience-model", "a"),)
    assert plan({"audience-model": ["a", "b"]}, {"audience-model": 100}).lists == ("audience-model",)
    assert plan({"tags": ["a", "b", "c"]}, {}).lists == ()
