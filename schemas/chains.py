"""Chains: the commands that a command names, and its request with what they have made.

A command names its *predecessors* by references in its request and by ids in the extension ``after``. They are of the
same source and record key, and were sent earlier.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from . import strictjson
from .operations import COMMANDS, OPERATIONS
from .references import RESOURCES_WITH_ARN, Location, Reference, is_id, kinds, referred
from .shapes import input_shape, render, walk

MAX_PREDECESSORS: Final = 100
"""The most commands that one may wait for."""


def references(operation: str, data: Any) -> Iterator[Reference]:
    """Every reference in the members of a command."""
    if operation not in OPERATIONS:
        member = COMMANDS[operation].resource.identity
        if isinstance(data, Mapping) and (name := referred(data.get(member))):
            yield Reference((member,), f"data.{member}", name, RESOURCES_WITH_ARN)
        return
    top = input_shape(operation)
    for location, shape, value in walk(top, data):
        if (name := referred(value)) and (wanted := kinds(shape)):
            yield Reference(location, render(top, location)[0], name, wanted)


def predecessors(operation: str, data: Any, after: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of the commands that one waits for, each once."""
    return tuple(dict.fromkeys((*(each.id for each in references(operation, data)), *after)))


def filled(operation: str, data: Any, made: Mapping[str, str]) -> Any:
    """A request with what its predecessors have made in the members that name them."""
    arns = {each.location: made[each.id] for each in references(operation, data) if each.id in made}
    return _put(data, arns, ()) if arns else data


def _put(value: Any, arns: Mapping[Location, str], location: Location) -> Any:
    if location in arns:
        return arns[location]
    if isinstance(value, dict):
        return {name: _put(item, arns, (*location, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_put(item, arns, (*location, index)) for index, item in enumerate(value)]
    return value


def named(operation: str, data: Any, made: Mapping[str, str]) -> dict[str, Any]:
    """The part of a filled request that was filled in, and nothing else of it."""
    arns = {each.location: made[each.id] for each in references(operation, data) if each.id in made}
    return _only(data, arns, ()) or {}


def _only(value: Any, arns: Mapping[Location, str], location: Location) -> Any:
    if location in arns:
        return arns[location]
    if isinstance(value, dict):
        inner = {name: _only(item, arns, (*location, name)) for name, item in value.items()}
        return {name: item for name, item in inner.items() if item is not None} or None
    if isinstance(value, list):
        items = (_only(item, arns, (*location, index)) for index, item in enumerate(value))
        return [item for item in items if item is not None] or None
    return None


def after(text: str) -> tuple[str, ...] | None:
    """The ids in the extension ``after``, each once; None when it is not a JSON array of ids."""
    try:
        found = strictjson.loads(text.encode("utf-8", "surrogatepass"))
    except strictjson.JsonError:
        return None
    if not isinstance(found, list) or not all(map(is_id, found)):
        return None
    return tuple(dict.fromkeys(found))
