"""JSON Schema of requests and responses: the model's constraints and the rules', as every engine reads them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from schemas import shape_schemas, shapes
from schemas.documented_rules import MAX_DESCRIPTION
from schemas.operations import OPERATIONS
from schemas.shape_schemas import ASSUMED
from tests.support import schema_vocabulary


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_response_schema_and_its_required_members(operation: str) -> None:
    schema = shape_schemas.response(operation)
    assert tuple(schema.get("required", ())) == shapes.required_output_members(operation)
    assert "additionalProperties" not in schema
    shape = shapes.output_shape(operation)
    assert set(schema.get("properties", {})) == set(shape.members if shape else ())


def test_responses_with_news_are_valid() -> None:
    schema = shape_schemas.response("GetAudienceModel")
    known = dict.fromkeys(shapes.required_output_members("GetAudienceModel"), "x")
    assert schema_vocabulary.is_valid(schema, known | {"status": "SOMETHING_NEW", "newMember": [1]})
    assert not schema_vocabulary.is_valid(schema, {})


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema in a schema."""
    if isinstance(schema, dict):
        yield schema
        for one in schema.values():
            yield from parts(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from parts(one)


def patterns(schema: Any) -> list[str]:
    return [one["pattern"] for one in parts(schema) if isinstance(one.get("pattern"), str)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_patterns_are_read_alike_by_every_engine(operation: str) -> None:
    """Classes differ in Unicode, and some engines refuse surrogates."""
    for pattern in patterns(shape_schemas.request(operation)):
        assert not re.search(r"\\[dwW]|\\u[Dd]8", pattern), pattern
        re.compile(pattern)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_request_has_no_other_members_and_a_response_may(operation: str) -> None:
    request, response = shape_schemas.request(operation), shape_schemas.response(operation)
    assert request["additionalProperties"] is False
    assert list(request.get("required", ())) == list(shapes.input_shape(operation).required_members)
    assert "additionalProperties" not in response
    assert not patterns(response)


def test_an_enumeration_is_closed_in_requests_and_open_in_responses() -> None:
    status = shape_schemas.response("GetAudienceModel")["properties"]["status"]
    assert "ACTIVE" in status["examples"]
    assert "enum" not in status
    assert any("enum" in one for one in parts(shape_schemas.request("CreateConfiguredAudienceModel")))


def test_a_description_leaves_room_for_the_marker() -> None:
    description = shape_schemas.request("CreateAudienceModel")["properties"]["description"]
    assert description["maxLength"] == MAX_DESCRIPTION
    assert not schema_vocabulary.is_valid(description, "x" * (MAX_DESCRIPTION + 1))
    assert not schema_vocabulary.is_valid(description, "[crml:0")


def test_rules_of_our_reading_say_so_and_can_be_left_out() -> None:
    assumed = [one for name in OPERATIONS for one in parts(shape_schemas.request(name)) if "$comment" in one]
    assert assumed
    assert {one["$comment"] for one in assumed} == {ASSUMED}
    lax = [one for name in OPERATIONS for one in parts(shape_schemas.request(name, assumed=False))]
    assert not [one for one in lax if "$comment" in one]


def test_without_rules_a_schema_is_the_models() -> None:
    tags = shape_schemas.request("CreateAudienceModel", rows=())["properties"]["tags"]
    with_rules = shape_schemas.request("CreateAudienceModel")["properties"]["tags"]
    assert tags["maxProperties"] >= with_rules["maxProperties"] == 50


def test_a_schema_can_be_changed_without_changing_the_next_one() -> None:
    before = shape_schemas.request("CreateAudienceModel")
    before["properties"].clear()
    assert shape_schemas.request("CreateAudienceModel")["properties"]
