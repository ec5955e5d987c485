"""Row 5: memory for each job that is followed, all included, and for each ended command that is kept.

``python -m benchmarks.memory [JOBS] [ROUNDS]`` prints bytes by the process's resident memory and by what Python has
allocated. The peer is a task and a dictionary for each job, which remember nothing durable.
"""

import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import Sequence
from typing import Any

from benchmarks import population
from benchmarks.measuring import apart, resident, shown
from benchmarks.population import Entry, Replica
from service.adapters.garbage_collection import GarbageCollection

KINDS = {"followed": population.running, "ended": population.ended, "resource": population.resources}


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
        self._made = KINDS[kind](size)
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: Any) -> Any:
        return [next(self._made) for _ in range(*index.indices(self._size))]


def stored_reply(size: int) -> float:
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


def main() -> None:
    size, rounds = (int(word) for word in (sys.argv[1:] + ["100000", "5"][len(sys.argv) - 1 :])[:2])
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for kind in KINDS:
            found.setdefault(f"{kind}, resident", []).append(apart(ours, kind, size, False))
        found.setdefault("peer: task and dict for each job, resident", []).append(apart(peer, size))
    for kind in KINDS:
        found[f"{kind}, allocated"] = [apart(ours, kind, size, True)]
    print(f"bytes for each of {size}, medians of {rounds} rounds, and the range")
    for name, values in found.items():
        print(shown(name, values, "B", 0))
    print(f"  of an ended command's record, its reply takes {stored_reply(size):.0f} B")


if __name__ == "__main__":
    main()
