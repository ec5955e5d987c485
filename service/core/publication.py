"""Numbers a resource's changes: each distinct change once, in order, counted from 1 without gaps."""

from schemas.operations import RESOURCES, Change
from schemas.records import ResourceChange, ResourceState


def publish(state: ResourceState | None, change: ResourceChange) -> ResourceState | None:
    """The resource's next state, whose sequence is the event's; None when the change is no news.

    An update without a lifecycle is a change each time. A status seen again, or one that the resource has left behind
    (two commands may watch one resource, one of them late), is not.
    """
    if state is None:
        return ResourceState(change.resource_id, change.kind, 1, change.status, change.name, change.observed_at)
    if _told(state, change):
        return None
    observed_at = max(change.observed_at, state.observed_at)
    return ResourceState(
        state.id, state.kind, state.sequence + 1, change.status, change.name or state.name, observed_at
    )


def _told(state: ResourceState, change: ResourceChange) -> bool:
    resource = RESOURCES.get(change.kind)
    if state.status == Change.DELETED and (resource is None or resource.arn_type or change.status != Change.UPDATED):
        return True  # an ARN never comes back; what is named after another resource, as a policy is, may
    if change.status == state.status:
        return change.status != Change.UPDATED
    known, new = (resource.rank(state.status), resource.rank(change.status)) if resource else (None, None)
    return known is not None and new is not None and new < known


def over(state: ResourceState) -> bool:
    """True when nothing more will be told of a resource: it is deleted, or it can only end and has."""
    resource = RESOURCES.get(state.kind)
    if state.status == Change.DELETED or resource is None:
        return state.status == Change.DELETED
    return not resource.get_operation and state.status in resource.done | resource.failed


def finished_at(state: ResourceState) -> float:
    """Since when nothing more is told of a resource; earlier releases have kept the observation's time only."""
    return state.finished_at or state.observed_at
