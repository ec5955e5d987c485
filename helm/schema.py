"""The values' JSON Schema, draft 7, as Helm 3 and 4 both read it: closed, without secrets and what the chart sets."""

from collections.abc import Iterator
from typing import Any, Final

from helm.values import Values

DRAFT: Final = "http://json-schema.org/draft-07/schema#"

CHARTS_OWN: Final = {("Kafka", "instance_id"), ("Http", "host"), ("Http", "port")}
"""Settings that the chart itself gives to the pods."""

_OF_HELM: Final = {
    "global": {
        "type": ["object", "null"],
        "description": "Of a parent chart, for all its subcharts; `imageRegistry` and `imagePullSecrets` are used.",
        "properties": {
            "imagePullSecrets": {"type": ["array", "null"], "items": {"type": ["string", "object"]}},
            "imageRegistry": {"type": ["string", "null"]},
        },
    },
    "enabled": {"type": "boolean", "description": "For a parent chart's `condition`."},
}
_MEANINGLESS: Final = ("title", "format", "writeOnly", "unit")
_PARTS: Final = ("properties", "$defs")


def schema() -> dict[str, Any]:
    """The whole document."""
    document = Values.model_json_schema(by_alias=True)
    for name, definition in document["$defs"].items():
        _restrict(name, definition)
    document = _plain(document)
    document["properties"] |= _OF_HELM
    document["$defs"] = {name: document["$defs"][name] for name in sorted(_reached(document))}
    return {"$schema": DRAFT, **document}


def _restrict(name: str, definition: dict[str, Any]) -> None:
    """Omits secrets, which belong in a Secret, and what the chart sets."""
    properties = definition.get("properties", {})
    for member, content in list(properties.items()):
        if (name, member) in CHARTS_OWN or any("writeOnly" in part for part in (content, *content.get("anyOf", ()))):
            del properties[member]


def _plain(node: Any, above: str = "") -> Any:
    """Drops annotations that no validator needs; members may bear the same names."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = node if above in _PARTS else {key: value for key, value in node.items() if key not in _MEANINGLESS}
    if "$ref" in kept:  # what stands beside a reference is ignored by draft 7
        return {"$ref": kept["$ref"]}
    if "patternProperties" in kept:
        kept = {**kept, "additionalProperties": False}
    return {key: value if key == "default" else _plain(value, key) for key, value in kept.items()}


def _reached(document: dict[str, Any]) -> set[str]:
    """Definitions that something refers to."""
    found: set[str] = set()
    waiting = list(_references(document["properties"]))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(document["$defs"][name])
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield str(value).rpartition("/")[2]
            elif key != "default":
                yield from _references(value)
