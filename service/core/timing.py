"""How long to wait, in seconds, and for how long to try at all; how long an end is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.operations import Kind
from service.core.job import Job, Phase, jitter, known_row, may_have_happened, replace, row

NOT_BEFORE: Final = "NotBefore"
"""Reason of a command that waits for its start time."""
LONGEST_QUOTA_WAIT: Final = 16
"""The longest wait for a quota that AWS says is full, in the shortest one."""

RUNNING_LIMIT: Final = 604_800.0
"""Seconds after which a running job is reported as overdue, unless its kind has a limit of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The settings that the core depends on.

    Attributes:
        call_window: A call may leave only this long after the commit of its intent (law 1).
        settle: An empty search permits a repeat only this long after the last permitted call (law 2).
        search_delays: Waits before the first, second, ... search; the last one repeats.
        accepted_limit: How long a resource that AWS accepted is searched for before a person is asked.
        search_limit: How long the outcome of a lost call, or the status of a running job, is asked for in vain before a
            person is asked.
        backoff_base: First wait after a retryable refusal.
        backoff_cap: Longest such wait.
        backoffs: Both, for targets that have their own.
        quota_retry: Wait before a full quota is tried again unasked.
        read_retry_limit: How long a read is retried before it fails.
        write_retry_limit: How long a repeatable write is retried before it fails or is parked.
        vanish_grace: How long a new resource may be absent from answers before that means anything.
        running_limits: How long a job of each resource kind runs at most as a rule; a notice is published then.
        retention: How long an ended command is remembered.
        targets: Account and Region (empty: not known) of each configured target; None: any target is served.
    """

    call_window: float = 2.0
    settle: float = 360.0
    search_delays: tuple[float, ...] = (0.0, 5.0, 20.0, 60.0)
    accepted_limit: float = 3600.0
    search_limit: float = 86_400.0
    backoff_base: float = 0.5
    backoff_cap: float = 60.0
    backoffs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    quota_retry: float = 60.0
    read_retry_limit: float = 900.0
    write_retry_limit: float = 86_400.0
    vanish_grace: float = 60.0
    retention: float = 604_800.0
    targets: Mapping[str, tuple[str, str]] | None = None
    running_limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses a policy that breaks law 2 by construction."""
        if self.settle <= self.call_window:
            message = (
                f"settle ({self.settle} s) must be longer than call_window ({self.call_window} s) plus the List lag"
            )
            raise ValueError(message)

    def running_limit(self, kind: str) -> float:
        """How long a job or removal of a resource kind runs at most as a rule."""
        return self.running_limits.get(kind, RUNNING_LIMIT)

    def backoff_range(self, target: str) -> tuple[float, float]:
        """First and longest wait after a retryable refusal of a target."""
        return self.backoffs.get(target, (self.backoff_base, self.backoff_cap))


def backoff(retries: int, base: float, cap: float, fraction: float) -> float:
    """Capped exponential backoff with full jitter, never less than a tenth of its ceiling.

    Args:
        retries: Refusals so far, from 1.
        base: Ceiling of the first wait, seconds.
        cap: Ceiling of every wait, seconds.
        fraction: Jitter in [0, 1).
    """
    ceiling = min(cap, base * 2.0 ** min(max(retries - 1, 0), 62))
    return ceiling * (0.1 + 0.9 * fraction)


def search_delay(searches: int, delays: Sequence[float]) -> float:
    """The wait before the next search, after this many; the last delay repeats."""
    return delays[min(searches, len(delays) - 1)]


def may_expire(job: Job) -> bool:
    """True while a deadline can still keep the call from being made."""
    return job.phase in (Phase.INTENDED, Phase.QUEUED) and job.command.deadline > 0 and not may_have_happened(job)


def overdue(job: Job, wall: float) -> bool:
    """True when the deadline has passed and the call certainly has not been made."""
    return may_expire(job) and job.command.deadline < wall


def awaits_start(job: Job) -> bool:
    """True while a job rests for the start time that its publisher has named, by the wall clock."""
    return job.phase is Phase.INTENDED and 0 < job.due == job.command.not_before


def until(job: Job) -> float:
    """Wall-clock time at which its publisher wants it to have ended, while that still means anything; 0: never.

    It ends a watch. Of what AWS has begun it is reported, once, when that is running.
    """
    operation = known_row(job.command)  # none for a cancellation that waits, which this release need not know
    if operation is None:
        return 0.0
    if operation.kind is Kind.TRACK:
        return job.command.until
    reported = job.overdue or job.phase is not Phase.RUNNING
    return 0.0 if reported else job.command.until


def expires_at_once(job: Job, wall: float) -> bool:
    """True for a watch that was to have ended before it begins."""
    return row(job.command).kind is Kind.TRACK and 0 < job.command.until < wall


def long_at(job: Job, policy: Policy) -> float:
    """Owner's time at which a running job takes longer than is usual; 0 for what is only watched, or was reported."""
    if job.phase is not Phase.RUNNING or job.overdue or row(job.command).kind is Kind.TRACK:
        return 0.0
    return job.since + policy.running_limit(row(job.command).resource.kind)


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
