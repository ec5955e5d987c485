"""One bad day: what is drawn, and a time to heal."""

import asyncio
from dataclasses import replace
from random import Random

from schemas.records import Phase
from service.core.timing import LONGEST_QUOTA_WAIT
from service.runtime.ports import TopicPartition, Unfit
from tests.simulation import aws, losses, processes, publishers, releases
from tests.simulation.day import ACTIONS, AWAY, AWAY_WORLD, MOVING, RENAMED, Day
from tests.simulation.families import Family
from tests.simulation.faults import Faults
from tests.simulation.monitor import Monitor
from tests.support.account import World
from tests.support.cluster import Rig
from tests.support.loop import OWNER, SimulatedLoop
from tests.support.messages import Heard
from tests.support.process import POLICY, Node

_LAST_WAIT = LONGEST_QUOTA_WAIT * POLICY.quota_retry
"""The longest wait for a full quota, which may have begun just before everything was well."""
BOUND = _LAST_WAIT + 400.0
"""Liveness: seconds after the last fault within which every command has ended and everybody serves."""
TURN = 200.0
"""Seconds for which one of two accounts has its turn."""
OPEN = 400.0
"""Seconds after which a command that is open must have said why, whatever is wrong."""
STATED = POLICY.search_limit + POLICY.accepted_limit + POLICY.write_retry_limit + POLICY.read_retry_limit + _LAST_WAIT
"""The same for one command where an operation is denied for good: each limit of the policy once, and a last wait."""
SKEWS = {Family.CLOCKS: (0.0, 0.0, 3700.0, -3700.0, 3 * 86_400.0, -3 * 86_400.0)}

__all__ = ["ACTIONS", "BOUND", "Schedule", "aws", "losses", "processes", "publishers", "releases"]


def _waits(replies: list[Heard]) -> bool:
    return any(reply.kind == "waiting" for reply in replies)


class Schedule:
    """Draws and performs; whatever it draws depends on the seed alone."""

    def __init__(self, rig: Rig, loop: SimulatedLoop, monitor: Monitor, seed: int, families: frozenset[Family]) -> None:
        self.healed_in = 0.0
        self._rollouts: list[asyncio.Task[None]] = []
        random = Random(f"{seed}/schedule")
        faults = Faults(rig, seed, monitor.counters, monitor.note, families, lambda what: monitor.demand(False, what))
        self.day = day = Day(rig, loop, monitor, faults, random, families)
        self._steps = random.choice((6, 12, 20))
        self._pace = random.choice((0.1, 1.0, 5.0))
        skews = random.choice(((0.0,), (0.0,), (0.0, 600.0, -600.0)))
        day.skews = SKEWS[Family.CLOCKS] if day.has(Family.CLOCKS) else skews
        chosen = [action for action in ACTIONS.values() if action.family is None or action.family in families]
        self._names, self._weights = [each.name for each in chosen], [each.weight for each in chosen]

    async def pass_over(self) -> None:
        """Everything, until every command has ended."""
        day = self.day
        day.monitor.note(f"-- families: {' '.join(sorted(day.families))}")
        if day.has(Family.TARGETS):
            worlds = day.rig.api.worlds
            worlds[RENAMED], worlds[AWAY_WORLD] = worlds[MOVING], World(account=AWAY[0])
            day.rig.api.place = self._placed
        for target in day.rig.options.targets:
            self._prepare(target)
        if day.has(Family.REPLY_TOPICS):
            day.rig.broker.refusing["other.replies"] = Unfit
        for _ in range(day.random.choice((1, 2, 2, 3))):
            day.start()
        for _ in range(self._steps):
            what = day.random.choices(self._names, self._weights)[0]
            day.monitor.note(f"-- {what}", what)
            await ACTIONS[what].deed(day)
            await asyncio.sleep(self._pace * day.random.random() ** 2)
        await self._heal()

    async def go_on(self) -> None:
        """After everything was forgotten: the numbers of events go on where they were."""
        day = self.day
        for operation in ("PutConfiguredAudienceModelPolicy", "TagResource", "DeleteConfiguredAudienceModelPolicy"):
            day.send(operation, key="later")
        day.monitor.counters["later"] += 1
        await self._come_to_rest()
        await day.rig.until(lambda: all(day.rig.numbered_all(each) for each in self.changes), BOUND, step=0.5)

    def wake_the_dead(self) -> None:
        """At the very end, so that their tasks can be ended too."""
        for node in self.day.dead:
            self.day.loop.thaw(node.name)

    def _prepare(self, target: str) -> None:
        """What was there before: one resource of each kind, and some to delete."""
        day, api = self.day, self.day.rig.api
        dataset = api.by_hand("CreateTrainingDataset", target, name="old")
        model = api.by_hand("CreateAudienceModel", target, name="old", trainingDatasetArn=dataset)
        configured = api.by_hand("CreateConfiguredAudienceModel", target, name="old", audienceModelArn=model)
        job = api.by_hand("StartAudienceGenerationJob", target, name="old", configuredAudienceModelArn=configured)
        day.names[target] = {
            "trainingDatasetArn": dataset,
            "audienceModelArn": model,
            "configuredAudienceModelArn": configured,
            "audienceGenerationJobArn": job,
            "resourceArn": model,
        }
        if target != "default":
            return
        for number in range(3):
            day.spare.append(("DeleteTrainingDataset", api.by_hand("CreateTrainingDataset", name=f"spare-{number}")))
        for number in range(2):
            spare = api.by_hand("CreateAudienceModel", name=f"spare-{number}", trainingDatasetArn=dataset)
            day.spare.append(("DeleteAudienceModel", spare))

    def _placed(self, target: str) -> str:
        return AWAY_WORLD if target == MOVING and OWNER.get() in self.day.elsewhere else target

    async def _endure(self) -> None:
        """Commits are slow and stay so: a new command says that it waits, and what needs no call ends all the same."""
        day = self.day
        day.rig.broker.latency = day.random.uniform(2.5, 6.0)
        replies, ended = day.monitor.replies, day.monitor.ended
        calling = day.send("CreateTrainingDataset", key="slow")
        resting = day.send("ListTrainingDatasets", key="resting", notbefore="9999-12-31T23:59:59Z")
        asked = day.monitor.promises.commands

        def settled() -> bool:
            return calling in ended or _waits(replies[calling]) or searched()

        def searched() -> bool:
            """A call that has left after all, or that a former owner may have made, is searched for instead."""
            job = asked[calling].job
            return bool(asked[calling].entries) or (job is not None and job.phase is Phase.UNCERTAIN)

        await day.rig.until(lambda: replies[resting] and settled(), BOUND)
        members = {"commandId": resting, "commandSource": "/tests"}
        cancellation = day.publish("CancelCommand", members, key="resting")
        await day.rig.until(lambda: {resting, cancellation} <= ended, BOUND, step=0.5)
        day.monitor.counters["slow to the end"] += calling not in ended

    async def _stay(self) -> None:
        """What is wrong stays wrong for long: each command that is open says why."""
        await asyncio.sleep(OPEN + 100.0)
        self.day.monitor.promises.explained(self.day.loop.time(), OPEN, watches=not self.day.running)
        self.day.monitor.counters["faults for long"] += 1

    async def _alternate(self) -> None:
        """Some commands are of the one account, some of the other: settings are rolled out for both, in turns."""
        day, home = self.day, self.day.rig.whole.accounts
        while self._open():
            for accounts in ({**home, MOVING: AWAY}, home):
                await asyncio.sleep(TURN)
                day.rig.options = replace(day.rig.options, accounts=accounts)
                for node in day.alive():
                    await self._replace(node)

    def _open(self) -> bool:
        """Whether a command has not ended that can end without a person."""
        monitor = self.day.monitor
        return not monitor.ended | monitor.promises.undecided() >= self.day.rig.sent.keys()

    async def _come_to_rest(self) -> None:
        """Until every command has ended: all of them soon or, where something stays wrong, each in its time."""
        day, began = self.day, self.day.loop.time()
        if not self._lasting:
            await day.rig.until(lambda: not self._open(), BOUND, step=0.5)
            return
        turns = day.loop.create_task(self._alternate(), name="turns") if day.moved else None
        limit = 2 * (STATED + TURN) if day.moved else STATED

        def overdue() -> list[str]:
            return day.monitor.promises.overdue(began, day.loop.time(), limit)

        await day.rig.until(lambda: not self._open() or overdue(), limit * (1 + len(day.rig.sent)), step=2.0)
        day.monitor.demand(not overdue(), ", ".join(overdue()))
        if turns is not None:
            await turns

    @property
    def _lasting(self) -> bool:
        """Whether something stays wrong although the world has healed."""
        return bool(self.day.moved or self.day.faults.denied_for_good)

    async def _heal(self) -> None:
        """Liveness: no fault begins any more, and within the bound everything has come to rest."""
        day = self.day
        rig, monitor = day.rig, day.monitor
        if not self.day.families & {Family.OFFSETS, Family.TENANTS}:  # partitions without an owner say nothing
            if day.slow and not day.has(Family.RELEASES):
                await self._endure()
            if day.slow or day.random.random() < 0.1:
                await self._stay()
        began = day.loop.time()
        day.faults.heal()
        rig.api.quotas = {}
        monitor.note("-- healed")
        if day.restart:
            await asyncio.gather(*(self._stop(node) for node in rig.nodes if node not in day.dead))
        self._repair()
        if day.restart:
            day.start()
        await asyncio.gather(*self._rollouts)
        publishers.cancel_endless(day)
        await self._come_to_rest()
        if not self._lasting:  # otherwise it has not healed
            self.healed_in = day.loop.time() - began
        await self._decide()
        await rig.until(lambda: all(self._serves(node) for node in rig.nodes if node not in day.dead), BOUND, step=0.5)
        await rig.until(lambda: all(rig.numbered_all(each) for each in self.changes), BOUND, step=0.5)

    async def _decide(self) -> None:
        """People look at what is parked."""
        day = self.day
        for command_id, job in day.monitor.jobs().items():
            if job.phase is Phase.PARKED and command_id in day.published:
                publishers.resolve_one(day, command_id)
                day.monitor.counters["resolved"] += 1
        await self._come_to_rest()
        while blocked := day.monitor.promises.blocked():
            for command_id in sorted(blocked):
                publishers.give_up(day, command_id)
                day.monitor.counters["given up for others"] += 1
            await self._come_to_rest()

    def _repair(self) -> None:
        """What people do: settings are rolled out, offsets and topics repaired, some clocks set right."""
        day = self.day
        for repair in day.repairs:
            repair()
        rig, full = day.rig, day.rig.whole
        rig.options = replace(rig.options, targets=full.targets, tenants=full.tenants, accounts=full.accounts)
        day.release = None
        for node in rig.nodes:
            if node in day.dead or node.task.done():
                continue
            if node.options != rig.options or node.name in day.running:
                self._rollouts.append(day.loop.create_task(self._replace(node), name="rollout"))
        timed = any(asked.not_before for asked in day.monitor.promises.commands.values())
        if timed or day.random.random() < 0.5:
            day.skews = (0.0,)
            for node in rig.nodes:
                processes.set_right(day, node)

    async def set_clocks_right(self) -> None:
        """An owner's time begins with its process: one that began with a wrong clock is replaced."""
        if not self.day.monitor.promises.clocks_right:
            self.day.skews = (0.0,)
            for node in self.day.alive():
                await self._replace(node)

    async def _replace(self, node: Node) -> None:
        if await self._stop(node):
            self.day.start()

    async def _stop(self, node: Node) -> bool:
        """Stops a process when it can hear of it; False when it has ended before."""
        while self.day.away[node.name]:  # noqa: ASYNC110 - a process that is away hears of nothing
            await asyncio.sleep(0.5)
        if node.task.done():
            return False
        await node.stop()
        return True

    @property
    def changes(self) -> list[TopicPartition]:
        return [TopicPartition("cleanroomsml.changes", number) for number in range(self.day.rig.options.partitions)]

    def _serves(self, node: Node) -> bool:
        served = node.ready and not node.assignment.standing
        return node.task.done() or (served and not self.day.away[node.name])
