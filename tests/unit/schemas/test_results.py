"""What commands give, typed: the schemas against the API's model and against what the service makes of answers."""

import json
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from schemas import results, shapes, sizes
from schemas.docs import examples, json_schemas
from schemas.operations import COMMANDS, OPERATIONS, RESOURCES, Kind, Resource
from schemas.testing import Twin, command, parse
from tests.support import samples
from tests.support.schema_vocabulary import is_valid

CREATING = [name for name, row in OPERATIONS.items() if row.creates]


def _paths(shape: Shape | None, above: str = "") -> set[str]:
    found: set[str] = set()
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            found |= {f"{above}.{name}", *_paths(member, f"{above}.{name}")}
    elif isinstance(shape, ListShape):
        found |= _paths(shape.member, f"{above}[]")
    elif isinstance(shape, MapShape):
        found |= _paths(shape.value, f"{above}[*]")
    return found


def _described(schema: dict[str, Any], above: str = "") -> set[str]:
    found: set[str] = set()
    for name, member in schema.get("properties", {}).items():
        found |= {f"{above}.{name}", *_described(member, f"{above}.{name}")}
    if "items" in schema:
        found |= _described(schema["items"], f"{above}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        found |= _described(schema["additionalProperties"], f"{above}[*]")
    return found


def _open(schema: dict[str, Any]) -> bool:
    inner = [*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])]
    return schema.get("additionalProperties") is not False and "enum" not in schema and all(map(_open, inner))


def _full(shape: Shape) -> Any:
    """A value with every member."""
    return samples.value(shape, full=True) if not isinstance(shape, StructureShape) else _structure(shape)


def _structure(shape: StructureShape) -> dict[str, Any]:
    return {name: _member(member) for name, member in shape.members.items()}


def _member(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape)
    if isinstance(shape, ListShape):
        return [_member(shape.member)]
    if isinstance(shape, MapShape):
        return {"k": _member(shape.value)}
    plain = {"integer": 1, "long": 1, "float": 0.5, "double": 0.5, "boolean": True}
    text = "2025-01-31T12:00:00Z" if shape.type_name == "timestamp" else "x" * int(shape.metadata.get("max", 9))
    return plain.get(shape.type_name, text)


@pytest.mark.parametrize("name", [name for name, row in OPERATIONS.items() if row.kind in (Kind.READ, Kind.WRITE)])
def test_every_member_of_a_response_is_described(name: str) -> None:
    assert _described(results.result(name)) == _paths(shapes.output_shape(name))


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=list(RESOURCES))
def test_every_member_of_a_resource_is_described(resource: Resource) -> None:
    assert _described(results.description(resource)) == _paths(results.described(resource))
    schema = json_schemas.event_data(resource)["properties"]["resource"]
    assert schema["type"] == ["object", "null"]
    assert _described(schema) == _paths(results.described(resource))


def test_the_members_of_all_responses_are_counted() -> None:
    described = [results.result(name) for name in OPERATIONS] + [
        results.description(each) for each in RESOURCES.values()
    ]
    assert sum(len(each["properties"]) for each in described if "properties" in each) > 150


@pytest.mark.parametrize("name", COMMANDS)
def test_results_may_grow(name: str) -> None:
    assert _open(results.result(name))


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=list(RESOURCES))
def test_a_description_that_was_shortened_still_fits(resource: Resource) -> None:
    full = _structure(results.described(resource))
    schema = results.description(resource)
    assert is_valid(schema, full)
    assert is_valid(schema, sizes.essentials(full))


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_kept_for_a_repeated_command_is_short_and_has_what_a_result_promises(name: str) -> None:
    row = OPERATIONS[name]
    shape = results.described(row.resource) if row.kind is Kind.JOB else shapes.output_shape(name)
    full = _structure(shape) if shape else {}
    for member, value in full.items():
        full[member] = value * 1_000 if isinstance(value, list) else value
    kept = sizes.kept({**full, "added": "x" * 9_000, "more": {"added": "x" * 9_000}})
    assert (len(kept.pop("added")), len(kept.pop("more")["added"])) == (40, 40)
    assert kept.keys() == full.keys()
    assert len(json.dumps(kept)) < 2 * sizes.MAX_KEPT_REPLY
    assert is_valid(results.result(name), kept)


@pytest.mark.parametrize("name", CREATING)
def test_a_summary_has_what_a_result_promises(name: str) -> None:
    """A lost answer is found in a List, whose summary then is the result, or what the end was seen in."""
    row = OPERATIONS[name]
    listed: Any = shapes.output_shape(row.resource.list_operation)
    summary = listed.members[row.resource.summaries].member
    assert set(results.result(name).get("required", ())) <= set(summary.required_members)


@pytest.mark.parametrize("name", [name for name, row in OPERATIONS.items() if row.kind is Kind.WRITE])
def test_a_write_that_a_person_adopts_fits(name: str) -> None:
    row = OPERATIONS[name]
    adopted = {row.resource.identity: samples.arn("x")} if row.creates else {}
    assert is_valid(results.result(name), adopted)


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_the_twin_gives_fits(name: str) -> None:
    twin = Twin(automatic=True)
    ends: list[Any] = []
    for each, example in examples.COMMANDS.items():
        if each in OPERATIONS:
            said = twin.send(command(each, _real(example.data, ends), command_id=each, extensions=example.extensions))
            ends += [one for one in said if one.kind == "succeeded"]
        if each == name:
            break
    mine = [one for one in ends if one.data["operation"] == name]
    assert mine
    assert is_valid(json_schemas.contract()["results"][name]["data"], mine[-1].data)


def _real(data: Any, ends: list[Any]) -> Any:
    """The example with what the twin has made in place of the invented ARNs."""
    text = json.dumps(data)
    for one in ends:
        invented = examples.MAKES.get(one.data["operation"])
        identity = OPERATIONS[one.data["operation"]].resource.identity
        if invented and identity in one.data["result"]:
            text = text.replace(invented, one.data["result"][identity])
    return json.loads(text)


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=list(RESOURCES))
def test_the_example_of_an_event_fits(resource: Resource) -> None:
    message = examples.event_message(resource)
    data = parse(message.value, message.headers, message.key).data
    assert is_valid(json_schemas.event_data(resource), dict(data))
