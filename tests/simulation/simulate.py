"""Runs one seed: safety at every step, liveness at the end, and then whether what was told is true."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Collection
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

from schemas import sizes
from schemas.operations import COMMANDS, Kind, Repeat
from schemas.records import Job, Phase
from service.core.job import marker
from service.core.rate_budget import Lane
from service.core.resolution import GIVEN_UP
from tests.simulation.day import HOME
from tests.simulation.families import ON, Family, drawn
from tests.simulation.monitor import Monitor, Violation
from tests.simulation.releases import patched
from tests.simulation.schedule import Schedule
from tests.support.cluster import Rig
from tests.support.loop import SimulatedLoop, Stuck
from tests.support.process import POLICY

FORGOTTEN = 1300.0
"""Seconds beyond the retention within which everything is forgotten, by clocks that differ by up to 1200."""
LISTS = 400
"""Most Lists for a created command, on average."""


LOST_LISTS = 0.1
"""How many of the pages that one process shares do not reach another one."""


@dataclass
class Outcome:
    """What became of a seed."""

    seed: int
    violation: str = ""
    counters: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    seconds: float = 0.0
    healed_in: float = 0.0
    story: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The same for the same run: of every line of the story, and of how many steps were taken."""
        text = "\n".join([*self.story, f"{self.steps} {self.seconds!r} {self.violation}"])
        return hashlib.sha256(text.encode()).hexdigest()

    def told(self) -> str:
        """The whole schedule, to be read when a seed fails."""
        return "\n".join([f"seed {self.seed}", *self.story, self.violation or "every promise was kept"])


def simulate(seed: int, families: Collection[Family] | None = None) -> Outcome:
    """One schedule, from its beginning to its end; with exactly these families, or with some of those that are on."""
    chosen = drawn(seed, ON) if families is None else frozenset(families)
    random = Random(f"{seed}/order")
    loop = SimulatedLoop(random, disorder=random.choice((0.0, 0.1, 0.5)))  # type: ignore[abstract] # no sockets
    outcome = Outcome(seed)
    try:
        loop.run_until_complete(_live(seed, chosen, loop, outcome))
    except (AssertionError, Stuck) as error:
        outcome.violation = str(error) or repr(error)
    except Exception as error:  # a process that broke; the story tells when
        outcome.violation = repr(error)
    finally:
        outcome.steps, outcome.seconds = loop.steps, loop.time()
        loop.close()
    return outcome


async def _live(seed: int, families: frozenset[Family], loop: SimulatedLoop, outcome: Outcome) -> None:
    with ExitStack() as stack:
        await _lived(seed, families, loop, outcome, stack)


async def _lived(
    seed: int, families: frozenset[Family], loop: SimulatedLoop, outcome: Outcome, stack: ExitStack
) -> None:
    async with Rig(**options(seed, families)) as rig:
        monitor = Monitor(rig, POLICY, loop.time, loop.fail, ON | families)
        rig.broker.witness = monitor
        lost = Random(f"{seed}/lists")
        rig.broker.loses = lambda: lost.random() < LOST_LISTS
        rig.broker.record_bytes = sizes.largest_record(rig.options.max_bytes)
        rig.api.sent, rig.api.carried_out = monitor.sent, monitor.carried_out
        outcome.counters, outcome.story = monitor.counters, monitor.story
        schedule = Schedule(rig, loop, monitor, seed, families)
        older = patched(schedule.day.running) if Family.RELEASES in families else nullcontext()
        try:
            stack.enter_context(older)
            await schedule.pass_over()
            outcome.healed_in = schedule.healed_in
            judge(rig, monitor)
            if seed % 4 == 0 or Family.LATER in families:
                await schedule.set_clocks_right()
                await _forgetting(rig, monitor)
            if Family.LATER in families:
                await schedule.go_on()
        finally:
            rig.broker.witness = None
            rig.api.sent = rig.api.carried_out = lambda _: None
            schedule.wake_the_dead()
            monitor.counters["halted"] += sum(node.story.told("shard_halted") for node in rig.nodes)


def options(seed: int, families: frozenset[Family]) -> dict[str, Any]:
    """What the first processes are told."""
    changes: dict[str, Any] = {"stop_deadline": 2.0, "partitions": 2, "standby": seed % 2 == 0, "lag": POLICY.settle}
    changes["share"] = seed % 4 == 0
    if seed % 3 == 0:
        changes["pool"] = 1 + seed % 2
    if Family.TARGETS in families or Family.SERVICE in families:
        changes["targets"] = ("default", "other")
    if Family.TARGETS in families:
        changes["targets"] = ("default", "other", "renamed")
        other = ("111122223334", "eu-west-1")
        changes["accounts"] = {"default": HOME, "other": other, "renamed": other}
    if Family.TENANTS in families:
        changes["tenants"] = ("blue",)
    if Family.FULL in families:
        changes["open_jobs_limit"] = 3
    if Family.SIZES in families:
        changes["max_bytes"] = 200_000
    return changes


async def _forgetting(rig: Rig, monitor: Monitor) -> None:
    """After the retention the next record of a partition makes it forget every command that had ended.

    One that was accepted by a clock that was days ahead is kept for so much longer, or until the next owner.
    """
    latest = rig.clock.wall() + FORGOTTEN
    ended = {command_id for command_id, job in monitor.jobs().items() if job.accepted_at < latest}
    await asyncio.sleep(POLICY.retention + FORGOTTEN)
    for number in range(rig.options.partitions):
        for tenant in ("", *rig.options.tenants):
            rig.send("GetAudienceModel", command_id=f"late-{number}{tenant}", partition=number, tenant=tenant)
    await rig.until(lambda: not ended & monitor.jobs().keys(), step=1.0)
    monitor.counters["forgotten"] += 1


def judge(rig: Rig, monitor: Monitor) -> None:
    """What must hold when everything has ended."""
    jobs = monitor.jobs()
    monitor.promises.judge()
    lists, creations = monitor.promises.searches()
    if lists > LISTS * (creations + 5):
        raise Violation(f"{lists} Lists for {creations} creations")
    for command_id, operation in rig.sent.items():
        asked = monitor.promises.commands[command_id]
        told, job = monitor.replies[command_id], jobs.get(command_id, asked.job if asked.forgotten else None)
        if job is None:
            raise Violation(f"{command_id} is not remembered")
        if (job.phase.value, job.told) != (told[-1].kind, len(told)):
            raise Violation(f"{command_id} is {job.phase.value}, and {told[-1].kind} was told")
        if operation in COMMANDS:
            _judge_truth(rig, monitor, job)
    last = {known: (event.sequence, event.status) for known, event in monitor.last.items()}
    if monitor.resources() != last:
        raise Violation("the counters of resources differ from the events that were published")
    for node in rig.nodes:
        turns = sum(limiter.turns(Lane.CREATE) for limiter in node.limiters.values())
        shards = node.assignment.shards.values()
        calls = sum(shard._activities.calling + shard._busy * shard._activities._turns.taken for shard in shards)
        if not node.task.done() and turns > calls:
            raise Violation(f"{node.name} has turns to call that it gives back to none")
    broken = [what for node in rig.nodes for what, _ in node.story.problems if what.endswith("_error")]
    if broken:
        raise Violation(f"{broken}")


def _judge_truth(rig: Rig, monitor: Monitor, job: Job) -> None:
    """A reply says what is so at AWS."""
    made = monitor.created[marker(job.command)]
    if job.phase is Phase.REJECTED:  # of an operation that the process did not know, the name is not kept
        if made:
            raise Violation(f"{job.command.id} was rejected, and {made} were made")
        return
    row = COMMANDS[job.command.operation]
    code = job.fault.code if job.fault else ""
    if job.phase is Phase.PARKED:
        monitor.counters[f"parked: {code}"] += 1
    elif code == GIVEN_UP and job.command.id in monitor.given_up:
        return  # a person has said so, for the sake of what waits: adopted before, and never seen again
    elif row.creates:
        happened = job.phase is Phase.SUCCEEDED or code in ("CREATE_FAILED", "ResourceVanished")
        if happened != (made == 1):
            raise Violation(f"{job.command.id} ended as {job.phase.value} {code}, and {made} were made")
    elif row.repeat is Repeat.GONE_IS_DONE and row.kind is Kind.REMOVAL and job.phase is Phase.SUCCEEDED:
        item = monitor.promises.world(job).items.get(job.resource_id)
        if item is not None and item.exists(rig.clock.monotonic()):
            raise Violation(f"{job.command.id} has deleted {item.key}, which is there")
