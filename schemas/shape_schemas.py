"""JSON Schema (2020-12) of the API's requests and responses: the model's constraints, and the rules'.

A request's schema accepts what the service accepts, but for what :data:`UNSAID` lists. Decisions:

- **Every engine reads a pattern alike.** ``\\d``, ``\\s`` and ``\\w`` are written out: what they match in Unicode
  differs. In some engines, ``$`` matches before a last line break too; so line breaks are excluded by ``not``.
- **Readers of older drafts accept more, never less.** AsyncAPI's schemas are draft-07 to most tools; a keyword that
  they do not know (``maxContains``) is used only where leaving it out accepts more.
- Lengths count Unicode code points, as AWS's and the payload models' do.
- Responses are described, not refused: AWS may add members and enum values.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from . import chains, cloudevents, documented_rules, references, shapes
from .documented_rules import RULES, Rule
from .operations import MARKER_MEMBER

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ASSUMED: Final = "Assumed: AWS does not state this; with the setting rules.assumed=false it is left to AWS."
"""Comment on a part that only rules of our reading have made."""

Schema = dict[str, Any]

ONE_LINE: Final[Schema] = {"not": {"pattern": "[\\n\\r]"}}

TIMESTAMP: Final[Schema] = {
    "type": "string",
    "maxLength": cloudevents.MAX_ATTRIBUTE,
    "pattern": f"^{cloudevents.TIMESTAMP}$",
    "format": "date-time",
    **ONE_LINE,
}
"""A time that the service computes with."""
TIME: Final[Schema] = TIMESTAMP | {"pattern": f"^{cloudevents.TIME}$"}
"""A time that it only passes on: a leap second is one too."""

UNSAID: Final[Mapping[str, str]] = {
    "An integer is written without a fraction or an exponent: `1`, not `1.0` or `1e0`.": (
        "To JSON Schema, `1.0` is an integer."
    ),
    "A timestamp lies within the years 1000 to 9999, in UTC.": "The offset has to be added first.",
    "An object has each member once, and no string has a lone surrogate.": (
        "Schemas are applied to what a parser has made of the text."
    ),
    "A command has at most 1 MiB and 2,000 values; beyond that, the answer is `TooLarge`.": (
        "Schemas limit single texts, arrays and objects, not their sum."
    ),
    "`deadline` and `until` are after `notbefore`, and all are after 1970.": "JSON Schema does not compare two values.",
    "`until` is a time by RFC 3339.": "A format on an attribute that came later would be a break.",
    f"`after` is a JSON array of ids, and a command names at most {chains.MAX_PREDECESSORS} others, none of them "
    "itself.": "The array is the text of an attribute; what a command names is spread over its members.",
    "An attribute has no noncharacter of Unicode, such as U+FDD0.": (
        "Patterns of different engines write characters beyond U+FFFF differently."
    ),
    f"A record has at most {cloudevents.MAX_HEADERS} headers, those that are no attributes included; an attribute has "
    "one, in UTF-8, and its name is in lower case from `ce_` on.": (
        "The schema is one of the attributes that were read from headers."
    ),
    "In binary mode, the content type is not `application/cloudevents+json`; in structured mode it is.": (
        "The content type distinguishes the modes; the schema is one of what is read in either mode."
    ),
    "Targets, reply topics, accounts and Regions are those that settings allow (`UnknownTarget`, `NotAllowed`).": (
        "That differs from one deployment to another, and is no matter of shape."
    ),
    "Members that the setting `params` adds to a command are judged with it.": (
        "Settings are not known to the schema: it requires what a deployment may add, and counts only the tags given."
    ),
}
"""What the service refuses and the schemas of commands do not say, beside the rules that say so; and why."""


def request(operation: str, *, assumed: bool = True, rows: Iterable[Rule] = RULES) -> Schema:
    """The schema of an operation's request: what the service takes.

    Args:
        operation: A row's name.
        assumed: Whether the rules that are our reading count too.
        rows: The rules.
    """
    counted = tuple(row for row in rows if assumed or not row.assumed)
    schema = _request(shapes.input_shape(operation), counted)
    if documented_rules.stamped(operation):
        _merge(schema["properties"][MARKER_MEMBER], documented_rules.MARKER_ROOM)
    return schema


def response(operation: str) -> Schema:
    """The schema of an operation's response: types and required members; AWS may add to the rest."""
    shape = shapes.output_shape(operation)
    return response_of(shape) if shape else {"type": "object"}


def response_of(shape: Shape) -> Schema:
    """The schema of a shape in responses: types and required members; AWS may add to the rest."""
    return _schema(shape, None)


# --- requests ------------------------------------------------------------------------------------------------------


def _request(shape: Shape, rows: tuple[Rule, ...]) -> Schema:
    schema = _schema(shape, rows)
    for row in rows:
        if row.covers(shape):
            _merge(schema, _commented(row))
    if "pattern" in schema and r"\n" not in schema["pattern"] and "not" not in schema:
        schema |= ONE_LINE
    return {"type": "string", "anyOf": [schema, references.SCHEMA]} if references.kinds(shape) else schema


def _commented(row: Rule) -> Schema:
    """What a row says; all rows of our reading say it in a part of its own, which says so."""
    if not row.assumed:
        return row.schema
    return {"allOf": [{"$comment": ASSUMED, **part} for part in row.schema.get("allOf", ())]} if row.schema else {}


_TIGHTER: Final = {
    **dict.fromkeys(("maxLength", "maxItems", "maxProperties", "maximum"), min),
    **dict.fromkeys(("minLength", "minItems", "minProperties", "minimum"), max),
}


def _merge(schema: Schema, said: Mapping[str, Any]) -> None:
    """Adds a rule to a schema: the tighter limit wins; a pattern replaces the model's, which it implies."""
    for keyword, value in said.items():
        if keyword in _TIGHTER:
            schema[keyword] = _TIGHTER[keyword](value, schema.get(keyword, value))
        elif keyword in {"items", "propertyNames", "additionalProperties"}:
            _merge(schema[keyword], value)
        elif keyword == "allOf":
            schema[keyword] = [*schema.get(keyword, ()), *value]
        else:
            schema[keyword] = value


# --- the model -----------------------------------------------------------------------------------------------------


def _schema(shape: Shape, rows: tuple[Rule, ...] | None) -> Schema:
    """The schema of a shape; without rows, it is one of a response."""
    if isinstance(shape, StructureShape):
        return _structure(shape, rows)
    limits = shape.metadata if rows is not None else {}
    if isinstance(shape, ListShape):
        return _limited({"type": "array", "items": _inner(shape.member, rows)}, limits, "Items")
    if isinstance(shape, MapShape):
        members = {"propertyNames": _inner(shape.key, rows), "additionalProperties": _inner(shape.value, rows)}
        return _limited({"type": "object", **members}, limits, "Properties")
    if isinstance(shape, StringShape):
        return _string(shape, limits)
    if shape.type_name == "timestamp":
        return {"type": "string", "format": "date-time"} if rows is None else dict(TIMESTAMP)
    if shape.type_name == "boolean":
        return {"type": "boolean"}
    kind = "integer" if shape.type_name in {"integer", "long"} else "number"
    return {"type": kind, **{_NUMBER_LIMITS[name]: limits[name] for name in _NUMBER_LIMITS if name in limits}}


def _inner(shape: Shape, rows: tuple[Rule, ...] | None) -> Schema:
    return _schema(shape, None) if rows is None else _request(shape, rows)


_NUMBER_LIMITS: Final = {"min": "minimum", "max": "maximum"}


def _limited(schema: Schema, limits: Mapping[str, Any], noun: str) -> Schema:
    return schema | {f"{name}{noun}": limits[name] for name in ("min", "max") if name in limits}


def _string(shape: StringShape, limits: Mapping[str, Any]) -> Schema:
    schema = _limited({"type": "string"}, limits, "Length")
    if shape.enum:
        return schema | ({"enum": list(shape.enum)} if limits else {"examples": list(shape.enum)})
    if "pattern" in limits:
        schema["pattern"] = f"^(?:{_portable(limits['pattern'])})$"
    return schema


_CLASSES: Final = {r"\d\w": "0-9A-Z_a-z", r"\w": "0-9A-Z_a-z", r"\d": "0-9", r"\s": r"[\t-\r ]"}
"""Classes in ASCII; in the model's patterns, all but ``\\s`` occur within brackets only."""


_SURROGATES: Final = r"\uD800\uDBFF-\uDC00\uDFFF"


def _portable(pattern: str) -> str:
    """A pattern of the model with its classes written out, and without surrogates, which no JSON text has.

    Engines that work on Unicode's characters, as those of Rust and Go, refuse a pattern which names one.
    """
    for name, characters in _CLASSES.items():
        pattern = pattern.replace(name, characters)
    return pattern.replace(_SURROGATES, "")


def _structure(shape: StructureShape, rows: tuple[Rule, ...] | None) -> Schema:
    schema: Schema = {"type": "object"}
    schema["properties"] = {name: _inner(member, rows) for name, member in shape.members.items()}
    if shape.required_members:
        schema["required"] = list(shape.required_members)
    if rows is not None:
        schema["additionalProperties"] = False
        if shape.is_tagged_union:
            schema |= {"minProperties": 1, "maxProperties": 1}
    return schema
