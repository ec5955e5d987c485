"""The commands that a command names, at any depth, and its request with what they have made."""

from typing import Any

import pytest

from schemas import chains, shapes
from schemas.operations import AUDIENCE_MODEL, OPERATIONS
from schemas.references import RESOURCES_WITH_ARN, kinds
from tests.support import samples

MODEL = samples.arn("audience-model")
OUTPUT = {"destination": {"s3Destination": {"s3Uri": "s3://bucket/a"}}, "roleArn": samples.STRINGS["IamRoleArn"][0]}
CONFIGURED = {"name": "command:n", "audienceModelArn": "command:m", "outputConfig": OUTPUT, "tags": {"a": "command:t"}}


def test_only_members_that_take_arns_are_searched() -> None:
    (found,) = chains.references("CreateConfiguredAudienceModel", CONFIGURED)
    assert (found.location, found.id, found.kinds) == (("audienceModelArn",), "m", (AUDIENCE_MODEL,))
    assert found.path == "data.audienceModelArn"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_member_that_takes_an_arn_is_found_and_filled(operation: str) -> None:
    base = samples.payload(operation, full=True)
    for location, shape, value in shapes.walk(shapes.input_shape(operation), base):
        if not kinds(shape):
            continue
        data = samples.replaced(base, location, "command:x")
        (found,) = chains.references(operation, data)
        assert (found.location, found.id) == (location, "x")
        assert chains.predecessors(operation, data, ("y", "x")) == ("x", "y")
        assert chains.filled(operation, data, {"x": value}) == base
        assert chains.named(operation, data, {"x": MODEL}) == {str(location[0]): MODEL}


@pytest.mark.parametrize("command", ["TrackResource", "ResolveCommand"])
def test_commands_of_the_service_itself(command: str) -> None:
    (found,) = chains.references(command, {"resourceArn": "command:m", "untilStatus": "ACTIVE"})
    assert found.kinds == RESOURCES_WITH_ARN
    assert found.path == "data.resourceArn"
    assert chains.filled(command, {"resourceArn": "command:m"}, {"m": MODEL}) == {"resourceArn": MODEL}


@pytest.mark.parametrize("data", [None, [], "x", {}, {"audienceModelArn": 1}, {"audienceModelArn": ["command:m"]}])
def test_data_of_any_type_is_searched(data: Any) -> None:
    for command in ("GetAudienceModel", "TrackResource", "CancelCommand"):
        assert chains.predecessors(command, data, ()) == ()


def test_a_request_without_references_stays_the_same_object() -> None:
    data = {"audienceModelArn": MODEL}
    assert chains.filled("GetAudienceModel", data, {"x": MODEL}) is data
    assert chains.named("GetAudienceModel", data, {"x": MODEL}) == {}


def test_lists_and_maps_are_filled_at_any_depth() -> None:
    """No request of today has such members; the walk over them is the one over all others."""
    arns = {("a", 1, "b"): "one", ("c",): "two"}
    data = {"a": [{"b": "x"}, {"b": "y", "d": [1]}], "c": "z", "e": {"f": 1}}
    assert chains._put(data, arns, ()) == {"a": [{"b": "x"}, {"b": "one", "d": [1]}], "c": "two", "e": {"f": 1}}
    assert chains._only(data, arns, ()) == {"a": [{"b": "one"}], "c": "two"}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("[]", ()),
        ('["a","b","a"]', ("a", "b")),
        (' [ "a\\"b" , "\\u00e9" ] ', ('a"b', "é")),
        ("", None),
        ("a", None),
        ("null", None),
        ('{"a":1}', None),
        ('["a",1]', None),
        ('[""]', None),
        ('["\\ud800"]', None),
        ('["a"]x', None),
    ],
)
def test_after(text: str, ids: tuple[str, ...] | None) -> None:
    assert chains.after(text) == ids
