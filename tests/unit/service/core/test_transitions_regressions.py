"""Defects that tests and simulation have found; each stays found."""

import pytest

from schemas.operations import OPERATIONS
from schemas.records import Phase
from service.core import observations as seen
from service.core import search
from service.core.effects import Call
from service.core.quotas import Rank, Slots
from service.core.transitions import accept
from tests.support import builders
from tests.support.builders import FULL, NOW, POLICY, THROTTLED, TIMEOUT, after, observe, told

CREATE, TAG, READ = (OPERATIONS[name] for name in ("CreateAudienceModel", "TagResource", "GetAudienceModel"))
REMOVE, PUT = OPERATIONS["DeleteAudienceModel"], OPERATIONS["PutConfiguredAudienceModelPolicy"]


def test_due_told_to_a_job_whose_call_is_under_way_permits_no_second_call() -> None:
    """A timer and a freed slot may both tell it; the second one renewed the intent of a call in flight."""
    job = builders.job(CREATE)
    assert builders.doing(job) == Call()
    step = observe(job, seen.Due(), 1)
    assert step.job is job
    assert step.ignored


def test_waiting_for_a_slot_is_not_trying() -> None:
    queued = after(builders.job(CREATE, tried=POLICY.write_retry_limit + 1), seen.QuotaFull(FULL, position=1), 1)
    called = after(queued, seen.Due(), POLICY.write_retry_limit + 100)
    throttled = after(called, seen.Postponed(THROTTLED), POLICY.write_retry_limit + 101)
    assert throttled.phase is Phase.INTENDED


def test_waiting_for_a_start_time_is_not_trying() -> None:
    command = builders.command(READ, not_before=NOW + POLICY.read_retry_limit + 100)
    step = accept(command, NOW, NOW, POLICY)
    assert step.job is not None
    called = after(step.job, seen.StartReached(), POLICY.read_retry_limit + 101)
    assert after(called, seen.Postponed(THROTTLED), POLICY.read_retry_limit + 102).phase is Phase.INTENDED


@pytest.mark.parametrize("observation", [seen.Postponed(THROTTLED), seen.Lost(TIMEOUT)])
def test_only_the_rests_between_tries_are_trying(observation: seen.Observation) -> None:
    """Waiting for the budget or in a key's line counted too: the first throttle ended a command that had waited."""
    job, rested = builders.job(READ), 0.0
    for tries in range(4):
        later = 10 * POLICY.read_retry_limit * (tries + 1)
        job = after(job, observation, later)
        rested += job.due - NOW - later
        assert job.tried == pytest.approx(rested, abs=1e-3)
        job = after(job, seen.Due(), later + POLICY.backoff_cap)
        job = after(job, seen.Restored(), later + POLICY.backoff_cap)
    assert job.phase is Phase.INTENDED


def test_a_blind_repeat_backs_off_after_its_deadline_too() -> None:
    """The deadline capped the wait, so that the repeat came at once, for ever."""
    job = builders.job(TAG, command=builders.command(TAG, deadline=NOW + 1), attempt=2)
    assert after(job, seen.Postponed(THROTTLED), 100).due > NOW + 100


def test_who_leaves_the_queue_wakes_the_next() -> None:
    """A woken one that ends by its deadline must pass the free slot on."""
    slots: Slots[str] = Slots(1)
    slots.request(Rank.of(0, 1.0, "x"))
    for since, key in ((2.0, "a"), (3.0, "b")):
        granted = slots.request(Rank.of(0, since, key))
        assert not granted
    called = slots.release("x")
    assert called == ("a",)
    called = slots.release("a")
    assert called == ("b",)


def test_a_deeply_nested_policy_is_compared_without_a_crash() -> None:
    deep = "[" * 20_000
    command = builders.command(
        PUT, params={**builders.params(PUT), PUT.compare: deep, "previousPolicyHash": builders.OLD_HASH}
    )
    shown = {PUT.compare: "{}", "policyHash": builders.OLD_HASH}
    assert search.judge(command, shown) is search.Verdict.NOT_DONE


def test_a_read_is_not_called_after_its_deadline_by_a_new_owner() -> None:
    job = builders.job(READ, command=builders.command(READ, deadline=NOW + 5))
    assert told(observe(after(job, seen.Restored(), 10), seen.DeadlinePassed(), 10)) == ["failed"]


def test_a_lagging_read_of_an_old_failure_does_not_end_a_new_removal() -> None:
    """The resource was in DELETE_FAILED before this delete was asked for."""
    job = builders.job(REMOVE, phase=Phase.RUNNING, resource_id=builders.arn(REMOVE))
    failed = seen.Seen({"status": "DELETE_FAILED"})
    assert observe(job, failed, 1).job is job
    assert told(observe(job, failed, POLICY.vanish_grace + 1)) == ["failed"]


def test_an_answer_without_an_identity_is_a_lost_one() -> None:
    step = observe(builders.job(CREATE), seen.Returned({}), 1)
    assert step.job is not None
    assert step.job.phase is Phase.UNCERTAIN
