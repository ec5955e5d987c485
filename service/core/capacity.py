"""Limits of what a partition accepts, so that no publisher can block it for the others.

What can be called now drains by itself: while there is much of it, delivery pauses. What waits for something outside
(a time, a slot, an answer of AWS, another command, a person) may wait for ever: more of it is refused, with a reply.
So does a call to a target that AWS throttles for long: its turn may never come.
Each source may have as much waiting as there is room left, so there always is some for one that has nothing waiting.
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from schemas.operations import COMMANDS, Kind
from schemas.records import Fault
from service.core import timing
from service.core.job import GIVEN_BACK, Job, Phase, ended, keeps_line
from service.core.marker import reads_first
from service.core.outcomes import lasting
from service.core.transitions import CALL_WINDOW

TOO_MANY: Final = "TooManyOpenCommands"
"""Code of a command that is refused because too much waits already."""
TOO_MANY_ENDED: Final = "TooManyEndedCommands"
"""Code of a command that is refused because too much of its source is remembered already."""
WEIGHT: Final = 16_384
"""Bytes of a job's record that count as one command; a larger one counts as several."""
READS: Final = "reads"
WRITES: Final = "writes"
RESERVE: Final = 20
"""A source with less than this part of the limit waiting is not refused because of others' calls."""
ENDED_OVERHEAD: Final = 400
"""Bytes of memory that an ended command takes beside its key and its record."""
SPARE: Final = 8
"""This part of the room for what has ended is for what may be forgotten early."""


_KEPT_ALIKE: Final = 10_000
"""Different counts of jobs that are kept to be shared."""


class Pool(StrEnum):
    """What waits together, with a limit of its own."""

    CALLS = "calls"
    """Calls that wait for a slot, a retry, a search or the end of what they began, and what stands behind them."""
    ASKED = "asked"
    """Commands that ask to wait: for a start time, or watching a resource."""
    DECISIONS = "decisions"
    """Cancellations and resolutions that wait."""


@dataclass(frozen=True, slots=True)
class WaitingLimits:
    """The most that may wait, by pool, and how much may be callable, all from one setting."""

    open_jobs: int

    def of(self, pool: Pool) -> int:
        """The pool's limit."""
        return self.open_jobs if pool is Pool.CALLS else self.callable

    @property
    def callable(self) -> int:
        """Calls to be made now, at which delivery pauses."""
        return max(1, self.open_jobs // 2)


Buckets = frozenset[tuple[str, str]]
"""Budgets of calls: a target, and `reads` or `writes`."""


class _Counted(msgspec.Struct, frozen=True, gc=False):
    """What counts of a job. Most jobs of a source have the same, and share one.

    Attributes:
        buckets: Of whose tokens it needs some.
    """

    pool: Pool
    waits: bool
    buckets: Buckets
    source: str
    order: str
    weight: int


@dataclass(slots=True)
class _Line:
    callable: int = 0
    resting: int = 0


def waits(job: Job) -> bool:
    """True for an open job that can't go on before something outside has happened.

    A hand-over is nothing outside. A call that has failed, or could not leave in time, waits until it succeeds, also
    while it is tried again.
    """
    tried = job.retries > 0 or job.reason == CALL_WINDOW
    return job.phase is not Phase.INTENDED or job.due > GIVEN_BACK or tried or bool(job.held)


def pool(job: Job) -> Pool:
    """Where a job counts while it waits."""
    operation = COMMANDS.get(job.command.asked or job.command.operation)
    if operation is not None and operation.kind in (Kind.CANCEL, Kind.RESOLVE):
        return Pool.DECISIONS
    if timing.awaits_start(job) or (operation is not None and operation.kind is Kind.TRACK):
        return Pool.ASKED
    return Pool.CALLS


def buckets(job: Job) -> Buckets:
    """The budgets of a job's call; none for a command that sends nothing."""
    operation, target = COMMANDS.get(job.command.operation), job.command.target
    if operation is None or operation.kind in (Kind.CANCEL, Kind.RESOLVE, Kind.TRACK):
        return _NONE
    if operation.kind is Kind.READ:
        return frozenset({(target, READS)})
    return frozenset({(target, WRITES), (target, READS)} if reads_first(job.command) else {(target, WRITES)})


_NONE: Final[Buckets] = frozenset()


class Census:
    """What a partition's open jobs wait for, kept up to date by each change of a job."""

    def __init__(self) -> None:
        self._jobs: dict[bytes, _Counted] = {}
        self._alike: dict[_Counted, _Counted] = {}
        self._waiting: Counter[tuple[Pool, str]] = Counter()
        self._totals: Counter[Pool] = Counter()
        self._lines: dict[str, _Line] = {}
        self._callable = 0
        self._blocked = 0
        self._slow: Buckets = frozenset()

    @property
    def callable(self) -> int:
        """Calls that can be made now, behind nothing that waits."""
        return self._callable

    def waiting(self) -> dict[str, int]:
        """How much waits, by pool, and behind one of the same key that does."""
        return {**{each.value: self._totals[each] for each in Pool}, "blocked": self._blocked}

    def count(self, key: bytes, job: Job | None, size: int = 0) -> None:
        """Takes note of what a job is from now on; ``size`` are the bytes of its record."""
        before = self._jobs.pop(key, None)
        if before is not None:
            self._add(before, -1)
        if job is None or ended(job):
            return
        order = job.command.order if keeps_line(job) else ""
        weight = 1 + size // WEIGHT
        counted = _Counted(pool(job), waits(job), buckets(job), job.command.source, order, weight)
        if not order:
            if len(self._alike) >= _KEPT_ALIKE:
                self._alike.clear()  # the next ones share again
            counted = self._alike.setdefault(counted, counted)
        self._jobs[key] = counted
        self._add(counted, 1)

    def in_line(self, order: str) -> bool:
        """Whether commands of this key are in line."""
        return order in self._lines

    def keep(self, key: bytes) -> None:
        """Takes note that nothing can be done with an open job, whatever its record says."""
        if (before := self._jobs.get(key)) is not None:
            self._add(before, -1)
            self._jobs[key] = replace(before, waits=True)
            self._add(self._jobs[key], 1)

    def regard(self, slow: Buckets) -> None:
        """From now on calls that need these budgets wait, and no others: delivery does not pause for them."""
        changed = slow ^ self._slow
        if not changed:
            return
        moved = [each for each in self._jobs.values() if not each.waits and not changed.isdisjoint(each.buckets)]
        for each in moved:
            self._add(each, -1)
        self._slow = slow
        for each in moved:
            self._add(each, 1)

    def refusal(self, job: Job, limits: WaitingLimits) -> Fault | None:
        """Why a new command can't be taken on; None when it can."""
        where, source = pool(job), job.command.source
        taken, room = self._totals[where], limits.of(where)
        claim = self._waiting[where, source]
        if where is Pool.CALLS:
            taken += self._blocked
            line = self._lines.get(job.command.order)
            claim = max(claim, line.callable if line is not None and line.resting else 0)
        left = room - taken
        if where is Pool.CALLS and taken < room + room // 2:
            left = max(left, room // RESERVE, 1)  # what was callable and came to wait may have taken all of it
        if claim < left:
            return None
        return Fault(TOO_MANY, f"{_WHAT[where].format(claim)}, and {_ADVICE}", retryable=True)

    def _add(self, counted: _Counted, sign: int) -> None:
        weight = sign * counted.weight
        waiting = counted.waits or not self._slow.isdisjoint(counted.buckets)
        if waiting:
            self._waiting[counted.pool, counted.source] += weight
            if not self._waiting[counted.pool, counted.source]:
                del self._waiting[counted.pool, counted.source]
            self._totals[counted.pool] += weight
        if not counted.order:
            self._callable += 0 if waiting else weight
            return
        line = self._lines.setdefault(counted.order, _Line())
        self._tally(line, -1)
        if waiting:
            line.resting += sign
        else:
            line.callable += weight
        self._tally(line, 1)
        if not line.callable and not line.resting:
            del self._lines[counted.order]

    def _tally(self, line: _Line, sign: int) -> None:
        if line.resting:
            self._blocked += sign * line.callable
        else:
            self._callable += sign * line.callable


class Ends:
    """What is remembered of ended commands, in bytes of memory.

    Attributes:
        lasting: Of what must be remembered for the whole retention.
        fleeting: Of what may be forgotten earlier.
    """

    def __init__(self) -> None:
        self.lasting = 0
        self.fleeting = 0
        self._sources: Counter[str] = Counter()

    def count(self, job: Job, size: int, sign: int) -> bool:
        """Takes note of an ended job whose key and record have this size, or, with -1, that it is no more.

        Returns:
            Whether it must be remembered for the whole retention.
        """
        taken, source = sign * (size + ENDED_OVERHEAD), job.command.source
        if not lasting(job):
            self.fleeting += taken
            return False
        self.lasting += taken
        self._sources[source] += taken
        if not self._sources[source]:
            del self._sources[source]
        return True

    def excess(self, room: int) -> bool:
        """Whether ended commands must be forgotten early."""
        return self.fleeting > max(room // SPARE, room - self.lasting)

    def refusal(self, job: Job, room: int) -> Fault | None:
        """Why a new command, whose end would have to be remembered, can't be taken on; None when it can."""
        if not lasting(job) or self._sources[job.command.source] < room - room // SPARE - self.lasting:
            return None
        message = (
            "what is remembered of this source's commands takes up its room in this partition until the retention of "
            "the oldest has passed: send this one again later under a new id, or have the room enlarged; "
            "setting runtime.remembered_bytes"
        )
        return Fault(TOO_MANY_ENDED, message, retryable=True)


_WHAT: Final = {
    Pool.CALLS: "{} commands of this source, or behind one of this key, wait in this partition (for a slot, a retry, "
    "a search, the budget of a target that AWS throttles, or the end of a job)",
    Pool.ASKED: "{} commands of this source wait in this partition for their notbefore or watch a resource",
    Pool.DECISIONS: "{} cancellations of this source wait in this partition",
}
_ADVICE: Final = (
    "there is room for no more: wait until some have ended, or cancel some, and send this one again under a new id; "
    "setting runtime.open_jobs_limit"
)
