"""Generation jobs across accounts: A starts on B's configured model, one execution, one view in each account."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from sandbox.assumptions import Assumptions
from sandbox.desk import Call, Desk
from sandbox.errors import AccessDenied, NotFound
from sandbox.resources import GENERATION, Resource
from sandbox.store import Store

_ACTION: Final = "cleanrooms-ml:StartAudienceGenerationJob"


def foreign_model(desk: Desk, arn: str, call: Call) -> Resource:
    """Return another account's configured model, if its policy lets the caller start a job on it.

    Unless told otherwise, a model that does not exist and one that is closed to the caller give the same answer.
    """
    configured = desk.store.find(arn)
    if configured is None and desk.options.assume.foreign_model == "missing":
        raise NotFound(f"Resource {arn} does not exist")
    usable = configured is not None and configured.kind.identity in call.params and configured.region == call.region
    if not usable or configured is None or not allows(configured.policy, arn, call):
        raise AccessDenied(f"Account {call.account} is not authorized to perform {_ACTION} on {arn}")
    return configured


def allows(policy: str | None, arn: str, call: Call) -> bool:
    """Whether a policy has a matching Allow and no matching Deny."""
    if policy is None:
        return False
    statements = _many(json.loads(policy).get("Statement"))
    effects = {each.get("Effect") for each in statements if isinstance(each, dict) and _matches(each, arn, call)}
    return "Allow" in effects and "Deny" not in effects


def _matches(statement: Mapping[str, Any], arn: str, call: Call) -> bool:
    return (
        _principal(statement.get("Principal"), call.account)
        and any(fnmatchcase(_ACTION.lower(), str(each).lower()) for each in _many(statement.get("Action")))
        and any(fnmatchcase(arn, str(each)) for each in _many(statement.get("Resource")))
        and _condition(statement.get("Condition", {}), call)
    )


def _principal(principal: Any, account: str) -> bool:
    names = _many(principal.get("AWS")) if isinstance(principal, dict) else _many(principal)
    return any(name in {"*", account, f"arn:aws:iam::{account}:root"} for name in names)


def _condition(condition: Mapping[str, Any], call: Call) -> bool:
    """Only StringEquals on the collaboration is understood; any other condition is not met."""
    known = {"cleanrooms-ml:collaborationid": call.params.get("collaborationId")}
    return all(
        operator == "StringEquals" and known.get(key.lower()) in _many(values)
        for operator, tests in condition.items()
        for key, values in tests.items()
    )


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def mirror(store: Store, job: Resource, configured: Resource, tags: Mapping[str, str]) -> None:
    """Add the view of a job in the configured model's account: its own ARN and name, and the parent's tags only."""
    attributes = {**job.attributes, "name": f"{job.account}-{job.name}", "tags": dict(tags)}
    view = store.add(
        GENERATION,
        configured.account,
        job.region,
        attributes,
        identity=job.identity,
        origin=job.origin,
        twin=job,
        lead=False,
    )
    job.twin = view


def hidden(job: Resource, assume: Assumptions) -> frozenset[str]:
    """Return the members of a generation job which its viewer may not see.

    The seed is for the account that started the job; its metrics too are kept from that account when the configured
    model shares none. `assume` may say otherwise.
    """
    members, starter = set(), job.attributes.get("startedBy") == job.account
    if starter == (assume.seed_hidden_from == "starter"):
        members.add("seedAudience")
    if starter and job.origin.get("sharedAudienceMetrics") == ["NONE"] and assume.metrics_hidden_from == "starter":
        members.add("metrics")
    return frozenset(members)
