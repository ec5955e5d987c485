"""Backoff, search delays, cadence, and the agenda of what is due."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.pacing import Agenda, Cadence, backoff, search_delay, tick_of

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
