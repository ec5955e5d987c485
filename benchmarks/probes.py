"""Row 12: what a probe takes of the event loop, by the number of jobs.

``python -m benchmarks.probes [JOBS ...]`` restores as many jobs, half of them running and half ended, and prints
milliseconds of CPU: of what ``/readyz`` and ``/startupz`` ask for, as JSON, of the page and of ``/metrics``.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable

from benchmarks import population
from benchmarks.measuring import apart, shown
from benchmarks.population import Replica
from service.adapters.garbage_collection import GarbageCollection

ROUNDS = 3
ASKED = 30


def taken(work: Callable[[], object]) -> float:
    """Milliseconds of CPU, the median of some."""
    found = []
    for _ in range(ASKED):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return statistics.median(found) * 1e3


def probed(size: int) -> dict[str, float]:
    """Milliseconds by probe."""

    async def measured() -> dict[str, float]:
        changelog = [*population.running(size // 2), *population.ended(size - size // 2)]
        with GarbageCollection().tuned():
            async with Replica([changelog]).serving() as replica:
                app, telemetry = replica.app, replica.telemetry
                return {
                    "/readyz, /startupz": taken(lambda: json.dumps(app.readiness())),
                    "/ (status page's data)": taken(app.status),
                    "/metrics": taken(telemetry.render),
                }

    return asyncio.run(measured())


def main() -> None:
    for size in [int(word) for word in sys.argv[1:]] or [1_000, 100_000, 1_000_000]:
        rounds = [apart(probed, size) for _ in range(ROUNDS)]
        print(f"{size} jobs, medians of {ROUNDS} rounds, and the range")
        for name in rounds[0]:
            print(shown(name, [each[name] for each in rounds], "ms", 3))


if __name__ == "__main__":
    main()
