"""Faults of the line between a replica and Kafka, each aimed at one kind of request."""

import asyncio

from tests.faults.lab import PARTITIONS, REQUEST_TIMEOUT, Lab
from tests.faults.processes import resumed
from tests.faults.proxy import Action, Api, Rule
from tests.faults.runner import Inject, Mark

_STRUCK = 20.0


def partition(lab: Lab) -> str:
    """A commands partition, by lot, as the client ids of its producers name it."""
    return f"-{lab.chance.choice(list(lab.commands.values()))}-{lab.chance.randrange(PARTITIONS)}"


def once(action: Action, api: Api, *, count: int = 1, seconds: float = 0.0) -> Inject:
    """One request of a partition's producer suffers."""

    async def inject(lab: Lab, mark: Mark) -> None:
        client = partition(lab)
        rule = lab.proxy.arm(action, api, client=client, count=count, seconds=seconds, skip=lab.chance.randrange(4))
        await _strikes(rule, client)
        mark.now()
        await resumed(lab, mark.since, seconds + 30)

    return inject


async def late_before_the_fence(lab: Lab, mark: Mark) -> None:
    """EndTxn arrives when its sender has given up, just before the successor's fence."""
    client = partition(lab)
    rule = lab.proxy.arm(Action.HOLD, Api.END_TXN, client=client)
    await _strikes(rule, client)
    mark.now()
    fence = lab.proxy.arm(Action.HOLD, Api.INIT_PRODUCER_ID, client=client)
    await asyncio.wait_for(fence.struck.wait(), REQUEST_TIMEOUT + 26)
    rule.released.set()
    await asyncio.wait_for(rule.passed.wait(), 5)
    fence.released.set()


async def late_behind_the_fence(lab: Lab, mark: Mark) -> None:
    """EndTxn arrives when the successor has a transaction of its own under way."""
    client = partition(lab)
    rule = lab.proxy.arm(Action.HOLD, Api.END_TXN, client=client)
    await _strikes(rule, client)
    mark.now()
    await resumed(lab, mark.since, REQUEST_TIMEOUT + 26)
    next_one = lab.proxy.arm(Action.HOLD, Api.END_TXN, client=client)
    await asyncio.wait_for(next_one.struck.wait(), _STRUCK)
    rule.released.set()
    await asyncio.wait_for(rule.passed.wait(), 5)
    next_one.released.set()


async def half_open(lab: Lab, mark: Mark) -> None:
    """All connections of one replica go silent without being closed; new ones are well."""
    victim = lab.victim()
    mark.now()
    lab.proxy.silence(f"{victim.name}-")


async def blackhole(lab: Lab, mark: Mark) -> None:
    """Nothing passes for eight seconds, between any replica and Kafka."""
    async with lab.proxy.blackholed():
        await asyncio.sleep(8)
    mark.now()


async def slow_line(lab: Lab, mark: Mark) -> None:
    """Each request and each answer takes 0.1 to 1 second."""
    lab.proxy.latency = (0.1, 0.9)
    await asyncio.sleep(12)
    lab.proxy.latency = (0.0, 0.0)
    mark.now()


def slow_commits(seconds: float, lasting: float) -> Inject:
    """Each transaction takes longer to commit than its calls may wait for."""

    async def inject(lab: Lab, mark: Mark) -> None:
        lab.proxy.arm(Action.DELAY, Api.END_TXN, count=None, seconds=seconds)
        await asyncio.sleep(lasting)
        lab.proxy.clear()
        mark.now()

    return inject


async def _strikes(rule: Rule, client: str) -> None:
    try:
        await asyncio.wait_for(rule.struck.wait(), _STRUCK)
    except TimeoutError:
        raise AssertionError(f"no {rule.api!r} of {client} in {_STRUCK:g} s: the fault was not injected") from None
