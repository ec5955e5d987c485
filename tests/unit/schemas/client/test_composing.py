"""Requests become records that the service reads as they were meant."""

from datetime import UTC, datetime

import pytest

from schemas import records
from schemas.client import AnyRequest, Attributes, CreateAudienceModel, InvalidCommandError, ListAudienceModels
from schemas.client.composing import checked, compose, digest_of, extensions_of, members_of, operation_of
from schemas.docs import examples
from schemas.events import Message
from schemas.operations import COMMANDS


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
