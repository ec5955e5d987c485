"""The share of a core that a process takes: idle, and while it follows jobs that began evenly over 30 s.

All are measured in the same minute: two service processes and the peers, a task and a thread for each job, which ask
for it by Get every 30 s and do nothing else.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from benchmarks.commands import ROWS
from benchmarks.figures import Figures, Scale
from benchmarks.stub_api import ARN
from benchmarks.world import Peer, Performer, Publisher, Service, World, stub, world

EVERY: Final = 30.0
FOLLOWING: Final = ("task for each job", "thread for each job")


def interval(seconds: float) -> dict[str, str]:
    """Settings of a service that polls models at one."""
    pace = "POLLING__KINDS__AUDIENCE_MODEL"
    return {f"{pace}__FIRST": str(seconds), f"{pace}__LATER": str(seconds), "LOG__LEVEL": "info"}


async def begin_jobs(service: Service, place: World, number: int, seconds: float) -> None:
    """Creates as many evenly over a time, and waits until all are followed."""
    async with Publisher(place, service, *ROWS["create"]) as publisher:
        began = asyncio.get_running_loop().time()
        for count in range(number):
            await publisher.send_one()
            await asyncio.sleep(began + count * seconds / number - asyncio.get_running_loop().time())
        while publisher.ended < number:
            await publisher.read()


async def measure(figures: Figures, scale: Scale) -> None:
    number, seconds, rounds = scale.pick((1_000, 30.0, 2), (20, 2.0, 1))
    async with world() as place, stub(jobs=number) as followed, AsyncExitStack() as stack:
        busy, idle = Service(place, interval(EVERY)), Service(place, interval(EVERY))
        settings = {"jobs": number, "every": EVERY, "arn": f"{ARN}:audience-model/{{:08x}}-0000-4000-8000-000000000000"}
        peers = [Peer(name, World("", followed), **settings) for name in FOLLOWING]
        performers: list[Performer] = [busy, idle, *peers]
        for performer in performers:
            await performer.begin()
            stack.callback(performer.end)
        await begin_jobs(busy, place, number, scale.pick(EVERY, 1.0))
        await asyncio.sleep(scale.pick(EVERY, 1.0))
        whats = (f"{number:,} jobs followed", "idle", *[f"{number:,} jobs followed"] * len(peers))
        for _ in range(rounds):
            before = [performer.cpu() for performer in performers]
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(seconds)
            took = asyncio.get_running_loop().time() - began
            for performer, what, cpu in zip(performers, whats, before, strict=True):
                figures.add(f"{what}: share of a core", performer.name, "%", 100 * (performer.cpu() - cpu) / took)
        for performer, what in zip(performers, whats, strict=True):
            figures.add(f"{what}: memory of the process", performer.name, "MiB", performer.memory() / 2**20)


def run(scale: Scale) -> Figures:
    figures = Figures()
    asyncio.run(measure(figures, scale))
    return figures
