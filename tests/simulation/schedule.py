"""One bad day: what publishers send, what befalls processes, the group, the broker and AWS, and a time to heal."""

import asyncio
from collections import Counter
from random import Random
from typing import Any

from schemas.cloudevents import format_time
from schemas.operations import OPERATIONS, Repeat
from service.core.job import Phase
from service.runtime.ports import TopicPartition
from tests.fakes.loop import SimulatedLoop
from tests.runtime.messages import CHANGES, COMMANDS, command, request
from tests.runtime.node import Node
from tests.runtime.rig import Rig
from tests.simulation.faults import Faults
from tests.simulation.monitor import Monitor

SESSION = 6.0
"""Seconds without a heartbeat after which the group gives a member's partitions to others."""
BOUND = 900.0
"""Liveness: seconds after the last fault within which every command has ended and everybody serves."""

CREATES = [row.name for row in OPERATIONS.values() if row.creates]
DELETES = [row.name for row in OPERATIONS.values() if row.repeat is Repeat.GONE_IS_DONE]
OTHERS = [name for name in OPERATIONS if name not in (*CREATES, *DELETES)]


class Schedule:
    """Draws and performs; whatever it draws depends on the seed alone."""

    def __init__(self, rig: Rig, loop: SimulatedLoop, monitor: Monitor, seed: int) -> None:
        self.healed_in = 0.0
        self._rig, self._loop, self._monitor = rig, loop, monitor
        self._random = Random(f"{seed}/schedule")
        self._faults = Faults(rig, seed, monitor.counters, monitor.note)
        self._steps = self._random.choice((6, 12, 20))
        self._pace = self._random.choice((0.1, 1.0, 5.0))
        self._skews = self._random.choice(((0.0,), (0.0,), (0.0, 600.0, -600.0)))
        self._dead: list[Node] = []
        self._away: Counter[str] = Counter()
        self._published: list[tuple[str, bytes, bytes, Any]] = []
        self._spare: list[tuple[str, str]] = []
        self._names: dict[str, str] = {}

    async def pass_over(self) -> None:
        """Everything, until every command has ended."""
        self._prepare()
        for _ in range(self._random.choice((1, 2, 2, 3))):
            self._start()
        for _ in range(self._steps):
            what = self._random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
            self._monitor.note(f"-- {what}", what)
            await getattr(self, f"_{what}")()
            await asyncio.sleep(self._pace * self._random.random() ** 2)
        await self._heal()

    def wake_the_dead(self) -> None:
        """At the very end, so that their tasks can be ended too."""
        for node in self._dead:
            self._loop.thaw(node.name)

    def _prepare(self) -> None:
        """What was there before: one resource of each kind, and some to delete."""
        make = self._rig.api.by_hand
        dataset = make("CreateTrainingDataset", name="old")
        model = make("CreateAudienceModel", name="old", trainingDatasetArn=dataset)
        configured = make("CreateConfiguredAudienceModel", name="old", audienceModelArn=model)
        job = make("StartAudienceGenerationJob", name="old", configuredAudienceModelArn=configured)
        self._names = {
            "trainingDatasetArn": dataset,
            "audienceModelArn": model,
            "configuredAudienceModelArn": configured,
            "audienceGenerationJobArn": job,
            "resourceArn": model,
        }
        for number in range(3):
            self._spare.append(("DeleteTrainingDataset", make("CreateTrainingDataset", name=f"spare-{number}")))
        for number in range(2):
            spare = make("CreateAudienceModel", name=f"spare-{number}", trainingDatasetArn=dataset)
            self._spare.append(("DeleteAudienceModel", spare))

    # Publishers

    async def _create(self) -> None:
        attributes: dict[str, Any] = {}
        draw = self._random.random()
        if draw < 0.1:
            attributes["deadline"] = self._moment(1.0, 60.0)
        elif draw < 0.2:
            attributes["notbefore"] = self._moment(1.0, 60.0)
        elif draw < 0.4:
            attributes["key"] = self._random.choice(("one", "other"))
        if self._random.random() < 0.2:
            attributes["priority"] = str(self._random.randrange(10))
        self._send(self._random.choice(CREATES), **attributes)

    async def _command(self) -> None:
        attributes = {"key": self._random.choice(("one", "other"))} if self._random.random() < 0.3 else {}
        self._send(self._random.choice(OTHERS), **attributes)

    async def _delete(self) -> None:
        if self._spare:
            operation, arn = self._spare.pop(self._random.randrange(len(self._spare)))
            self._publish(operation, request(operation, **{OPERATIONS[operation].resource.identity: arn}))

    async def _track(self) -> None:
        model = self._rig.api.by_hand(
            "CreateAudienceModel", name="theirs", trainingDatasetArn=self._names["trainingDatasetArn"]
        )
        self._rig.api.set_status(model, "CREATE_IN_PROGRESS")
        asyncio.get_running_loop().call_later(20.0, self._rig.api.set_status, model, "ACTIVE")
        self._publish("TrackResource", {"resourceArn": model})

    async def _cancel(self) -> None:
        if self._published:
            command_id, key, _, _ = self._random.choice(self._published)
            data = {"commandId": command_id, "commandSource": "/tests", "deleteResource": self._random.random() < 0.5}
            self._publish("CancelCommand", data, key=key.decode())

    async def _copy(self) -> None:
        """A publisher that is not sure sends again."""
        if self._published:
            command_id, key, value, headers = self._random.choice(self._published)
            self._monitor.copies[command_id] += 1
            self._rig.broker.produce(COMMANDS, key, value, headers)

    async def _misuse(self) -> None:
        if self._published:
            command_id, key, _, _ = self._random.choice(self._published)
            other = {"audienceModelArn": f"{self._names['resourceArn']}-other"}
            _, value, headers = command("GetAudienceModel", command_id, other)
            self._monitor.misused.add(command_id)
            self._rig.broker.produce(COMMANDS, key, value, headers)

    async def _invalid(self) -> None:
        self._publish("CreateTrainingDataset", {"name": ""})

    async def _garbage(self) -> None:
        self._rig.broker.produce(COMMANDS, b"key", b"{", ())

    # Processes

    async def _crash(self) -> None:
        """Ends at once; the group hears of it."""
        if node := self._pick():
            await node.crash()
            self._start()

    async def _kill(self) -> None:
        """Ends at once, amid whatever it did; the group finds out when the session ends."""
        if node := self._pick():
            self._loop.freeze(node.name)
            self._dead.append(node)
            self._away[node.name] += 1
            self._later(SESSION, node, self._evict_now)
            self._start()

    async def _restart(self) -> None:
        if node := self._pick():
            await node.stop()
            self._start()

    async def _join(self) -> None:
        if len(self._alive()) < 3:
            self._start()

    async def _halt(self) -> None:
        """The process stands still; beyond its session it loses what it had, and finds out when it goes on."""
        if node := self._pick():
            away = self._random.choice((1.0, 5.0, 20.0)) * self._random.random()
            self._loop.freeze(node.name)
            self._away[node.name] += 1
            if away > SESSION:
                self._later(SESSION, node, self._evict_now)
                self._monitor.counters["zombies that stood still"] += 1
            self._later(away, node, self._go_on)
            if self._random.random() < 0.5:
                await asyncio.sleep(away)

    async def _cut_off(self) -> None:
        """The process is cut off from the group alone: others get its partitions, and it goes on as it did."""
        if len(self._alive()) > 1 and (node := self._pick()):
            self._away[node.name] += 1
            self._evict_now(node)
            self._later(self._random.uniform(0.0, 20.0), node, self._back)

    # The group and the broker

    async def _rebalance(self) -> None:
        self._rig.broker.group.rebalance()

    async def _fence(self) -> None:
        topic = self._random.choice((COMMANDS, CHANGES))
        self._rig.broker.fence(TopicPartition(topic, self._random.randrange(self._rig.options.partitions)))

    async def _freeze(self) -> None:
        """The broker answers nobody; what was asked meanwhile is done afterwards."""
        self._rig.broker.freeze()
        await asyncio.sleep(self._random.uniform(0.0, 10.0))
        self._rig.broker.thaw()

    # AWS

    async def _storm(self) -> None:
        self._faults.storm = True
        await asyncio.sleep(self._random.uniform(0.5, 10.0))
        self._faults.storm = False

    async def _meddle(self) -> None:
        """Somebody else deletes what was made, or uses up the quotas."""
        api = self._rig.api
        if self._random.random() < 0.5:
            api.quotas = {"audience-models": self._random.choice((0, 1, 2))}
            return
        # Who deletes what we have not found yet leaves us no way to know that it was ever made.
        known = [
            job.resource_id for job in self._monitor.jobs().values() if job.phase in (Phase.RUNNING, Phase.SUCCEEDED)
        ]
        ours = [
            key for key in known if (item := api.worlds["default"].items.get(key)) and item.exists(self._loop.time())
        ]
        if ours := [key for key in ours if key not in self._names.values()]:
            api.remove(self._random.choice(ours))
            self._monitor.counters["foreign deletes"] += 1

    async def _fail_jobs(self) -> None:
        self._rig.api.fail_jobs ^= {self._random.choice(("audience-model", "audience-generation-job"))}

    # Helpers

    def _send(self, operation: str, **attributes: Any) -> None:
        members = {name: arn for name, arn in self._names.items() if name in request(operation)}
        if operation == "PutConfiguredAudienceModelPolicy" and self._random.random() < 0.5:
            members["policyExistenceCondition"] = "POLICY_MUST_NOT_EXIST"
        self._publish(operation, request(operation, **members), **attributes)

    def _publish(self, operation: str, data: Any, **attributes: Any) -> None:
        command_id = f"c-{len(self._rig.sent) + 1}"
        if operation in CREATES:
            data = {**data, "name": command_id}
        key, value, headers = command(operation, command_id, data, **attributes)
        self._rig.broker.produce(COMMANDS, key, value, headers)
        self._rig.sent[command_id] = operation
        self._published.append((command_id, key, value, headers))
        self._monitor.note(f"published {command_id} {operation}")

    def _moment(self, least: float, most: float) -> str:
        return format_time(self._rig.clock.wall() + self._random.uniform(least, most))

    def _start(self) -> None:
        node = self._rig.begin()
        node.clock.skew = self._random.choice(self._skews)
        self._monitor.note(f"{node.name} starts")

    def _alive(self) -> list[Node]:
        """Those that run, and know what time it is."""
        return [node for node in self._rig.nodes if not node.task.done() and not self._away[node.name]]

    def _pick(self) -> Node | None:
        return self._random.choice(alive) if (alive := self._alive()) else None

    def _later(self, seconds: float, node: Node, what: Any) -> None:
        self._loop.call_later(seconds, what, node)

    def _evict_now(self, node: Node) -> None:
        if not node.task.done():
            self._monitor.note(f"{node.name} is put out of the group", "evictions")
            self._rig.broker.evict(node.name)

    def _go_on(self, node: Node) -> None:
        self._monitor.note(f"{node.name} goes on")
        self._loop.thaw(node.name)
        self._later(self._random.uniform(0.0, 3.0), node, self._back)

    def _back(self, node: Node) -> None:
        if not node.task.done():
            self._rig.broker.readmit(node.name)
        self._away[node.name] -= 1

    async def _heal(self) -> None:
        """Liveness: no fault begins any more, and within the bound everything has come to rest."""
        self._faults.heal()
        rig, monitor, began = self._rig, self._monitor, self._loop.time()
        rig.api.quotas = {}
        monitor.note("-- healed")
        await rig.until(lambda: monitor.ended >= rig.sent.keys(), BOUND, step=0.5)
        await rig.until(
            lambda: all(self._serves(node) for node in rig.nodes if node not in self._dead), BOUND, step=0.5
        )
        changes = [TopicPartition(CHANGES, number) for number in range(rig.options.partitions)]
        await rig.until(lambda: all(rig.numbered_all(each) for each in changes), BOUND, step=0.5)
        self.healed_in = self._loop.time() - began

    def _serves(self, node: Node) -> bool:
        return node.task.done() or (node.ready and not self._away[node.name])


ACTIONS = {
    "create": 20,
    "command": 10,
    "delete": 5,
    "track": 2,
    "cancel": 3,
    "copy": 4,
    "misuse": 1,
    "invalid": 1,
    "garbage": 1,
    "crash": 3,
    "kill": 3,
    "restart": 2,
    "join": 1,
    "halt": 3,
    "cut_off": 3,
    "rebalance": 2,
    "fence": 2,
    "freeze": 2,
    "storm": 2,
    "meddle": 3,
    "fail_jobs": 1,
}
"""What may happen, by weight."""
