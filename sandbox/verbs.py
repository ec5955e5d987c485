"""The verbs `get`, `list`, `delete` and `update`; `create` and the policy and tag verbs have their own modules."""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sandbox import crossing
from sandbox.creation import check_roles, find_parent
from sandbox.desk import Call, Desk, Outcome, life_fault, named
from sandbox.errors import Conflict, ValidationError
from sandbox.faults import Stage
from sandbox.resources import DELETABLE, GENERATION, Resource

_PAGING: Final = frozenset({"nextToken", "maxResults"})
_DEFAULT_PAGE: Final = 100
OVERLAPPING: Final = 3
"""Most resources on a page that repeats the last one of the page before."""


def get(desk: Desk, call: Call) -> Outcome:
    """Describe a resource."""
    resource = named(desk, call)
    return Outcome(visible(resource), resource)


def visible(resource: Resource) -> dict[str, Any]:
    """Return the members which the resource's own account may see."""
    hidden = crossing.hidden(resource) if resource.kind is GENERATION else frozenset()
    return {member: value for member, value in resource.attributes.items() if member not in hidden}


def list_all(desk: Desk, call: Call) -> Outcome:
    """List a page of resources, oldest first; a filter is any parameter that is not about paging."""
    operation, shape = call.operation.name, call.operation.output_shape
    filters = {member: value for member, value in call.params.items() if member not in _PAGING}
    after = _position(call.params.get("nextToken"), operation, filters)
    fault = desk.faults.take(Stage.LIST, operation, call.account)
    newest = datetime.now(UTC) - timedelta(seconds=fault.seconds if fault and fault.fault == "list_lag" else 0)
    page: list[Resource] = []
    limit = call.params.get("maxResults", _DEFAULT_PAGE)
    if fault and fault.fault == "overlap":
        after, limit = after - 1, min(limit, OVERLAPPING)
    for each in desk.store.of(call.subject, call.account, call.region):
        if each.sequence <= after or each.created > newest or not _selected(each, filters):
            continue
        if len(page) == limit:
            break
        page.append(each)
    else:
        return Outcome({_list_member(shape): [visible(each) for each in page]})
    token = _token(page[-1].sequence, operation, filters)
    return Outcome({_list_member(shape): [visible(each) for each in page], "nextToken": token})


def _list_member(shape: Any) -> str:
    return next(str(name) for name, member in shape.members.items() if member.type_name == "list")


def _selected(resource: Resource, filters: dict[str, Any]) -> bool:
    return all(resource.attributes.get(member) == value for member, value in filters.items())


def _token(position: int, operation: str, filters: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([position, operation, filters]).encode()).decode()


def _position(token: str | None, operation: str, filters: dict[str, Any]) -> int:
    """Read a token; it is good only for the same operation and filters."""
    if token is None:
        return 0
    try:
        position, *rest = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error):
        position, rest = None, []
    if not isinstance(position, int) or rest != [operation, filters]:
        raise ValidationError.of([("nextToken", "Member must be a token returned for the same request")])
    return position


def delete(desk: Desk, call: Call) -> Outcome:
    """Delete a resource which nothing depends on: at once, or by way of DELETE_PENDING."""
    resource = named(desk, call)
    if any(not each.kind.owned for each in desk.store.children(resource)):
        raise Conflict("You can't complete this action because another resource depends on this resource.")
    if resource.status not in DELETABLE:
        raise Conflict(f"Resource {resource.arn} cannot be deleted while it is {resource.status}")
    if resource.kind.lasting:
        desk.lifecycle.remove(
            resource.twin if resource.twin and not resource.lead else resource, life_fault(desk, call)
        )
    else:
        desk.store.remove(resource)
    return Outcome(resource=resource)


def update(desk: Desk, call: Call) -> Outcome:
    """Change the members that were sent; jobs already running keep what they started with."""
    resource = named(desk, call)
    check_roles(call.subject, call)
    find_parent(desk, call)
    resource.change(**{member: value for member, value in call.params.items() if member != call.subject.identity})
    return Outcome({call.subject.identity: resource.arn}, resource)
