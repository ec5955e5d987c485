"""Tracking what others made, and cancelling."""

import pytest

from schemas.operations import COMMANDS, OPERATIONS, Change, Resolution
from schemas.records import Command, Fault, Job, Phase
from service.core import cancellation, timing, transitions
from service.core import observations as seen
from service.core.cancellation import Chance
from service.core.effects import Await, Call, CommandReply, Decide, Rest, Step, Watch
from service.core.job import GIVEN_BACK, replace
from tests.support import builders
from tests.support.builders import NOW, POLICY, after, changed, observe, told

ARN = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/one"
KEY = b'["/shop","c-1"]'
CREATE, EXPORT = OPERATIONS["CreateAudienceModel"], OPERATIONS["StartAudienceExportJob"]


def tracking(**params: str) -> Job:
    step = transitions.accept(command("TrackResource", resourceArn=ARN, **params), NOW, NOW, POLICY)
    assert step.job is not None
    assert told(step) == ["accepted"]
    return step.job


def command(operation: str, **params: object) -> Command:
    return Command("t-1", "/shop", COMMANDS[operation].name, "default", params, "digest")


def cancelling(deadline: float = 0.0, **more: bool) -> Job:
    """A cancellation whose time has come."""
    asked = command("CancelCommand", commandId="c-1", commandSource="/shop", **more)
    step = transitions.accept(replace(asked, deadline=deadline), NOW, NOW, POLICY)
    assert step.job is not None
    assert (told(step), builders.doing(step.job)) == (["accepted"], Decide())
    return step.job


def describe(status: str) -> seen.Seen:
    return seen.Seen({"status": status, "name": "spring", "audienceModelArn": ARN})


# Tracking


def test_tracking_sends_nothing_and_watches() -> None:
    job = tracking()
    assert (job.phase, job.resource_id, builders.doing(job)) == (Phase.RUNNING, ARN, Watch())
    assert after(job, seen.Restored(), 9) == replace(job, since=NOW + 9)
    known = replace(job, status="CREATE_PENDING")
    assert after(known, seen.Restored(), 9) is known


def test_a_tracked_resource_is_told_until_it_has_ended() -> None:
    job = after(tracking(), describe("CREATE_IN_PROGRESS"), 1)
    step = observe(job, describe("ACTIVE"), 2)
    assert told(step) == ["succeeded"]
    assert changed(step) == ["ACTIVE"]


def test_a_failed_one_ends_as_failed() -> None:
    assert told(observe(tracking(), describe("CREATE_FAILED"), 1)) == ["failed"]


def test_a_given_status_ends_the_watch_and_others_do_not() -> None:
    job = after(tracking(untilStatus="DELETE_PENDING"), describe("ACTIVE"), 1)
    assert job.phase is Phase.RUNNING
    assert told(observe(job, describe("DELETE_PENDING"), 2)) == ["succeeded"]


@pytest.mark.parametrize(
    ("wanted", "shown", "kinds", "code"),
    [
        ("CREATE_PENDING", "CREATE_IN_PROGRESS", ["succeeded"], ""),
        ("CREATE_PENDING", "ACTIVE", ["succeeded"], ""),
        ("CREATE_IN_PROGRESS", "ACTIVE", ["succeeded"], ""),
        ("DELETE_PENDING", "DELETE_IN_PROGRESS", ["succeeded"], ""),
        ("CREATE_FAILED", "ACTIVE", ["failed"], "StatusMissed"),
        ("CREATE_PENDING", "CREATE_FAILED", ["failed"], "CREATE_FAILED"),
        ("ACTIVE", "CREATE_FAILED", ["failed"], "CREATE_FAILED"),
        ("ACTIVE", "DELETE_PENDING", ["failed"], "StatusMissed"),
        ("CREATE_IN_PROGRESS", "DELETE_PENDING", ["failed"], "StatusMissed"),
        ("DELETE_PENDING", "DELETE_FAILED", ["failed"], "DELETE_FAILED"),
        ("DELETE_FAILED", "ACTIVE", [], ""),
        ("DELETE_PENDING", "ACTIVE", [], ""),
        ("deleted", "ACTIVE", [], ""),
        ("ACTIVE", "CREATE_PENDING", [], ""),
        ("ACTIVE", "CREATE_DREAMING", [], ""),
    ],
)
def test_a_status_that_was_passed_between_two_looks_ends_the_watch(
    wanted: str, shown: str, kinds: list[str], code: str
) -> None:
    step = observe(tracking(untilStatus=wanted), describe(shown), 1)
    assert (told(step), changed(step)) == (kinds, [shown])
    if code:
        assert builders.error(step) == code


def test_a_tracked_resource_whose_status_can_t_be_read_ends_the_watch() -> None:
    step = observe(tracking(), seen.Unseen(builders.DENIED, POLICY.search_limit), 1)
    assert (told(step), builders.error(step)) == (["failed"], "StatusUnknown")


def test_a_tracked_resource_that_vanishes_was_deleted_from_outside() -> None:
    job = after(tracking(), describe("CREATE_IN_PROGRESS"), 1)
    step = observe(job, seen.Vanished(), 2)
    assert changed(step) == [Change.DELETED]
    assert told(step) == ["failed"]
    wanted = after(tracking(untilStatus="deleted"), describe("ACTIVE"), 1)
    assert told(observe(wanted, seen.Vanished(), 2)) == ["succeeded"]


def test_what_never_was_there_is_not_told_as_deleted() -> None:
    assert observe(tracking(), seen.Vanished(), 1).job is not None
    step = observe(tracking(), seen.Vanished(), POLICY.vanish_grace + 1)
    assert changed(step) == []
    assert builders.reply(step).data["error"]["code"] == "ResourceNotFoundException"


def test_tracking_can_be_cancelled() -> None:
    assert cancellation.chance(tracking()) is Chance.CERTAIN
    assert told(observe(tracking(), seen.Cancelled(), 1)) == ["failed"]


# Cancelling


@pytest.mark.parametrize(
    ("job", "chance"),
    [
        (builders.job(CREATE), Chance.IF_UNSENT),
        (builders.job(CREATE, due=NOW + 9), Chance.CERTAIN),
        (builders.job(CREATE, phase=Phase.QUEUED), Chance.CERTAIN),
        (builders.job(CREATE, phase=Phase.UNCERTAIN), Chance.TOO_LATE),
        (builders.job(EXPORT, phase=Phase.ACCEPTED), Chance.TOO_LATE),
        (builders.job(CREATE, phase=Phase.RUNNING), Chance.TOO_LATE),
        (builders.job(CREATE, phase=Phase.SUCCEEDED), Chance.TOO_LATE),
        (builders.job(OPERATIONS["TagResource"], attempt=2, due=NOW + 9), Chance.TOO_LATE),
    ],
)
def test_what_can_be_stopped(job: Job, chance: Chance) -> None:
    assert cancellation.chance(job) is chance


def test_a_stopped_command_fails_as_cancelled_and_the_cancellation_succeeds() -> None:
    stopped = observe(builders.job(CREATE), seen.Cancelled(), 1)
    assert builders.reply(stopped).data["error"]["code"] == "Cancelled"
    assert told(cancellation.done(cancelling(), NOW)) == ["succeeded"]


def error(step: Step) -> str:
    (last,) = step.events
    assert isinstance(last, CommandReply)
    return str(last.data["error"]["code"])


def late(other: Job, job: Job | None = None, objection: Fault | None = None) -> Step:
    """What a cancellation that is to delete comes to, when the call has left."""
    return cancellation.too_late(job or cancelling(deleteResource=True), other, KEY, objection, NOW)


def test_too_late_is_said_and_the_command_goes_on() -> None:
    running = builders.job(CREATE, phase=Phase.RUNNING)
    assert error(late(running, cancelling())) == "TooLate"
    assert error(cancellation.unknown(cancelling(), NOW)) == "UnknownCommand"


def test_an_export_can_be_neither_stopped_nor_deleted() -> None:
    assert error(late(builders.job(EXPORT, phase=Phase.RUNNING))) == "TooLate"


def test_the_resource_of_a_running_command_is_deleted_once_that_has_ended() -> None:
    step = late(builders.job(CREATE, phase=Phase.RUNNING))
    assert told(step) == ["waiting"]
    assert step.job is not None
    assert builders.doing(step.job) == Await()
    assert observe(step.job, seen.Due(), 1).job is step.job
    released = after(step.job, seen.DependencyEnded(), 2)
    assert builders.doing(released) == Decide()
    ended = late(builders.job(CREATE, phase=Phase.SUCCEEDED, resource_id=ARN), released).job
    assert ended is not None
    assert (ended.command.operation, ended.command.asked) == ("DeleteAudienceModel", "CancelCommand")
    assert ended.command.params == {"audienceModelArn": ARN}
    assert builders.doing(ended) == Rest(GIVEN_BACK)  # as any call, it is permitted when it has a turn
    called = after(ended, seen.Due(), 2)
    assert builders.doing(called) == Call()
    last = observe(after(called, seen.Returned({}), 3), seen.Vanished(), 4)
    assert builders.reply(last).data["result"] == {"cancelled": False, "deleted": True}


def test_what_is_deleted_is_the_recorded_resource_where_it_was_made() -> None:
    made = builders.job(CREATE, phase=Phase.SUCCEEDED, resource_id=ARN, account="1", region="eu-north-1")
    made = replace(made, command=replace(made.command, target="elsewhere"))
    deleting = late(made).job
    assert deleting is not None
    assert (deleting.command.target, deleting.account, deleting.region) == ("elsewhere", "1", "eu-north-1")
    assert deleting.command.params == {"audienceModelArn": ARN}


def test_what_the_record_names_is_deleted_although_the_command_was_given_up() -> None:
    given_up = Fault("GivenUp", "a person has given it up")
    deleting = late(builders.job(CREATE, phase=Phase.FAILED, resource_id=ARN, fault=given_up)).job
    assert deleting is not None
    assert deleting.command.params == {"audienceModelArn": ARN}
    assert error(late(builders.job(CREATE, phase=Phase.FAILED, fault=given_up))) == "OutcomeUnknown"


def test_a_refusal_in_a_word_of_ours_gives_nothing_up() -> None:
    refused = Fault("GivenUp", "no", http_status=400)
    step = late(builders.job(CREATE, phase=Phase.FAILED, fault=refused))
    assert builders.reply(step).data["result"] == {"cancelled": False, "deleted": False}


def test_nothing_made_is_nothing_to_delete() -> None:
    step = late(builders.job(CREATE, phase=Phase.FAILED, fault=builders.DENIED))
    assert builders.reply(step).data["result"] == {"cancelled": False, "deleted": False}


def test_who_must_not_delete_there_is_answered_before_anything_waits() -> None:
    denied = Fault("NotAllowed", "target: must be one of: music; setting tenants.music.targets")
    for phase in (Phase.RUNNING, Phase.PARKED, Phase.SUCCEEDED):
        assert error(late(builders.job(CREATE, phase=phase, resource_id=ARN), objection=denied)) == "NotAllowed"


def test_a_parked_command_may_have_made_something() -> None:
    """The cancellation waits for the decision, says so once, and never that nothing was made."""
    parked = builders.job(CREATE, phase=Phase.PARKED)
    step = late(parked)
    assert (told(step), builders.reply(step).data["reason"]) == (["waiting"], "CommandParked")
    assert step.job is not None
    again = late(parked, after(step.job, seen.DependencyEnded(), 1))
    assert told(again) == []
    given_up = observe(parked, seen.Resolved(Resolution.FAIL), 2).job
    assert given_up is not None
    assert error(late(given_up, after(step.job, seen.DependencyEnded(), 3))) == "OutcomeUnknown"
    assert error(cancellation.unknown(after(step.job, seen.DependencyEnded(), 3), NOW)) == "OutcomeUnknown"


def test_a_cancellation_that_waits_ends_at_its_own_deadline() -> None:
    job = late(builders.job(CREATE, phase=Phase.RUNNING), cancelling(deadline=NOW + 60, deleteResource=True)).job
    assert job is not None
    assert timing.may_expire(job)
    assert error(observe(job, seen.DeadlinePassed(), 61)) == "DeadlineExceeded"


def test_a_cancellation_that_waits_can_be_cancelled() -> None:
    waiting = late(builders.job(CREATE, phase=Phase.RUNNING)).job
    assert waiting is not None
    assert cancellation.chance(waiting) is Chance.CERTAIN
    assert error(observe(waiting, seen.Cancelled(), 1)) == "Cancelled"


def test_its_time_is_respected() -> None:
    asked = command("CancelCommand", commandId="c-1", commandSource="/shop")
    early = transitions.accept(replace(asked, not_before=NOW + 60), NOW, NOW, POLICY)
    assert early.job is not None
    assert (told(early), builders.doing(early.job)) == (["accepted", "waiting"], Rest(NOW + 60, wall=True))
    assert builders.doing(after(early.job, seen.StartReached(), 61)) == Decide()
    assert builders.doing(after(early.job, seen.Restored(), 9)) == Rest(NOW + 60, wall=True)
    assert told(transitions.accept(replace(asked, deadline=NOW - 1), NOW, NOW, POLICY)) == ["accepted", "failed"]
