"""A ResolveCommand meets the parked job that it decides about, which must lie in the same partition."""

import dataclasses

from schemas import permissions
from schemas.operations import Resolution
from schemas.permissions import TargetFacts
from schemas.records import Fault, Job
from service.core import resolution, transitions
from service.core.job import named_key
from service.core.observations import Resolved
from service.runtime.context import Context
from service.runtime.store import Store
from service.runtime.transaction import Transaction


def resolve(key: bytes, job: Job, store: Store, batch: Transaction, context: Context) -> None:
    """Carries a decision out, or answers why it can't be."""
    params = job.command.params
    other_key = named_key(job.command)
    other = store.job(other_key)
    decision = Resolved(Resolution(params["resolution"]), params.get("resourceArn") or "")
    fault = resolution.obstacle(other, decision) or (other and _foreign(other, decision, batch, context))
    if other is None or fault is not None:
        batch.apply(key, job, resolution.refused(job, fault or resolution.UNKNOWN, batch.now))
        return
    step = transitions.step(other, decision, batch.now, context.policy)
    batch.apply(other_key, other, step)
    batch.apply(key, job, resolution.done(job, step.job or other, batch.now))


def _foreign(other: Job, decision: Resolved, batch: Transaction, context: Context) -> Fault | None:
    """What a command has made lies in the account and Region of that command's target."""
    if not decision.resource_id:
        return None
    facts = context.limits[batch.topic].facts.get(other.command.target, TargetFacts())
    facts = dataclasses.replace(facts, account=other.account or facts.account, region=other.region or facts.region)
    why = permissions.arn_faults(decision.resource_id, facts)
    return Fault(resolution.INVALID, f"resourceArn {'; '.join(why)}: the command was sent there") if why else None
