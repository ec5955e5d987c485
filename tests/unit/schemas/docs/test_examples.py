"""Every example is valid, for the service, for its JSON Schema and for the test kit."""

import ast
import json
from typing import Any

import pytest

from schemas import commands
from schemas.docs import client_examples, examples, json_schemas
from schemas.events import ReplyKind
from schemas.operations import COMMANDS, OPERATIONS, RESOURCES
from schemas.records import Command
from schemas.testing import assert_numbered, parse
from schemas.testing.building import open_limits
from schemas.testing.reading import read
from tests.support.schema_vocabulary import is_valid


def _plain(schema: Any) -> Any:
    """Without the words that are for people."""
    if isinstance(schema, dict):
        return {
            name: {member: _plain(one) for member, one in value.items()} if name == "properties" else _plain(value)
            for name, value in schema.items()
            if name != "description" or isinstance(value, dict)
        }
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema


def test_there_is_one_of_everything() -> None:
    assert set(examples.COMMANDS) == set(COMMANDS)
    assert set(examples.all_messages()) == {
        *(f"command.{name}" for name in COMMANDS),
        *(f"reply.{kind}" for kind in ReplyKind),
        *(f"event.{kind}" for kind in RESOURCES),
    }


@pytest.mark.parametrize("name", examples.COMMANDS)
def test_the_service_takes_it(name: str) -> None:
    message = examples.command_message(name)
    outcome = commands.read(message.key, message.value, message.headers, open_limits())
    assert isinstance(outcome, Command), outcome
    assert outcome.operation == name
    assert outcome.params == json.loads(json.dumps(examples.COMMANDS[name].data))


@pytest.mark.parametrize("name", examples.COMMANDS)
def test_it_fits_its_schema(name: str) -> None:
    data = json.loads(json.dumps(examples.COMMANDS[name].data))
    schema = _plain(json_schemas.command_data(name))
    assert is_valid(schema, data)
    assert not is_valid(schema, {**data, "Unknown": 1})


@pytest.mark.parametrize("kind", ReplyKind)
def test_a_reply_is_one_of_the_contract(kind: ReplyKind) -> None:
    found = read(examples.reply_message(kind))
    assert found.kind == kind
    schema = json_schemas.reply_data(kind)
    assert set(schema["required"]) <= set(found.data) <= set(schema["properties"])


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=list(RESOURCES))
def test_an_event_is_one_of_the_contract(resource: Any) -> None:
    message = examples.event_message(resource)
    found = parse(message.value, message.headers, message.key)
    assert found.kind == resource.kind
    assert found.data["status"] in json_schemas.statuses(resource)
    with pytest.raises(AssertionError):
        assert_numbered([found])  # the third one, alone


def test_each_id_is_made_before_it_is_named() -> None:
    made: set[str] = set()
    for name, example in examples.COMMANDS.items():
        text = json.dumps(example.data)
        named = {invented for invented in examples.MAKES.values() if invented in text}
        assert named <= made, name
        if name in examples.MAKES:
            made.add(examples.MAKES[name])
    assert made == set(examples.MAKES.values())


@pytest.mark.parametrize("client", client_examples.TITLES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_program_names_the_command_and_has_no_gaps(client: str, name: str) -> None:
    text = client_examples.snippet(client, name)
    assert COMMANDS[name].command_type in text
    assert "@" not in text
    assert "read_committed" in text or "readUncommitted: false" in text
    if client_examples.LANGUAGES[client] == "python":
        assert _literal(text) == json.loads(json.dumps(examples.COMMANDS[name].data))


def _literal(text: str) -> Any:
    """The value of ``data`` in a program."""
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "data":
            return ast.literal_eval(statement.value)
    raise AssertionError("no data")
