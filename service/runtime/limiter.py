"""Waits for a turn to call a target: a token of its rate budget, and room at its connections.

The arithmetic of tokens is :mod:`service.core.rate_budget`'s. Room is what the connections can take: a call that has a
turn holds one or gets one soon, so that what its turn has permitted does not grow old in a queue.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from service.core import rate_budget
from service.core.rate_budget import Bucket, Lane
from service.runtime.ports import Clock

_MOST_AHEAD: Final = 3
"""Calls with a turn beside each connection, at most: the next ones, whose permission is being committed."""
_WAITED: Final = 0.5
"""Share of the call window that they may wait for a connection."""
_NEW_SHARE: Final = 0.1
"""Weight of the newest call in the mean time for which calls hold a connection."""


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
        waiting: Calls that wait for a token, or for room at the connections.
        oldest: Seconds that the one which waits longest has waited.
    """

    rate: float
    limit: float
    waiting: int
    oldest: float


class _Connections:
    """The connections of one target for reads or for writes, and how many calls may have a turn at them.

    Args:
        count: How many there are; None for no limit.
        window: Seconds for which a permission to call is good; 0 for calls that need none.
        clock: Time.
    """

    def __init__(self, count: int | None, window: float, clock: Clock) -> None:
        self.clock = clock
        self.turns = 0
        self._count = count
        self._wait = window * _WAITED
        self._held = 0.0
        self._free = asyncio.Semaphore(count) if count is not None else None

    @property
    def room(self) -> bool:
        """True when one more call may have a turn: it gets a connection before its permission grows old."""
        return self._count is None or self.turns < self._count + self._ahead(self._count)

    def _ahead(self, count: int) -> int:
        """None as long as nothing is known of the target, or calls take so long that the next ones would be late."""
        rounds = self._wait / self._held if self._held else 0.0
        return int(count * min(rounds, _MOST_AHEAD)) if rounds >= 1 else 0

    @property
    def busy(self) -> bool:
        """True while all are in use."""
        return self._free is not None and self._free.locked()

    async def acquire(self) -> None:
        """Waits for a connection, in order of arrival."""
        if self._free is not None:
            await self._free.acquire()

    def release(self, held: float) -> None:
        """A connection is free again after this number of seconds."""
        if self._free is not None:
            self._free.release()
        self._held += (held - self._held) * (_NEW_SHARE if self._held else 1.0)


class Turn:
    """The permission for one call, until it is released.

    Attributes:
        used: Whether a request was handed to the transport; what was not used gives its token back.
        request: The members to send, if something had to be read first.
    """

    def __init__(self, queue: "_Queue") -> None:
        self.used = False
        self.request: dict[str, Any] | None = None
        self._queue: _Queue | None = queue
        self._connected: float | None = None
        self._kept = False

    def keep(self) -> None:
        """Keeps the token for later; until then the call takes no room from others, so it can't hold them up."""
        if self._queue is not None and not self._kept:
            self._kept = True
            self._queue.make_room()

    @property
    def must_wait(self) -> bool:
        """True while no connection is free."""
        return self._queue is not None and self._queue.connections.busy

    async def connect(self) -> None:
        """Waits until a connection is free for this call."""
        if self._queue is not None:
            connections = self._queue.connections
            self._take_room()
            await connections.acquire()
            self._connected = connections.clock.monotonic()

    def release(self) -> None:
        """Makes room for the next call. Idempotent."""
        self._take_room()
        queue, self._queue = self._queue, None
        if queue is None:
            return
        if self._connected is not None:
            queue.connections.release(queue.connections.clock.monotonic() - self._connected)
        queue.leave(used=self.used)

    def _take_room(self) -> None:
        if self._kept and self._queue is not None:
            self._kept = False
            self._queue.connections.turns += 1


class _Queue:
    """Waiters of one bucket, by lane and then arrival; a timer wakes the first when its token is there."""

    def __init__(self, state: Bucket, clock: Clock, connections: _Connections) -> None:
        self.state = state
        self.connections = connections
        self._clock = clock
        self._waiters: dict[Lane, deque[_Waiter]] = {}
        self._last = Lane.POLL
        self._timer: asyncio.TimerHandle | None = None
        self._slow_since: float | None = None

    async def take(self, lane: Lane) -> Turn:
        waiter = _Waiter(self._clock.monotonic(), asyncio.get_running_loop().create_future())
        self._waiters.setdefault(lane, deque()).append(waiter)
        self._pump()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self.leave(used=False)
            raise
        return Turn(self)

    @property
    def scarce(self) -> bool:
        """True while there is no token."""
        self.state = rate_budget.refill(self.state, self._clock.monotonic())
        return not rate_budget.available(self.state)

    @property
    def ready(self) -> bool:
        """True when a call need not wait."""
        return not self._waiters and self.connections.room and not self.scarce

    def try_take(self, lane: Lane) -> Turn | None:
        if not self.ready:
            return None
        self.state, _ = rate_budget.take(self.state, self._clock.monotonic())
        self.connections.turns += 1
        self._last = lane
        return Turn(self)

    def leave(self, *, used: bool) -> None:
        if not used:
            self.state = rate_budget.given_back(self.state)
        self.make_room()

    def make_room(self) -> None:
        self.connections.turns -= 1
        self._pump()

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
                if not self.connections.room:
                    return  # the next call that ends goes on here
                self.state, wait = rate_budget.take(self.state, self._clock.monotonic())
                if wait > 0:
                    self._timer = asyncio.get_running_loop().call_later(wait, self._pump)
                    return
                line[0].granted.set_result(None)
                self.connections.turns += 1
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
    """The budget of one target: reads and writes have a bucket and connections each, lanes order who waits.

    Args:
        clock: Time.
        reads_per_second: Of a target's budget.
        writes_per_second: Of a target's budget.
        connections: How many calls the target's pool takes at once, reads and writes for themselves; None for any.
        window: Seconds for which a permission to write is good.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        reads_per_second: float,
        writes_per_second: float,
        connections: int | None = None,
        window: float = 0.0,
    ) -> None:
        self._clock = clock
        self._limits = {"reads": reads_per_second, "writes": writes_per_second}
        windows = {"reads": 0.0, "writes": window}
        self._queues = {
            name: _Queue(
                rate_budget.bucket(limit, clock.monotonic()), clock, _Connections(connections, windows[name], clock)
            )
            for name, limit in self._limits.items()
        }

    async def take(self, lane: Lane) -> Turn:
        """Waits for the right to one call."""
        return await self._queue(lane).take(lane)

    def ready(self, lane: Lane) -> bool:
        """True when a call need not wait."""
        return self._queue(lane).ready

    def scarce(self, lane: Lane) -> bool:
        """True while a call would have to wait for a token."""
        return self._queue(lane).scarce

    def try_take(self, lane: Lane) -> Turn | None:
        """The right to one call, if there is one at once."""
        return self._queue(lane).try_take(lane)

    def throttled(self, lane: Lane) -> None:
        """AWS throttles."""
        self._queue(lane).change(lambda state: rate_budget.throttled(state, self._clock.monotonic()))

    def succeeded(self, lane: Lane) -> None:
        """A call went through."""
        self._queue(lane).change(rate_budget.succeeded)

    def turns(self, lane: Lane) -> int:
        """How many turns are taken, by calls of this lane and those that share its connections."""
        return self._queue(lane).connections.turns

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
