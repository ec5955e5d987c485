"""A judge of the JSON Schema vocabulary that is published; a keyword that it does not know fails the test.

It judges as JSON Schema 2020-12 says, and reads patterns as Python's ``re`` does: as the ``jsonschema`` package, which
lets ``$`` match before a last line break. `test_published_schemas` compares it with Ajv.
"""

import json
import re
from collections.abc import Callable, Sized
from typing import Any, Final

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    """True when the schema accepts the value."""
    return all(_KEYWORDS[name](wanted, value, schema) for name, wanted in schema.items())


def _type(wanted: str | list[str], value: Any, _: Any) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    if "integer" in names and isinstance(value, float) and value.is_integer():
        return True
    return any(isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool)) for name in names)


def _properties(wanted: dict[str, Any], value: Any, _: Any) -> bool:
    return not isinstance(value, dict) or all(is_valid(wanted[name], value[name]) for name in wanted if name in value)


def _additional(wanted: Any, value: Any, schema: dict[str, Any]) -> bool:
    others = [item for name, item in value.items() if name not in schema.get("properties", {})] if _is(value) else []
    return not others if wanted is False else all(is_valid(wanted, item) for item in others)


def _is(value: Any) -> bool:
    return isinstance(value, dict)


def _sized(kind: type[Sized], compare: Callable[[int, int], bool]) -> Callable[[int, Any, Any], bool]:
    return lambda wanted, value, _: not isinstance(value, kind) or compare(len(value), wanted)


def _number(compare: Callable[[float, float], bool]) -> Callable[[float, Any, Any], bool]:
    return lambda wanted, value, _: not isinstance(value, int | float) or compare(value, wanted)


def _valid(schemas: list[dict[str, Any]], value: Any) -> list[bool]:
    return [is_valid(each, value) for each in schemas]


def _condition(wanted: Any, value: Any, schema: dict[str, Any]) -> bool:
    return not is_valid(wanted, value) or is_valid(schema.get("then", {}), value)


def _contains(wanted: Any, value: Any, schema: dict[str, Any]) -> bool:
    if not isinstance(value, list):
        return True
    count = sum(is_valid(wanted, item) for item in value)
    most: int = schema.get("maxContains", count)
    return 1 <= count <= most


def _unique(wanted: bool, value: Any, _: Any) -> bool:
    if not (wanted and isinstance(value, list)):
        return True
    return len({json.dumps(int(each) if _whole(each) else each, sort_keys=True) for each in value}) == len(value)


def _whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _note(wanted: Any, value: Any, schema: Any) -> bool:
    return True


def _least(found: float, wanted: float) -> bool:
    return found >= wanted


def _most(found: float, wanted: float) -> bool:
    return found <= wanted


_KEYWORDS: Final[dict[str, Callable[[Any, Any, Any], bool]]] = {
    "$schema": _note,
    "title": _note,
    "format": _note,
    "description": _note,
    "$comment": _note,
    "contentMediaType": _note,
    "allOf": lambda wanted, value, _: all(_valid(wanted, value)),
    "anyOf": lambda wanted, value, _: any(_valid(wanted, value)),
    "oneOf": lambda wanted, value, _: sum(_valid(wanted, value)) == 1,
    "not": lambda wanted, value, _: not is_valid(wanted, value),
    "if": _condition,
    "then": _note,
    "contains": _contains,
    "maxContains": _note,
    "uniqueItems": _unique,
    "const": lambda wanted, value, _: value == wanted,
    "examples": _note,
    "type": _type,
    "properties": _properties,
    "required": lambda wanted, value, _: not _is(value) or all(name in value for name in wanted),
    "additionalProperties": _additional,
    "propertyNames": lambda wanted, value, _: not _is(value) or all(is_valid(wanted, name) for name in value),
    "items": lambda wanted, value, _: not isinstance(value, list) or all(is_valid(wanted, item) for item in value),
    "enum": lambda wanted, value, _: value in wanted,
    "pattern": lambda wanted, value, _: not isinstance(value, str) or re.search(wanted, value) is not None,
    "minLength": _sized(str, _least),
    "maxLength": _sized(str, _most),
    "minItems": _sized(list, _least),
    "maxItems": _sized(list, _most),
    "minProperties": _sized(dict, _least),
    "maxProperties": _sized(dict, _most),
    "minimum": _number(_least),
    "maximum": _number(_most),
}
