"""What a probe takes of the event loop, by the number of jobs, half of them running and half ended.

In milliseconds of CPU: of what ``/readyz`` and ``/startupz`` ask for, as JSON, of the page and of ``/metrics``.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Callable

from benchmarks import population
from benchmarks.figures import OURS, Figures, Scale, apart
from benchmarks.population import Replica
from service.adapters.garbage_collection import GarbageCollection

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


def run(scale: Scale) -> Figures:
    figures = Figures()
    for size, rounds in scale.pick([(1_000, 3), (100_000, 2), (1_000_000, 1)], [(1_000, 1)]):
        for _ in range(rounds):
            for probe, milliseconds in apart(probed, size).items():
                figures.add(f"{size:,} jobs: {probe}", OURS, "ms", milliseconds)
    return figures
