"""What is asked about a call whose outcome was lost, and what the answer means.

A create is found by its marker in a List; any other write is judged by what a Get shows.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from schemas.operations import MARKER_MEMBER, Operation, Repeat, Resource
from service.core.job import Command, expected_state, repeat, row
from service.core.marker import carried, strip

PAGE: Final = 100
"""The largest page that List operations give."""


@dataclass(frozen=True, slots=True)
class Request:
    """An API request: a row's name and its members; ``pages`` when the answer comes in pages."""

    operation: str
    params: dict[str, Any]
    pages: bool = False


def search_request(command: Command) -> Request:
    """The cheapest request that can show what a call of this command has done."""
    operation = row(command)
    if repeat(command) is Repeat.MARKED:
        return list_request(operation.resource, command.params)
    return get_request(operation.resource, command.params[operation.resource.identity])


def list_request(resource: Resource, params: Mapping[str, Any] | None = None) -> Request:
    """A List in pages, narrowed by what the given request members allow."""
    given = params or {}
    narrowed = {member: given[member] for member in resource.list_filters if member in given}
    return Request(resource.list_operation, {**narrowed, "maxResults": PAGE}, pages=True)


def get_request(resource: Resource, identity: str) -> Request:
    """A description of one resource."""
    return Request(resource.get_operation, {resource.identity: identity})


Carrying = dict[tuple[str, object], Mapping[str, Any]]
"""Listed resources by marker and by what identifies them, since two pages may show the same one."""

Marked = Mapping[str, tuple[Mapping[str, Any], ...]]
"""What a List has shown, by marker."""


def carrying(resource: Resource, listed: Iterable[Mapping[str, Any]]) -> Carrying:
    """The listed resources that carry a marker."""
    found = ((carried(summary.get(MARKER_MEMBER)), summary) for summary in listed)
    return {(token, _itself(resource, summary)): summary for token, summary in found if token}


def marked(found: Carrying) -> Marked:
    """What carries a marker, by it."""
    by_marker: dict[str, list[Mapping[str, Any]]] = {}
    for (token, _), summary in found.items():
        by_marker.setdefault(token, []).append(summary)
    return {token: tuple(summaries) for token, summaries in by_marker.items()}


def _itself(resource: Resource, summary: Mapping[str, Any]) -> object:
    """What identifies a resource: the ARN, or without one the members that never change."""
    if resource.identity:
        return summary.get(resource.identity)
    return tuple(summary.get(member) for member in ("name", "createTime", *resource.list_filters))


class Verdict(Enum):
    """What a witness says of a call whose outcome was lost."""

    DONE = auto()
    NOT_DONE = auto()
    UNDER_WAY = auto()
    OTHERWISE = auto()
    """The state is neither what the call leads to nor what it started from: another client has changed it."""


def judge(command: Command, shown: Mapping[str, Any] | None) -> Verdict:
    """Compares what a Get shows (None: nothing there) with what the command wanted."""
    operation = row(command)
    match repeat(command):
        case Repeat.GUARDED:
            return _judge_guarded(command, shown)
        case Repeat.SAFE:
            done = shown is not None and _as_asked(operation, command.params, shown)
            return Verdict.DONE if done else Verdict.NOT_DONE
    if shown is None:
        return Verdict.DONE
    return Verdict.UNDER_WAY if shown.get("status") in operation.resource.leaving else Verdict.NOT_DONE


def _judge_guarded(command: Command, shown: Mapping[str, Any] | None) -> Verdict:
    operation = row(command)
    if shown is not None and _same_document(shown.get(operation.compare), command.params.get(operation.compare)):
        return Verdict.DONE
    expected = expected_state(command)
    if expected is None:
        return Verdict.NOT_DONE
    found = shown.get(operation.previous) if shown else None
    return Verdict.NOT_DONE if found == expected else Verdict.OTHERWISE


def _as_asked(operation: Operation, params: Mapping[str, Any], shown: Mapping[str, Any]) -> bool:
    """Whether what is there is what a repeatable write leads to; entries of a map may stand among others."""
    if operation.erases:
        return not set(params[operation.erases]) & set(shown.get(operation.compare) or ())
    present = strip(shown)
    return all(
        (_same_document if name == operation.compare else _holds)(present.get(name), value)
        for name, value in params.items()
        if name != operation.resource.identity
    )


def _holds(shown: Any, asked: Any) -> bool:
    if isinstance(asked, Mapping) and isinstance(shown, Mapping):
        return all(name in shown and _holds(shown[name], value) for name, value in asked.items())
    if isinstance(asked, list) and isinstance(shown, list):
        return sorted(map(repr, asked)) == sorted(map(repr, shown))
    return isinstance(shown, bool) == isinstance(asked, bool) and bool(shown == asked)


def _same_document(one: Any, other: Any) -> bool:
    """Whether two JSON documents say the same, whatever their spacing and order; 1, 1.0 and true are three values."""
    try:
        return _canonical(one) == _canonical(other)
    except (TypeError, ValueError, RecursionError):
        return bool(one == other)


def _canonical(document: str) -> str:
    return json.dumps(json.loads(document, object_pairs_hook=_distinct), sort_keys=True)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two members with one name, no one knows which counts."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("two members have one name")
    return members
