"""Since when jobs run: which of each kind began first, and which run for longer than their kind does as a rule."""

import heapq
from collections.abc import Callable, Collection
from typing import Final

from service.runtime.timers import Timers

_LEAST_UNTIDY: Final = 64


class RunningJobs:
    """The running jobs of a shard. A job is one entry in a heap, and no question goes through all of them.

    Args:
        time: Owner's time.
        runs: Keys of the jobs that run at present. An entry of another one is dropped when it comes first.
        long: Receives the key of each job that has run for longer than its limit, once.
    """

    def __init__(self, time: Callable[[], float], runs: Collection[bytes], long: Callable[[bytes], None]) -> None:
        self._time = time
        self._runs = runs
        self._long = long
        self._waiting: dict[str, list[tuple[float, bytes]]] = {}
        self._reported: dict[str, dict[bytes, float]] = {}
        self._limits: dict[str, float] = {}
        self.timers = Timers[str](time, lambda _, kind: self._report(kind))

    def add(self, key: bytes, kind: str, since: float, limit: float, *, reported: bool) -> None:
        """A job runs: since when, for how many seconds jobs of its kind do, and whether it was reported."""
        self._limits[kind] = limit
        if reported:
            self._reported.setdefault(kind, {})[key] = since
            return
        waiting = self._waiting.setdefault(kind, [])
        heapq.heappush(waiting, (since, key))
        self._tidy(kind)
        if waiting[0][1] is key:
            self._arm(kind)

    def oldest(self) -> dict[str, float]:
        """Since when the job of each kind has been running that began first."""
        oldest: dict[str, float] = {}
        for kind in self._limits:
            first = [since for since, _ in self._front(kind)]
            reported = self._reported.get(kind, {})
            for gone in [key for key in reported if key not in self._runs]:
                del reported[gone]
            if found := [*first, *reported.values()]:
                oldest[kind] = min(found)
        return oldest

    def _front(self, kind: str) -> list[tuple[float, bytes]]:
        """The first entry of a job that runs and was not reported; none if there is none."""
        waiting, reported = self._waiting.get(kind, []), self._reported.get(kind, {})
        while waiting and (waiting[0][1] not in self._runs or waiting[0][1] in reported):
            heapq.heappop(waiting)
        return waiting[:1]

    def _report(self, kind: str) -> None:
        while (front := self._front(kind)) and front[0][0] + self._limits[kind] <= self._time():
            since, key = heapq.heappop(self._waiting[kind])
            self._reported.setdefault(kind, {})[key] = since
            self._long(key)
        self._arm(kind)

    def _arm(self, kind: str) -> None:
        for since, _ in self._front(kind):
            self.timers.set(kind.encode(), since + self._limits[kind], kind)

    def _tidy(self, kind: str) -> None:
        """Drops entries of jobs that run no more, before they outgrow the others: the first may run for days."""
        waiting = self._waiting[kind]
        if len(waiting) > _LEAST_UNTIDY + 2 * len(self._runs):
            waiting[:] = {key: (since, key) for since, key in waiting if key in self._runs}.values()
            heapq.heapify(waiting)
