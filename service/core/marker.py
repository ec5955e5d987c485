"""The marker: a client token that AWS does not offer.

All five creating operations accept ``description`` (at most 255 characters) and all five List summaries return it. So
`` [crml:<26 characters>]`` is appended to it in requests and stripped from everything that is published; a lost
outcome is then found by a List and an exact match.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from schemas.operations import COMMANDS, MARKER_MEMBER, Resource
from service.core.job import MARKER_LENGTH, Command

_MARKER: Final = re.compile(rf" ?\[crml:([0-9A-HJKMNP-TV-Z]{{{MARKER_LENGTH}}})\]\Z")
_QUOTED: Final = re.compile(rf" ?\[crml:[0-9A-HJKMNP-TV-Z]{{0,{MARKER_LENGTH}}}(?:\]|(?![0-9A-Za-z]))")
"""A marker anywhere in a text that AWS has composed, which may quote a part of it."""


def stamp(params: Mapping[str, Any], token: str) -> dict[str, Any]:
    """The request with the marker at the end of its description."""
    text = params.get(MARKER_MEMBER, "")
    return {**params, MARKER_MEMBER: f"{text} [crml:{token}]" if text else f"[crml:{token}]"}


def carried(description: str | None) -> str:
    """The marker at the end of a description; empty when it has none."""
    found = _MARKER.search(description or "")
    return found[1] if found else ""


def unquoted(text: str) -> str:
    """An error's or a status's text without the markers that it quotes from a request."""
    return _QUOTED.sub("", text)


def strip(value: Any) -> Any:
    """The same response without markers in any description, or in what a status says."""
    if isinstance(value, Mapping):
        return {name: _strip_member(name, member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [strip(item) for item in value]
    return value


def _strip_member(name: str, member: Any) -> Any:
    if name == MARKER_MEMBER and isinstance(member, str):
        return _MARKER.sub("", member)
    if name == "statusDetails" and isinstance(member, Mapping):
        return {each: unquoted(text) if isinstance(text, str) else strip(text) for each, text in member.items()}
    return strip(member)


def reads_first(command: Command) -> bool:
    """Whether the resource is read before the call: an update may overwrite the marker that it carries."""
    operation = COMMANDS.get(command.operation)
    return operation is not None and operation.restamps and MARKER_MEMBER in command.params


def restamp(params: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """An update that keeps the marker which the resource carries now."""
    token = carried(present.get(MARKER_MEMBER))
    return stamp(params, token) if token and MARKER_MEMBER in params else dict(params)


def identify(resource: Resource, description: Mapping[str, Any]) -> str:
    """The id of a listed or described resource: its ARN, or a stable id made of the kind and the marker."""
    if resource.identity:
        return str(description.get(resource.identity, ""))
    return stable_id(resource, carried(description.get(MARKER_MEMBER)))


def stable_id(resource: Resource, token: str) -> str:
    """The id of a resource to which AWS gives none; empty without a marker."""
    return f"{resource.kind}/{token}" if token else ""
