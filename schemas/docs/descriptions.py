"""What the documents say of a command: purpose, events, errors and what happens when an answer is lost.

Our own words, derived from the table; AWS's texts are AWS's.
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas import shapes
from schemas.aws_policies.iam import actions_of, passes_role
from schemas.docs import json_schemas
from schemas.docs.asyncapi import replies_of
from schemas.operations import (
    COMMANDS,
    OPERATIONS,
    RESOURCES,
    SERVICE_COMMANDS,
    Change,
    Kind,
    Operation,
    Repeat,
    Resource,
)
from schemas.service_commands import MODELS


def purpose(row: Operation) -> str:
    """What a command does, in one sentence."""
    if row.name in SERVICE_COMMANDS:
        return str(MODELS[row.name].__doc__).splitlines()[0]
    resource = _noun(row.resource)
    match row.kind:
        case Kind.READ if row.name == row.resource.list_operation:
            return f"Lists {resource}s; one page for each command."
        case Kind.READ:
            return f"Describes {_one(resource)}."
        case Kind.JOB:
            return f"Starts {_one(resource)}, a long and billed job, and follows it to its end."
        case Kind.REMOVAL:
            return f"Removes {_one(resource)}, and follows it until it is gone."
        case _:
            return f"{_VERBS[row.change]} {_one(resource)} at once."


_VERBS: Final = {Change.CREATED: "Makes", Change.UPDATED: "Changes", Change.DELETED: "Deletes", None: "Changes"}


def _noun(resource: Resource) -> str:
    return {"tags": "set of tags"}.get(resource.kind, resource.kind.replace("-", " "))


def _one(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def recipe(row: Operation) -> str:
    """What happens when the answer of a call was lost, in plain words."""
    if row.name in SERVICE_COMMANDS:
        return {
            Kind.TRACK: "It only reads, and reads again.",
            Kind.CANCEL: "Without `deleteResource` nothing is sent; with it, as for the deletion of the resource.",
        }.get(row.kind, "Nothing of its own is sent to AWS; what a retry sends is the command that it resolves.")
    plain = {
        Repeat.SAFE: "It is sent again: the same call twice has the effect of one.",
        Repeat.GONE_IS_DONE: "It is sent again; an answer that there is nothing to delete means that it was done.",
        Repeat.MARKED: (
            f"It is never sent again at once. `{row.resource.list_operation}` is searched for the mark that the "
            "service has put at the end of the description. What carries it is adopted. Only when the settling time "
            "is over and the search is still empty, it is sent once more; two matches are `parked` for a person."
        ),
        Repeat.GUARDED: "",
    }[row.repeat]
    if row.guards:
        members = " or ".join(f"`{name}`" for name in row.guards)
        plain += (
            f" With {members} it is not sent again before `{row.resource.get_operation}` has shown what is there: as "
            "asked, it has succeeded; as before, it is sent again; otherwise it fails, for someone else has changed it."
        )
    if row.repeat in (Repeat.SAFE, Repeat.GONE_IS_DONE) and row.kind is not Kind.READ:
        plain += (
            f" If a repeat is refused{' otherwise' if row.repeat is Repeat.GONE_IS_DONE else ''}, "
            f"`{row.resource.get_operation}` shows what the first call has done; what does not show is "
            f"{'not done' if row.repeat is Repeat.GONE_IS_DONE else '`parked` for a person'}."
        )
    if row.restamps:
        plain += " The mark of the creating command is read first, and put back behind a new description."
    return plain.strip()


def events_of(row: Operation) -> tuple[str, ...]:
    """Types of the events that a command may lead to."""
    if row.kind in {Kind.TRACK, Kind.CANCEL}:
        return tuple(json_schemas.event_type(one) for one in RESOURCES.values() if one.arn_type)
    return () if row.kind in {Kind.READ, Kind.RESOLVE} else (json_schemas.event_type(row.resource),)


def event_statuses(row: Operation) -> str:
    """The statuses of those events, in words."""
    if row.kind is Kind.WRITE:
        return f"`{row.change}`"
    resource = row.resource
    if row.kind is Kind.JOB:
        names = [*resource.arriving, *sorted(resource.done), *sorted(resource.failed)]
    elif row.kind is Kind.REMOVAL:
        names = [*resource.leaving, *sorted(resource.undeleted), "deleted"]
    else:
        return "as AWS shows them"
    return ", ".join(f"`{name}`" for name in names)


SERVICE_ERRORS: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.TRACK: {
        "StatusMissed": "the resource can't reach `untilStatus` any more",
        "StatusUnknown": "for a day, no poll has shown the status of the resource",
    },
    Kind.CANCEL: {
        "UnknownCommand": "no command with this id and source is known in this partition",
        "TooLate": "the command has ended, or its call may have been made; its message says what can be done",
        "OutcomeUnknown": "whether the command has made a resource is not known, so nothing was deleted",
        "NotAllowed": "the tenant must not delete the resource",
    },
    Kind.RESOLVE: {
        "UnknownCommand": "no command with this id and source is known in this partition",
        "NotParked": "the command is not parked, so there is nothing to decide",
        "InvalidResolution": "the decision does not fit the command; its message says which one does",
    },
}
"""Codes with which the service's own commands fail, and what they mean."""


def aws_errors(row: Operation) -> Mapping[str, int]:
    """The errors that AWS's model names for an operation, with their HTTP status."""
    if row.name in SERVICE_COMMANDS:
        return {}
    shown = shapes.service_model().operation_model(row.name).error_shapes
    return {shape.name: int(shape.metadata["error"]["httpStatusCode"]) for shape in sorted(shown, key=lambda s: s.name)}


def operations() -> list[dict[str, Any]]:
    """The table of operations, for programs."""
    return [
        {
            "operation": row.name,
            "kind": row.kind.value,
            "resource": row.resource.kind,
            "commandType": row.command_type,
            "replies": [reply.value for reply in replies_of(row.kind)],
            "events": list(events_of(row)),
            "repeat": row.repeat.value,
            "guardedBy": list(row.guards),
            "reconcile": recipe(row),
            "iamAction": row.action if row.name in OPERATIONS else None,
            "iamActions": sorted(set(actions_of(row))),
            "passesRole": passes_role(row),
            "errors": dict(aws_errors(row)),
        }
        for row in COMMANDS.values()
    ]
