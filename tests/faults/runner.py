"""One run: load, a fault, its end, rest, and the auditor's judgement."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from tests.faults.auditor import audit
from tests.faults.history import Violation
from tests.faults.lab import PARTITIONS, TENANTS, Lab
from tests.faults.workers import haste

SETTLED = 80.0
"""Seconds within which every command has ended after the fault is over; a full quota is asked again after 60."""

LIMIT = 300.0
"""Seconds for a whole run, which has its own bounds; this one is for what nobody thought of."""

REST = 15.0
"""Seconds within which the last changes are told."""


@dataclass(slots=True)
class Mark:
    """When things happened in a run, and what was measured."""

    since: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)

    def now(self) -> None:
        """Progress has to resume within the bound from here on."""
        self.since = time.monotonic()

    def broken(self, invariant: str, subject: str, message: str) -> None:
        """What only the injection itself could see."""
        self.violations.append(Violation(invariant, subject, message))


Inject = Callable[[Lab, Mark], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Row:
    """A fault of the matrix."""

    number: str
    name: str
    inject: Inject
    how: str
    bound: float
    """Seconds until every partition has answered a command that was sent after the fault, or after its end."""
    invariants: str = "I1-I6"
    quick: bool = False
    spoils: bool = False
    """The laboratory can't be used afterwards, as nobody mends it; the injection itself judges."""
    verdict: str = "halts"
    """What a laboratory that can't be used afterwards has shown."""
    footing: str = "plain"
    """Which broker it needs."""
    pulse: float = 0.5
    work: float = 2.0
    alone: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    """A laboratory of its own, with these settings."""
    calm: bool = False
    """The fault must close no shard and cause no rebalance."""
    parks: bool = True
    """Commands may end as parked: the fault makes an outcome that a search cannot settle."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

    number: str
    seed: int
    violations: tuple[Violation, ...]
    resumed: float
    figures: dict[str, float]
    commands: int
    seconds: float
    load: float
    """The machine's load average."""
    alone: bool = False
    """No other laboratory ran beside it, and probes went ten times a second: it was made to measure."""
    parked: int = 0
    """Commands that ended as parked."""
    dirty: int = 0
    """Shards that closed because a commit failed."""
    rebalances: int = 0
    """Assignments that the replicas alive at the end received during the run."""

    def __str__(self) -> str:
        return "\n".join(map(str, self.violations)) or "well"


async def run(lab: Lab, row: Row, seed: int) -> Outcome:
    """Runs a row once."""
    began, mark = time.monotonic(), Mark()
    lab.chance = random.Random(f"{row.number}-{seed}")
    before, watch = len(lab.load.sent), Disturbances(lab)
    source = f"f{row.number}s{seed}"
    resumed = float("nan")
    try:
        async with asyncio.timeout(LIMIT * haste()):
            await lab.start()
            await watch.begin()
            async with lab.load.running(source, lab.chance, pulse=row.pulse, work=row.work):
                await asyncio.sleep(1 + lab.chance.random())
                mark.now()
                await row.inject(lab, mark)
                if not row.spoils:
                    resumed = await _resumed(lab, mark, row)
            if not row.spoils:
                await asyncio.to_thread(lab.release)
                await lab.load.settled(SETTLED * haste())
                mark.violations += await _judged(lab)
    except Exception as error:  # a run that could not be made is no run that went well
        mark.broken("I6", source, str(error) if isinstance(error, AssertionError) else repr(error))
    finally:
        await watch.end()
        mark.violations += watch.unexpected(row)
        lab.clear_faults()
        lab.proxy.clear()
        lab.usual()
    return Outcome(
        row.number,
        seed,
        tuple(mark.violations),
        resumed,
        mark.figures,
        len(lab.load.sent) - before,
        time.monotonic() - began,
        os.getloadavg()[0],
        row.alone,
        watch.parked,
        watch.dirty,
        watch.rebalances,
    )


class Disturbances:
    """What a fault causes beside violations: parked commands, dirty closes, rebalances."""

    def __init__(self, lab: Lab) -> None:
        self.parked = self.dirty = self.rebalances = 0
        self._lab = lab
        self._replies = len(lab.subscriber.told[lab.topic("replies")])
        self._sizes = {file: file.stat().st_size for file in lab.directory.glob("*.log")}
        self._assigned: dict[int, float] = {}

    async def begin(self) -> None:
        """Call when the replicas serve and before the fault."""
        self._assigned = await self._assignments()

    async def end(self) -> None:
        """Counts what has happened since."""
        replies = self._lab.subscriber.told[self._lab.topic("replies")][self._replies :]
        self.parked = len({reply.command for reply in replies if reply.kind == "parked"})
        for file in self._lab.directory.glob("*.log"):
            with file.open("rb") as log:
                log.seek(self._sizes.get(file, 0))
                self.dirty += log.read().count(_CLOSED_DIRTY)
        now = await self._assignments()
        self.rebalances = round(sum(count - self._assigned.get(pid, 0.0) for pid, count in now.items()))

    def unexpected(self, row: Row) -> Iterator[Violation]:
        """What this row's fault must not cause."""
        if row.calm and (self.dirty or self.rebalances):
            yield Violation(
                "I6", row.name, f"{self.dirty} dirty closes and {self.rebalances} rebalances; none expected"
            )
        if self.parked and not row.parks:
            yield Violation("I1", row.name, f"{self.parked} commands parked; a search can settle all of them")

    async def _assignments(self) -> dict[int, float]:
        counts = {}
        for worker in self._lab.workers:
            if worker.alive:
                with suppress(OSError, aiohttp.ClientError):  # frozen or just ending: its count is unknown
                    counts[worker.pid] = (await worker.metrics())["crml_rebalances_total"]
        return counts


_CLOSED_DIRTY = b"shard closed dirty"
"""Begins the log line of a shard that ends because a commit failed."""


async def _judged(lab: Lab) -> list[Violation]:
    """The auditor's judgement; what was merely late, as a change of a resource behind its command's end, is awaited."""
    deadline = time.monotonic() + REST * haste()
    while (found := audit(await lab.history())) and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.5)
    return found


async def _resumed(lab: Lab, mark: Mark, row: Row) -> float:
    """How long the last partition took to answer; waits for it as long as it takes, within reason."""
    deadline = mark.since + row.bound * haste() + 20
    while len(found := lab.load.resumption(mark.since)) < PARTITIONS * len(TENANTS):
        if time.monotonic() > deadline:
            missing = PARTITIONS * len(TENANTS) - len(found)
            raise AssertionError(
                f"{missing} partitions have not answered {row.bound + 20:g} s after the fault; {lab.load.unpublished()}"
            )
        await asyncio.sleep(0.05)
    slowest = max(found.values())
    if slowest > row.bound * haste():
        mark.broken("I6", f"seed of {lab.name}", f"resumed after {slowest:.2f} s, the bound is {row.bound:g} s")
    return slowest
