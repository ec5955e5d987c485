"""Waits for a token of a target's rate budget; the arithmetic is :mod:`service.core.rate_budget`'s."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from service.core import rate_budget
from service.core.rate_budget import Bucket, Lane
from service.runtime.ports import Clock


@dataclass(slots=True, eq=False)
class _Waiter:
    since: float
    granted: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Budget:
    """One bucket at a moment, for metrics.

    Attributes:
        rate: Calls per second now; a throttle halves it.
        limit: Calls per second of this replica when nothing is throttled.
        waiting: Calls that wait for a token.
        oldest: Seconds that the one which waits longest has waited.
    """

    rate: float
    limit: float
    waiting: int
    oldest: float


class _Queue:
    """Waiters of one bucket, by lane and then arrival; a timer wakes the first when its token is there."""

    def __init__(self, state: Bucket, clock: Clock) -> None:
        self.state = state
        self._clock = clock
        self._waiters: dict[Lane, deque[_Waiter]] = {}
        self._last = Lane.POLL
        self._timer: asyncio.TimerHandle | None = None
        self._slow_since: float | None = None

    async def take(self, lane: Lane) -> None:
        waiter = _Waiter(self._clock.monotonic(), asyncio.get_running_loop().create_future())
        self._waiters.setdefault(lane, deque()).append(waiter)
        self._pump()
        await waiter.granted

    @property
    def slow(self) -> bool:
        """True when calls have waited for a minute at a rate far below the limit."""
        since = self._slow_since
        return since is not None and self._clock.monotonic() - since >= rate_budget.SLOW_AFTER

    def _pump(self) -> None:
        self._grant()
        if not (self._waiters and rate_budget.slow(self.state)):
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = self._clock.monotonic()

    def _grant(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            lane = rate_budget.next_lane(self._waiters, self._last)
            line = self._waiters[lane]
            if not line[0].granted.cancelled():
                self.state, wait = rate_budget.take(self.state, self._clock.monotonic())
                if wait > 0:
                    self._timer = asyncio.get_running_loop().call_later(wait, self._pump)
                    return
                line[0].granted.set_result(None)
                self._last = lane
            line.popleft()
            if not line:
                del self._waiters[lane]

    def change(self, state: Callable[[Bucket], Bucket]) -> None:
        self.state = state(self.state)
        if self._waiters:
            self._pump()

    def budget(self) -> Budget:
        waiters = (waiter for line in self._waiters.values() for waiter in line)
        waiting = [waiter.since for waiter in waiters if not waiter.granted.cancelled()]
        oldest = self._clock.monotonic() - min(waiting) if waiting else 0.0
        return Budget(self.state.rate, self.state.limit, len(waiting), oldest)

    def __len__(self) -> int:
        return sum(map(len, self._waiters.values()))


class Limiter:
    """The budget of one target: reads and writes have a bucket each, lanes order who waits."""

    def __init__(self, clock: Clock, *, reads_per_second: float, writes_per_second: float) -> None:
        self._clock = clock
        self._limits = {"reads": reads_per_second, "writes": writes_per_second}
        self._queues = {
            name: _Queue(rate_budget.bucket(limit, clock.monotonic()), clock) for name, limit in self._limits.items()
        }

    async def take(self, lane: Lane) -> None:
        """Waits for the right to one call."""
        await self._queue(lane).take(lane)

    def throttled(self, lane: Lane) -> None:
        """AWS asked for patience."""
        self._queue(lane).change(lambda state: rate_budget.throttled(state, self._clock.monotonic()))

    def succeeded(self, lane: Lane) -> None:
        """A call went through."""
        self._queue(lane).change(rate_budget.succeeded)

    def share(self, fraction: float) -> None:
        """Sets this replica's share of the budget, above 0 and up to 1."""
        for name, queue in self._queues.items():
            limit = self._limits[name] * fraction
            queue.change(partial(rate_budget.shared, limit=limit, now=self._clock.monotonic()))

    def statistics(self) -> dict[str, float]:
        """Present rates and waiters, for metrics and the status page."""
        rates = {f"{name}_per_second": queue.state.rate for name, queue in self._queues.items()}
        return rates | {f"{name}_waiting": float(len(queue)) for name, queue in self._queues.items()}

    def slow(self) -> list[str]:
        """Buckets, `reads` or `writes`, that throttles have slowed down for long: their calls drain too slowly."""
        return [name for name, queue in self._queues.items() if queue.slow]

    def budgets(self) -> dict[str, Budget]:
        """Both buckets as they are now: `reads` and `writes`."""
        return {name: queue.budget() for name, queue in self._queues.items()}

    def _queue(self, lane: Lane) -> _Queue:
        return self._queues["writes" if lane.writes else "reads"]
