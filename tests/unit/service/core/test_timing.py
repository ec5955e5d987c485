"""How long a job rests, how often it tries, and for how long its end is kept."""

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.operations import OPERATIONS, Operation
from schemas.records import Phase
from service.core import timing
from service.core.job import replace
from service.core.timing import LONGEST_QUOTA_WAIT, Policy, backoff, search_delay
from tests.support.builders import NOW, POLICY, command, job

MODEL = OPERATIONS["CreateAudienceModel"]
READ = OPERATIONS["GetAudienceModel"]
DELETE = OPERATIONS["DeleteAudienceModel"]


@pytest.mark.parametrize("phase", Phase)
def test_a_deadline_ends_only_what_has_not_been_called(phase: Phase) -> None:
    dated = job(MODEL, phase, command=command(MODEL, deadline=NOW))
    assert timing.may_expire(dated) is (phase in {Phase.INTENDED, Phase.QUEUED})


def test_a_call_that_may_have_been_made_has_no_deadline_any_more() -> None:
    dated = job(DELETE, command=command(DELETE, deadline=NOW))
    assert timing.may_expire(dated)
    assert not timing.may_expire(replace(dated, attempt=2))
    assert not timing.may_expire(job(DELETE))


def test_a_deadline_has_passed_after_it_and_not_at_it() -> None:
    dated = job(MODEL, command=command(MODEL, deadline=NOW))
    assert [timing.overdue(dated, NOW + seconds) for seconds in (-1, 0, 1)] == [False, False, True]
    assert not timing.overdue(replace(dated, phase=Phase.RUNNING), NOW + 1)


def test_a_start_time_is_waited_for_only_before_the_first_try() -> None:
    later = command(MODEL, not_before=NOW + 60)
    assert timing.awaits_start(job(MODEL, due=NOW + 60, command=later))
    assert not timing.awaits_start(job(MODEL, due=NOW + 61, command=later))
    assert not timing.awaits_start(job(MODEL, Phase.QUEUED, due=NOW + 60, command=later))
    assert not timing.awaits_start(job(MODEL))


@pytest.mark.parametrize(("operation", "limit"), [(READ, POLICY.read_retry_limit), (MODEL, POLICY.write_retry_limit)])
def test_reads_give_up_sooner_than_writes(operation: Operation, limit: float) -> None:
    assert not timing.tried_enough(job(operation, tried=limit), POLICY)
    assert timing.tried_enough(job(operation, tried=limit + 1), POLICY)


def test_a_rest_is_added_to_what_was_tried() -> None:
    rested = timing.backed_off(job(MODEL, retries=2, tried=10.0), NOW, POLICY)
    seconds = rested.due - NOW
    assert 0 < seconds <= POLICY.backoff_base * 4
    assert rested.retries == 3
    assert rested.tried == pytest.approx(10.0 + seconds)


def test_rests_grow_to_the_limit_of_the_target() -> None:
    policy = Policy(backoffs={"main": (1.0, 8.0)})
    subject, waits = job(MODEL), []
    for _ in range(12):
        waits.append(timing.wait(subject, policy))
        subject = timing.backed_off(subject, NOW, policy)
    assert max(waits) <= 8.0
    assert waits[0] <= 1.0
    assert sum(waits[6:]) > sum(waits[:6])


def test_a_full_quota_is_tried_less_and_less_often() -> None:
    waits = [timing.quota_wait(job(MODEL, retries=retries), POLICY) for retries in range(40)]
    assert waits[0] == POLICY.quota_retry
    assert all(POLICY.quota_retry <= each <= LONGEST_QUOTA_WAIT * POLICY.quota_retry for each in waits)
    assert max(waits) > 8 * POLICY.quota_retry
    assert any(one != other for one, other in pairwise(waits[10:]))  # not all replicas at once


def test_an_end_is_kept_until_both_clocks_agree() -> None:
    end, policy = NOW, dataclasses.replace(POLICY, retention=100.0)
    assert timing.outlived(end, NOW + 100, NOW + 100, policy)
    assert not timing.outlived(end, NOW + 99, NOW + 10_000, policy)
    assert not timing.outlived(end, NOW + 10_000, NOW + 99, policy)


def test_a_target_may_have_waits_of_its_own() -> None:
    policy = Policy(backoff_base=0.5, backoff_cap=60.0, backoffs={"slow": (2.0, 900.0)})
    assert policy.backoff_range("slow") == (2.0, 900.0)
    assert policy.backoff_range("other") == (0.5, 60.0)


@pytest.mark.parametrize("settle", [0.0, 1.9, 2.0])
def test_a_policy_that_breaks_law_2_is_refused(settle: float) -> None:
    with pytest.raises(ValueError, match="must be longer than call_window"):
        Policy(settle=settle, call_window=2.0)


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
