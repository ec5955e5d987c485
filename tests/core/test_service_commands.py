"""Tracking what others made, and cancelling."""

import pytest

from schemas.operations import AUDIENCE_MODEL, COMMANDS, OPERATIONS, Change
from schemas.records import Command, Job, Phase
from service.core import cancellation, transitions
from service.core import observations as seen
from service.core.cancellation import Chance
from service.core.effects import Await, Call, Step, Told, Watch
from service.core.job import replace
from tests.core import given
from tests.core.given import NOW, POLICY, after, changed, observe, told

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


def cancelling(**more: bool) -> Command:
    return command("CancelCommand", commandId="c-1", commandSource="/shop", **more)


def describe(status: str) -> seen.Seen:
    return seen.Seen({"status": status, "name": "spring", "audienceModelArn": ARN})


# Tracking


def test_tracking_sends_nothing_and_watches() -> None:
    job = tracking()
    assert (job.phase, job.resource_id, given.doing(job)) == (Phase.RUNNING, ARN, Watch())
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
    assert given.reply(step).data["error"]["code"] == "ResourceNotFoundException"


def test_tracking_can_be_cancelled() -> None:
    assert cancellation.chance(tracking()) is Chance.CERTAIN
    assert told(observe(tracking(), seen.Cancelled(), 1)) == ["failed"]


# Cancelling


@pytest.mark.parametrize(
    ("job", "chance"),
    [
        (given.job(CREATE), Chance.IF_UNSENT),
        (given.job(CREATE, due=NOW + 9), Chance.CERTAIN),
        (given.job(CREATE, phase=Phase.QUEUED), Chance.CERTAIN),
        (given.job(CREATE, phase=Phase.UNCERTAIN), Chance.TOO_LATE),
        (given.job(EXPORT, phase=Phase.ACCEPTED), Chance.TOO_LATE),
        (given.job(CREATE, phase=Phase.RUNNING), Chance.TOO_LATE),
        (given.job(CREATE, phase=Phase.SUCCEEDED), Chance.TOO_LATE),
        (given.job(OPERATIONS["TagResource"], attempt=2, due=NOW + 9), Chance.TOO_LATE),
    ],
)
def test_what_can_be_stopped(job: Job, chance: Chance) -> None:
    assert cancellation.chance(job) is chance


def test_a_stopped_command_fails_as_cancelled_and_the_cancellation_succeeds() -> None:
    stopped = observe(given.job(CREATE), seen.Cancelled(), 1)
    assert given.reply(stopped).data["error"]["code"] == "Cancelled"
    assert told(cancellation.done(cancelling(), NOW)) == ["accepted", "succeeded"]


def error(step: Step) -> str:
    (_, last) = step.events
    assert isinstance(last, Told)
    return str(last.data["error"]["code"])


def test_too_late_is_said_and_the_command_goes_on() -> None:
    running = given.job(CREATE, phase=Phase.RUNNING)
    assert error(cancellation.too_late(cancelling(), running, KEY, NOW)) == "TooLate"
    assert error(cancellation.unknown(cancelling(), NOW)) == "UnknownCommand"


def test_an_export_can_be_neither_stopped_nor_deleted() -> None:
    running = given.job(EXPORT, phase=Phase.RUNNING)
    assert error(cancellation.too_late(cancelling(deleteResource=True), running, KEY, NOW)) == "TooLate"


def test_the_resource_of_a_running_command_is_deleted_once_that_has_ended() -> None:
    running = given.job(CREATE, phase=Phase.RUNNING)
    step = cancellation.too_late(cancelling(deleteResource=True), running, KEY, NOW)
    assert told(step) == ["accepted", "waiting"]
    assert step.job is not None
    assert given.doing(step.job) == Await()
    assert observe(step.job, seen.Due(), 1).job is step.job
    released = after(step.job, seen.Released(AUDIENCE_MODEL.kind, ARN), 2)
    assert (released.command.operation, released.command.asked) == ("DeleteAudienceModel", "CancelCommand")
    assert released.command.params == {"audienceModelArn": ARN}
    assert given.doing(released) == Call()


def test_nothing_made_is_nothing_to_delete() -> None:
    waiting = cancellation.too_late(
        cancelling(deleteResource=True), given.job(CREATE, phase=Phase.RUNNING), KEY, NOW
    ).job
    assert waiting is not None
    step = observe(waiting, seen.Released(), 1)
    assert given.reply(step).data["result"] == {"cancelled": False, "deleted": False}


def test_what_an_ended_command_has_made_is_deleted_at_once() -> None:
    ended = given.job(CREATE, phase=Phase.SUCCEEDED, resource_id=ARN)
    step = cancellation.too_late(cancelling(deleteResource=True), ended, KEY, NOW)
    assert step.job is not None
    assert given.doing(step.job) == Call()
    assert step.job.command.params == {"audienceModelArn": ARN}
