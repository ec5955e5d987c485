"""What befalls processes, the machines that they run on, the group and the broker."""

import asyncio
from dataclasses import replace

from service.runtime.ports import TopicPartition
from tests.simulation.day import AWAY, CREATES, MOVING, RENAMED, Day, action
from tests.simulation.families import Family
from tests.support.messages import CHANGES, COMMANDS
from tests.support.process import Node

SESSION = 6.0
"""Seconds without a heartbeat after which the group gives a member's partitions to others."""
STEPS = (31.0, 600.0, 3700.0, 86_400.0, 5 * 86_400.0)
"""By how much a wall clock is set forward or back."""


@action(3)
async def crash(day: Day) -> None:
    """Ends at once; the group hears of it."""
    if node := day.pick():
        await node.crash()
        day.start()


@action(3)
async def kill(day: Day) -> None:
    """Ends at once, amid whatever it did; the group finds out when the session ends."""
    if node := day.pick():
        day.loop.freeze(node.name)
        day.dead.append(node)
        day.away[node.name] += 1
        day.later(SESSION, evict, day, node)
        day.start()


@action(2)
async def restart(day: Day) -> None:
    if node := day.pick():
        await node.stop()
        day.start()


async def roll_out(day: Day) -> None:
    """What was changed for new processes reaches one of them, or all."""
    for node in day.alive() if day.random.random() < 0.5 else [day.pick()]:
        if node is not None and not node.task.done():
            await node.stop()
            day.start()


@action(1)
async def join(day: Day) -> None:
    if len(day.alive()) < 3:
        day.start()


@action(3)
async def halt(day: Day) -> None:
    """The process stands still; beyond its session it loses what it had, and finds out when it goes on."""
    if node := day.pick():
        away = day.random.choice((1.0, 5.0, 20.0)) * day.random.random()
        _stop(day, node, away)
        day.later(away, _go_on, day, node)
        if day.random.random() < 0.5:
            await asyncio.sleep(away)


@action(6, Family.SUSPENDS)
async def suspend(day: Day) -> None:
    """The machine sleeps: what was to be done in a second is done a second after it wakes; its clocks have gone on."""
    if node := day.pick():
        away = day.random.choice((1.0, 10.0, 100.0)) * day.random.random()
        _stop(day, node, away)
        day.later(away, _wake, day, node, away)
        if day.random.random() < 0.5:
            await asyncio.sleep(away)


def _stop(day: Day, node: Node, away: float) -> None:
    day.loop.freeze(node.name)
    day.away[node.name] += 1
    if away > SESSION:
        day.later(SESSION, evict, day, node)
        day.monitor.counters["zombies that stood still"] += 1


def _wake(day: Day, node: Node, slept: float) -> None:
    day.loop.put_off(node.name, slept)
    _go_on(day, node)


def _go_on(day: Day, node: Node) -> None:
    day.monitor.note(f"{node.name} goes on")
    day.loop.thaw(node.name)
    day.later(day.random.uniform(0.0, 3.0), back, day, node)


@action(3)
async def cut_off(day: Day) -> None:
    """The process is cut off from the group alone: others get its partitions, and it goes on as it did."""
    if len(day.alive()) > 1 and (node := day.pick()):
        day.away[node.name] += 1
        evict(day, node)
        day.later(day.random.uniform(0.0, 20.0), back, day, node)


def evict(day: Day, node: Node) -> None:
    if not node.task.done():
        day.monitor.note(f"{node.name} is put out of the group", "evictions")
        day.rig.broker.evict(node.name)


def back(day: Day, node: Node) -> None:
    if not node.task.done():
        day.rig.broker.readmit(node.name)
    day.away[node.name] -= 1


# Clocks


@action(8, Family.CLOCKS)
async def set_clock(day: Day) -> None:
    """A process's clock is set, and maybe set right again."""
    if node := day.pick():
        step = day.random.choice(STEPS) * day.random.choice((1, -1))
        _step(day, node, step)
        if day.random.random() < 0.5:
            day.later(day.random.uniform(0.0, 90.0), set_right, day, node)


def _step(day: Day, node: Node, step: float) -> None:
    node.clock.skew += step
    day.monitor.promises.clocks_right = False
    day.monitor.note(f"the clock of {node.name} steps by {step:+.0f} s")


def set_right(day: Day, node: Node) -> None:
    if node.clock.skew:
        node.clock.skew = 0.0
        day.monitor.note(f"the clock of {node.name} is set right")


# Settings


@action(8, Family.TARGETS)
async def change_targets(day: Day) -> None:
    """The next process knows fewer targets, one under another name, or all of them; one process is replaced by it."""
    known = ("default", *day.random.choice(((), (MOVING,), (RENAMED,), (MOVING, RENAMED))))
    day.rig.options = replace(day.rig.options, targets=known)
    await roll_out(day)


@action(8, Family.TARGETS)
async def move_target(day: Day) -> None:
    """Under the name of a target the next process calls another account, or the first one again."""
    day.moved = True
    accounts = day.rig.options.accounts
    now = AWAY if accounts[MOVING] != AWAY else day.rig.whole.accounts[MOVING]
    known = tuple(dict.fromkeys((*day.rig.options.targets, MOVING)))
    day.rig.options = replace(day.rig.options, targets=known, accounts={**accounts, MOVING: now})
    await roll_out(day)


@action(6, Family.TENANTS)
async def change_tenants(day: Day) -> None:
    """The same with a tenant."""
    day.rig.options = replace(day.rig.options, tenants=() if day.rig.options.tenants else ("blue",))
    await restart(day)


# The group and the broker


@action(2)
async def rebalance(day: Day) -> None:
    day.rig.broker.group.rebalance()


@action(2)
async def fence(day: Day) -> None:
    topic = day.random.choice((COMMANDS, CHANGES))
    day.rig.broker.fence(TopicPartition(topic, day.random.randrange(day.rig.options.partitions)))


@action(2)
async def freeze(day: Day) -> None:
    """The broker answers nobody; what was asked meanwhile is done afterwards."""
    day.rig.broker.freeze()
    await asyncio.sleep(day.random.uniform(0.0, 10.0))
    day.rig.broker.thaw()


@action(4, Family.SLOW_COMMITS)
async def slow_down(day: Day) -> None:
    """Commits take longer than a call may wait after one."""
    broker, usual = day.rig.broker, day.rig.broker.latency
    broker.latency = day.random.uniform(1.5, 6.0)
    day.repairs.append(lambda: setattr(broker, "latency", min(usual, 0.3)))
    if day.random.random() < 0.5:
        day.later(day.random.uniform(5.0, 60.0), setattr, broker, "latency", min(usual, 0.3))


@action(4, Family.SLOW_COMMITS)
async def slow_down_for_good(day: Day) -> None:
    """The same until the world heals: no call leaves, and each command says why."""
    broker, usual = day.rig.broker, day.rig.broker.latency
    if not day.slow:
        day.slow = True
        day.repairs.append(lambda: setattr(broker, "latency", min(usual, 0.3)))


@action(6, Family.SLOW_COMMITS)
async def rebalance_amid_commits(day: Day) -> None:
    """A call that waits for its connection has its intent renewed, in a commit that takes longer than a rebalance."""
    broker, api = day.rig.broker, day.rig.api
    latency, connect = broker.latency, api.connect
    broker.latency = day.random.uniform(1.2, 1.9)
    for _ in range(3):
        api.connect = 1.5
        day.send(day.random.choice(CREATES))
        await asyncio.sleep(broker.latency + api.connect + day.random.uniform(0.0, broker.latency))
        broker.group.rebalance()
        api.connect = 0.0
        await asyncio.sleep(day.random.uniform(0.0, 3.0))
    broker.latency, api.connect = latency, connect
