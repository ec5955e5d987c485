"""A CancelCommand meets the job that it is to stop, which must lie in the same partition."""

from collections.abc import Callable

from schemas.records import Command, job_key
from service.core import cancellation, holding, transitions
from service.core.cancellation import Chance
from service.core.observations import Cancelled
from service.runtime.batch import Batch
from service.runtime.context import Context
from service.runtime.store import Store

Revoke = Callable[[bytes], bool]
"""Stops a job's call before it leaves; False when it may have left."""


def cancel(command: Command, store: Store, batch: Batch, context: Context, revoke: Revoke) -> None:
    """Stops the other command if it can be stopped, and answers what was possible."""
    key = job_key(command.source, command.id)
    other_key = job_key(command.params["commandSource"], command.params["commandId"])
    other = store.job(other_key)
    if other is None:
        batch.apply(key, None, cancellation.unknown(command, batch.now))
        return
    held = bool(holding.obstacle(other, context.policy))
    chance = cancellation.chance(other, held=held)
    # Even a job at rest may have a call under way, when it was given back amid a hand-over.
    if chance is not Chance.TOO_LATE and revoke(other_key):
        batch.apply(other_key, other, transitions.step(other, Cancelled(), batch.now, context.policy))
        batch.apply(key, None, cancellation.done(command, batch.now))
    else:
        batch.apply(key, None, cancellation.too_late(command, other, other_key, batch.now))
