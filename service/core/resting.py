"""How long a job rests: until its deadline at most, longer after each failed try, and for how long it tries at all."""

from typing import Any

from schemas.operations import Kind
from service.core.job import Command, Job, jitter, may_have_happened, replace, row
from service.core.pacing import backoff
from service.core.policy import Policy


def overdue(job: Job, now: float) -> bool:
    """True when the deadline has passed and the call certainly has not been made."""
    return 0 < job.command.deadline < now and not may_have_happened(job)


def rest(job: Job, until: float, **changes: Any) -> Job:
    """The job at rest; a deadline wakes it earlier."""
    deadline = job.command.deadline
    capped = min(until, deadline + 0.001) if deadline and not may_have_happened(job) else until
    return replace(job, due=capped, **changes)


def patience(command: Command, policy: Policy) -> float:
    """How long a call is tried."""
    return policy.read_patience if row(command).kind is Kind.READ else policy.write_patience


def backed_off(job: Job, now: float, policy: Policy) -> Job:
    """The job at rest until the next try."""
    return rest(job, now + wait(job, policy), retries=job.retries + 1)


def wait(job: Job, policy: Policy) -> float:
    """Seconds until the next try."""
    retries = job.retries + 1
    return backoff(retries, *policy.patience(job.command.target), jitter(job.command, retries))
