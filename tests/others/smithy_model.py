"""Smithy's protocol tests as botocore's models, as far as an API like Clean Rooms ML needs them.

Maven brings the tests and what reads their language; a Java program writes them as JSON.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from botocore.model import OperationModel, ServiceModel

from tests.others import tools

VERSION: Final = "smithy-aws-protocol-tests 1.74.1"
_NAMESPACE: Final = "META-INF/smithy/restJson1"
_SHARED: Final = "META-INF/smithy/shared-types.smithy"
_TRAITS: Final = frozenset(
    [
        "httpLabel",
        "httpQuery",
        "required",
        "timestampFormat",
        "documentation",
        "clientOptional",
        "suppress",
        "enumValue",
        "private",
        "uniqueItems",
        "length",
        "pattern",
        "range",
        "internal",
        "deprecated",
        "recommended",
        "addedDefault",
        "notProperty",
    ]
)
"""Traits of members and their shapes that are read; a test with another one is about what the API does not have."""
_TYPES: Final = {
    "structure": "structure",
    "union": "structure",
    "list": "list",
    "set": "list",
    "map": "map",
    "string": "string",
    "enum": "string",
    "integer": "integer",
    "intEnum": "integer",
    "byte": "integer",
    "short": "integer",
    "long": "long",
    "float": "float",
    "double": "double",
    "boolean": "boolean",
    "timestamp": "timestamp",
}
_PRELUDE: Final = {
    **{
        name: {"type": name.lower()}
        for name in ["String", "Integer", "Byte", "Short", "Long", "Float", "Double", "Boolean", "Timestamp"]
    },
    **{
        f"Primitive{name}": {"type": name.lower()}
        for name in ["Integer", "Byte", "Short", "Long", "Float", "Double", "Boolean"]
    },
    "Blob": {"type": "blob"},
    "Document": {"type": "document"},
    "Unit": {"type": "structure"},
}


class UnusedError(Exception):
    """A test is about something that the API does not have; the argument says what."""


class Case(NamedTuple):
    """One test."""

    operation: str
    kind: str
    content: Mapping[str, Any]


@cache
def shapes() -> Mapping[str, Any]:
    """All shapes of the tests."""
    folder = tools.smithy()
    done = folder / "restJson1.json"
    if not done.exists():
        [jar] = (folder / "target" / "lib").glob("smithy-aws-protocol-tests-*.jar")
        with zipfile.ZipFile(jar) as archive:
            wanted = [name for name in archive.namelist() if name.startswith(_NAMESPACE) or name == _SHARED]
            archive.extractall(folder / "model", wanted)
        tools.run("java", "-cp", "target/lib/*", "Dump.java", "model", done.name, cwd=folder)
    found: Mapping[str, Any] = json.loads(done.read_text("utf-8"))["shapes"]
    return found


def cases() -> Iterator[Case]:
    """Every test of restJson1 that is for a server, or for both sides."""
    for name, shape in shapes().items():
        for kind in ("httpRequestTests", "httpResponseTests", "httpMalformedRequestTests"):
            for content in shape.get("traits", {}).get(f"smithy.test#{kind}", ()):
                if content["protocol"].endswith("restJson1"):
                    yield Case(name, kind, content)


@cache
def operation(name: str) -> OperationModel:
    """An operation as botocore knows it.

    Raises:
        UnusedError: It has what the API does not have.
    """
    shape = shapes()[name]
    if shape["type"] != "operation":
        raise UnusedError("errors")
    http = shape["traits"]["smithy.api#http"]
    used: dict[str, Any] = {}
    model: dict[str, Any] = {"name": "Tried", "http": {"method": http["method"], "requestUri": http["uri"]}}
    for side in ("input", "output"):
        if side in shape:
            model[side] = {"shape": _convert(shape[side]["target"], used)}
    metadata = {"protocol": "rest-json", "serviceId": "Tried", "endpointPrefix": "tried"}
    return ServiceModel({"metadata": metadata, "operations": {"Tried": model}, "shapes": used}).operation_model("Tried")


def _convert(target: str, used: dict[str, Any]) -> str:
    name = re.sub(r"\W", "_", target)
    if name not in used:
        used[name] = {}  # a shape may hold itself
        shape = shapes().get(target) or _PRELUDE[target.partition("#")[2]]
        used[name].update(_shape(shape, used))
    return name


def _shape(shape: Mapping[str, Any], used: dict[str, Any]) -> dict[str, Any]:
    kind = _TYPES.get(shape["type"])
    if kind is None:
        raise UnusedError(f"values of type {shape['type']}")
    if _has(shape, "sparse"):
        raise UnusedError("lists and maps with nulls")
    made: dict[str, Any] = {"type": kind, **_limits(shape)}
    if kind == "structure":
        members = _members(shape)
        made["members"] = {name: _member(name, member, used) for name, member in members.items()}
        made["required"] = [name for name, member in members.items() if _has(member, "required")]
        made["union"] = shape["type"] == "union"
    elif kind == "list":
        made["member"] = {"shape": _convert(shape["member"]["target"], used)}
    elif kind == "map":
        made |= {each: {"shape": _convert(shape[each]["target"], used)} for each in ("key", "value")}
    return made


def _members(shape: Mapping[str, Any]) -> dict[str, Any]:
    mixed = (_members(shapes()[each["target"]]) for each in shape.get("mixins", ()))
    return {name: each for part in (*mixed, shape.get("members", {})) for name, each in part.items()}


def _limits(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Constraints in botocore's words."""
    traits = shape.get("traits", {})
    found: dict[str, Any] = {**traits.get("smithy.api#length", {}), **traits.get("smithy.api#range", {})}
    if pattern := traits.get("smithy.api#pattern"):
        if "+)+" in pattern:
            raise UnusedError("patterns that take exponential time")
        found["pattern"] = pattern
    if shape["type"] == "enum":
        found["enum"] = [each["traits"]["smithy.api#enumValue"] for each in shape["members"].values()]
    return found


def _has(shape: Mapping[str, Any], trait: str) -> bool:
    return f"smithy.api#{trait}" in shape.get("traits", {})


def _member(name: str, member: Mapping[str, Any], used: dict[str, Any]) -> dict[str, Any]:
    traits = member.get("traits", {})
    for trait in sorted({each.partition("#")[2] for each in traits} - _TRAITS):
        raise UnusedError(f"members with {trait}")
    made: dict[str, Any] = {"shape": _convert(member["target"], used), **_limits({**member, "type": "member"})}
    target = shapes().get(member["target"]) or _PRELUDE[member["target"].partition("#")[2]]
    said = (traits | target.get("traits", {})).get("smithy.api#timestampFormat")
    if target["type"] == "timestamp" and said != "date-time":
        raise UnusedError("timestamps that are not RFC 3339")
    if _has(member, "httpLabel"):
        made |= {"location": "uri", "locationName": name}
    elif _has(member, "httpQuery"):
        made |= {"location": "querystring", "locationName": traits["smithy.api#httpQuery"]}
    return made
