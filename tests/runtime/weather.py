"""Bad days by seed: commands, faults of AWS and of Kafka, crashes and rebalances, and then a time to heal."""

import asyncio
from collections import Counter
from random import Random

from schemas.operations import OPERATIONS, Kind, Repeat
from service.runtime.ports import TopicPartition
from tests.fakes import api as fake
from tests.fakes.api import Fault
from tests.runtime.messages import CHANGES, COMMANDS, request
from tests.runtime.node import Node
from tests.runtime.rig import Rig

STEPS = 30
HEALING = 3000.0
FLIGHT = 12.0
"""Longest time for which a request is in the network; with the lag of lists less than what settles."""

FAULTS = (
    fake.NOT_SENT,
    fake.LOST_REQUEST,
    fake.LOST_REPLY,
    fake.HANG_BEFORE,
    fake.HANG_AFTER,
    fake.THROTTLED,
    fake.UNAVAILABLE,
    fake.BROKEN_AFTER,
    fake.INVALID,
)
JOB_FAULTS = (*FAULTS, fake.QUOTA)


class Weather:
    """One bad day."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.happened: Counter[str] = Counter()
        self._random = Random(seed)
        self._badness = self._random.choice((0.05, 0.2, 0.5))
        self._zombies: set[str] = set()
        self._spare: list[tuple[str, str]] = []
        self._names: dict[str, str] = {}

    async def pass_over(self) -> None:
        """Everything, until every command has ended."""
        await self._prepare()
        rig = self.rig
        rig.api.list_lag = self._random.choice((0.0, 1.0, 8.0))
        rig.api.latency = self._random.choice((0.01, 0.2, 1.0))
        rig.api.connect = self._random.choice((0.0, 0.0, 1.5))
        rig.broker.latency = self._random.choice((0.001, 0.02, 0.3))
        rig.api.chance = self._fault
        for _ in range(STEPS):
            what = self._random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
            self.happened[what] += 1
            await getattr(self, f"_{what}")()
            await asyncio.sleep(self._random.choice((0.0, 0.01, 0.1, 1.0, 5.0)) * self._random.random())
        await self._heal()

    async def _prepare(self) -> None:
        rig = self.rig
        for _ in range(2):
            await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        model = await rig.made("CreateAudienceModel", trainingDatasetArn=dataset)
        configured = await rig.made("CreateConfiguredAudienceModel", audienceModelArn=model)
        self._names = {
            "trainingDatasetArn": dataset,
            "audienceModelArn": model,
            "configuredAudienceModelArn": configured,
            "audienceGenerationJobArn": await rig.made(
                "StartAudienceGenerationJob", configuredAudienceModelArn=configured
            ),
            "resourceArn": model,
        }
        for _ in range(4):
            self._spare.append(("DeleteTrainingDataset", await rig.made("CreateTrainingDataset")))
        for _ in range(2):
            self._spare.append(
                ("DeleteAudienceModel", await rig.made("CreateAudienceModel", trainingDatasetArn=dataset))
            )

    def _fault(self, operation: str) -> Fault | None:
        if self._random.random() >= self._badness:
            return None
        if OPERATIONS[operation].creates and self._random.random() < 0.2:
            self.happened["late"] += 1
            return fake.late(self._random.uniform(0.0, FLIGHT))
        fault = self._random.choice(JOB_FAULTS if OPERATIONS[operation].kind is Kind.JOB else FAULTS)
        self.happened[fault.failure.code if fault.failure else "hang"] += 1
        return fault

    # What may happen, by weight in ACTIONS

    async def _create(self) -> None:
        self._send(self._random.choice([row.name for row in OPERATIONS.values() if row.creates]))

    async def _command(self) -> None:
        deletes = [row.name for row in OPERATIONS.values() if row.repeat is Repeat.GONE_IS_DONE]
        self._send(self._random.choice([name for name in OPERATIONS if name not in deletes]))

    async def _delete(self) -> None:
        if self._spare:
            operation, arn = self._spare.pop(self._random.randrange(len(self._spare)))
            self.rig.send(operation, request(operation, **{OPERATIONS[operation].resource.identity: arn}))

    async def _crash(self) -> None:
        await self._pick().crash()
        await self.rig.start(ready=self._random.random() < 0.5 and not self._zombies)

    async def _restart(self) -> None:
        await self._pick().stop()
        await self.rig.start(ready=False)

    async def _commit(self) -> None:
        self.rig.broker.fail_next_commit(applied=self._random.random() < 0.5)

    async def _fence(self) -> None:
        topic = self._random.choice((COMMANDS, CHANGES))
        self.rig.broker.fence(TopicPartition(topic, self._random.randrange(self.rig.options.partitions)))

    async def _rebalance(self) -> None:
        self.rig.broker.group.rebalance()

    async def _evict(self) -> None:
        fit = [node for node in self._alive() if node.ready and node.name not in self._zombies]
        if len(fit) > 1:
            zombie = self._random.choice(fit)
            self._zombies.add(zombie.name)
            self.rig.broker.evict(zombie.name)

    async def _readmit(self) -> None:
        for name in sorted(self._zombies & {node.name for node in self._alive()}):
            self.rig.broker.readmit(name)
        self._zombies.clear()

    async def _freeze(self) -> None:
        self.rig.broker.freeze()
        await asyncio.sleep(self._random.uniform(0.0, 10.0))
        self.rig.broker.thaw()

    # Helpers

    def _send(self, operation: str) -> None:
        members = {name: arn for name, arn in self._names.items() if name in request(operation)}
        if operation == "PutConfiguredAudienceModelPolicy" and self._random.random() < 0.5:
            members["policyExistenceCondition"] = "POLICY_MUST_NOT_EXIST"
        self.rig.send(operation, request(operation, **members))

    def _alive(self) -> list[Node]:
        return [node for node in self.rig.nodes if not node.task.done()]

    def _pick(self) -> Node:
        node = self._random.choice(self._alive())
        self._zombies.discard(node.name)
        return node

    async def _heal(self) -> None:
        await self._readmit()
        self.rig.api.chance = lambda _: None
        self.rig.api.connect = 0.0
        await self.rig.until(lambda: self.rig.ended() == set(self.rig.sent), HEALING)
        await self.rig.until(lambda: all(node.ready for node in self._alive()))
        await self.rig.numbered()


ACTIONS = {
    "create": 10,
    "command": 8,
    "delete": 3,
    "crash": 3,
    "restart": 2,
    "commit": 3,
    "fence": 2,
    "rebalance": 1,
    "evict": 1,
    "readmit": 2,
    "freeze": 1,
}
