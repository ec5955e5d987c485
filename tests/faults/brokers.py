"""Faults of the broker itself; they strike all laboratories of a station at the same moment."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.faults.lab import Lab
from tests.faults.runner import Inject, Mark


def killed(away: float) -> Inject:
    """SIGKILL, and back after a while on the same port with the same data."""

    async def inject(lab: Lab, mark: Mark) -> None:
        broker = lab.station.broker

        async def act() -> None:
            broker.kill()
            await asyncio.sleep(away)
            await broker.start()

        await _through(lab, mark, act)

    return inject


async def stopped(lab: Lab, mark: Mark) -> None:
    """SIGTERM, and back."""
    broker = lab.station.broker

    async def act() -> None:
        await broker.stop()
        await broker.start()

    await _through(lab, mark, act)


def frozen(seconds: float) -> Inject:
    """SIGSTOP: connections stay open and silent."""

    async def inject(lab: Lab, mark: Mark) -> None:
        broker = lab.station.broker

        async def act() -> None:
            broker.freeze()
            try:
                await asyncio.sleep(seconds)
            finally:
                broker.thaw()

        await _through(lab, mark, act)

    return inject


async def _through(lab: Lab, mark: Mark, act: Callable[[], Awaitable[None]]) -> None:
    """The outage, then the first commit of all, which may be of any partition."""
    lives = [worker.pid for worker in lab.workers]
    await lab.station.together(act)
    mark.now()
    told = lab.subscriber.told[lab.topic("replies")]
    before = len(told)
    while len(told) == before and time.monotonic() < mark.since + 30:  # noqa: ASYNC110 - a list has no event
        await asyncio.sleep(0.01)
    mark.figures["first commit"] = time.monotonic() - mark.since
    if [worker.pid for worker in lab.workers if worker.alive] != lives:
        mark.broken("I6", "replicas", "a replica ended because of the broker")
