"""How the calls to a target go: whether it answers, when it did so last, and what went wrong since."""

from dataclasses import dataclass, field
from typing import Final

from service.core.observations import Failure, Reply
from service.core.reachability import Reachability

SILENCE: Final = 60.0
"""Seconds without any answer, in spite of calls, after which a person should know."""


@dataclass(slots=True)
class TargetHealth:
    """Of one target.

    Attributes:
        answered_at: Epoch seconds of the last answer of any kind; 0 before the first.
        succeeded_at: Epoch seconds of the last call that succeeded; 0 before the first.
        failed_at: Epoch seconds of the last call that did not; 0 before the first.
        error: Code of that failure.
        operation: What was called then.
        http_status: Of its answer; 0 when there was none.
        reachability: Whether AWS serves calls there at present.
    """

    answered_at: float = 0.0
    succeeded_at: float = 0.0
    failed_at: float = 0.0
    error: str = ""
    operation: str = ""
    http_status: int = 0
    reachability: Reachability = field(default_factory=Reachability)

    def observe(self, operation: str, outcome: Reply | Failure, wall: float) -> None:
        """A call has ended."""
        if isinstance(outcome, Reply):
            self.succeeded_at = self.answered_at = wall
            return
        self.failed_at, self.error = wall, outcome.code
        self.operation, self.http_status = operation, outcome.http_status
        if outcome.http_status:
            self.answered_at = wall

    def silent(self, now: float) -> bool:
        """Whether it has answered nothing for long although it was called; in monotonic time."""
        return self.reachability.tries > 1 and self.reachability.silent(now) >= SILENCE
