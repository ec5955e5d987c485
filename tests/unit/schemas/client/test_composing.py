"""Requests become records that the service reads as they were meant."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from schemas import records
from schemas.client import AnyRequest, Attributes, CreateAudienceModel, InvalidCommandError, ListAudienceModels
from schemas.client.composing import checked, compose, digest_of, extensions_of, members_of, operation_of
from schemas.docs import examples
from schemas.events import Message
from schemas.operations import COMMANDS
from schemas.testing import Twin


def message(**members: object) -> Message:
    request = AnyRequest(command="CreateAudienceModel", data={"name": "taste", **members})
    return compose(request, command_id="one", source="/x", key=b"k", extensions={"target": "sales"}, time=examples.TIME)


def test_members_that_are_not_given_are_left_out() -> None:
    assert members_of(ListAudienceModels()) == {}
    request = CreateAudienceModel(name="taste", trainingDatasetArn=examples.DATASET, tags={})
    assert members_of(request) == {"name": "taste", "trainingDatasetArn": examples.DATASET, "tags": {}}
    assert operation_of(request) == "CreateAudienceModel"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_example_is_composed_as_the_service_reads_it(name: str) -> None:
    example = examples.COMMANDS[name]
    request = AnyRequest(command=name, data=example.data)
    composed = compose(request, command_id="one", source="/x", key=b"k", extensions=example.extensions)
    command = checked(composed)
    assert isinstance(command, records.Command)
    assert (command.id, command.source, command.operation) == ("one", "/x", name)
    assert command.digest == digest_of(composed)


def test_what_the_service_would_reject_is_reported_whole() -> None:
    with pytest.raises(InvalidCommandError, match=r"data.trainingDatasetArn: is required; data.more: is not a member"):
        checked(message(more=1))
    assert digest_of(message(more=1)), "a digest is kept of an invalid command too"
    nothing = Message(b"k", b"{}", ())
    with pytest.raises(InvalidCommandError, match="NotCloudEvent"):
        checked(nothing)
    assert digest_of(nothing) == ""


def test_targets_and_topics_are_the_services_to_judge() -> None:
    assert checked(message(trainingDatasetArn=examples.DATASET)).target == "sales"


def test_attributes_have_the_contracts_names() -> None:
    attributes: Attributes = {
        "correlation_id": "c",
        "not_before": datetime(2026, 1, 2, tzinfo=UTC),
        "deadline": "2026-01-03T00:00:00Z",
        "priority": 9,
        "reply_to": "mine",
        "after": ["a", "b"],
        "extensions": {"comment": "x"},
    }
    assert extensions_of(attributes) == {
        "correlationid": "c",
        "notbefore": "2026-01-02T00:00:00.000Z",
        "deadline": "2026-01-03T00:00:00Z",
        "priority": "9",
        "replyto": "mine",
        "after": '["a","b"]',
        "comment": "x",
    }
    with pytest.raises(InvalidCommandError, match="deadline has no time zone"):
        extensions_of({"deadline": datetime(2026, 1, 2)})


@pytest.mark.parametrize(
    ("given", "data", "said"),
    [
        ({"id": "\ud800"}, {}, "id is no text"),
        ({"key": "\ud800"}, {}, "key is no text"),
        ({"correlation_id": "\ud800"}, {}, "no text that UTF-8 can write"),
        ({"extensions": {"comment": 5}}, {}, "an attribute is no text"),
        ({"extensions": {"id": "other"}}, {}, "extensions: found id, which every command has already"),
        ({"extensions": {"source": "/other", "type": "x"}}, {}, "extensions: found source, type"),
        ({"after": [object()]}, {}, "after can't be written as JSON"),
        ({"not_before": datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5)))}, {}, "UTC has no year for"),
        ({}, {"maxResults": 2**70}, "the request can't be written as JSON: Integer exceeds 64-bit range"),
        ({}, {"nextToken": "\ud800"}, "the request can't be written as JSON"),
        ({}, {"nextToken": {1}}, "the request can't be written as JSON"),
        ({}, {1: 2}, "the request can't be written as JSON"),
        ({}, None, "data: found NoneType; expected a mapping"),
    ],
)
async def test_what_cannot_be_written_is_invalid_and_nothing_else(given: Any, data: Any, said: str) -> None:
    async with Twin().client() as client:
        with pytest.raises(InvalidCommandError, match=said):
            await client.send(AnyRequest(command="ListAudienceModels", data=data), **given)


async def test_an_attribute_that_is_none_is_not_set() -> None:
    twin = Twin()
    async with twin.client() as client:
        nothing: Any = {"target": None, "deadline": None, "extensions": None}
        await (await client.send(ListAudienceModels(), **nothing)).result(1)
