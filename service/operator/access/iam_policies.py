"""The IAM documents for these settings: for each target what its tenants' operations need, and who may become whom."""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

from schemas.aws_policies import trust
from schemas.aws_policies.iam import DATA_ROLE, TEMPLATE, Scope, iam_policy
from schemas.operations import AUDIENCE_MODEL, COMMANDS, RESOURCES
from service.adapters.aws.clients import partition_of
from service.adapters.aws.credentials import session_pattern
from service.settings import Settings, Target

OWN_ROLE: Final = "arn:aws:iam::<account>:role/<the service's own role>"
"""Stands for what the settings don't know."""

_READS: Final = tuple(
    name for resource in RESOURCES.values() for name in (resource.list_operation, resource.get_operation) if name
)
"""What `parked` and `reconcile` ask AWS, whatever the tenants may do."""


def scope_of(target: Target) -> Scope:
    """A target's account and Region; a blank for an account that the settings don't have."""
    account = target.account or (target.role_arn.split(":")[4] if target.role_arn else TEMPLATE.account)
    return Scope(partition_of(target.region) or TEMPLATE.partition, target.region, account)


def documents(
    settings: Settings,
    principal: str = OWN_ROLE,
    data_roles: Iterable[str] = (),
    scope: Callable[[Target], Scope] = scope_of,
) -> dict[str, Any]:
    """All documents.

    Args:
        settings: Targets and tenants.
        principal: ARN of the role that the service has by itself: its pod's.
        data_roles: ARNs of the roles that commands may name, if there are no tenants, who have lists of their own.
        scope: Account and Region of a target.

    Returns:
        ``own`` is the policy of the service's own role, ``repair`` that of the repair pod's, which only reads;
        ``targets`` has, for each that is entered by a role, the ``policy`` and ``trust`` of that role.
    """
    passed = tuple(data_roles)
    policies = {name: _policy(settings, name, passed, scope(target)) for name, target in settings.targets.items()}
    entered = {name: target for name, target in settings.targets.items() if target.role_arn}
    direct = [name for name in settings.targets if name not in entered]
    own = [statement for name in direct for statement in policies[name]["Statement"]]
    repair = [
        statement
        for name in direct
        for statement in iam_policy(_READS, scope=scope(settings.targets[name]), roles=())["Statement"]
    ]
    if entered:
        roles = {str(target.role_arn) for target in entered.values()}
        identified = any(target.source_identity for target in entered.values())
        for statements in (own, repair):
            statements.append(trust.assume_statement(roles, source_identity=identified))
    return {
        "own": {"Version": trust.VERSION, "Statement": list(_named_apart(own))},
        "repair": {"Version": trust.VERSION, "Statement": list(_named_apart(repair))},
        "targets": {
            name: {"role": target.role_arn, "policy": policies[name], "trust": _trust(target, principal)}
            for name, target in entered.items()
        },
    }


def operations(settings: Settings, target: str) -> list[str]:
    """Commands that some tenant may send to a target; all of them without tenants."""
    if not settings.tenants:
        return list(COMMANDS)
    globs = {glob for tenant in settings.tenants.values() if target in tenant.targets for glob in tenant.operations}
    return [name for name in COMMANDS if any(fnmatchcase(name, glob) for glob in globs)]


def _policy(settings: Settings, name: str, data_roles: tuple[str, ...], scope: Scope) -> dict[str, Any]:
    granted = {role for tenant in settings.tenants.values() if name in tenant.targets for role in tenant.role_arns}
    roles = granted if settings.tenants else data_roles or {scope.role(DATA_ROLE)}
    # `check` lists models, whatever the tenants may do.
    wanted = {*operations(settings, name), AUDIENCE_MODEL.list_operation}
    return iam_policy(wanted, scope=scope, roles=roles)


def _trust(target: Target, principal: str) -> dict[str, Any]:
    return trust.assumed_role_trust(
        principal,
        external_id=target.external_id,
        source_identity=target.source_identity,
        session_names=session_pattern(target),
        tags=target.session_tags,
    )


def _named_apart(statements: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """IAM wants each statement's name once in a document."""
    seen: dict[str, int] = {}
    for statement in statements:
        sid = statement["Sid"]
        seen[sid] = seen.get(sid, 0) + 1
        yield statement if seen[sid] == 1 else {**statement, "Sid": f"{sid}{seen[sid]}"}
