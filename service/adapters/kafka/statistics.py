"""What the adapter counts, for liveness and metrics."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """A snapshot; ages in seconds, None before the first.

    Attributes:
        transactions: Committed.
        transaction_seconds: Spent in them.
        fenced: Transactions that failed because another owner took over.
        unknown: Transactions whose outcome is unknown.
        records_in: Delivered.
        records_out: Committed.
        last_commit_age: Since the last transaction was committed.
        last_poll_age: Since the poll loop last came round; grows while a rebalance waits for a member.
        assigned: Partitions held.
        rebalances: Assignments received.
        rejoins: Assignments asked for.
        sessions: Number of reconnections of the membership after a failure.
        gaps: Deliveries that skipped offsets at which only aborted or control records are.
        halted: Partitions that cannot be read, each with the offset and the reason.
    """

    transactions: int
    transaction_seconds: float
    fenced: int
    unknown: int
    records_in: int
    records_out: int
    last_commit_age: float | None
    last_poll_age: float | None
    assigned: int
    rebalances: int
    rejoins: int
    sessions: int
    gaps: int
    halted: dict[str, str]


@dataclass(slots=True)
class Counters:
    """Counts up; :meth:`snapshot` is for others."""

    transactions: int = 0
    transaction_seconds: float = 0.0
    fenced: int = 0
    unknown: int = 0
    records_in: int = 0
    records_out: int = 0
    last_commit: float | None = None
    last_poll: float | None = None
    assigned: int = 0
    rebalances: int = 0
    rejoins: int = 0
    sessions: int = 0
    gaps: int = 0
    halted: dict[str, str] = field(default_factory=dict)

    def committed(self, records: int, begun: float) -> None:
        """A transaction was committed."""
        self.last_commit = time.monotonic()
        self.transactions += 1
        self.transaction_seconds += self.last_commit - begun
        self.records_out += records

    def failed(self, *, fenced: bool) -> None:
        """A transaction failed."""
        self.fenced += fenced
        self.unknown += not fenced

    def snapshot(self) -> LogStatistics:
        """The present state."""
        return LogStatistics(
            transactions=self.transactions,
            transaction_seconds=self.transaction_seconds,
            fenced=self.fenced,
            unknown=self.unknown,
            records_in=self.records_in,
            records_out=self.records_out,
            last_commit_age=_age(self.last_commit),
            last_poll_age=_age(self.last_poll),
            assigned=self.assigned,
            rebalances=self.rebalances,
            rejoins=self.rejoins,
            sessions=self.sessions,
            gaps=self.gaps,
            halted=dict(self.halted),
        )


def _age(moment: float | None) -> float | None:
    return None if moment is None else time.monotonic() - moment
