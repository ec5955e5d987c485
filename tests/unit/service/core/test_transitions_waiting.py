"""Refusals, throttling, quotas, times before and after which nothing is called."""

import dataclasses
from typing import Any

import pytest

from schemas.operations import OPERATIONS, SERVICE_COMMANDS, Kind, Operation, Repeat
from schemas.records import Fault, Job, Phase
from service.core import observations as seen
from service.core import timing, transitions
from service.core.command_state import CommandState, state_of
from service.core.effects import Call, CommandReply, Rest, Step, Watch
from service.core.job import occupies_slot, replace
from tests.support import builders
from tests.support.builders import FULL, NOW, POLICY, THROTTLED, TIMEOUT, after, observe, told

TRAIN, EXPORT = OPERATIONS["CreateAudienceModel"], OPERATIONS["StartAudienceExportJob"]
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
    retry_limit = POLICY.read_retry_limit if operation.kind is Kind.READ else POLICY.write_retry_limit
    assert after(builders.job(operation, tried=retry_limit), seen.Postponed(THROTTLED)).phase is Phase.INTENDED
    step = observe(builders.job(operation, tried=retry_limit + 1), seen.Postponed(THROTTLED))
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


REFUSED = Fault("ConnectFailed", "refused", retryable=True)
KEYLESS = Fault("CredentialsUnavailable", "none", retryable=True)


def replies(job: Job, observation: seen.Observation) -> tuple[Job, list[str]]:
    step = observe(job, observation, 1)
    assert step.job is not None
    return step.job, [str(each.data["reason"]) for each in step.events if isinstance(each, CommandReply)]


@ALL
@pytest.mark.parametrize(
    ("fault", "reason"),
    [(REFUSED, "TargetUnavailable"), (KEYLESS, "CredentialsUnavailable")],
    ids=["no-answer", "no-credentials"],
)
def test_silence_of_aws_is_published_once_after_half_a_minute(operation: Operation, fault: Fault, reason: str) -> None:
    job = builders.job(operation)
    said: list[str] = []
    for _ in range(12):
        job, reasons = replies(job, seen.Postponed(fault))
        assert bool(said or reasons) == (job.tried >= transitions.UNANSWERED_AFTER)
        said += reasons
        job = after(job, seen.Due(), job.due - NOW + 1)
    assert (said, job.reason) == ([reason], reason)


def test_another_reason_is_published_too() -> None:
    job = builders.job(TRAIN, tried=100.0)
    job, first = replies(job, seen.Postponed(REFUSED))
    job, second = replies(job, seen.Postponed(KEYLESS))
    assert (*first, *second) == ("TargetUnavailable", "CredentialsUnavailable")


def test_a_throttle_is_no_silence() -> None:
    assert replies(builders.job(TRAIN, tried=100.0), seen.Postponed(THROTTLED))[1] == []


@pytest.mark.parametrize("operation", builders.READS, ids=builders.named)
def test_a_read_that_is_not_answered_waits_for_the_target(operation: Operation) -> None:
    assert replies(builders.job(operation, tried=100.0), seen.Lost(TIMEOUT))[1] == ["TargetUnavailable"]


def test_a_wait_for_the_budget_hides_no_silence() -> None:
    """Or the two reasons would alternate, one reply each, as long as AWS is silent."""
    job, _ = replies(builders.job(TRAIN, tried=100.0), seen.Postponed(REFUSED))
    job = after(job, seen.Due(), job.due - NOW + 1)
    assert replies(job, seen.Delayed()) == (job, [])


@pytest.mark.parametrize("phase", [Phase.UNCERTAIN, Phase.ACCEPTED])
def test_who_is_searched_for_in_vain_hears_of_the_silence_too(phase: Phase) -> None:
    """In an outage the answer to a creation is lost, and then its searches fail."""
    job, said = builders.job(EXPORT, phase), list[str]()
    for _ in range(12):
        job, reasons = replies(job, seen.SearchFailed(REFUSED, seconds=5.0))
        assert bool(said or reasons) == (job.tried >= transitions.UNANSWERED_AFTER)
        said += reasons
    assert (said, state_of(job)) == (["TargetUnavailable"], CommandState.WAITING)
    quiet = builders.job(EXPORT, phase, tried=100.0)
    assert replies(quiet, seen.SearchFailed(builders.DENIED))[1] == []


def test_a_search_that_shows_nothing_ends_the_silence() -> None:
    silent = builders.job(TRAIN, Phase.UNCERTAIN, tried=100.0, reason="TargetUnavailable")
    again = after(silent, seen.Found((), NOW + POLICY.settle + 1), POLICY.settle + 1)
    assert (again.phase, again.reason) == (Phase.INTENDED, "")


def test_what_has_started_waits_for_nothing() -> None:
    for operation in builders.CREATING:
        silent = builders.job(operation, tried=100.0, reason="TargetUnavailable")
        result = {operation.resource.identity: "arn:x"} if operation.resource.identity else {}
        assert after(silent, seen.Returned(result)).reason == ""


# Time limits of what runs

TRACK = SERVICE_COMMANDS["TrackResource"]
DAY = 86_400.0


def track(**changes: Any) -> Job:
    watched = {"resourceArn": builders.arn(TRAIN), "untilStatus": "ACTIVE"}
    return builders.job(TRACK, command=builders.command(TRACK, params=watched, until=NOW + 5), **changes)


@pytest.mark.parametrize("phase", [Phase.INTENDED, Phase.QUEUED, Phase.RUNNING])
def test_a_watch_ends_at_the_time_that_its_publisher_has_named(phase: Phase) -> None:
    step = observe(track(phase=phase, status="CREATE_IN_PROGRESS"), seen.UntilPassed(), 6)
    assert (told(step), builders.error(step)) == (["failed"], "NotReady")
    assert step.job is not None
    assert step.job.fault is not None
    assert "ACTIVE" in step.job.fault.message
    assert "CREATE_IN_PROGRESS" in step.job.fault.message


def test_a_watch_that_comes_too_late_ends_on_arrival() -> None:
    watched = {"resourceArn": builders.arn(TRAIN)}
    late = transitions.accept(builders.command(TRACK, params=watched, until=NOW - 1), NOW, NOW, POLICY)
    assert told(late) == ["accepted", "failed"]
    assert late.job is not None
    assert late.job.fault is not None
    assert late.job.fault.code == "NotReady"
    in_time = transitions.accept(builders.command(TRACK, params=watched, until=NOW), NOW, NOW, POLICY)
    assert told(in_time) == ["accepted"]


RUNNING = pytest.mark.parametrize("operation", [*builders.JOBS, *builders.REMOVALS], ids=builders.named)


@RUNNING
def test_what_runs_past_its_time_goes_on_and_is_reported_once(operation: Operation) -> None:
    job = builders.job(operation, Phase.RUNNING, status="", command=builders.command(operation, until=NOW + 5))
    said = []
    for observation in (seen.UntilPassed(), seen.Restored(), seen.UntilPassed(), seen.RunningLong()):
        job, reasons = replies(job, observation)
        said += reasons
    assert (said, job.phase, job.attempt) == (["Overdue"], Phase.RUNNING, 1)
    assert builders.doing(job) == Watch()


@RUNNING
def test_what_runs_for_longer_than_is_usual_is_reported_by_its_owners_time(operation: Operation) -> None:
    limit = POLICY.running_limit(operation.resource.kind)
    job = builders.job(operation, Phase.RUNNING)
    assert timing.long_at(job, POLICY) == NOW + limit
    early = observe(job, seen.RunningLong(), limit - 1)
    assert (early.job, early.events, early.ignored) == (job, (), True)
    late = observe(job, seen.RunningLong(), limit)
    assert builders.reply(late).data["reason"] == "Overdue"
    assert late.job is not None
    assert timing.long_at(late.job, POLICY) == 0.0


def test_a_kind_has_a_limit_of_its_own() -> None:
    policy = dataclasses.replace(POLICY, running_limits={TRAIN.resource.kind: 2 * DAY})
    assert (policy.running_limit(TRAIN.resource.kind), policy.running_limit("other")) == (2 * DAY, 7 * DAY)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.RUNNING])
def test_only_what_runs_has_a_time_limit(phase: Phase) -> None:
    job = builders.job(TRAIN, phase, command=builders.command(TRAIN, until=NOW + 5))
    assert (timing.until(job), timing.long_at(job, POLICY)) == (0.0, 0.0)


def test_a_watch_has_no_limit_but_its_publishers() -> None:
    watch = track(phase=Phase.RUNNING)
    assert (timing.until(watch), timing.long_at(watch, POLICY)) == (NOW + 5, 0.0)
