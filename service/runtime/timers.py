"""Heaps of due times, a task for each; firing re-enters the inbox, so a timer never touches the store."""

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from service.runtime.ports import Clock

_JUST_AFTER: Final = 0.001
LONGEST_SLEEP: Final = 60.0
"""Seconds after which the clock is read again: a wall clock may be set, and the event loop's own time stops while the
machine is suspended.
"""

_LEAST_UNTIDY: Final = 64

What = TypeVar("What")


class Timers(Generic[What]):
    """At most one pending timer a key; setting it again replaces it.

    Args:
        time: The clock by which they are set.
        fire: Is given what was set, with its key.
    """

    def __init__(self, time: Callable[[], float], fire: Callable[[bytes, What], None]) -> None:
        self._time = time
        self._fire = fire
        self._heap: list[tuple[float, int, bytes]] = []
        self._pending: dict[bytes, tuple[int, What]] = {}
        self._number = 0
        self._changed = asyncio.Event()

    def set(self, key: bytes, when: float, what: What) -> None:
        """Fires ``what`` for the key at ``when``, a time of this clock."""
        self._number += 1
        self._pending[key] = (self._number, what)
        heapq.heappush(self._heap, (when, self._number, key))
        self._tidy()
        if self._heap[0][1] == self._number:
            self._changed.set()

    def cancel(self, key: bytes) -> None:
        """Forgets the key's timer, if there is one."""
        self._pending.pop(key, None)
        self._tidy()

    def __len__(self) -> int:
        return len(self._pending)

    def _tidy(self) -> None:
        """Drops what is not pending, before it outgrows what is: behind a late timer it would stay for years."""
        if len(self._heap) > _LEAST_UNTIDY + 2 * len(self._pending):
            self._heap = [entry for entry in self._heap if self._pending.get(entry[2], (0,))[0] == entry[1]]
            heapq.heapify(self._heap)

    async def run(self) -> None:
        """Fires until cancelled."""
        while True:
            self._changed.clear()
            wait = self._fire_due()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _fire_due(self) -> float | None:
        """Fires what is due; returns the seconds to sleep, None for until something is set."""
        while self._heap:
            when, number, key = self._heap[0]
            pending = self._pending.get(key)
            if pending is None or pending[0] != number:
                heapq.heappop(self._heap)
                continue
            wait = when - self._time()
            if wait > 0:
                return min(wait, LONGEST_SLEEP)
            heapq.heappop(self._heap)
            del self._pending[key]
            self._fire(key, pending[1])
        return None


class Deadlines:
    """When the deadlines pass that publishers have named.

    Two clocks count: the wall clock, and the owner's time from when a deadline was first seen here. The earlier one
    decides, so that no step of the wall clock makes a call leave late.

    Args:
        clock: Time.
        passed: Receives the keys whose deadline has passed, once each.
    """

    def __init__(self, clock: Clock, passed: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._limits: dict[bytes, tuple[float, float]] = {}
        self._by_wall = Timers[None](clock.wall, lambda key, _: passed(key))
        self._by_owner = Timers[None](clock.now, lambda key, _: passed(key))
        self.timers = (self._by_wall, self._by_owner)

    def watch(self, key: bytes, deadline: float) -> None:
        """Begins to count, once for each key."""
        if key not in self._limits:
            limit = self._clock.now() + deadline - self._clock.wall()
            self._limits[key] = (deadline, limit)
            self._by_wall.set(key, deadline + _JUST_AFTER, None)
            self._by_owner.set(key, limit + _JUST_AFTER, None)

    def cancel(self, key: bytes) -> None:
        """Counts no longer."""
        if self._limits.pop(key, None):
            for timers in self.timers:
                timers.cancel(key)

    def passed(self, key: bytes) -> bool:
        """True when the deadline of a watched key has passed by either clock."""
        wall, owner = self._limits.get(key, (math.inf, math.inf))
        return self._clock.wall() > wall or self._clock.now() > owner
