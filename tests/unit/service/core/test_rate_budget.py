"""The rate budget: never more calls than it allows, halved by throttling, never stopped for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core import rate_budget
from service.core.rate_budget import Bucket, Lane

limits = st.floats(0.1, 100.0)
waits = st.floats(0.0, 10.0)
TAKE, THROTTLED, SUCCEEDED = "take", "throttled", "succeeded"
history = st.lists(st.tuples(waits, st.sampled_from((TAKE, TAKE, TAKE, THROTTLED, SUCCEEDED))), max_size=60)


def play(limit: float, events: list[tuple[float, str]]) -> tuple[Bucket, list[float]]:
    """The bucket after a history, and when tokens were given."""
    state, now, taken = rate_budget.bucket(limit, 0.0), 0.0, []
    for wait, event in events:
        now += wait
        if event == THROTTLED:
            state = rate_budget.throttled(state, now)
        elif event == SUCCEEDED:
            state = rate_budget.succeeded(state)
        else:
            state, missing = rate_budget.take(state, now)
            if not missing:
                taken.append(now)
    return state, taken


@given(limits, history)
def test_no_window_sees_more_calls_than_burst_and_rate_allow(limit: float, events: list[tuple[float, str]]) -> None:
    _, taken = play(limit, events)
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= max(1.0, limit) + limit * (taken[last] - start) + 1e-6


@given(limits, history)
def test_the_rate_stays_between_floor_and_limit(limit: float, events: list[tuple[float, str]]) -> None:
    state, _ = play(limit, events)
    assert limit * 0.05 - 1e-9 <= state.rate <= limit
    assert 0.0 <= state.tokens <= state.burst


@given(limits, history)
def test_who_waits_as_told_gets_a_token(limit: float, events: list[tuple[float, str]]) -> None:
    state, _ = play(limit, events)
    refilled, wait = rate_budget.take(state, state.at)
    if wait > 1e-6:
        assert rate_budget.take(refilled, state.at + wait + 1e-9)[1] == 0.0
        assert rate_budget.take(refilled, state.at + wait * 0.99)[1] > 0


@given(limits)
def test_a_throttle_halves_the_rate_and_takes_the_savings(limit: float) -> None:
    state = rate_budget.throttled(rate_budget.bucket(limit, 0.0), 0.0)
    assert (state.rate, state.tokens) == (limit / 2, 0.0)
    assert rate_budget.take(state, 0.0)[1] == pytest.approx(2 / limit)
    for _ in range(20):
        state = rate_budget.throttled(state, 0.0)
    assert state.rate == pytest.approx(limit * 0.05)


@given(limits)
def test_successes_grow_the_rate_back_step_by_step(limit: float) -> None:
    state = rate_budget.throttled(rate_budget.bucket(limit, 0.0), 0.0)
    rates = [state.rate]
    for _ in range(11):
        state = rate_budget.succeeded(state)
        rates.append(state.rate)
    assert rates == sorted(rates)
    assert rates[1] == pytest.approx(limit * 0.55)
    assert rates[-1] == limit
    assert rate_budget.succeeded(state) is state


@given(limits, st.floats(-100.0, 0.0))
def test_a_clock_that_goes_back_adds_nothing(limit: float, back: float) -> None:
    empty, _ = rate_budget.take(rate_budget.throttled(rate_budget.bucket(limit, 0.0), 0.0), 0.0)
    assert rate_budget.refill(empty, back).tokens == 0.0
    assert rate_budget.refill(empty, back).at == 0.0


@given(limits, limits, history)
def test_another_share_keeps_the_throttling_in_proportion(
    limit: float, other: float, events: list[tuple[float, str]]
) -> None:
    state, _ = play(limit, events)
    moved = rate_budget.shared(state, other, state.at)
    assert moved.rate / moved.limit == pytest.approx(state.rate / state.limit)
    assert moved.limit == other
    assert moved.tokens <= min(state.tokens, moved.burst)


@pytest.mark.parametrize("order", [[Lane.CREATE, Lane.REMOVE], [Lane.SEARCH, Lane.READ, Lane.POLL]])
def test_lanes_take_turns(order: list[Lane]) -> None:
    turns = [Lane.POLL]
    for _ in order * 2:
        turns.append(rate_budget.next_lane(set(order), turns[-1]))
    assert turns[1:] == order * 2


@pytest.mark.parametrize("writes", [True, False])
@given(st.data())
def test_no_lane_waits_for_more_than_one_call_of_each_other(writes: bool, data: st.DataObject) -> None:
    bucket = [lane for lane in Lane if lane.writes is writes]
    last, passed = Lane.POLL, dict.fromkeys(bucket, 0)
    for lanes in data.draw(st.lists(st.sets(st.sampled_from(bucket), min_size=1), min_size=3, max_size=30)):
        last = rate_budget.next_lane(lanes, last)
        assert last in lanes
        passed = {lane: passed[lane] + 1 if lane in lanes and lane is not last else 0 for lane in bucket}
        assert max(passed.values()) < len(bucket)
