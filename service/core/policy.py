"""The numbers that decisions depend on, in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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

    def __post_init__(self) -> None:
        """Refuses a policy that breaks law 2 by construction."""
        if self.settle <= self.call_window:
            message = (
                f"settle ({self.settle} s) must be longer than call_window ({self.call_window} s) plus the List lag"
            )
            raise ValueError(message)

    def backoff_range(self, target: str) -> tuple[float, float]:
        """First and longest wait after a retryable refusal of a target."""
        return self.backoffs.get(target, (self.backoff_base, self.backoff_cap))
