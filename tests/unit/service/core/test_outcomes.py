"""Watched resources: statuses in any order, strange ones, failures, and resources that vanish."""

import pytest

from schemas.operations import OPERATIONS, Change, Operation
from schemas.records import Job, Phase
from service.core import observations as seen
from service.core import outcomes
from service.core.effects import StatusChange
from service.core.job import replace
from tests.support import builders
from tests.support.builders import POLICY, after, changed, observe, told

JOBS = pytest.mark.parametrize("operation", builders.JOBS, ids=builders.named)
REMOVALS = pytest.mark.parametrize("operation", builders.REMOVALS, ids=builders.named)


def running(operation: Operation, status: str = "") -> Job:
    return builders.job(operation, Phase.RUNNING, resource_id=builders.arn(operation), status=status)


def show(status: str, **members: object) -> seen.Seen:
    return seen.Seen({"status": status, **members})


@JOBS
def test_a_status_seen_again_is_no_news(operation: Operation) -> None:
    job = running(operation, "CREATE_PENDING")
    step = observe(job, show("CREATE_PENDING"), 5)
    assert (step.job is job, step.events, step.ignored) == (True, (), False)


@JOBS
def test_an_end_that_a_former_owner_did_not_know_is_one(operation: Operation) -> None:
    """An older release has committed the status, and gone on watching."""
    assert told(observe(running(operation, "ACTIVE"), show("ACTIVE"), 5)) == ["succeeded"]
    assert told(observe(running(operation, "CREATE_FAILED"), show("CREATE_FAILED"), 5)) == ["failed"]


@JOBS
def test_a_status_that_goes_backwards_is_ignored(operation: Operation) -> None:
    job = running(operation, "CREATE_IN_PROGRESS")
    step = observe(job, show("CREATE_PENDING"), 5)
    assert (step.job is job, step.events, step.ignored) == (True, (), True)


@pytest.mark.parametrize("operation", [row for row in builders.JOBS if row.resource.leaving], ids=builders.named)
@pytest.mark.parametrize(("status", "ends"), [("CREATE_IN_PROGRESS", []), ("ACTIVE", ["succeeded"])])
def test_a_status_that_was_left_behind_and_stays_counts(operation: Operation, status: str, ends: list[str]) -> None:
    """One wrong look, or a deletion that was taken back, hid all that followed, for ever."""
    job = running(operation, "DELETE_PENDING")
    early = observe(job, seen.Seen({"status": status}, POLICY.settle - 1), POLICY.settle)
    assert (early.job, early.events, early.ignored) == (job, (), True)
    step = observe(job, seen.Seen({"status": status}, POLICY.settle), POLICY.settle + 1)
    assert (told(step), changed(step)) == (ends, [status])
    (change,) = (event for event in step.events if isinstance(event, StatusChange))
    assert change.back
    assert step.job is not None
    assert step.job.status == status


@REMOVALS
@pytest.mark.parametrize("status", ["ACTIVE", "CREATE_FAILED"])
def test_a_removal_that_is_taken_back_fails(operation: Operation, status: str) -> None:
    job = after(running(operation, "DELETE_IN_PROGRESS"), seen.Restored(), -10 * POLICY.settle)  # another clock
    assert observe(job, seen.Seen({"status": status}, POLICY.settle - 1), 0).events == ()
    step = observe(job, seen.Seen({"status": status}, POLICY.settle), 1)
    assert (told(step), builders.error(step), changed(step)) == (["failed"], "NotRemoved", [status])
    assert "DELETE_IN_PROGRESS" in builders.reply(step).data["error"]["message"]


@JOBS
def test_an_unknown_status_is_no_look_that_counts(operation: Operation) -> None:
    job = after(running(operation, "CREATE_PENDING"), seen.Unseen(builders.DENIED, POLICY.search_limit - 1), 1)
    job = after(job, show("CREATE_STOPPED"), 2)
    assert (job.phase, job.status, job.tried) == (Phase.RUNNING, "CREATE_STOPPED", POLICY.search_limit - 1)
    step = observe(job, seen.Unseen(outcomes.unknown_status("CREATE_STOPPED"), 3600.0), 3)
    assert (told(step), builders.error(step)) == (["parked"], "StatusUnknown")
    assert "CREATE_STOPPED" in builders.reply(step).data["error"]["message"]


@JOBS
def test_steps_may_be_missed(operation: Operation) -> None:
    step = observe(running(operation), show("ACTIVE"), 5)
    assert (told(step), changed(step)) == (["succeeded"], ["ACTIVE"])


@JOBS
@pytest.mark.parametrize("status", ["CREATE_DREAMING", "ÄHM", "active"])
def test_an_unknown_status_is_carried_and_the_watch_goes_on(operation: Operation, status: str) -> None:
    step = observe(running(operation, "CREATE_PENDING"), show(status), 5)
    assert (told(step), changed(step)) == ([], [status])
    assert step.job is not None
    assert (step.job.phase, step.job.status) == (Phase.RUNNING, status)
    assert told(observe(step.job, show("ACTIVE"), 6)) == ["succeeded"]


@JOBS
@pytest.mark.parametrize("description", [{}, {"status": ""}])
def test_no_status_is_no_news(operation: Operation, description: dict[str, str]) -> None:
    job = running(operation, "CREATE_PENDING")
    assert observe(job, seen.Seen(description)).job is job


@JOBS
def test_a_failed_job_tells_why(operation: Operation) -> None:
    details = {"statusCode": "SEED_READ_FAILED", "message": "no such key"}
    step = observe(running(operation), show("CREATE_FAILED", statusDetails=details), 5)
    assert (told(step), changed(step)) == (["failed"], ["CREATE_FAILED"])
    error = builders.reply(step).data["error"]
    assert (error["code"], error["message"]) == ("CREATE_FAILED", "SEED_READ_FAILED: no such key")
    assert error["statusDetails"] == details
    (change,) = (event for event in step.events if isinstance(event, StatusChange))
    assert change.details == details
    assert change.description is not None


@JOBS
@pytest.mark.parametrize("details", [None, {}, {"statusCode": "X"}])
def test_a_failed_job_may_give_no_reason(operation: Operation, details: object) -> None:
    step = observe(running(operation), show("CREATE_FAILED", statusDetails=details), 5)
    assert "AWS gives no reason" in builders.reply(step).data["error"]["message"]


@JOBS
def test_a_new_resource_may_be_invisible_for_a_while(operation: Operation) -> None:
    job = running(operation)
    assert observe(job, seen.Vanished(), POLICY.vanish_grace - 1).job is job
    step = observe(job, seen.Vanished(), POLICY.vanish_grace)
    assert (told(step), builders.error(step), changed(step)) == (["failed"], "ResourceVanished", [Change.DELETED])


@JOBS
def test_a_resource_is_not_new_for_longer_because_the_former_owners_clock_was_ahead(operation: Operation) -> None:
    """Found by simulation: a tracked resource that was gone already was looked for until our clock had caught up."""
    ahead = replace(running(operation), since=builders.NOW + 1200)
    restored = observe(ahead, seen.Restored(), 0).job
    assert restored is not None
    assert changed(observe(restored, seen.Vanished(), POLICY.vanish_grace)) == [Change.DELETED]


@JOBS
def test_a_resource_that_was_seen_and_is_gone_was_deleted_by_somebody(operation: Operation) -> None:
    step = observe(running(operation, "CREATE_PENDING"), seen.Vanished(), 1)
    assert (told(step), changed(step)) == (["failed"], [Change.DELETED])
    assert "last status CREATE_PENDING" in builders.reply(step).data["error"]["message"]
    (change,) = (event for event in step.events if isinstance(event, StatusChange))
    assert change.name == "spring"


@pytest.mark.parametrize("operation", [row for row in builders.JOBS if row.resource.leaving], ids=builders.named)
def test_a_job_whose_resource_is_being_deleted_is_followed_to_the_end(operation: Operation) -> None:
    job = after(running(operation, "CREATE_PENDING"), show("DELETE_PENDING"), 1)
    assert job.phase is Phase.RUNNING
    assert told(observe(job, show("DELETE_FAILED"), 2)) == ["failed"]
    assert told(observe(job, seen.Vanished(), 2)) == ["failed"]


@REMOVALS
@pytest.mark.parametrize("status", ["ACTIVE", "CREATE_FAILED"])
def test_a_read_that_lags_behind_the_delete_is_no_news(operation: Operation, status: str) -> None:
    job = running(operation)
    step = observe(job, show(status), 1)
    assert (step.job is job, step.events) == (True, ())


@REMOVALS
def test_a_removal_that_fails_tells_why(operation: Operation) -> None:
    job = running(operation, "DELETE_IN_PROGRESS")
    details = {"statusCode": "IN_USE", "message": "a job reads it"}
    step = observe(job, show("DELETE_FAILED", statusDetails=details), 9)
    assert (told(step), builders.error(step), changed(step)) == (["failed"], "DELETE_FAILED", ["DELETE_FAILED"])


@REMOVALS
def test_a_removed_resource_may_be_gone_at_once(operation: Operation) -> None:
    assert told(observe(running(operation), seen.Vanished(), 0)) == ["succeeded"]


def test_the_name_comes_from_the_description_or_the_command() -> None:
    create, delete = OPERATIONS["CreateAudienceModel"], OPERATIONS["DeleteAudienceModel"]
    for operation, shown, name in ((create, "", "spring"), (create, "other", "other"), (delete, "", "")):
        pending = "CREATE_PENDING" if operation is create else "DELETE_PENDING"
        step = observe(running(operation), show(pending, name=shown), 1)
        (change,) = (event for event in step.events if isinstance(event, StatusChange))
        assert change.name == name


# Every watch has an end


@REMOVALS
def test_a_deletion_that_fails_again_within_the_grace_fails_after_it(operation: Operation) -> None:
    job = running(operation)
    assert observe(job, show("DELETE_FAILED"), POLICY.vanish_grace - 1).job is job
    step = observe(job, show("DELETE_FAILED"), POLICY.vanish_grace)
    assert (told(step), builders.error(step), changed(step)) == (["failed"], "DELETE_FAILED", ["DELETE_FAILED"])


@REMOVALS
@pytest.mark.parametrize("status", ["ACTIVE", "CREATE_FAILED"])
def test_a_deletion_that_aws_took_and_never_began_fails(operation: Operation, status: str) -> None:
    step = observe(running(operation), show(status), POLICY.settle)
    assert (told(step), builders.error(step), changed(step)) == (["failed"], "NotRemoved", [])


@pytest.mark.parametrize("operation", [*builders.JOBS, *builders.REMOVALS], ids=builders.named)
def test_a_status_that_can_t_be_read_for_too_long_is_for_a_person(operation: Operation) -> None:
    job, looks = running(operation, "CREATE_PENDING"), 0
    while job.phase is Phase.RUNNING:
        step = observe(job, seen.Unseen(builders.DENIED, 3600.0, "ListThings"), 3600.0 * looks)
        assert step.job is not None
        job, looks = step.job, looks + 1
        if looks == 5:
            job = after(job, seen.Restored(), 3600.0 * looks)  # the next owner goes on counting
    assert looks == POLICY.search_limit / 3600.0
    assert (told(step), builders.error(step)) == (["parked"], "StatusUnknown")
    reply = builders.reply(step).data
    assert "ListThings fails, last with AccessDeniedException" in reply["error"]["message"]
    assert reply["searched"] == f"ListThings of {job.resource_id}"


@JOBS
def test_a_status_that_is_read_again_counts_anew(operation: Operation) -> None:
    job = after(running(operation, "CREATE_PENDING"), seen.Unseen(builders.DENIED, POLICY.search_limit - 1), 1)
    job = after(job, show("CREATE_PENDING"), 2)
    assert (job.phase, job.tried) == (Phase.RUNNING, 0.0)
    assert after(job, seen.Unseen(builders.DENIED, 3600.0), 3).phase is Phase.RUNNING
