"""How the calls to a target go: when it answered last, and what went wrong since."""

from dataclasses import dataclass
from typing import Final

from service.core.observations import Failure, Reply

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
        unanswered: Calls without an answer since the last answer.
        unanswered_since: Epoch seconds of the first of them; 0 when there is none.
    """

    answered_at: float = 0.0
    succeeded_at: float = 0.0
    failed_at: float = 0.0
    error: str = ""
    operation: str = ""
    http_status: int = 0
    unanswered: int = 0
    unanswered_since: float = 0.0

    def observe(self, operation: str, outcome: Reply | Failure, now: float) -> None:
        """A call has ended."""
        if isinstance(outcome, Reply):
            self.succeeded_at = now
        else:
            self.failed_at, self.error = now, outcome.code
            self.operation, self.http_status = operation, outcome.http_status
        if isinstance(outcome, Reply) or outcome.http_status:
            self.answered_at, self.unanswered, self.unanswered_since = now, 0, 0.0
        else:
            self.unanswered += 1
            self.unanswered_since = self.unanswered_since or now

    def silent(self, now: float) -> bool:
        """Whether it has answered nothing for long although it was called."""
        return self.unanswered > 1 and now - self.unanswered_since >= SILENCE
