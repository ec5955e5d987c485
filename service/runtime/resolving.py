"""A ResolveCommand meets the parked job that it decides about, which must lie in the same partition."""

from schemas.operations import Resolution
from schemas.records import Command, job_key
from service.core import resolution, transitions
from service.core.observations import Resolved
from service.runtime.batch import Batch
from service.runtime.context import Context
from service.runtime.store import Store


def resolve(command: Command, store: Store, batch: Batch, context: Context) -> None:
    """Carries a decision out, or answers why it can't be."""
    key = job_key(command.source, command.id)
    other_key = job_key(command.params["commandSource"], command.params["commandId"])
    other = store.job(other_key)
    decision = Resolved(Resolution(command.params["resolution"]), command.params.get("resourceArn") or "")
    fault = resolution.obstacle(other, decision)
    if other is None or fault is not None:
        batch.apply(key, None, resolution.refused(command, fault or resolution.UNKNOWN, batch.now))
        return
    step = transitions.step(other, decision, batch.now, context.policy)
    batch.apply(other_key, other, step)
    batch.apply(key, None, resolution.done(command, step.job or other, batch.now))
