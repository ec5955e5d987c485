"""Numbers a resource's changes: each distinct change once, in order, counted from 1 without gaps."""

from schemas.operations import Change
from schemas.records import ResourceState
from service.core.effects import Changed


def publish(state: ResourceState | None, change: Changed, now: float) -> ResourceState | None:
    """The resource's next state, whose sequence is the event's; None when the change has been told before.

    An update without a lifecycle is a change each time; a status seen again is not.
    """
    if state is None:
        return ResourceState(change.resource_id, change.kind, 1, change.status, change.name, now)
    if change.status == state.status and change.status != Change.UPDATED:
        return None
    return ResourceState(
        state.id, state.kind, state.sequence + 1, change.status, change.name or state.name, max(now, state.observed_at)
    )
