"""A heap of due times, one task per shard; firing re-enters the inbox, so a timer never touches the store."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

from service.runtime.ports import Clock

_LONGEST_SLEEP: Final = 60.0
"""Seconds after which the wall clock is read again, so that its being set is noticed."""


class Timers:
    """At most one pending timer a key; setting it again replaces it."""

    def __init__(self, clock: Clock, fire: Callable[[bytes, object], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._heap: list[tuple[float, int, bytes]] = []
        self._pending: dict[bytes, tuple[int, object]] = {}
        self._number = 0
        self._changed = asyncio.Event()

    def set(self, key: bytes, when: float, what: object) -> None:
        """Fires ``what`` for the key at ``when`` (epoch seconds)."""
        self._number += 1
        self._pending[key] = (self._number, what)
        heapq.heappush(self._heap, (when, self._number, key))
        if self._heap[0][1] == self._number:
            self._changed.set()

    def cancel(self, key: bytes) -> None:
        """Forgets the key's timer, if there is one."""
        self._pending.pop(key, None)

    def __len__(self) -> int:
        return len(self._pending)

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
            wait = when - self._clock.wall()
            if wait > 0:
                return min(wait, _LONGEST_SLEEP)
            heapq.heappop(self._heap)
            del self._pending[key]
            self._fire(key, pending[1])
        return None
