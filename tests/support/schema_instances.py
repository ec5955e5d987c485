"""Data for a JSON Schema, drawn at and beyond its limits: about as often valid as not."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

Schema = dict[str, Any]

# Texts that a rule, or some regular expression engine, treats in its own way.
ODD: Final = (
    *("", " ", "\t", "\n", "\r", "\x00", "\x1f", "\x7f", "\x85", "\xa0", "\u1680", "\u2028", "\u202e", "\u2066"),
    *("\u3000", "\ufeff", "\ufffd", "\ufffe", "\U0001f600", "\u0663", "\u212a", "\u017f", "é", "e\u0301"),
    *("..", "?", "#", "%2F", "\\", "/", "-", "aws:", "AwS:", "[crml:", "[CRML:x]", '"', "$", "^"),
)


def value(schema: Schema) -> st.SearchStrategy[Any]:
    """A value that the schema may accept."""
    return _value(json.dumps(schema))


@cache
def _value(text: str) -> st.SearchStrategy[Any]:
    schema = json.loads(text)
    if "anyOf" in schema:
        return st.one_of(*map(value, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from([*schema["enum"], schema["enum"][0].lower(), ""])
    found: st.SearchStrategy[Any] = _KINDS[schema["type"]](schema)
    return found


def _text(schema: Schema) -> st.SearchStrategy[str]:
    plain = st.text(max_size=12) | st.sampled_from(ODD)
    whole = st.from_regex(schema["pattern"]) | plain if "pattern" in schema else plain
    return st.builds(_spoilt, whole, st.sampled_from(ODD) | st.just(""), st.floats(0, 1), _length(schema, "Length"))


def _spoilt(text: str, odd: str, where: float, length: int | None) -> str:
    """The text with something odd in it, and of a certain length if it can be repeated."""
    at = round(where * len(text))
    text = text[:at] + odd + text[at:]
    return text if length is None or not text else text[:length] + text[-1] * (length - len(text))


def _length(schema: Schema, noun: str) -> st.SearchStrategy[int | None]:
    edges = [schema[name] + step for name in (f"min{noun}", f"max{noun}") if name in schema for step in (-1, 0, 1)]
    return st.sampled_from([None, None, *(edge for edge in edges if 0 <= edge < 3_000)])


def _integer(schema: Schema) -> st.SearchStrategy[Any]:
    edges = [schema[name] + step for name in ("minimum", "maximum") for step in (-1, 0, 1)]
    return st.integers(0, 120) | st.sampled_from([*edges, True, "1", None])


def _array(schema: Schema) -> st.SearchStrategy[Any]:
    items = st.lists(value(schema["items"]), min_size=1, max_size=4)
    return st.builds(_resized, items, _length(schema, "Items"))


def _resized(items: list[Any], length: int | None) -> list[Any]:
    if length is None:
        return items
    more = [_other(items[-1], number) for number in range(length - len(items))]
    return [*items[:length], *more]


def _other(item: Any, number: int) -> Any:
    return item + number if isinstance(item, int) else f"{item}{number}" if isinstance(item, str) else item


def _object(schema: Schema) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        names = st.text(min_size=1, max_size=4) | value(schema["propertyNames"])
        values = st.text(max_size=4) | value(schema["additionalProperties"])
        return st.builds(_grown, st.dictionaries(names, values, max_size=3), _length(schema, "Properties"))
    members = {name: value(member) for name, member in schema["properties"].items()}
    required = {name: members[name] for name in schema.get("required", ())}
    full = st.fixed_dictionaries(required, optional={k: v for k, v in members.items() if k not in required})
    return full | st.fixed_dictionaries({}, optional=members)


def _grown(entries: dict[str, Any], length: int | None) -> dict[str, Any]:
    more = {f"more{number}": "" for number in range((length or 0) - len(entries))}
    return {**entries, **more}


def _flag(_: Schema) -> st.SearchStrategy[Any]:
    return st.sampled_from([True, False, 0, "true", None])


_KINDS: Final[dict[str, Any]] = {
    "string": _text,
    "integer": _integer,
    "boolean": _flag,
    "array": _array,
    "object": _object,
}


@st.composite
def near(draw: st.DrawFn, schema: Schema, good: dict[str, Any]) -> Any:
    """Good data with a few values drawn anew, and a few optional members left out."""
    data = copy.deepcopy(good)
    for name in draw(st.lists(st.sampled_from(sorted(good)), max_size=2, unique=True)) if good else ():
        if name not in schema.get("required", ()) or draw(st.integers(0, 9)) == 0:
            del data[name]
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(schema, data))
        if not places:
            break
        holder, step, member = draw(st.sampled_from(places))
        holder[step] = draw(value(member))
    return data


def _places(schema: Schema, data: Any) -> Iterator[tuple[Any, Any, Schema]]:
    """Every value below, as where it is held and what it should be; of the many alike, the first three."""
    below: list[tuple[Any, Schema]] = []
    if isinstance(data, dict) and "properties" in schema:
        below = [(name, schema["properties"][name]) for name in data if name in schema["properties"]]
    elif isinstance(data, dict) and "additionalProperties" in schema:
        below = [(name, schema["additionalProperties"]) for name in list(data)[:3]]
    elif isinstance(data, list) and "items" in schema:
        below = [(number, schema["items"]) for number in range(min(3, len(data)))]
    for step, member in below:
        yield data, step, member
        yield from _places(member, data[step])
