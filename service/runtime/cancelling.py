"""A CancelCommand meets the job that it is to stop, which must lie in the same partition."""

from collections.abc import Callable

from schemas import permissions
from schemas.operations import Operation
from schemas.records import Fault, Job
from service.core import cancellation, holding, transitions
from service.core.cancellation import Chance
from service.core.capacity import WaitingLimits
from service.core.job import Phase, ended, named_key, replace
from service.core.observations import Cancelled
from service.runtime.context import Context
from service.runtime.store import Store
from service.runtime.transaction import Transaction

Revoke = Callable[[bytes], bool]
"""Stops a job's call before it leaves; False when it may have left."""


def cancel(key: bytes, job: Job, store: Store, batch: Transaction, context: Context, revoke: Revoke) -> None:
    """Stops the other command if it can be stopped, and answers what was possible.

    Called when the cancellation's time has come, and again when the other command has ended or was parked.
    """
    other_key = named_key(job.command)
    other = store.job(other_key) if other_key != key else None
    if other is None:
        batch.apply(key, job, cancellation.unknown(job, batch.now))
        return
    held = bool(holding.obstacle(other, context.policy))
    chance = cancellation.chance(other, held=held)
    # Even a job at rest may have a call under way, when it was given back amid a hand-over.
    if chance is not Chance.TOO_LATE and revoke(other_key):
        batch.apply(other_key, other, transitions.step(other, Cancelled(), batch.now, context.policy))
        batch.apply(key, job, cancellation.done(job, batch.now))
        return
    operation = cancellation.deletion(job, other)
    objection = _objection(operation, other, batch, context) if operation else None
    if operation and not job.reason:
        deletion = replace(job, command=replace(job.command, operation=operation.name))
        objection = objection or store.ends.refusal(deletion, context.remembered_bytes)
    if not job.reason and (not ended(other) or other.phase is Phase.PARKED):
        objection = objection or store.census.refusal(job, WaitingLimits(context.open_jobs_limit))
    batch.apply(key, job, cancellation.too_late(job, other, other_key, objection, batch.now))


def _objection(operation: Operation, other: Job, batch: Transaction, context: Context) -> Fault | None:
    """A deletion needs the grant that a command of its own would need, at the target of what is deleted."""
    grant = context.limits[batch.topic].grant
    fault = permissions.call_fault(operation.name, other.command.target, grant)
    return Fault(*fault) if fault else None
