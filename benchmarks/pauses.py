"""The longest pause of the event loop by garbage collection, in a restore and while jobs are followed.

In milliseconds of CPU of the longest collection, with the service's way of collecting and, as the peer, CPython's own.
"""

import asyncio
import gc
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from benchmarks import population
from benchmarks.figures import OURS, Figures, Scale, apart
from benchmarks.population import Replica
from service.adapters.garbage_collection import GarbageCollection

WHEN = ("in a restore", "afterwards", "through everything, at a rebalance")
LARGE = 100_000
"""Above it CPython's own way would take minutes."""
MADE = 300_000
"""Objects that come and stay afterwards, as new jobs would."""


class Pauses:
    """Longest collection, in seconds of CPU."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began = 0.0

    def __call__(self, phase: str, _info: Mapping[str, Any]) -> None:
        if phase == "start":
            self._began = time.process_time()
        else:
            self.longest = max(self.longest, time.process_time() - self._began)


def longest(size: int, tuned: bool) -> tuple[float, float, float]:
    """Milliseconds of the longest collection in a restore, afterwards, and of a look through everything."""

    async def measured() -> tuple[float, float, float]:
        changelog, collection, pauses = list(population.running(size)), GarbageCollection(), Pauses()
        gc.collect()
        with collection.tuned() if tuned else nullcontext():
            gc.callbacks.append(pauses)
            async with Replica([changelog]).serving():
                restoring, pauses.longest = pauses.longest, 0.0
                kept = [[number] for number in range(MADE)]
                following, pauses.longest = pauses.longest, 0.0
                gc.unfreeze()
                gc.collect()
                through = pauses.longest
                del kept
        return restoring * 1e3, following * 1e3, through * 1e3

    return asyncio.run(measured())


def run(scale: Scale) -> Figures:
    """The service's way and CPython's own by turns."""
    figures = Figures()
    sizes = scale.pick([(100_000, 2), (1_000_000, 1)], [(2_000, 1)])
    for size, rounds in sizes:
        for _ in range(rounds):
            ways = ((OURS, True), ("CPython's thresholds", False))
            for who, tuned in ways[: 1 if size > LARGE else 2]:
                for what, found in zip(WHEN, apart(longest, size, tuned), strict=True):
                    figures.add(f"{size:,} running jobs: longest collection {what}", who, "ms", found)
    return figures
