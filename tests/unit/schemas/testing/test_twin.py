"""The test kit: commands, strict reading and the twin's contract."""

from typing import Any

import pytest

from schemas.docs import examples
from schemas.events import Message
from schemas.testing import (
    Published,
    Twin,
    assert_ended,
    assert_numbered,
    command,
    terminal,
)
from schemas.testing.account import ApiError
from schemas.testing.building import open_limits

MODEL = {"name": "taste", "trainingDatasetArn": examples.DATASET}


def _kinds(published: list[Published]) -> list[str]:
    return [one.kind for one in published]


def _statuses(published: list[Published]) -> list[str]:
    return [one.data["status"] for one in published if not one.is_reply]


def _start(twin: Twin, command_id: str = "start", **more: Any) -> tuple[str, list[Published]]:
    said = twin.send(command("CreateAudienceModel", MODEL, command_id=command_id, **more))
    (arn,) = [one.data["resourceArn"] for one in said if one.kind == "started"]
    return arn, said


# --- building --------------------------------------------------------------------------------------------------------


# --- reading ---------------------------------------------------------------------------------------------------------


# --- twin ------------------------------------------------------------------------------------------------------------


def test_a_job_stands_still_until_it_is_moved_on() -> None:
    twin = Twin()
    arn, said = _start(twin, extensions={"correlationid": "c"})
    assert _kinds(said) == ["accepted", "started", "audience-model"]
    assert all(one.attributes["correlationid"] == "c" for one in said)
    assert _statuses(twin.advance(arn)) == ["CREATE_IN_PROGRESS"]
    event, end = twin.advance(arn)
    assert event.data["resource"]["audienceModelArn"] == arn
    assert (event.key, event.attributes["sequence"]) == (arn, "0000000003")
    assert end.data["result"] == event.data["resource"]
    with pytest.raises(ValueError, match="an end"):
        twin.advance(arn)
    assert_numbered(twin.published)


def test_a_job_fails_with_awss_details() -> None:
    twin = Twin()
    arn, _ = _start(twin)
    event, end = twin.fail(arn, "DATA", "no rows")
    assert event.data["statusDetails"] == {"statusCode": "DATA", "message": "no rows"}
    assert end.kind == "failed"
    assert end.data["error"]["code"] == "CREATE_FAILED"
    assert end.data["error"]["statusDetails"] == event.data["statusDetails"]


def test_an_automatic_twin_needs_no_hand() -> None:
    twin = Twin(automatic=True)
    arn, said = _start(twin)
    assert said[-1].kind == "succeeded"
    removed = twin.send(command("DeleteAudienceModel", audienceModelArn=arn))
    assert _statuses(removed) == ["DELETE_PENDING", "DELETE_IN_PROGRESS", "deleted"]
    assert removed[-1].data["result"] == {}
    gone = twin.send(command("GetAudienceModel", audienceModelArn=arn))
    assert gone[-1].data["error"]["code"] == "ResourceNotFoundException"


def test_a_removal_may_fail() -> None:
    twin = Twin()
    twin.provide(examples.MODEL, name="m")
    twin.send(command("DeleteAudienceModel", audienceModelArn=examples.MODEL, command_id="x"))
    assert _kinds(twin.fail(examples.MODEL)) == ["audience-model", "failed"]


def test_a_resource_that_somebody_deletes_ends_the_job_badly() -> None:
    twin = Twin()
    arn, _ = _start(twin)
    assert twin.advance(arn, "deleted")[-1].data["error"]["code"] == "ResourceVanished"


def test_duplicates_and_misuse() -> None:
    twin = Twin()
    message = command("CreateAudienceModel", MODEL, command_id="start")
    arn = twin.send(message)[1].data["resourceArn"]
    assert _kinds(twin.send(message)) == ["accepted"]
    *_, end = twin.finish(arn)
    (again,) = twin.send(message)
    assert again == end
    (misuse,) = twin.send(command("CreateAudienceModel", MODEL, name="other", command_id="start"))
    assert misuse.data["error"]["code"] == "IdMisuse"
    assert sum(one.kind == "started" for one in twin.published) == 1


def test_invalid_and_unreadable_commands_are_buried() -> None:
    twin = Twin()
    bad = command("CreateAudienceModel", {"name": ""}, check=False)
    (rejected,) = twin.send(bad)
    assert {"data.name", "data.trainingDatasetArn"} <= {one["path"] for one in rejected.data["error"]["violations"]}
    assert twin.send(Message(b"k", b"junk", ())) == []
    assert [dict(letter.headers)["dlq_reason"] for letter in twin.dead_letters] == [
        b"ValidationFailed",
        b"NotCloudEvent",
    ]
    assert twin.dead_letters[0].value == bad.value


def test_a_quota_makes_commands_wait() -> None:
    twin = Twin()
    twin.hold("CreateAudienceModel")
    first = twin.send(command("CreateAudienceModel", MODEL, command_id="a"))
    second = twin.send(command("CreateAudienceModel", MODEL, command_id="b"))
    assert _kinds(first) == ["accepted", "waiting"]
    assert [said[-1].data["position"] for said in (first, second)] == [1, 2]
    assert _kinds(twin.release("CreateAudienceModel")) == ["started", "audience-model"] * 2


def test_a_refusal_of_aws_fails_the_next_call_only() -> None:
    twin = Twin()
    twin.refuse("CreateAudienceModel", "ConflictException", "taken", 409)
    refused = twin.send(command("CreateAudienceModel", MODEL))
    assert refused[-1].data["error"] | {"message": "taken", "httpStatus": 409} == refused[-1].data["error"]
    assert _kinds(twin.send(command("CreateAudienceModel", MODEL)))[-2] == "started"


def test_times_are_kept() -> None:
    twin = Twin(now=1_000_000_000.0)
    extensions = {"notbefore": "2001-09-09T02:00:00Z", "deadline": "2001-09-09T03:00:00Z"}
    assert _kinds(twin.send(command("ListAudienceModels", extensions=extensions, command_id="a"))) == [
        "accepted",
        "waiting",
    ]
    assert twin.pass_time(60) == []
    assert _kinds(twin.pass_time(3_600)) == ["succeeded"]
    twin.hold("ListAudienceModels")
    twin.send(command("ListAudienceModels", extensions=extensions, command_id="b"))
    (late,) = twin.pass_time(3_600)
    assert late.data["error"]["code"] == "DeadlineExceeded"
    overdue = twin.send(command("ListAudienceModels", extensions={"deadline": "2001-09-09T03:00:00Z"}))
    assert _kinds(overdue) == ["accepted", "failed"]


def test_replies_go_where_they_are_to_go() -> None:
    twin = Twin(prefix="mine", limits=open_limits(reply_topics=["elsewhere"]))
    told = twin.send(command("ListAudienceModels", extensions={"replyto": "elsewhere"}))
    assert {one.topic for one in told} == {"elsewhere"}
    made = twin.send(command("CreateTrainingDataset", examples.COMMANDS["CreateTrainingDataset"].data))
    assert [one.topic for one in made] == ["mine.replies", "mine.events", "mine.replies"]


def test_tracking_ends_at_any_end_or_the_wanted_one() -> None:
    twin = Twin()
    twin.provide(examples.MODEL, "CREATE_PENDING", name="m")
    assert _kinds(twin.send(command("TrackResource", resourceArn=examples.MODEL, command_id="any"))) == [
        "accepted",
        "audience-model",
    ]
    twin.send(command("TrackResource", resourceArn=examples.MODEL, untilStatus="deleted", command_id="gone"))
    twin.finish(examples.MODEL)
    assert_ended(twin.published, "any")
    assert terminal(twin.published, "gone") is None
    twin.advance(examples.MODEL, "deleted")
    assert_ended(twin.published, "gone")
    assert_numbered(twin.published)
    absent = twin.send(command("TrackResource", resourceArn=examples.MODEL))
    assert absent[-1].data["error"]["code"] == "ResourceNotFoundException"


def _cancel(twin: Twin, command_id: str, **more: Any) -> list[Published]:
    return twin.send(command("CancelCommand", commandId=command_id, commandSource="/tests", **more))


def test_what_waits_can_be_cancelled() -> None:
    twin = Twin()
    twin.hold("CreateAudienceModel")
    twin.send(command("CreateAudienceModel", MODEL, command_id="start"))
    assert _kinds(_cancel(twin, "start")) == ["accepted", "failed", "succeeded"]
    assert assert_ended(twin.published, "start", "failed").data["error"]["code"] == "Cancelled"
    assert twin.release("CreateAudienceModel") == []


def test_what_runs_can_only_be_deleted() -> None:
    twin = Twin()
    arn, _ = _start(twin)
    assert _cancel(twin, "nobody")[-1].data["error"]["code"] == "UnknownCommand"
    assert _cancel(twin, "start")[-1].data["error"]["code"] == "TooLate"
    waiting = _cancel(twin, "start", deleteResource=True)
    assert waiting[-1].data["reason"] == "CommandUnderWay"
    done = twin.finish(arn)
    assert _statuses(done) == ["CREATE_IN_PROGRESS", "ACTIVE", "DELETE_PENDING"]
    ended = twin.finish(arn)
    assert arn not in twin.account.things
    assert _kinds(ended) == ["audience-model", "audience-model", "succeeded"]
    assert all(one.data["operation"] == "CancelCommand" for one in ended if one.is_reply)


def _decide(twin: Twin, resolution: str, **more: Any) -> list[Published]:
    return twin.send(
        command("ResolveCommand", commandId="start", commandSource="/tests", resolution=resolution, **more)
    )


def _parked() -> Twin:
    twin = Twin()
    twin.park("CreateAudienceModel")
    said = twin.send(command("CreateAudienceModel", MODEL, command_id="start"))
    assert _kinds(said) == ["accepted", "parked"]
    assert_ended(twin.published, "start", "parked")
    return twin


def test_a_person_gives_a_parked_command_up() -> None:
    twin = _parked()
    assert _kinds(_decide(twin, "fail")) == ["accepted", "failed", "succeeded"]
    assert assert_ended(twin.published, "start", "failed").data["error"]["code"] == "GivenUp"
    assert _decide(twin, "fail")[-1].data["error"]["code"] == "NotParked"


def test_a_person_has_a_parked_command_called_again() -> None:
    twin = _parked()
    assert _kinds(_decide(twin, "retry")) == ["accepted", "started", "audience-model", "succeeded"]
    (arn,) = twin.account.things
    twin.finish(arn)
    assert_ended(twin.published, "start")


def test_a_person_adopts_what_a_parked_command_has_made() -> None:
    twin = _parked()
    assert _decide(twin, "adopt", resourceArn=examples.DATASET)[-1].data["error"]["code"] == "InvalidResolution"
    started = _decide(twin, "adopt", resourceArn=examples.MODEL)
    assert started[1].data["resourceArn"] == examples.MODEL
    twin.finish(examples.MODEL)
    assert_ended(twin.published, "start")


def test_an_arn_of_no_kind_can_not_be_provided() -> None:
    with pytest.raises(ValueError, match="not the ARN"):
        Twin().provide("arn:aws:s3:::bucket")
    with pytest.raises(ApiError):
        Twin().advance("nothing")


def test_a_watch_that_is_not_ready_by_its_time_fails() -> None:
    twin = Twin(now=1_000_000_000.0)
    arn = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-model/00000000-0000-4000-8000-000000000000"
    twin.provide(arn, "CREATE_IN_PROGRESS")
    until = {"until": "2001-09-09T03:00:00Z"}
    twin.send(command("TrackResource", {"resourceArn": arn}, command_id="watch", extensions=until))
    assert twin.pass_time(60) == []
    (late,) = twin.pass_time(7_200)
    assert late.data["error"]["code"] == "NotReady"
    sent = twin.send(command("TrackResource", {"resourceArn": arn}, command_id="late", extensions=until))
    assert _kinds(sent) == ["accepted", "failed"]
