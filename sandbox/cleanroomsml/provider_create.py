"""The verb `create`: five operations, one function, with what differs between kinds in tables."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.cleanroomsml import cross_account
from sandbox.cleanroomsml.context import Call, Context, Outcome, lifecycle_fault, refusal
from sandbox.cleanroomsml.errors import AccessDenied, Conflict, QuotaExceeded, ValidationError
from sandbox.cleanroomsml.options import Quotas
from sandbox.cleanroomsml.resources import (
    ACTIVE,
    CONFIGURED,
    EXPORT,
    FAILED,
    GENERATION,
    MODEL,
    PENDING,
    RUNNING,
    Kind,
    Resource,
)
from sandbox.cleanroomsml.store import Store


@dataclass(frozen=True, slots=True)
class Quota:
    """How many resources of a kind may be in certain states."""

    name: str
    limit: Callable[[Quotas], int]
    counts: Callable[[Resource], bool]
    per_parent: bool = False


def _running(resource: Resource) -> bool:
    return resource.lead and resource.status in RUNNING


QUOTAS: Final[Mapping[str, tuple[Quota, ...]]] = {
    MODEL.name: (Quota("Pending or in-progress audience models", lambda q: q.audience_models, _running),),
    GENERATION.name: (Quota("Pending or in-progress audience generation jobs", lambda q: q.generation_jobs, _running),),
    EXPORT.name: (
        Quota("Pending or in-progress audience export jobs", lambda q: q.export_jobs, _running),
        Quota(
            "Active audience export jobs per audience generation job",
            lambda q: q.exports_per_generation_job,
            lambda resource: resource.status != FAILED,
            per_parent=True,
        ),
    ),
}


def create(context: Context, call: Call) -> Outcome:
    """Make a resource, and start its job if it has one."""
    kind = call.subject
    check_roles(kind, call)
    parent = find_parent(context, call)
    if parent is not None and kind is EXPORT and context.options.assume.export_size == "configured":
        _check_size(parent, call)
    _check_name(context, call)
    _check_quotas(context, call, parent)
    status = PENDING if kind.lasting else ACTIVE
    attributes = {**_defaults(context, kind), **call.params, "status": status}
    resource = context.store.add(kind, call.account, call.region, attributes, origin=_snapshot(parent))
    if parent is not None and kind is GENERATION:
        _begin_generation(context.store, resource, parent)
    fault = lifecycle_fault(context, call) if kind.lasting else None
    if kind.lasting:
        context.lifecycle.begin(resource, fault)
    return Outcome({kind.identity: resource.arn}, resource, created=True, fault=fault)


def _defaults(context: Context, kind: Kind) -> dict[str, Any]:
    values = copy.deepcopy(dict(kind.defaults))
    if kind is CONFIGURED:
        bins = list(context.options.assume.default_bins)
        values["audienceSizeConfig"] = {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": bins}
    return values


def check_roles(kind: Kind, call: Call) -> None:
    """Refuse IAM roles of other accounts: they cannot be passed."""
    for path in kind.roles:
        value: Any = call.params
        for member in path.split("."):
            value = value.get(member, {}) if value else None
        if value and value.split(":")[4] != call.account:
            raise AccessDenied(f"Cross-account pass role is not allowed: {path} is not in account {call.account}")


def find_parent(context: Context, call: Call) -> Resource | None:
    """Return the source of the new resource; it must exist, be usable by the caller, and be ACTIVE."""
    member = call.subject.parent
    if member is None or member not in call.params:
        return None
    arn = call.params[member]
    if call.subject is GENERATION and arn.split(":")[4] != call.account:
        parent = cross_account.foreign_model(context, arn, call)
    else:
        parent = context.store.get(arn, call.account, call.region)
    if parent.status != ACTIVE:
        raise refusal(context.options.assume.inactive_parent, member, f"Resource must be ACTIVE, it is {parent.status}")
    return parent


def _check_name(context: Context, call: Call) -> None:
    kind, unique = call.subject, context.options.assume.unique_names
    if unique == "none" or (unique == "documented" and not kind.unique):
        return
    if any(each.name == call.params["name"] for each in context.store.of(kind, call.account, call.region)):
        raise Conflict(f"A {kind.name} with this name already exists")


def _check_quotas(context: Context, call: Call, parent: Resource | None) -> None:
    for quota in QUOTAS.get(call.subject.name, ()):
        limit = quota.limit(context.options.quotas)
        peers = context.store.of(call.subject, call.account, call.region)
        if quota.per_parent and parent is not None:
            peers = context.store.children(parent)
        if sum(quota.counts(each) for each in peers) >= limit:
            raise QuotaExceeded(f"Quota exceeded: {quota.name} ({limit})", quota.name, limit)


def _check_size(generation: Resource, call: Call) -> None:
    size, sizes = call.params["audienceSize"], generation.origin["audienceSizeConfig"]
    if size["type"] != sizes["audienceSizeType"] or size["value"] not in sizes["audienceSizeBins"]:
        allowed = f"{sizes['audienceSizeType']} {sizes['audienceSizeBins']}"
        raise ValidationError.of([("audienceSize", f"Member must match a size of the configured model: {allowed}")])


def _snapshot(parent: Resource | None) -> Mapping[str, Any]:
    """Copy what the parent says now, and its own origin's members, so that later changes do not matter."""
    if parent is None:
        return {}
    data = {"dataArn": parent.arn if parent.lead or parent.twin is None else parent.twin.arn}
    return copy.deepcopy({**parent.origin, **parent.attributes, **data})


def _begin_generation(store: Store, job: Resource, configured: Resource) -> None:
    query = job.attributes["seedAudience"].get("sqlParameters")
    job.attributes["startedBy"] = job.account
    if query is not None:
        job.attributes["protectedQueryIdentifier"] = job.identity
    inherits = configured.attributes["childResourceTagOnCreatePolicy"] == "FROM_PARENT_RESOURCE"
    inherited = dict(configured.attributes.get("tags", {})) if inherits else {}
    if configured.account == job.account:
        job.attributes["tags"] = inherited | job.attributes.get("tags", {})
    else:
        cross_account.mirror(store, job, configured, inherited)
