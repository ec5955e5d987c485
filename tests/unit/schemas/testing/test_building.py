"""Commands for tests: valid, each with an id of its own."""

import json
from typing import Any

import pytest

from schemas import commands, records
from schemas.docs import examples
from schemas.testing import InvalidCommandError, command
from schemas.testing.building import SOURCE, open_limits

MODEL = {"name": "taste", "trainingDatasetArn": examples.DATASET}


def test_a_key_may_be_text_or_bytes_and_is_the_id_otherwise() -> None:
    assert command("ListAudienceModels", command_id="é").key == "é".encode()
    assert command("ListAudienceModels", key="é").key == "é".encode()
    assert command("ListAudienceModels", key=b"\xff").key == b"\xff"


def test_members_come_after_data() -> None:
    message = command("CreateAudienceModel", MODEL, name="other")
    assert json.loads(message.value or b"")["name"] == "other"
    assert dict(message.headers)["ce_source"] == SOURCE.encode()


def test_any_target_and_reply_topic_is_allowed() -> None:
    limits = open_limits(["prod"], ["mine"])
    message = command("ListAudienceModels", extensions={"target": "prod", "replyto": "mine"})
    read = commands.read(message.key, message.value, message.headers, limits)
    assert isinstance(read, records.Command)
    assert (read.target, read.reply_to) == ("prod", "mine")
    refused = commands.read(message.key, message.value, message.headers, open_limits())
    assert not isinstance(refused, records.Command)


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
