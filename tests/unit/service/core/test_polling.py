"""How often a kind is listed: what costs the fewest calls, and no choice that flaps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.operations import AUDIENCE_MODEL, EXPORT_JOB, RESOURCES, TAGS, Resource
from service.core.polling import HYSTERESIS, NEVER, plan, too_long

paces = st.dictionaries(st.sampled_from([5.0, 10.0, 15.0, 60.0, 300.0]), st.integers(1, 20_000), min_size=1)
pages = st.integers(1, 1_000)
both_ways = st.sampled_from([each for each in RESOURCES.values() if each.list_operation and each.get_operation])


def calls(watched: dict[float, int], pages: int, interval: float) -> float:
    """A second: Lists at the interval, and Gets for what wants to be seen more often."""
    lists = 0.0 if interval == NEVER else pages / interval
    return lists + sum(number / pace for pace, number in watched.items() if pace < interval)


@given(both_ways, paces, pages)
def test_the_first_choice_costs_less_than_any_other_by_hysteresis(
    resource: Resource, watched: dict[float, int], pages: int
) -> None:
    chosen = plan(resource, watched, pages, NEVER, listable=True)
    best = min(calls(watched, pages, interval) for interval in (NEVER, *watched))
    assert calls(watched, pages, chosen) <= HYSTERESIS * best * (1 + 1e-9)


@given(both_ways, paces, pages, st.data())
def test_lists_never_cost_more_than_a_get_for_each(
    resource: Resource, watched: dict[float, int], pages: int, data: st.DataObject
) -> None:
    present = data.draw(st.sampled_from([NEVER, *watched, 7.0]))
    chosen = plan(resource, watched, pages, present, listable=True)
    assert calls(watched, pages, chosen) <= calls(watched, pages, NEVER) * (1 + 1e-9)


@given(both_ways, paces, pages)
def test_a_choice_stays_while_nothing_changes(resource: Resource, watched: dict[float, int], pages: int) -> None:
    chosen = plan(resource, watched, pages, NEVER, listable=True)
    assert plan(resource, watched, pages, chosen, listable=True) == chosen


def test_a_little_more_or_less_changes_nothing() -> None:
    """Around the point where Lists and Gets cost the same, one job that comes and goes."""
    chosen, changes = NEVER, 0
    for number in [10, 11, 10, 11, 12, 11, 12, 13, 12, 13, 12, 11, 12, 11]:
        before, chosen = chosen, plan(AUDIENCE_MODEL, {30.0: number}, 10, chosen, listable=True)
        changes += before != chosen
    assert chosen == 30.0
    assert changes == 1
    assert plan(AUDIENCE_MODEL, {30.0: 10}, 10, chosen, listable=True) == NEVER, "Gets cost no more now"


def test_on_a_tie_details_are_preferred() -> None:
    assert plan(AUDIENCE_MODEL, {30.0: 1}, 1, NEVER, listable=True) == NEVER
    assert plan(AUDIENCE_MODEL, {30.0: 2}, 1, NEVER, listable=True) == 30.0


def test_old_ones_are_seen_by_the_lists_of_the_young_or_the_young_are_asked_for_one_by_one() -> None:
    assert plan(AUDIENCE_MODEL, {10.0: 100, 60.0: 1_000}, 10, NEVER, listable=True) == 10.0
    assert plan(AUDIENCE_MODEL, {10.0: 3, 60.0: 1_000}, 10, NEVER, listable=True) == 60.0


@given(paces, pages, st.booleans())
def test_a_kind_without_get_is_listed_and_one_without_list_or_whose_lists_fail_is_got(
    watched: dict[float, int], pages: int, listable: bool
) -> None:
    assert plan(EXPORT_JOB, watched, pages, NEVER, listable=listable) == min(watched)
    assert plan(TAGS, watched, pages, NEVER, listable=listable) == NEVER
    assert plan(AUDIENCE_MODEL, watched, pages, 10.0, listable=False) == NEVER


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda each: each.kind)
def test_nothing_watched_is_never_listed(resource: Resource) -> None:
    assert plan(resource, {}, 5, 30.0, listable=True) == NEVER


@given(paces, st.sampled_from([5.0, 10.0, 60.0, NEVER]))
def test_a_list_is_given_up_when_it_costs_more_than_twice_what_it_saves(
    watched: dict[float, int], interval: float
) -> None:
    saved = sum(interval / pace * number for pace, number in watched.items() if pace >= interval)
    limit = max(2, math.ceil(2 * saved))
    assert not too_long(watched, limit - 1, interval)
    assert too_long(watched, limit, interval)
