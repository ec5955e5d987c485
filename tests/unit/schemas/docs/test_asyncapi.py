"""The AsyncAPI document: every command, reply and event, in references that lead somewhere."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.docs import asyncapi, json_schemas, render
from schemas.docs.asyncapi import replies_of
from schemas.events import ReplyKind
from schemas.operations import COMMANDS, RESOURCES, Kind
from tests.support.node_packages import ASYNCAPI_PARSER, installed

VALIDATE = render.ROOT / ".ci" / "asyncapi" / "validate.mjs"


def test_asyncapi_names_every_command_reply_and_event() -> None:
    document = yaml.safe_load(render.files()[f"{render.GENERATED}/asyncapi.yaml"])
    messages = document["components"]["messages"].values()
    types = {message["name"] for message in messages}
    assert {row.command_type for row in COMMANDS.values()} <= types
    assert {f"cleanroomsml.reply.{kind}" for kind in ReplyKind} <= types
    assert {json_schemas.event_type(resource) for resource in RESOURCES.values()} <= types
    assert {channel["address"] for channel in document["channels"].values()} == {
        "{prefix}.commands",
        "{prefix}.{tenant}.commands",
        "{prefix}.replies",
        "{prefix}.events",
        "{prefix}.dead-letters",
    }
    assert document["components"]["parameters"]["prefix"]["default"] == "cleanroomsml"
    for name in ("replies", "events", "deadLetters"):
        assert "read_committed" in document["channels"][name]["description"]


def test_asyncapi_tells_which_replies_a_command_gets() -> None:
    operations = yaml.safe_load(render.files()[f"{render.GENERATED}/asyncapi.yaml"])["operations"]
    for row in COMMANDS.values():
        told = {one["$ref"].rsplit("/", 1)[-1] for one in operations[f"receive{row.name}"]["reply"]["messages"]}
        assert ("replyStarted" in told) == (row.kind in {Kind.JOB, Kind.REMOVAL, Kind.CANCEL})


def test_asyncapi_passes_the_official_parser_and_its_examples_fit_their_schemas() -> None:
    folder = installed(ASYNCAPI_PARSER)
    path = render.ROOT / render.GENERATED / "asyncapi.yaml"
    result = subprocess.run(
        ["node", str(VALIDATE), str(folder), str(path)], capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "5 channels" in result.stdout


def test_the_official_parser_finds_what_is_wrong(tmp_path: Path) -> None:
    folder = installed(ASYNCAPI_PARSER)
    document = yaml.safe_load(render.files()[f"{render.GENERATED}/asyncapi.yaml"])
    document["components"]["messages"]["replyAccepted"]["examples"][0]["payload"]["commandId"] = 7
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(document))
    result = subprocess.run(
        ["node", str(VALIDATE), str(folder), str(path)], capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 1
    assert "commandId" in result.stderr


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for one in part.values():
            yield from references(one)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def test_each_reference_leads_to_something() -> None:
    document = asyncapi.document()
    found = {each for each in references(document) if each.startswith("#/")}
    assert len(found) > len(COMMANDS)
    for each in found:
        place: Any = document
        for step in each.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def test_it_is_the_same_each_time_and_json() -> None:
    one = asyncapi.document()
    assert json.loads(json.dumps(one)) == asyncapi.document()


@pytest.mark.parametrize(
    ("kind", "starts"),
    [(Kind.READ, False), (Kind.WRITE, False), (Kind.TRACK, False), (Kind.JOB, True), (Kind.REMOVAL, True)],
)
def test_the_replies_of_a_kind_come_in_their_order(kind: Kind, starts: bool) -> None:
    found = replies_of(kind)
    assert found[0] is ReplyKind.ACCEPTED
    assert (ReplyKind.STARTED in found) is starts
    assert list(found) == [each for each in ReplyKind if each in found]


def test_an_example_is_what_its_message_says() -> None:
    for name, message in asyncapi.document()["components"]["messages"].items():
        for example in message.get("examples", ()):
            assert example["headers"]["ce_type"] == message["name"], name
            assert set(example["headers"]) <= set(message["headers"]["properties"]), name
