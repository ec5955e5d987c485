"""Row 6: the longest pause of the event loop by garbage collection, in a restore and while jobs are followed.

``python -m benchmarks.pauses [JOBS ...]`` prints milliseconds of CPU of the longest collection, with the service's way
of collecting and, as the peer, with CPython's own.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from benchmarks import population
from benchmarks.measuring import apart, shown
from benchmarks.population import Replica
from service.adapters.garbage_collection import GarbageCollection

ROUNDS = 3
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


def main() -> None:
    for size in [int(word) for word in sys.argv[1:]] or [100_000, 1_000_000]:
        print(f"{size} running jobs: longest collection, medians of {ROUNDS} rounds, and the range")
        rounds = [(apart(longest, size, True), apart(longest, size, False)) for _ in range(ROUNDS)]
        for way, index in (("ours", 0), ("CPython's own", 1)):
            for name, column in (("restore", 0), ("afterwards", 1), ("look through everything", 2)):
                print(shown(f"{way}, {name}", [each[index][column] for each in rounds], "ms"))


if __name__ == "__main__":
    main()
