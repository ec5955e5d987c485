"""Memory of the real process: idle, in a burst, and with commands that wait for the rate budget."""

import asyncio

from benchmarks.commands import ROWS
from benchmarks.figures import OURS, Figures, Scale
from benchmarks.world import Publisher, Service, World, world

KIB = 1024
MIB = 1024 * KIB
PENDING = r'crml_commands_total\{operation="GetAudienceModel",outcome="accepted"\}'


async def burst(figures: Figures, place: World, number: int) -> None:
    """Memory before the first call, after it, and at its peak while as many are performed at once."""
    service = Service(place)
    await service.begin()
    try:
        async with Publisher(place, service, *ROWS["get"]) as publisher:
            figures.add("idle, before the first call", OURS, "MiB", service.memory() / MIB)
            await publisher.perform(1)
            idle = service.memory()
            figures.add("idle, after the first call", OURS, "MiB", idle / MIB)
            working = asyncio.create_task(publisher.perform(number))
            peak = idle
            while not working.done():
                peak = max(peak, await asyncio.to_thread(service.memory))
                await asyncio.sleep(0.2)
            await working
        figures.add(f"peak of a burst of {number:,} commands", OURS, "MiB", peak / MIB)
        figures.add("a command in it, at the peak", OURS, "KiB", (peak - idle) / number / KIB)
        figures.add("after the burst", OURS, "MiB", service.memory() / MIB)
        service.replica.stop()
        await asyncio.to_thread(service.replica.start)
        figures.add("after a restart", OURS, "MiB", service.memory() / MIB)
    finally:
        service.end()


async def waiting(figures: Figures, place: World, number: int) -> None:
    """Commands that come faster than they may be performed, after a restart: what is held, not what a burst needs."""
    service = Service(place, {"TARGETS__DEFAULT__RATE__READS_PER_SECOND": "0.1"})
    await service.begin()
    try:
        async with Publisher(place, service, *ROWS["get"]) as publisher:
            await publisher.perform(1)
            idle = service.memory()
            await publisher.send(number)
            while service.replica.metric(PENDING) < number:  # noqa: ASYNC110 - a process is watched from outside
                await asyncio.sleep(0.2)
        service.replica.stop()
        await asyncio.to_thread(service.replica.start)
        await asyncio.sleep(3.0)
        figures.add("a command that waits for the rate budget", OURS, "KiB", (service.memory() - idle) / number / KIB)
    finally:
        service.end()


async def _measure(figures: Figures, scale: Scale) -> None:
    async with world() as place:
        await burst(figures, place, scale.pick(8_000, 50))
        await waiting(figures, place, scale.pick(3_000, 50))


def run(scale: Scale) -> Figures:
    figures = Figures()
    asyncio.run(_measure(figures, scale))
    return figures
