"""The IAM policy that the service needs, for all operations or for some.

An operation needs more than its own action: what it makes is polled, and a call whose answer was lost is searched for,
so the actions of the operations that list and describe its resource belong to it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from botocore.model import Shape

from schemas.operations import (
    COMMANDS,
    OPERATIONS,
    RESOURCES,
    TAGS,
    Kind,
    Operation,
    Repeat,
    Resource,
    removal_of,
)
from schemas.shapes import input_shape

PRINCIPAL: Final = "cleanrooms-ml.amazonaws.com"
"""To whom roles are passed."""

_ROLE_SHAPE: Final = "IamRoleArn"
_ARN_SERVICE: Final = "cleanrooms-ml"


def iam_policy(
    operations: Iterable[str] = tuple(OPERATIONS),
    *,
    resource: str | list[str] = "*",
    roles: Iterable[str] = ("arn:aws:iam::*:role/*",),
) -> dict[str, Any]:
    """The policy for a service that performs these operations; deterministic.

    Args:
        operations: Names of commands; the service's own commands add what they read.
        resource: To which Clean Rooms ML resources it is restricted; what names none can't be, and gets a statement of
            its own.
        roles: ARNs of the roles that commands may name; none if empty.

    Raises:
        KeyError: There is no such operation.
    """
    rows = [COMMANDS[name] for name in operations]
    actions = {action for row in rows for action in actions_of(row)}
    unbound = actions & _UNBOUND if resource != "*" else set[str]()
    statements = [
        {"Sid": sid, "Effect": "Allow", "Action": sorted(some), "Resource": where}
        for sid, some, where in (("CleanRoomsMl", actions - unbound, resource), ("CleanRoomsMlAll", unbound, "*"))
        if some
    ]
    passed = sorted(roles)
    if passed and any(passes_role(row) for row in rows):
        statements.append(_pass_role(passed))
    return {"Version": "2012-10-17", "Statement": statements}


def _names_a_resource(row: Operation) -> bool:
    """True when every request names one of the API's resources, so that IAM can match its ARN."""
    shape = input_shape(row.name)
    return any(
        f":{_ARN_SERVICE}:" in shape.members[name].metadata.get("pattern", "") for name in shape.required_members
    )


def actions_of(row: Operation) -> Iterator[str]:
    """The actions that a row needs, its own first; may repeat."""
    if row.name in OPERATIONS:
        yield row.action
    for name in _witnesses(row):
        yield OPERATIONS[name].action
    if tags_on_create(row):
        # To tag while creating is an action of its own.
        yield from (one.action for one in OPERATIONS.values() if one.resource is TAGS and _writes_tags(one))


def passes_role(row: Operation) -> bool:
    """True when a request may name a role."""
    return row.name in OPERATIONS and any(shape.name == _ROLE_SHAPE for shape in _shapes(input_shape(row.name)))


def tags_on_create(row: Operation) -> bool:
    """True when a creating request may carry tags."""
    return row.creates and "tags" in input_shape(row.name).members


def _witnesses(row: Operation) -> Iterator[str]:
    """Operations by which the outcome and the fate of a command are found out."""
    match row.kind:
        case Kind.TRACK:
            for resource in RESOURCES.values():
                yield from _windows(resource)
        case Kind.CANCEL:
            for resource in RESOURCES.values():
                removal = removal_of(resource)
                if removal is not None and resource.arn_type:
                    yield removal.name
                    yield from _windows(resource)
        case Kind.READ:
            return
        case _ if row.kind in {Kind.JOB, Kind.REMOVAL} or row.repeat is Repeat.MARKED:
            yield from _windows(row.resource)
        case _ if row.guards or row.restamps:
            yield row.resource.get_operation


def _windows(resource: Resource) -> Iterator[str]:
    if not resource.arn_type and not resource.arriving:
        return
    yield from (name for name in (resource.list_operation, resource.get_operation) if name)


def _writes_tags(row: Operation) -> bool:
    return row.kind is Kind.WRITE and "tags" in input_shape(row.name).members


def _pass_role(roles: list[str]) -> dict[str, Any]:
    condition = {"StringEquals": {"iam:PassedToService": PRINCIPAL}}
    return {
        "Sid": "PassRoles",
        "Effect": "Allow",
        "Action": ["iam:PassRole"],
        "Resource": roles,
        "Condition": condition,
    }


def _shapes(shape: Shape) -> Iterator[Shape]:
    """A shape and all shapes in it; the model has no cycles."""
    yield shape
    inner = [*getattr(shape, "members", {}).values()]
    inner += [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]
    for one in inner:
        yield from _shapes(one)


_UNBOUND: Final = frozenset(row.action for row in OPERATIONS.values() if not _names_a_resource(row))
"""Actions without a resource type in AWS's Service Authorization Reference, or with an optional one."""
