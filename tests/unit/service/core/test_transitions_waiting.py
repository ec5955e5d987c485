"""Refusals, throttling, quotas, times before and after which nothing is called."""

import pytest

from schemas.operations import OPERATIONS, Kind, Operation, Repeat
from schemas.records import Fault, Job, Phase
from service.core import observations as seen
from service.core import timing, transitions
from service.core.effects import Call, CommandReply, Rest, Step
from service.core.job import occupies_slot, replace
from tests.support import builders
from tests.support.builders import FULL, NOW, POLICY, THROTTLED, TIMEOUT, after, observe, told

TRAIN = OPERATIONS["CreateAudienceModel"]
ALL = pytest.mark.parametrize("operation", builders.ROWS, ids=builders.named)


def accept(operation: Operation, at: float = 0.0, **members: float) -> Step:
    return transitions.accept(builders.command(operation, **members), NOW + at, NOW + at, POLICY)


@ALL
@pytest.mark.parametrize(
    "fault", [builders.DENIED, builders.INVALID, builders.GONE, builders.CONFLICT], ids=lambda it: it.code
)
def test_a_refused_first_call_fails_at_once(operation: Operation, fault: Fault) -> None:
    step = observe(builders.job(operation), seen.Refused(fault), 1)
    assert told(step) == ["failed"]
    assert builders.reply(step).data["error"] == {
        "code": fault.code,
        "message": fault.message,
        "statusDetails": None,
        "retryable": False,
        "httpStatus": fault.http_status,
    }
    assert step.job is not None
    assert (step.job.fault, step.job.command.params) == (fault, {})


@pytest.mark.parametrize("operation", [*builders.CREATING, *builders.READS], ids=builders.named)
def test_a_denied_repeat_fails_where_nothing_of_the_first_call_can_be_left(operation: Operation) -> None:
    """A creation is repeated when a search has shown nothing of it; a read leaves nothing."""
    step = observe(builders.job(operation, attempt=2), seen.Refused(builders.DENIED), 1)
    assert (told(step), builders.error(step)) == (["failed"], "AccessDeniedException")


@ALL
def test_throttling_backs_off_ever_longer_within_bounds(operation: Operation) -> None:
    job, ceiling = builders.job(operation), POLICY.backoff_base
    for _ in range(12):
        job = after(job, seen.Postponed(THROTTLED))
        wait = job.due - NOW
        assert 0.1 * ceiling <= wait + 1e-6
        assert wait <= ceiling
        assert (job.attempt, builders.doing(job)) == (1, Rest(job.due))
        job = after(job, seen.Due(), wait + 1e-3)
        assert builders.doing(job) == Call()
        ceiling = min(2 * ceiling, POLICY.backoff_cap)


@ALL
def test_throttling_without_end_fails(operation: Operation) -> None:
    patience = POLICY.read_retry_limit if operation.kind is Kind.READ else POLICY.write_retry_limit
    assert after(builders.job(operation, tried=patience), seen.Postponed(THROTTLED)).phase is Phase.INTENDED
    step = observe(builders.job(operation, tried=patience + 1), seen.Postponed(THROTTLED))
    assert (told(step), builders.error(step)) == (["failed"], "ThrottlingException")


def test_throttling_after_a_lost_call_without_end_is_parked() -> None:
    tried = builders.job(OPERATIONS["TagResource"], attempt=2, tried=POLICY.write_retry_limit + 1)
    step = observe(tried, seen.Postponed(THROTTLED))
    assert told(step) == ["parked"]
    assert "an earlier one's outcome was lost" in builders.reply(step).data["searched"]


QUEUED = pytest.mark.parametrize(
    "operation", [row for row in builders.ROWS if row.kind is not Kind.READ], ids=builders.named
)


@QUEUED
def test_a_quota_that_aws_says_is_full_without_end_fails(operation: Operation) -> None:
    """Nothing of ours explains it, so nothing of ours will free it."""
    job, now, waits = builders.job(operation), 0.0, []
    while True:
        step = observe(job, seen.QuotaFull(FULL), now)
        assert step.job is not None
        if step.job.phase is not Phase.QUEUED:
            break
        waits.append(step.job.due - NOW - now)
        job = step.job
        if len(waits) % 9 == 0:
            assert after(job, seen.Restored(), now) is job  # the next owner goes on counting
        now += waits[-1]
        job = after(job, seen.Due(), now)
    assert (told(step), builders.error(step)) == (["failed"], FULL.code)
    assert (waits[0], max(waits) > 10 * POLICY.quota_retry) == (POLICY.quota_retry, True)
    assert max(waits) <= timing.LONGEST_QUOTA_WAIT * POLICY.quota_retry
    assert POLICY.write_retry_limit < now <= 1.1 * POLICY.write_retry_limit
    assert len(waits) < 400, "the longer it is full, the fewer calls it costs"


@QUEUED
def test_after_a_lost_call_a_quota_that_stays_full_is_for_a_person(operation: Operation) -> None:
    job = builders.job(operation, attempt=2, tried=POLICY.write_retry_limit + 1)
    step = observe(job, seen.QuotaFull(FULL))
    assert told(step) == ["failed" if operation.repeat is Repeat.MARKED else "parked"]


@QUEUED
@pytest.mark.parametrize("explained", [{"position": 3}, {"busy": 1}], ids=["ours", "busy"])
def test_waiting_for_slots_that_known_jobs_use_has_no_end(operation: Operation, explained: dict[str, int]) -> None:
    job = builders.job(operation, tried=POLICY.write_retry_limit + 1)
    for day in range(5):
        job = after(job, seen.QuotaFull(FULL, **explained), 86_400.0 * day)
        assert (job.phase, job.tried) == (Phase.QUEUED, 0.0)
        job = after(job, seen.Due(), 86_400.0 * day + 3600)


@pytest.mark.parametrize("operation", builders.READS, ids=builders.named)
def test_a_read_is_never_queued(operation: Operation) -> None:
    job = after(builders.job(operation), seen.QuotaFull(FULL))
    assert (job.phase, job.retries) == (Phase.INTENDED, 1)
    job = builders.job(operation, tried=POLICY.read_retry_limit + 1)
    assert builders.error(observe(job, seen.QuotaFull(FULL))) == FULL.code


@QUEUED
def test_a_full_quota_queues_and_tells_once(operation: Operation) -> None:
    step = observe(builders.job(operation), seen.QuotaFull(FULL, position=3), 1)
    assert builders.reply(step).data == {"reason": "ServiceQuotaExceededException", "position": 3}
    job = step.job
    assert job is not None
    assert (job.phase, builders.doing(job)) == (Phase.QUEUED, Rest(NOW + 1 + POLICY.quota_retry))
    assert occupies_slot(job) == ""
    assert after(job, seen.Restored(), 5) is job
    tried = after(job, seen.Due(), 30)
    assert (builders.doing(tried), tried.since, tried.attempt) == (Call(), NOW + 30, 1)
    again = observe(tried, seen.QuotaFull(FULL), 31)
    assert (again.events, again.job and again.job.phase) == ((), Phase.QUEUED)


@ALL
def test_not_before_rests_and_says_so(operation: Operation) -> None:
    step = accept(operation, not_before=NOW + 60)
    assert [builders.told(step), step.events[-1]] == [
        ["accepted", "waiting"],
        CommandReply("waiting", {"reason": "NotBefore", "position": 0}),
    ]
    job = step.job
    assert job is not None
    assert builders.doing(job) == Rest(NOW + 60, wall=True)
    assert occupies_slot(job) == ""
    assert after(job, seen.Restored(), 5) is job
    assert after(job, seen.Due(), 61) is job  # its own clock says nothing
    called = after(job, seen.StartReached(), 60)
    assert (builders.doing(called), called.since) == (Call(), NOW + 60)


@ALL
def test_a_deadline_that_has_passed_is_told_without_a_call(operation: Operation) -> None:
    step = accept(operation, deadline=NOW - 1)
    assert told(step) == ["accepted", "failed"]
    assert step.job is not None
    assert step.job.phase is Phase.FAILED
    assert step.job.fault is not None
    assert step.job.fault.code == "DeadlineExceeded"


@ALL
def test_a_deadline_ends_a_throttled_command(operation: Operation) -> None:
    job = builders.job(operation, command=builders.command(operation, deadline=NOW + 0.01))
    job = after(job, seen.Postponed(THROTTLED))
    assert timing.may_expire(job)
    assert builders.error(observe(job, seen.DeadlinePassed(), 0.02)) == "DeadlineExceeded"


@QUEUED
def test_a_deadline_ends_a_queued_command(operation: Operation) -> None:
    command = builders.command(operation, deadline=NOW + 10)
    job = after(builders.job(operation, command=command), seen.QuotaFull(FULL))
    assert timing.may_expire(job)
    assert builders.error(observe(job, seen.DeadlinePassed(), 10.02)) == "DeadlineExceeded"


@pytest.mark.parametrize("operation", [*builders.CREATING, *builders.GUARDED], ids=builders.named)
def test_a_deadline_ends_a_search_that_shows_nothing_was_done(operation: Operation) -> None:
    command = builders.guarded(operation) if operation.guards else builders.command(operation)
    job = after(builders.job(operation, command=replace(command, deadline=NOW + 10)), seen.Lost(TIMEOUT))
    shown = ({operation.previous: builders.OLD_HASH},) if operation.guards else ()
    assert not timing.may_expire(job)
    job = after(job, seen.Found(shown, NOW + POLICY.settle), POLICY.settle + 1)
    assert builders.error(observe(job, seen.DeadlinePassed(), POLICY.settle + 1)) == "DeadlineExceeded"


@pytest.mark.parametrize("operation", [row for row in builders.SAFE if row.kind is Kind.WRITE], ids=builders.named)
def test_a_deadline_does_not_end_what_may_have_been_done(operation: Operation) -> None:
    job = builders.job(operation, command=builders.command(operation, deadline=NOW + 10))
    job = after(job, seen.Lost(TIMEOUT), 1)
    assert not timing.may_expire(job)
    assert observe(job, seen.DeadlinePassed(), 11).ignored
    assert builders.doing(after(job, seen.Due(), 20)) == Call()


@ALL
def test_a_late_call_renews_its_intent(operation: Operation) -> None:
    job = builders.job(operation)
    renewed = after(job, seen.Late(), 5)
    assert (renewed.since, renewed.attempt, builders.doing(renewed)) == (NOW + 5, 1, Call())
    assert renewed is not job


@ALL
def test_a_call_that_misses_its_renewed_window_rests_and_tells_once(operation: Operation) -> None:
    """While commits were slow each renewal came too late as well: nothing left, and nothing said so."""
    step = observe(builders.job(operation), seen.WindowMissed(), 5)
    assert builders.reply(step).data == {"reason": "CallWindow", "position": 0}
    assert step.job is not None
    assert builders.doing(step.job) == Rest(NOW + 15)
    again = observe(after(step.job, seen.Due(), 15), seen.WindowMissed(), 18)
    assert (again.events, again.job and builders.doing(again.job)) == ((), Rest(NOW + 28))


@ALL
def test_a_call_held_back_is_the_next_owners_to_make(operation: Operation) -> None:
    held = after(builders.job(operation), seen.HandedOver(), 1)
    assert isinstance(builders.doing(held), Rest)
    for ours in (2, -3600):  # whatever its clock says
        assert after(held, seen.Restored(), ours) is held
        assert builders.doing(after(held, seen.Due(), ours)) == Call()
    called = after(held, seen.Due(), 2)
    assert (builders.doing(called), called.attempt) == (Call(), 1)


@QUEUED
def test_a_rest_by_a_clock_that_was_ahead_is_not_waited_for(operation: Operation) -> None:
    """The former owner's clock was ten minutes ahead: its rests would last ten minutes too long."""
    backing_off = after(builders.job(operation), seen.Postponed(THROTTLED), 600)
    queued = after(builders.job(operation), seen.QuotaFull(FULL), 600)
    for job, longest in ((backing_off, POLICY.backoff_cap), (queued, POLICY.quota_retry)):
        assert after(job, seen.Restored(), 0).due == NOW + longest
        assert after(job, seen.Restored(), 600) is job
    asked_for = accept(operation, not_before=NOW + 7200).job
    assert asked_for is not None
    assert after(asked_for, seen.Restored(), 0) is asked_for


def test_what_occupies_a_slot() -> None:
    """What may be running at AWS counts, what waits does not."""
    phases = {Phase.INTENDED, Phase.UNCERTAIN, Phase.ACCEPTED, Phase.RUNNING}
    assert {phase for phase in Phase if occupies_slot(builders.job(TRAIN, phase))} == phases
    resting: Job = builders.job(TRAIN, due=NOW + 1)
    assert occupies_slot(resting) == ""
    others = {row.name for row in builders.ROWS if not occupies_slot(builders.job(row))}
    assert others == {row.name for row in builders.ROWS if row.kind is not Kind.JOB}
