"""Many seeds: in this process, or spread over several."""

import gc
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.families import Family
from tests.simulation.simulate import Outcome, simulate

CHUNK = 250


@dataclass
class Summary:
    """What became of many seeds.

    Attributes:
        seeds: How many were run.
        violations: What was violated, by seed.
        counters: How often each thing happened in all of them.
        steps: Callbacks run.
        virtual: Seconds simulated.
        cpu: Seconds of processor time.
        healed_in: The longest time that a healed world needed until everything had ended, and its seed.
    """

    seeds: int = 0
    violations: dict[int, str] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    virtual: float = 0.0
    cpu: float = 0.0
    healed_in: tuple[float, int] = (0.0, -1)

    def add(self, outcome: Outcome) -> None:
        """One seed more."""
        self.seeds += 1
        self.steps += outcome.steps
        self.virtual += outcome.seconds
        self.counters.update(outcome.counters)
        self.healed_in = max(self.healed_in, (outcome.healed_in, outcome.seed))
        if outcome.violation:
            self.violations[outcome.seed] = outcome.violation.splitlines()[0]

    def __iadd__(self, other: "Summary") -> "Summary":
        self.seeds += other.seeds
        self.steps += other.steps
        self.virtual += other.virtual
        self.cpu += other.cpu
        self.counters.update(other.counters)
        self.violations.update(other.violations)
        self.healed_in = max(self.healed_in, other.healed_in)
        return self

    def __str__(self) -> str:
        each = 1000 * self.cpu / max(1, self.seeds)
        lines = [
            f"{self.seeds:,} schedules, {len(self.violations)} violations; {self.steps:,} steps, "
            f"{self.virtual / 86_400:,.1f} days of virtual time, {self.cpu:,.0f} s of CPU ({each:.1f} ms each)",
            f"healed within {self.healed_in[0]:.0f} s at most (seed {self.healed_in[1]})",
            ", ".join(f"{what} {count:,}" for what, count in sorted(self.counters.items())),
            *(f"seed {seed}: {what}" for seed, what in sorted(self.violations.items())),
        ]
        return "\n".join(lines)


def run(seeds: Iterable[int], families: Collection[Family] | None = None) -> Summary:
    """Runs seeds one after the other, here, and reports each violation as soon as it is found."""
    summary, began = Summary(), time.process_time()
    for seed in seeds:
        outcome = simulate(seed, families)
        summary.add(outcome)
        if outcome.violation:
            print(f"\nseed {seed}: {summary.violations[seed]}", flush=True)  # noqa: T201
    summary.cpu = time.process_time() - began
    return summary


def run_apart(
    seeds: range, processes: int = os.cpu_count() or 1, families: Collection[Family] | None = None
) -> Iterator[Summary]:
    """Runs seeds in several processes; yields the sum so far, again and again."""
    total = Summary()
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=gc.freeze) as pool:
        try:
            for summary in pool.map(partial(run, families=families), chunks):
                total += summary
                yield total
        finally:
            pool.shutdown(cancel_futures=True)  # whoever has seen enough need not wait for the rest
