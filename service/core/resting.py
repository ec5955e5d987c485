"""How long a job rests: longer after each failed try, and for how long it tries at all; how long an end is kept."""

from typing import Final

from schemas.operations import Kind
from service.core.job import Job, Phase, jitter, may_have_happened, replace, row
from service.core.pacing import backoff
from service.core.policy import Policy

LONGEST_QUOTA_WAIT: Final = 16
"""The longest wait for a quota that AWS says is full, in the shortest one."""


def may_expire(job: Job) -> bool:
    """True while a deadline can still keep the call from being made."""
    return job.phase in (Phase.INTENDED, Phase.QUEUED) and job.command.deadline > 0 and not may_have_happened(job)


def overdue(job: Job, wall: float) -> bool:
    """True when the deadline has passed and the call certainly has not been made."""
    return may_expire(job) and job.command.deadline < wall


def awaits_start(job: Job) -> bool:
    """True while a job rests for the start time that its publisher has named, by the wall clock."""
    return job.phase is Phase.INTENDED and 0 < job.due == job.command.not_before


def tried_enough(job: Job, policy: Policy) -> bool:
    """True when the rests between the tries of this streak exceed the limit.

    Rests alone are counted: not what the call waited before each try, for the budget, a slot or its key's line, and
    not the time without an owner.
    """
    limit = policy.read_retry_limit if row(job.command).kind is Kind.READ else policy.write_retry_limit
    return job.tried > limit


def backed_off(job: Job, now: float, policy: Policy) -> Job:
    """The job at rest until the next try."""
    seconds = wait(job, policy)
    return replace(job, due=now + seconds, retries=job.retries + 1, tried=job.tried + seconds)


def wait(job: Job, policy: Policy) -> float:
    """Seconds until the next try."""
    retries = job.retries + 1
    return backoff(retries, *policy.backoff_range(job.command.target), jitter(job.command, retries))


def quota_wait(job: Job, policy: Policy) -> float:
    """Seconds until a full quota is tried again unasked: longer after each refusal of AWS, up to a limit."""
    if not job.retries:
        return policy.quota_retry
    longest = LONGEST_QUOTA_WAIT * policy.quota_retry
    return max(policy.quota_retry, backoff(job.retries, policy.quota_retry, longest, jitter(job.command, job.retries)))


def outlived(since: float, now: float, latest: float, policy: Policy) -> bool:
    """True when the retention has passed since an end by two clocks, of which one may be wrong.

    Args:
        since: The end, by the later of the two.
        now: The owner's time.
        latest: Kafka's time: that of the record consumed last.
        policy: Numbers.
    """
    return since + policy.retention <= min(now, latest)
