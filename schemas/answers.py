"""What an answer of the API must be before anything of it is used or stored: botocore's model, member by member.

botocore's own parser takes whatever JSON it is given: a number where the model has an ARN, a string where it has a
list. Here each modelled member is checked: its type, the members that a structure requires, the form of the member
that names a resource, and that a description is of the resource asked for. AWS may add members, enum values and
constraints, so members that the model does not have, enums, and the lengths of other members are left alone.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import isfinite
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from . import shapes
from .operations import OPERATIONS

_INTEGERS: Final = {"integer": 2**31, "long": 2**63}
_LONGEST_ENUM: Final = 128


def misfit(operation: str, params: Mapping[str, Any], result: Any) -> str:
    """Where and how an answer differs from the model, never with a value of it; empty when it fits.

    Args:
        operation: The API's name.
        params: The request's members.
        result: The response's members.
    """
    if not isinstance(result, Mapping):
        return "the answer must be an object"
    shape = shapes.output_shape(operation)
    found = next(_misfits(shape, result, "", _identity(operation)), "") if shape else ""
    return found or _about_another(operation, params, result)


def _identity(operation: str) -> str:
    return OPERATIONS[operation].resource.identity


def _about_another(operation: str, params: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    identity = _identity(operation)
    if identity in params and identity in result and params[identity] != result[identity]:
        return f"{identity} is not that of the request"
    return ""


def _misfits(shape: Shape, value: Any, path: str, identity: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _structure(shape, value, path, identity)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield f"{path} must be an array"
            return
        for index, item in enumerate(value):
            yield from _misfits(shape.member, item, f"{path}[{index}]", identity)
    elif isinstance(shape, MapShape):
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            yield f"{path} must be an object"
            return
        for item in value.values():
            yield from _misfits(shape.value, item, f"{path}[*]", identity)
    elif not _SCALARS[shape.type_name](shape, value):
        yield f"{path} must be a {shape.type_name}"


def _structure(shape: StructureShape, value: Any, path: str, identity: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path} must be an object"
        return
    required = _required(shape)
    for name, member in shape.members.items():
        where = f"{path}.{name}" if path else name
        item = value.get(name)
        if item is None:
            if name in required:
                yield f"{where} is required"
            continue
        yield from _misfits(member, item, where, identity)
        if name == identity and isinstance(item, str) and not _names(member, item):
            yield f"{where} does not name a resource of this kind"


@cache
def _required(shape: StructureShape) -> frozenset[str]:
    return frozenset(shape.required_members)


def _names(shape: Shape, text: str) -> bool:
    """Whether an identity has the form that the model gives it."""
    limits = shape.metadata
    if not limits.get("min", 1) <= len(text) <= limits.get("max", 2048):
        return False
    return "pattern" not in limits or _pattern(limits["pattern"]).matches(text)


@cache
def _pattern(pattern: str) -> shapes.Pattern:
    return shapes.Pattern(pattern)


def _string(shape: Shape, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    return not (isinstance(shape, StringShape) and shape.enum) or len(value) <= _LONGEST_ENUM


def _integer(shape: Shape, value: Any) -> bool:
    limit = _INTEGERS[shape.type_name]
    return isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit


def _number(_: Shape, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and isfinite(value)


def _boolean(_: Shape, value: Any) -> bool:
    return isinstance(value, bool)


def _timestamp(_: Shape, value: Any) -> bool:
    """The adapter has made it one, or has refused the answer."""
    return isinstance(value, str)


_SCALARS: Final[dict[str, Callable[[Shape, Any], bool]]] = {
    "string": _string,
    "timestamp": _timestamp,
    "integer": _integer,
    "long": _integer,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
}
