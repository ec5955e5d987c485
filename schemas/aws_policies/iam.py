"""The IAM policy that the service needs, for all operations or for some.

An operation needs more than its own action: what it makes is polled, and a call whose answer was lost is searched for,
so the actions of the operations that list and describe its resource belong to it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
_ARN_SERVICE: Final = ":cleanrooms-ml:"
_WORD: Final = re.compile(r"[a-z]+(?:-[a-z]+)*")
_ALL: Final = "*"
_KINDS: Final = frozenset(resource.arn_type for resource in RESOURCES.values() if resource.arn_type)
"""Types of resources, as ARNs call them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of AWS that a policy is for."""

    partition: str
    region: str
    account: str

    def arn(self, kind: str, account: str = "") -> str:
        """All resources of a type; of another account if one is given."""
        return f"arn:{self.partition}:cleanrooms-ml:{self.region}:{account or self.account}:{kind}/*"

    def role(self, name: str) -> str:
        """A role of the account."""
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"


TEMPLATE: Final = Scope("aws", "<region>", "<account>")
"""Blanks for what the policy of a known account has."""

DATA_ROLE: Final = "<role that commands name>"
"""Stands for a role by which Clean Rooms ML reads and writes data."""


def iam_policy(
    operations: Iterable[str] = tuple(OPERATIONS),
    *,
    scope: Scope = TEMPLATE,
    roles: Iterable[str] = (TEMPLATE.role(DATA_ROLE),),
) -> dict[str, Any]:
    """The policy for a service that performs these operations; deterministic.

    Each action has the types of resources that AWS checks it for, in the scope's account and Region. Another account's
    are among them only where a request may name what a partner shares. Actions that need not name a resource can't be
    restricted to one: IAM would never match them. They have a statement of their own with ``*``, for one Region.

    Args:
        operations: Names of commands; the service's own commands add what they read.
        scope: Account and Region.
        roles: ARNs of the roles that commands may name; none if empty.

    Raises:
        KeyError: There is no such operation.
    """
    rows = [COMMANDS[name] for name in operations]
    wanted: dict[str, set[str]] = {}
    for row in rows:
        for action, arns in _grants(row, scope):
            wanted.setdefault(action, set()).update(arns)
    together: dict[tuple[str, ...], list[str]] = {}
    for action, some in sorted(wanted.items()):
        together.setdefault(tuple(sorted(some)), []).append(action)
    bound = {arns: actions for arns, actions in together.items() if _ALL not in arns}
    statements = [_allow(_sid(arns), actions, list(arns)) for arns, actions in sorted(bound.items())]
    statements += [_unbound(actions, scope) for arns, actions in together.items() if _ALL in arns]
    passed = sorted(roles)
    if passed and any(passes_role(row) for row in rows):
        statements.append(_pass_role(passed))
    return {"Version": "2012-10-17", "Statement": statements}


def _grants(row: Operation, scope: Scope) -> Iterator[tuple[str, set[str]]]:
    """The actions that a row needs and on what, its own first; may repeat."""
    own = [row.name] if row.name in OPERATIONS else []
    for name in (*own, *_witnesses(row)):
        one = OPERATIONS[name]
        named = _kinds_named(one)
        if not _names_a_resource(one):
            yield one.action, {_ALL}
        else:
            shared = {kind for member in row.resource.foreign for kind in named.get(member, ()) if name == row.name}
            kinds = {kind for some in named.values() for kind in some}
            yield one.action, {scope.arn(kind, "*" if kind in shared else "") for kind in kinds}
    if tags_on_create(row):
        # To tag while creating is an action of its own.
        for one in OPERATIONS.values():
            if one.resource is TAGS and _writes_tags(one):
                yield one.action, {scope.arn(row.resource.arn_type)}


def _kinds_named(row: Operation) -> Mapping[str, frozenset[str]]:
    """The members of a request that name resources of Clean Rooms ML, and of which types: their patterns list them."""
    members = input_shape(row.name).members
    patterns = {name: str(member.metadata.get("pattern", "")) for name, member in members.items()}
    return {name: _KINDS & set(_WORD.findall(text)) for name, text in patterns.items() if _ARN_SERVICE in text}


def _names_a_resource(row: Operation) -> bool:
    """True when every request names one of the API's resources, so that IAM can match its ARN."""
    return bool(_kinds_named(row).keys() & set(input_shape(row.name).required_members))


def actions_of(row: Operation) -> Iterator[str]:
    """The actions that a row needs, its own first; may repeat."""
    yield from (action for action, _ in _grants(row, TEMPLATE))


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


def _unbound(actions: list[str], scope: Scope) -> dict[str, Any]:
    region = {"StringEquals": {"aws:RequestedRegion": scope.region}}
    return {**_allow("CleanRoomsMlAll", actions, _ALL), "Condition": region}


def _pass_role(roles: list[str]) -> dict[str, Any]:
    service = {"StringEquals": {"iam:PassedToService": PRINCIPAL}}
    return {**_allow("PassRoles", ["iam:PassRole"], roles), "Condition": service}


def _allow(sid: str, actions: list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def _sid(arns: Iterable[str]) -> str:
    """The types of resources in CamelCase, and whether partners' are among them: no two statements have the same."""
    kinds = ["".join(word.capitalize() for word in arn.split(":")[-1][:-2].split("-")) for arn in arns]
    shared = "Shared" if any(arn.split(":")[-2] == "*" for arn in arns) else ""
    return f"{shared}{'And'.join(kinds)}"


def _shapes(shape: Shape) -> Iterator[Shape]:
    """A shape and all shapes in it; the model has no cycles."""
    yield shape
    inner = [*getattr(shape, "members", {}).values()]
    inner += [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]
    for one in inner:
        yield from _shapes(one)
