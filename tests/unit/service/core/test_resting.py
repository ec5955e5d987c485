"""How long a job rests, how often it tries, and for how long its end is kept."""

import dataclasses
from itertools import pairwise

import pytest

from schemas.operations import OPERATIONS, Operation
from schemas.records import Phase
from service.core import resting
from service.core.job import replace
from service.core.policy import Policy
from service.core.resting import LONGEST_QUOTA_WAIT
from tests.support.builders import NOW, POLICY, command, job

MODEL = OPERATIONS["CreateAudienceModel"]
READ = OPERATIONS["GetAudienceModel"]
DELETE = OPERATIONS["DeleteAudienceModel"]


@pytest.mark.parametrize("phase", Phase)
def test_a_deadline_ends_only_what_has_not_been_called(phase: Phase) -> None:
    dated = job(MODEL, phase, command=command(MODEL, deadline=NOW))
    assert resting.may_expire(dated) is (phase in {Phase.INTENDED, Phase.QUEUED})


def test_a_call_that_may_have_been_made_has_no_deadline_any_more() -> None:
    dated = job(DELETE, command=command(DELETE, deadline=NOW))
    assert resting.may_expire(dated)
    assert not resting.may_expire(replace(dated, attempt=2))
    assert not resting.may_expire(job(DELETE))


def test_a_deadline_has_passed_after_it_and_not_at_it() -> None:
    dated = job(MODEL, command=command(MODEL, deadline=NOW))
    assert [resting.overdue(dated, NOW + seconds) for seconds in (-1, 0, 1)] == [False, False, True]
    assert not resting.overdue(replace(dated, phase=Phase.RUNNING), NOW + 1)


def test_a_start_time_is_waited_for_only_before_the_first_try() -> None:
    later = command(MODEL, not_before=NOW + 60)
    assert resting.awaits_start(job(MODEL, due=NOW + 60, command=later))
    assert not resting.awaits_start(job(MODEL, due=NOW + 61, command=later))
    assert not resting.awaits_start(job(MODEL, Phase.QUEUED, due=NOW + 60, command=later))
    assert not resting.awaits_start(job(MODEL))


@pytest.mark.parametrize(("operation", "limit"), [(READ, POLICY.read_retry_limit), (MODEL, POLICY.write_retry_limit)])
def test_reads_give_up_sooner_than_writes(operation: Operation, limit: float) -> None:
    assert not resting.tried_enough(job(operation, tried=limit), POLICY)
    assert resting.tried_enough(job(operation, tried=limit + 1), POLICY)


def test_a_rest_is_added_to_what_was_tried() -> None:
    rested = resting.backed_off(job(MODEL, retries=2, tried=10.0), NOW, POLICY)
    seconds = rested.due - NOW
    assert 0 < seconds <= POLICY.backoff_base * 4
    assert rested.retries == 3
    assert rested.tried == pytest.approx(10.0 + seconds)


def test_rests_grow_to_the_limit_of_the_target() -> None:
    policy = Policy(backoffs={"main": (1.0, 8.0)})
    subject, waits = job(MODEL), []
    for _ in range(12):
        waits.append(resting.wait(subject, policy))
        subject = resting.backed_off(subject, NOW, policy)
    assert max(waits) <= 8.0
    assert waits[0] <= 1.0
    assert sum(waits[6:]) > sum(waits[:6])


def test_a_full_quota_is_tried_less_and_less_often() -> None:
    waits = [resting.quota_wait(job(MODEL, retries=retries), POLICY) for retries in range(40)]
    assert waits[0] == POLICY.quota_retry
    assert all(POLICY.quota_retry <= each <= LONGEST_QUOTA_WAIT * POLICY.quota_retry for each in waits)
    assert max(waits) > 8 * POLICY.quota_retry
    assert any(one != other for one, other in pairwise(waits[10:]))  # not all replicas at once


def test_an_end_is_kept_until_both_clocks_agree() -> None:
    end, policy = NOW, dataclasses.replace(POLICY, retention=100.0)
    assert resting.outlived(end, NOW + 100, NOW + 100, policy)
    assert not resting.outlived(end, NOW + 99, NOW + 10_000, policy)
    assert not resting.outlived(end, NOW + 10_000, NOW + 99, policy)
