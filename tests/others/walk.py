"""Walks the reference of AWS's SDK for JavaScript (v2) and compares it with the contract, member by member.

python -m tests.others.walk REFERENCE      writes docs/reference-walk.md; REFERENCE is the page of CleanRoomsML as text

The reference is AWS's and is not kept here. `test_walk.py` compares the page with the contract.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.operations import OPERATIONS
from schemas.shapes import service_model

PAGE = Path(__file__).parents[2] / "docs" / "reference-walk.md"
_METHOD = re.compile(r"^(\w+)\(params = \{\}, callback\)", re.MULTILINE)
_MEMBER = re.compile(r"^(?P<indent> *)• (?P<name>\w+?)(?P<required>required)? — \((?P<type>[^)]*)\)")
"""The page runs the word into the names of nested members; of the others it is in the example."""
_DEMANDED = re.compile(r"^  (\w+): .*/\* required \*/", re.MULTILINE)
_OBJECT = re.compile(r"^(?P<indent> *)• (?P<name>params|data) \(Object\)")

_HEAD = """# The SDK's reference, member by member

Each method of the page `AWS.CleanRoomsML` in the reference of AWS's SDK for JavaScript (v2), compared with the command
of that name: the members of its request and of its response, nested ones included, which of them are required, and
their types. Written by `python -m tests.others.walk REFERENCE`. Options of the constructor and the methods that every
service has are on [a page of their own](sdk-terms.md).

| method | request: members, required | response: members | differences |
|---|---|---|---|
"""


@dataclass
class Members:
    """Members by path, such as ``outputConfig.roleArn``.

    Attributes:
        types: A member's type, in the words of the reference.
        required: Paths of the required ones.
    """

    types: dict[str, str] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)


@dataclass
class Method:
    """What a reference says of a method."""

    request: Members = field(default_factory=Members)
    response: Members = field(default_factory=Members)


def documented(reference: str) -> dict[str, Method]:
    """Every method of the reference, by the operation's name."""
    found = {}
    for begin, end in _sections(reference):
        name = reference[begin:end].partition("(")[0]
        found[name[0].upper() + name[1:]] = _method(reference[begin:end])
    return found


def _sections(reference: str) -> Iterator[tuple[int, int]]:
    starts = [match.start() for match in _METHOD.finditer(reference)]
    yield from zip(starts, [*starts[1:], len(reference)], strict=True)


def _method(section: str) -> Method:
    method, members, above = Method(), Members(), list[tuple[int, str]]()
    base = 0
    for line in section.splitlines():
        if begins := _OBJECT.match(line):
            members = method.request if begins["name"] == "params" else method.response
            base, above = len(begins["indent"]), []
        elif (member := _MEMBER.match(line)) and len(member["indent"]) > base:
            above = [each for each in above if each[0] < len(member["indent"])]
            path = ".".join([*(name for _, name in above), member["name"]])
            above.append((len(member["indent"]), member["name"]))
            members.types[path] = member["type"].partition("<")[0].lower()
            members.required |= {path} if member["required"] else set()
    method.request.required |= set(_DEMANDED.findall(section.partition("Parameters:")[0]))
    return method


_TYPES = {"structure": "map", "list": "array", "timestamp": "date", "long": "integer", "double": "float"}


def contracted(name: str) -> Method:
    """What the contract says of an operation: botocore's model, from which it is made."""
    model = service_model().operation_model(name)
    return Method(_walked(model.input_shape), _walked(model.output_shape))


def _walked(shape: Any) -> Members:
    members = Members()
    if shape is not None:
        _walk(shape, "", members)
    return members


def _walk(shape: Any, above: str, members: Members) -> None:
    if shape.type_name == "list":
        _walk(shape.member, above, members)
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            path = f"{above}.{name}".lstrip(".")
            members.types[path] = _TYPES.get(member.type_name, member.type_name)
            members.required |= {path} if name in shape.required_members else set()
            _walk(member, path, members)


def differences(theirs: Method, ours: Method) -> Iterator[str]:
    """Where a reference and the contract disagree."""
    for side in ("request", "response"):
        their, our = getattr(theirs, side), getattr(ours, side)
        yield from (f"{side}: `{path}` is only in the reference" for path in sorted(their.types.keys() - our.types))
        yield from (f"{side}: `{path}` is not in the reference" for path in sorted(our.types.keys() - their.types))
        for path in sorted(their.types.keys() & our.types):
            if their.types[path] != our.types[path]:
                yield f"{side}: `{path}` is {their.types[path]} there, {our.types[path]} here"
    for path in sorted(theirs.request.required ^ ours.request.required):
        yield f"request: whether `{path}` is required"


def row(name: str, method: Method, different: list[str]) -> str:
    """A line of the page."""
    request, response = method.request, method.response
    counts = f"{len(request.types)}, {len(request.required)} | {len(response.types)}"
    return f"| `{name}` | {counts} | {'; '.join(different) or 'none'} |"


def page(found: Mapping[str, Method]) -> str:
    """The page."""
    lines = [row(name, found[name], list(differences(found[name], contracted(name)))) for name in sorted(found)]
    missing = sorted(OPERATIONS.keys() - found)
    more = f"\nNot in the reference: {', '.join(missing)}.\n" if missing else ""
    return _HEAD + "\n".join(lines) + "\n" + more


if __name__ == "__main__":
    PAGE.write_text(page(documented(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8")
