"""What the service publishes, read strictly; ends and numbers are judged."""

from dataclasses import replace
from typing import Any

import pytest

from schemas import events
from schemas.docs import examples
from schemas.events import Message, ReplyKind
from schemas.operations import RESOURCES
from schemas.testing import ContractError, Published, Twin, assert_ended, assert_numbered, command, parse, terminal
from schemas.testing.reading import read

MODEL = {"name": "taste", "trainingDatasetArn": examples.DATASET}


def _start(twin: Twin, command_id: str = "start", **more: Any) -> tuple[str, list[Published]]:
    said = twin.send(command("CreateAudienceModel", MODEL, command_id=command_id, **more))
    (arn,) = [one.data["resourceArn"] for one in said if one.kind == "started"]
    return arn, said


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


def test_an_event_is_of_its_resources_kind() -> None:
    resource = RESOURCES["audience-model"]
    found = read(examples.event_message(resource), "events")
    assert (found.kind, found.is_reply, found.is_terminal, found.topic) == ("audience-model", False, False, "events")


def test_only_the_last_replies_are_terminal() -> None:
    ends = {kind for kind in ReplyKind if read(examples.reply_message(kind)).is_terminal}
    assert ends == {ReplyKind.SUCCEEDED, ReplyKind.FAILED, ReplyKind.REJECTED, ReplyKind.PARKED}


def published(kind: str, reply_id: str) -> Published:
    return Published("", "c", f"{events.REPLY_PREFIX}{kind}", {"id": reply_id}, {"commandId": "c"})


def test_the_same_end_again_is_the_answer_to_a_duplicate() -> None:
    again = [published("accepted", "1"), published("failed", "2"), published("failed", "2")]
    assert terminal(again, "c") == published("failed", "2")


def test_a_parked_command_gets_another_end() -> None:
    parked, end = published("parked", "2"), published("succeeded", "3")
    assert terminal([parked], "c") == parked
    assert terminal([parked, end], "c") == end
    assert terminal([parked, end], "another") is None
