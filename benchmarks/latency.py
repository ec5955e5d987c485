"""Milliseconds from sending a command to its reply, at a steady rate, and how long the service's transactions take.

For the service the reply is `accepted`, which is committed before AWS is called; for the peer it is the only one, which
comes after the call. All commands are GetAudienceModel, whose call the stub answers at once.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.commands import ROWS
from benchmarks.figures import OURS, Figures, Scale
from benchmarks.world import Peer, Performer, Publisher, Service, World, world

PEER: Final = "aiokafka transactions"


async def delays(performer: Performer, place: World, rate: int, seconds: float) -> list[float]:
    """Seconds of each command, in order of size; what is sent first is not counted."""
    loop = asyncio.get_running_loop()
    operation, data, _ = ROWS["get"]
    sent: dict[str, float] = {}
    found: list[float] = []

    def seen(name: str) -> None:
        if name in sent:
            found.append(loop.time() - sent.pop(name))

    async with Publisher(place, performer, operation, data, "accepted") as publisher:
        await publisher.perform(50)
        reading = asyncio.create_task(_read_on(publisher, seen))
        began = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - loop.time())
            sent[f"c{publisher.sent + 1}"] = loop.time()
            await publisher.send_one()
        while sent:
            await asyncio.sleep(0.05)
            if reading.done():
                reading.result()
        reading.cancel()
        await asyncio.wait([reading])
    return sorted(found)


async def _read_on(publisher: Publisher, seen: Callable[[str], None]) -> None:
    while True:
        await publisher.read(seen)


def within(before: Mapping[float, float], after: Mapping[float, float], share: float) -> float:
    """Seconds within which a share of the values came between two readings of a histogram; linear between bounds."""
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in after}
    wanted, low, below = share * max(counts.values()), 0.0, 0.0
    for bound, count in sorted(counts.items()):
        if count >= wanted:
            return low if math.isinf(bound) else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low


async def _measure(figures: Figures, scale: Scale) -> None:
    async with world() as place:
        for rate, seconds, rounds in scale.pick(((10, 12.0, 1), (500, 10.0, 2)), ((20, 2.0, 1),)):
            for _ in range(rounds):
                for performer in (Service(place), Peer(PEER, place)):
                    await performer.begin()
                    try:
                        await _one(figures, performer, place, rate, seconds)
                    finally:
                        performer.end()


async def _one(figures: Figures, performer: Performer, place: World, rate: int, seconds: float) -> None:
    before = performer.replica.histogram("crml_commit_seconds") if isinstance(performer, Service) else {}
    found = await delays(performer, place, rate, seconds)
    what = f"{rate} commands a second"
    for share in (50, 99):
        delay = found[min(len(found) * share // 100, len(found) - 1)]
        figures.add(f"{what}: command to reply, {share} %", performer.name, "ms", delay * 1e3)
    if isinstance(performer, Service):
        after = performer.replica.histogram("crml_commit_seconds")
        figures.add(f"{what}: transaction, 99 %", OURS, "ms", within(before, after, 0.99) * 1e3)


def run(scale: Scale) -> Figures:
    figures = Figures()
    asyncio.run(_measure(figures, scale))
    return figures
