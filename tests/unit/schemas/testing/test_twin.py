"""The test kit: commands, strict reading and the twin's contract."""

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas import commands, events, records, shapes
from schemas.docs import examples
from schemas.events import Message
from schemas.operations import OPERATIONS, Kind
from schemas.testing import (
    ContractError,
    InvalidCommandError,
    Published,
    Twin,
    assert_ended,
    assert_numbered,
    command,
    parse,
    terminal,
)
from schemas.testing.account import Account, ApiError
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


def test_a_command_is_valid_and_has_an_id_of_its_own() -> None:
    first, second = (command("CreateAudienceModel", MODEL, description="d") for _ in range(2))
    read = commands.read(first.key, first.value, first.headers, open_limits())
    assert isinstance(read, records.Command)
    assert read.params == MODEL | {"description": "d"}
    assert first.key != second.key
    assert dict(first.headers)["ce_id"] != dict(second.headers)["ce_id"]


def test_extensions_targets_and_topics_are_the_services_affair() -> None:
    extensions = {"correlationid": "c", "target": "prod", "replyto": "mine", "deadline": "2030-01-01T00:00:00Z"}
    message = command("ListAudienceModels", extensions=extensions, key="k", source="/me", command_id="7")
    headers = dict(message.headers)
    assert headers["ce_target"] == b"prod"
    assert headers["ce_source"] == b"/me"
    assert message.key == b"k"


@pytest.mark.parametrize(
    ("operation", "data", "extensions", "named"),
    [
        ("CreateAudienceModel", {"name": ""}, {}, "data.trainingDatasetArn"),
        ("NoSuchOperation", {}, {}, "UnknownOperation"),
        ("ListAudienceModels", {}, {"priority": "high"}, "priority"),
        ("ListAudienceModels", {}, {"notbefore": "soon"}, "notbefore"),
    ],
)
def test_an_invalid_command_is_refused_unless_it_is_wanted(
    operation: str, data: dict[str, Any], extensions: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidCommandError, match=named):
        command(operation, data, extensions=extensions)
    assert (
        command(operation, data, extensions=extensions, check=False).value
        == json.dumps(data).replace(": ", ":").encode()
    )


def test_a_command_without_an_id_is_refused() -> None:
    with pytest.raises(InvalidCommandError, match="id"):
        command("ListAudienceModels", command_id="\x00")


# --- reading ---------------------------------------------------------------------------------------------------------


def _reply(**changes: Any) -> Message:
    return replace(examples.reply_message(events.ReplyKind.STARTED), **changes)


def test_a_reply_is_read() -> None:
    message = _reply()
    found = parse(message.value, message.headers, message.key, "replies")
    assert (found.kind, found.is_reply, found.is_terminal, found.topic) == ("started", True, False, "replies")
    assert found.attributes["correlationid"] == "campaign-7"
    assert found.data["status"] == "CREATE_PENDING"


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (_reply(key=b"other"), "key"),
        (_reply(value=b'{"commandId": "x"}'), "commandSource"),
        (_reply(value=b"{"), "InvalidJson"),
        (_reply(headers=_reply().headers[:-1]), "content type"),
        (_reply(headers=()), "CloudEvent"),
        (_reply(headers=(*_reply().headers, ("ce_colour", b"red"))), "colour"),
        (examples.command_message("ListAudienceModels"), "neither a reply nor an event"),
    ],
)
def test_what_is_not_in_the_contract_is_an_error(message: Message, named: str) -> None:
    with pytest.raises(ContractError, match=named):
        parse(message.value, message.headers, message.key)


def test_ends_are_found_and_judged() -> None:
    twin = Twin()
    arn, _ = _start(twin)
    assert terminal(twin.published, "start") is None
    with pytest.raises(ContractError, match="has not ended"):
        assert_ended(twin.published, "start")
    twin.finish(arn)
    assert assert_ended(twin.published, "start").data["result"]["status"] == "ACTIVE"
    with pytest.raises(ContractError, match="succeeded, not failed"):
        assert_ended(twin.published, "start", "failed")
    other = replace(assert_ended(twin.published, "start"), attributes={"id": "another"})
    with pytest.raises(ContractError, match="2 ends"):
        terminal([*twin.published, other], "start")


def test_gaps_in_the_numbers_are_found() -> None:
    twin = Twin()
    arn, _ = _start(twin)
    twin.finish(arn)
    assert_numbered(twin.published)
    told = [one for one in twin.published if not one.is_reply]
    with pytest.raises(ContractError, match="after 1"):
        assert_numbered([told[0], told[2]])
    with pytest.raises(ContractError, match="after 1"):
        assert_numbered([told[0], told[0]])


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


def test_answers_have_the_members_that_awss_must_have() -> None:
    account = Account()
    for name, example in examples.COMMANDS.items():
        row = OPERATIONS.get(name)
        if row is None or row.kind not in {Kind.READ, Kind.WRITE} or row.creates:
            continue
        for invented in examples.MAKES.values():
            kind = next(one.resource for one in OPERATIONS.values() if f":{one.resource.arn_type}/" in invented)
            members = {"trainingDatasetArn": examples.DATASET, "audienceModelArn": examples.MODEL}
            account.provide(kind, invented, members | {"name": "n"}, "ACTIVE", 0.0)
            account.policies[invented] = "{}"
        answer = account.answer(row, example.data, 0.0)
        missing = set(shapes.required_output_members(name)) - answer.keys()
        # What belongs to creation, such as the columns of a data set, is whatever was given.
        assert missing <= _GIVEN, (name, missing)


_GIVEN = {
    "roleArn",
    "trainingData",
    "outputConfig",
    "sharedAudienceMetrics",
    "configuredAudienceModelArn",
    "tags",
}


def test_an_arn_of_no_kind_can_not_be_provided() -> None:
    with pytest.raises(ValueError, match="not the ARN"):
        Twin().provide("arn:aws:s3:::bucket")
    with pytest.raises(ApiError):
        Twin().advance("nothing")
