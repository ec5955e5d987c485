"""How a kind is polled with the fewest calls, at which pace, and the agenda of what is due."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.operations import AUDIENCE_MODEL, EXPORT_JOB, RESOURCES, TAGS, Resource
from service.core.polling import HYSTERESIS, NEVER, Agenda, Cadence, plan, tick_of, too_long

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


@dataclass
class Item:
    due: int
    slot: int = 0


@given(st.integers(17_000_000_000, 18_000_000_000), st.sampled_from([0.05, 0.1, 0.2, 0.3, 1.0, 7.0]))
def test_the_time_of_a_tick_is_in_it(tick: int, seconds: float) -> None:
    """Or whoever sleeps until then would find nothing to do, again and again."""
    assert tick_of(tick * seconds, seconds) == tick
    assert tick_of(tick * seconds - seconds / 100, seconds) == tick - 1


moves = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=60)


@given(moves, st.integers(1, 5))
def test_an_agenda_gives_each_item_at_its_due_tick_once(moved: list[tuple[int, int]], most: int) -> None:
    """Whatever was moved to later or earlier, before or after its time."""
    agenda: Agenda[Item] = Agenda()
    items = [Item(due=30) for _ in range(10)]
    for item in items:
        agenda.put(item)
    for tick in range(1, 70):
        found: list[Item] = []
        while (first := agenda.first()) is not None and first <= tick:
            found += agenda.due(tick, most)
        assert [item for item in found if item.due != tick] == []
        assert len({id(item) for item in found}) == len(found)
        assert all((item in found) is (item.due == tick) for item in items if item.slot or item in found)
        for number, due in moved[tick : tick + 1]:
            items[number].due = max(tick + 1, due)
            agenda.put(items[number])
    assert agenda.first() is None


def test_what_is_removed_is_never_due_and_may_be_entered_again() -> None:
    agenda: Agenda[Item] = Agenda()
    one, two = Item(5), Item(5)
    agenda.put(one)
    agenda.put(two)
    agenda.remove(one)
    assert agenda.due(5, 10) == [two]
    agenda.put(one)
    assert agenda.due(5, 10) == [one]


def test_an_item_that_is_moved_costs_one_step_an_interval() -> None:
    """10,000 that a List shows each second, and that want to be seen every thirty."""
    agenda: Agenda[Item] = Agenda()
    items = [Item(30) for _ in range(10_000)]
    steps = 0
    for tick in range(1, 301):
        for item in items:
            item.due = tick + 30
            agenda.put(item)
        while (first := agenda.first()) is not None and first <= tick:
            assert agenda.due(tick, 100) == []
            steps += 100
    assert steps <= 10_000 * 10
