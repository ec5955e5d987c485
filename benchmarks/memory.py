"""Memory for each job that is followed, all included, for each ended command that is kept, and for each resource.

By the process's resident memory and by what Python has allocated. The peer is a task and a dictionary for each job,
which remember nothing durable.
"""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Sequence
from typing import Any

from benchmarks import population
from benchmarks.figures import OURS, Figures, Scale, apart, resident
from benchmarks.population import Entry, Replica
from service.adapters.garbage_collection import GarbageCollection

MADE = {
    "running": population.running,
    "ended": population.ended,
    "long": population.ended_long,
    "resources": population.resources,
}
KINDS = {
    "running": "a running job",
    "ended": "an ended command",
    "long": "an ended command with as long a reply as is kept",
    "resources": "a resource",
}


async def _serve(changelog: Sequence[Entry]) -> float:
    """Bytes of all that a replica keeps of a changelog, whose own records are released."""
    before = resident()
    async with Replica([changelog]).serving():
        await asyncio.sleep(0.2)
        gc.collect()
        if tracemalloc.is_tracing():
            return float(tracemalloc.get_traced_memory()[0])
        return float(resident() - before)


async def _warm() -> None:
    async with Replica([[]]).serving():
        pass


def ours(kind: str, size: int, traced: bool) -> float:
    """Bytes for each record: keys and values are made while it is measured, as they come from Kafka."""

    async def measured() -> float:
        await _warm()
        gc.collect()
        if traced:
            tracemalloc.start()
            return await _serve(_Fresh(kind, size))
        return await _serve(_Fresh(kind, size))

    with GarbageCollection().tuned():
        return asyncio.run(measured()) / size


class _Fresh(Sequence[Entry]):
    """A changelog that makes its records when they are read, in order and once."""

    def __init__(self, kind: str, size: int) -> None:
        self._made = MADE[kind](size)
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: Any) -> Any:
        return [next(self._made) for _ in range(*index.indices(self._size))]


def stored_reply() -> float:
    """Bytes of the reply in an ended command's record, which is not counted as overhead."""
    _, value = next(population.ended(1))
    return float(len(json.dumps(json.loads(value)["reply"], separators=(",", ":"))))


def peer(size: int) -> float:
    """A task for each job, which waits for its next look."""

    async def follow(job: dict[str, Any]) -> None:
        await asyncio.sleep(job["due"])

    async def measured() -> float:
        before = resident()
        jobs = [json.loads(value)["command"] | {"due": 3600.0} for _, value in population.running(size)]
        tasks = [asyncio.create_task(follow(job)) for job in jobs]
        await asyncio.sleep(0)
        taken = resident() - before
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return taken / size

    return asyncio.run(measured())


def run(scale: Scale) -> Figures:
    """Rounds of the service and the peer by turns."""
    size, figures = scale.pick(100_000, 2_000), Figures()
    if scale.quick:
        figures.add(f"{KINDS['running']}, allocated", OURS, "B", apart(ours, "running", size, True))
        return figures
    for _ in range(2):
        for kind, what in KINDS.items():
            figures.add(f"{what}, resident memory", OURS, "B", apart(ours, kind, size, False))
        figures.add(f"{KINDS['running']}, resident memory", "task and dict for each", "B", apart(peer, size))
    for kind, what in KINDS.items():
        figures.add(f"{what}, allocated", OURS, "B", apart(ours, kind, size, True))
    figures.add("its reply, in an ended command's record", OURS, "B", stored_reply())
    return figures
