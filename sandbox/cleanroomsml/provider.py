"""The verbs `get`, `list`, `delete` and `update`; `create` and the policy and tag verbs have their own modules."""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sandbox.cleanroomsml import cross_account
from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.context import Call, Context, Outcome, lifecycle_fault, named
from sandbox.cleanroomsml.errors import Conflict, ValidationError
from sandbox.cleanroomsml.faults import Stage
from sandbox.cleanroomsml.provider_create import check_roles, find_parent
from sandbox.cleanroomsml.resources import DELETABLE, GENERATION, REMOVING, RUNNING, Resource

_PAGING: Final = frozenset({"nextToken", "maxResults"})
OVERLAPPING: Final = 3
"""Most resources on a page that repeats the last one of the page before."""


def get(context: Context, call: Call) -> Outcome:
    """Describe a resource."""
    resource = named(context, call)
    return Outcome(visible(context, resource), resource)


def visible(context: Context, resource: Resource) -> dict[str, Any]:
    """Return the members which the resource's own account may see."""
    hidden = cross_account.hidden(resource, context.options.assume) if resource.kind is GENERATION else frozenset()
    return {member: value for member, value in resource.attributes.items() if member not in hidden}


def list_all(context: Context, call: Call) -> Outcome:
    """List a page of resources; a filter is any parameter that is not about paging."""
    operation, assume = call.operation.name, context.options.assume
    filters = {member: value for member, value in call.params.items() if member not in _PAGING}
    passed = _position(call.params.get("nextToken"), operation, filters)
    fault = context.faults.take(Stage.LIST, operation, call.account)
    lag = fault.seconds if fault and fault.fault == "list_lag" else assume.list_lag
    newest = datetime.now(UTC) - timedelta(seconds=lag)
    found = [
        each
        for each in context.store.of(call.subject, call.account, call.region)
        if each.created <= newest and _selected(each, filters)
    ]
    newest_first = assume.list_order == "newest"
    if newest_first:
        found.reverse()
    start, limit = _start(found, passed, newest_first), call.params.get("maxResults", assume.page_size)
    if fault and fault.fault == "overlap":
        start, limit = max(0, start - 1), min(limit, OVERLAPPING)
    page = found[start : start + limit]
    result: dict[str, Any] = {_list_member(call.operation.output_shape): [visible(context, each) for each in page]}
    if start + limit < len(found):
        result["nextToken"] = _token(page[-1].sequence, operation, filters)
    return Outcome(result)


def _start(found: list[Resource], passed: int | None, newest_first: bool) -> int:
    """Index of the first resource that comes after the one which ended the page before, also if that is gone."""
    if passed is None:
        return 0
    beyond = (each.sequence < passed if newest_first else each.sequence > passed for each in found)
    return next((n for n, later in enumerate(beyond) if later), len(found))


def _list_member(shape: Any) -> str:
    return next(str(name) for name, member in shape.members.items() if member.type_name == "list")


def _selected(resource: Resource, filters: dict[str, Any]) -> bool:
    return all(resource.attributes.get(member) == value for member, value in filters.items())


def _token(position: int, operation: str, filters: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([position, operation, filters]).encode()).decode()


def _position(token: str | None, operation: str, filters: dict[str, Any]) -> int | None:
    """Read a token; it is good only for the same operation and filters."""
    if token is None:
        return None
    try:
        position, *rest = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        position, rest = None, []
    if type(position) is not int or rest != [operation, filters]:
        raise ValidationError.of([("nextToken", "Member must be a token returned for the same request")])
    return position


def delete(context: Context, call: Call) -> Outcome:
    """Delete a resource which nothing depends on: at once, or by way of DELETE_PENDING."""
    resource, assume = named(context, call), context.options.assume
    if any(_hinders(each, assume) for each in context.store.children(resource)):
        raise Conflict("You can't complete this action because another resource depends on this resource.")
    if resource.status in REMOVING and assume.repeated_delete == "accepted":
        return Outcome(resource=resource)
    if resource.status not in DELETABLE and not (resource.status in RUNNING and assume.delete_unfinished == "accepted"):
        raise Conflict(f"Resource {resource.arn} cannot be deleted while it is {resource.status}")
    fault = lifecycle_fault(context, call) if resource.kind.lasting else None
    if resource.kind.lasting:
        context.lifecycle.remove(resource.twin if resource.twin and not resource.lead else resource, fault)
    else:
        context.store.remove(resource)
    return Outcome(resource=resource, fault=fault)


def _hinders(child: Resource, assume: Assumptions) -> bool:
    """Whether a resource keeps the one that it was made from from being deleted."""
    if child.kind is not GENERATION:
        return not child.kind.owned
    return assume.configured_in_use == "jobs" or (assume.configured_in_use == "running" and child.status in RUNNING)


def update(context: Context, call: Call) -> Outcome:
    """Change the members that were sent; jobs already running keep what they started with."""
    resource = named(context, call)
    check_roles(call.subject, call)
    find_parent(context, call)
    resource.change(**{member: value for member, value in call.params.items() if member != call.subject.identity})
    return Outcome({call.subject.identity: resource.arn}, resource)
