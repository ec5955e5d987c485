"""The model's constraints, all of them: botocore's own validator knows only required, type and minimum."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.cleanroomsml.protocol import Problems

# A pattern is tried only on values within the length limit, so a hostile value cannot buy much backtracking.
_LONGEST_PATTERN_INPUT: Final = 10_240


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)  # as in Java, whose patterns these are


def check(shape: Any, value: Any, at: str = "") -> Problems:
    """List every (member, rule) that a value breaks against its shape."""
    problems = [(at, rule) for rule in _broken(shape, value)]
    return problems + _CHILDREN.get(shape.type_name, _no_children)(shape, value, at)


def _broken(shape: Any, value: Any) -> list[str]:
    rules = []
    size, noun = _size(value)
    facts: Mapping[str, Any] = shape.metadata
    if size is not None and "min" in facts and size < facts["min"]:
        rules.append(f"Member must have {noun} greater than or equal to {facts['min']}")
    if size is not None and "max" in facts and size > facts["max"]:
        rules.append(f"Member must have {noun} less than or equal to {facts['max']}")
    if "enum" in facts and value not in facts["enum"]:
        rules.append(f"Member must satisfy enum value set: [{', '.join(facts['enum'])}]")
    if "pattern" in facts and _misses(facts, value):
        rules.append(f"Member must satisfy regular expression pattern: {facts['pattern']}")
    if facts.get("union") and len(value) != 1:
        rules.append("Member must set exactly one of: " + ", ".join(shape.members))
    return rules


def _misses(facts: Mapping[str, Any], value: str) -> bool:
    if len(value) > facts.get("max", _LONGEST_PATTERN_INPUT):
        return False  # the length rule already refuses it
    return _pattern(facts["pattern"]).fullmatch(value) is None


def _size(value: Any) -> tuple[float | None, str]:
    if isinstance(value, bool):
        return None, ""
    if isinstance(value, int | float):
        return value, "value"
    if isinstance(value, str | list | dict):
        return len(value), "length"
    return None, ""


def _structure(shape: Any, value: dict[str, Any], at: str) -> Problems:
    prefix = f"{at}." if at else ""
    problems: Problems = [
        (prefix + name, "Member must not be null") for name in shape.required_members if value.get(name) is None
    ]
    for name, member in shape.members.items():
        if value.get(name) is not None:
            problems += check(member, value[name], prefix + name)
    return problems


def _list(shape: Any, value: list[Any], at: str) -> Problems:
    return [p for n, each in enumerate(value, 1) for p in check(shape.member, each, f"{at}.{n}.member")]


def _map(shape: Any, value: dict[str, Any], at: str) -> Problems:
    problems: Problems = []
    for key, each in value.items():
        problems += check(shape.key, key, f"{at}.key")
        problems += check(shape.value, each, f"{at}.value")
    return problems


def _no_children(_shape: Any, _value: Any, _at: str) -> Problems:
    return []


_CHILDREN: Final[dict[str, Callable[[Any, Any, str], Problems]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
}
