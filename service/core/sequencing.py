"""Numbers a resource's changes: each distinct change once, in order, counted from 1 without gaps."""

from schemas.operations import RESOURCES, Change
from schemas.records import ResourceChange, ResourceState, resource_key


def next_state(state: ResourceState | None, change: ResourceChange) -> ResourceState | None:
    """The resource's next state, whose sequence is the event's; None when the change is no news.

    An update without a lifecycle is a change each time. A status seen again, or one that the resource has left behind
    (two commands may watch one resource, one of them late), is not, unless polls have confirmed that it has gone back.
    After a failed removal another one may begin.
    """
    if state is None:
        return ResourceState(change.resource_id, change.kind, 1, change.status, change.name, change.observed_at)
    if _is_old(state, change):
        return None
    observed_at = max(change.observed_at, state.observed_at)
    return ResourceState(
        state.id, state.kind, state.sequence + 1, change.status, change.name or state.name, observed_at
    )


def _is_old(state: ResourceState, change: ResourceChange) -> bool:
    resource = RESOURCES.get(change.kind)
    if state.status == Change.DELETED:
        return not (resource and resource.returns and change.status == Change.UPDATED)  # an ARN never comes back
    if change.status == state.status:
        return change.status != Change.UPDATED
    return not change.back and resource is not None and resource.behind(change.status, state.status)


def is_final(state: ResourceState) -> bool:
    """True when nothing more will be published about a resource: it is deleted, or it can only end and has.

    What may come back is never over: it goes on counting for as long as the resource is known that it is named after.
    """
    resource = RESOURCES.get(state.kind)
    if resource is None or resource.returns:
        return resource is None and state.status == Change.DELETED
    if state.status == Change.DELETED:
        return True
    return not resource.get_operation and state.status in resource.done | resource.failed


def named_after(state: ResourceState) -> list[bytes]:
    """Changelog keys of what has the same id and ends with this resource."""
    resource = RESOURCES.get(state.kind)
    if resource is None or resource.returns:
        return []
    return [resource_key(each.kind, state.id) for each in RESOURCES.values() if each.returns]


def finished_at(state: ResourceState) -> float:
    """Since when nothing more is published about a resource; earlier releases recorded only the observation's time."""
    return state.finished_at or state.observed_at
