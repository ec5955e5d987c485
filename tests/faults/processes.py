"""Faults of replicas: killed, frozen, stopped, joined, doubled; and what happens at the worst moment of a call."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.ground import Ground
from tests.faults.lab import PARTITIONS, SESSION, TENANTS, Lab
from tests.faults.proxy import Action, Api
from tests.faults.runner import Inject, Mark
from tests.faults.workers import Worker, haste, until

_TAKEN = SESSION + 24
"""Seconds until another replica must have taken over for a run to go on; how long it took is judged by the bound."""
_CALLS = 20.0
"""Seconds within which the load passes any point."""


async def sigkill(lab: Lab, mark: Mark) -> None:
    """A replica is killed at any moment; the other one takes over when the session ends."""
    victim = lab.victim()
    mark.now()
    victim.kill()


async def sigkill_in_transaction(lab: Lab, mark: Mark) -> None:
    """Killed when its offsets are in the transaction and the commit is on its way, where it is lost."""
    victim = lab.victim()
    rule = lab.proxy.arm(Action.DROP_REQUEST, Api.END_TXN, client=f"{victim.name}-", skip=lab.chance.randrange(6))
    await asyncio.wait_for(rule.struck.wait(), _CALLS)
    mark.now()
    victim.kill()


async def sigstop_in_transaction(lab: Lab, mark: Mark) -> None:
    """Frozen with a commit on its way, for longer than the session; the late commit arrives when another has it."""
    victim = lab.victim()
    rule = lab.proxy.arm(Action.HOLD, Api.END_TXN, client=f"{victim.name}-")
    await asyncio.wait_for(rule.struck.wait(), _CALLS)
    mark.now()
    victim.send(signal.SIGSTOP)
    await resumed(lab, mark.since, _TAKEN)
    rule.released.set()
    await asyncio.wait_for(rule.passed.wait(), 5)
    victim.send(signal.SIGCONT)
    await lab.balanced()


Publish = Callable[[Lab, Ground, int], object]
"""Publishes to a partition what passes a point."""


def a_model(lab: Lab, ground: Ground, partition: int) -> None:
    """A creation."""
    name = f"point-{lab.chance.randrange(10**9)}"
    data = ground.create_model(name)
    lab.load.publish(ground, "CreateAudienceModel", data, source=f"{lab.name}-p", name=name, partition=partition)


def at_point(point: str, pattern: str, number: signal.Signals, publish: Publish = a_model) -> Inject:
    """A replica is stricken where its request, or the answer, is only in its memory."""

    async def inject(lab: Lab, mark: Mark) -> None:
        victim = lab.workers[1]  # the one with points
        lab.point.write_text(f"{point} {pattern} {number.name}")
        looks = 0

        async def stricken() -> bool:
            nonlocal looks
            looks += 1
            if looks % 20 == 1:  # so that it passes, wherever its partitions are
                for ground in lab.load.grounds:
                    for partition in range(PARTITIONS):
                        publish(lab, ground, partition)
            return not victim.alive or _is_stopped(victim)

        await until(stricken, _CALLS, f"nobody passes {point}")
        mark.now()
        if number is signal.SIGSTOP:
            await resumed(lab, mark.since, _TAKEN)
            victim.send(signal.SIGCONT)
            await lab.balanced()

    return inject


def _is_stopped(worker: Worker) -> bool:
    return Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


async def loop_stall(lab: Lab, mark: Mark) -> None:
    """The event loop stands still for longer than the session; the replica is a zombie without knowing it."""
    mark.now()
    lab.workers[1].send(signal.SIGUSR1)
    await resumed(lab, mark.since, _TAKEN)
    await asyncio.sleep(max(0.0, mark.since + 9 - time.monotonic()))
    await lab.balanced()


async def rolling(lab: Lab, mark: Mark) -> None:
    """Each replica is stopped in order and started again."""
    exits, takeovers = [], []
    for worker in list(lab.workers):
        began = time.monotonic()
        worker.send(signal.SIGTERM)
        if code := await worker.ended(15):
            mark.broken("I6", worker.name, f"exit code {code} after SIGTERM")
        exits.append(time.monotonic() - began)
        takeovers.append(await resumed(lab, began, 10))
        worker.start()
        await lab.balanced()
    mark.figures |= {"exit": max(exits), "takeover": max(takeovers)}
    mark.now()


async def join(lab: Lab, mark: Mark) -> None:
    """A third replica joins; all partitions stop for a moment."""
    third = lab.worker("w3")
    lab.workers.append(third)
    began = time.monotonic()
    third.start()
    await third.ready()
    await lab.balanced()
    await asyncio.sleep(0.7)
    mark.figures["gap"] = lab.load.waits(began)[-1]
    mark.now()
    third.send(signal.SIGTERM)
    await third.ended(15)
    lab.workers.remove(third)


def flapping(times: int) -> Inject:
    """A replica dies and comes back again and again, at any moment of its start and its life."""

    async def inject(lab: Lab, mark: Mark) -> None:
        victim = lab.workers[0]
        for _ in range(times):
            victim.kill()
            victim.start()
            await asyncio.sleep(0.5 + 3 * lab.chance.random())
        mark.now()

    return inject


async def static_restart(lab: Lab, mark: Mark) -> None:
    """Static members: a replica that is killed and comes back within its session keeps its partitions."""
    static = [lab.worker(f"s{n}", CRML_KAFKA__INSTANCE_ID=f"pod-{n}") for n in (1, 2)]
    await _replaced(lab, static)
    before = [await worker.shards() for worker in static]
    victim = static[0]
    began = time.monotonic()
    victim.kill()
    victim.start()
    await until(lambda: any(line["event"] == "starting" for line in victim.lines()), 20, "not starting")
    serving = time.monotonic()
    mark.now()
    mark.figures["start to serving"] = serving - began
    mark.figures["start to work"] = await resumed(lab, began, 15)
    mark.figures["serving to work"] = mark.figures["start to work"] - (serving - began)
    await lab.balanced()
    if [await worker.shards() for worker in static] != before:
        mark.broken("I6", victim.name, "partitions moved although the member is static")


async def same_instance_twice(lab: Lab, mark: Mark) -> None:
    """A second process claims a static identity: it serves, the first one says that it does not, until it is alone."""
    elder, newcomer = (lab.worker(name, CRML_KAFKA__INSTANCE_ID="pod-1") for name in ("t1", "t2"))
    await _replaced(lab, [elder])
    newcomer.start()
    lab.workers.append(newcomer)
    began = time.monotonic()
    await until(lambda: _superseded(elder), 20, "the elder is ready, or does not say why not")
    mark.figures["elder not ready"] = time.monotonic() - began
    await newcomer.ready()
    await _stays_so(elder, newcomer, 2 * SESSION, mark)
    mark.figures["newcomer serves"] = await resumed(lab, began, 5)
    newcomer.kill()
    lab.workers.remove(newcomer)
    mark.now()


async def _superseded(worker: Worker) -> bool:
    status = await worker.status()
    return bool(status and not status["ready"] and not status["shards"] and "'pod-1'" in status.get("superseded", ""))


async def _stays_so(elder: Worker, newcomer: Worker, seconds: float, mark: Mark) -> None:
    """Nobody takes anything from anybody, for longer than the elder waits between its attempts."""
    rebalances, end = await _rebalances(newcomer), time.monotonic() + seconds
    while time.monotonic() < end:
        # A busy machine may leave a probe without an answer, which says nothing.
        old, new = await elder.status(), await newcomer.status()
        if (old and (old["ready"] or old["shards"])) or (new and not (new["ready"] and new["shards"])):
            mark.broken("I5", "pod-1", f"not one ready replica of this instance id: {new}, {old}")
            return
        await asyncio.sleep(0.2)
    if (now := await _rebalances(newcomer)) != rebalances:
        mark.broken("I5", "pod-1", f"the elder disturbed the newcomer: {rebalances} rebalances, then {now}")


async def _rebalances(worker: Worker) -> float:
    return (await worker.metrics())["crml_rebalances_total"]


async def all_stop(lab: Lab) -> None:
    """Stops all replicas in order."""
    for worker in lab.workers:
        worker.send(signal.SIGTERM)
    for worker in lab.workers:
        await worker.ended(20 * haste())


async def _replaced(lab: Lab, workers: list[Worker]) -> None:
    """Other replicas take the place of those that run; they may not share the group with dynamic members' ghosts."""
    await all_stop(lab)
    lab.workers[:] = workers
    await lab.start()


async def log_unwritable(lab: Lab, mark: Mark) -> None:
    """A replica's log goes to a full disk, another's to a pipe that nobody reads: neither stops the work."""
    full, deaf = lab.workers
    pipe = lab.directory / f"pipe{lab.chance.randrange(10**9)}"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for worker, output in ((full, Path("/dev/full")), (deaf, pipe)):
        worker.send(signal.SIGTERM)
        await worker.ended(15)
        worker.start(output=output)
    os.close(reader)
    mark.now()
    await lab.balanced()
    mark.now()


async def resumed(lab: Lab, since: float, seconds: float) -> float:
    """Waits until every partition has answered a command that was sent after a moment; how long after it."""
    await until(
        lambda: len(lab.load.resumption(since)) == PARTITIONS * len(TENANTS), seconds, "some partitions do not answer"
    )
    return max(lab.load.resumption(since).values())
