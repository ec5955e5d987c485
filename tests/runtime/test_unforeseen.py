"""Whatever raises for one job costs that job at most: the process lives, others end, and the log names it.

Every seam below is made to raise for one chosen command whenever it is asked about it, for good.
"""

import asyncio
import dataclasses
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from schemas.records import Command, Job, job_key
from service.core.job import TERMINAL
from tests.runtime.rig import Rig

pytestmark = pytest.mark.looptime

MODEL, DATASET, READ, UPDATE = (
    "CreateAudienceModel",
    "CreateTrainingDataset",
    "ListTrainingDatasets",
    "UpdateConfiguredAudienceModel",
)
CHOSEN = "chosen"
NAMED = {f'["/tests","{CHOSEN}"]', CHOSEN}

STANDBY = "service.runtime.slots:SlotRegistry.note"
"""Asked by a process about the jobs of another one."""

SEAMS = (
    "service.core.transitions:step",
    "service.core.transitions:activity",
    "service.core.holding:obstacle",
    "service.core.holding:born",
    "service.core.endings:succeeded",
    "service.core.endings:started",
    "service.core.endings:arriving",
    "service.core.coalescing:plan",
    "service.core.reconciliation:stamp",
    "service.runtime.activities:occupies_slot",
    "service.runtime.activities:keeps_line",
    "service.runtime.activities:subject",
    "service.runtime.activities:Activities._plan",
    "service.runtime.activities:Activities._put_away",
    "service.runtime.activities:Activities._call",
    "service.runtime.activities:Activities._watch",
    "service.runtime.activities:Activities._fired",
    "service.runtime.batch:Batch.apply",
    "service.runtime.batch:Batch._put",
    "service.runtime.batch:Batch._reply",
    "service.runtime.batch:Batch._change",
    "service.runtime.dispatch:Dispatch.call",
    "service.runtime.dispatch:Dispatch.search",
    "service.runtime.dispatch:Caller.send",
    "service.runtime.lines:Lines.join",
    "service.runtime.poller:Poller.watch",
    "service.runtime.poller:Poller._next",
    "service.runtime.poller:Poller._get",
    "service.runtime.poller:Poller._deliver_one",
    STANDBY,
    "service.runtime.slots:SlotRegistry.occupy",
    "service.runtime.slots:SlotRegistry.request",
    "service.runtime.slots:SlotRegistry.release",
    "service.runtime.timers:Timers.set",
    "service.runtime.timers:Timers.cancel",
    "tests.runtime.story:Story.transition",
    "tests.runtime.story:Story.waiting",
)


def parts(value: Any, depth: int = 4) -> Iterator[Any]:
    """A value and what it is made of."""
    yield value
    if depth == 0:
        return
    inner: Any = ()
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = list(value)
    elif isinstance(value, msgspec.Struct):
        inner = [getattr(value, name) for name in value.__struct_fields__]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = [getattr(value, field.name) for field in dataclasses.fields(value)]
    for each in inner:
        yield from parts(each, depth - 1)


class Curse:
    """Makes a function raise for the chosen command, known by its id, its key and the resource that it makes."""

    def __init__(self, rig: Rig) -> None:
        self.times = 0
        self._rig = rig
        self._key = job_key("/tests", CHOSEN)

    def strikes(self, arguments: Any) -> bool:
        return any(self._is_chosen(part) for part in parts(arguments))

    def _is_chosen(self, part: Any) -> bool:
        if isinstance(part, Job):
            return part.command.id == CHOSEN
        if isinstance(part, Command):
            return part.id == CHOSEN
        if isinstance(part, str | bytes) and part in (self._key, CHOSEN):
            return True
        return isinstance(part, str) and part.startswith("arn:") and part in self._made()

    def _made(self) -> set[str]:
        world = self._rig.api.worlds["default"]
        return {key for key, item in world.items.items() if item.members.get("name") == CHOSEN}

    def on(self, work: Callable[..., Any], *, method: bool) -> Callable[..., Any]:
        def cursed(*arguments: Any, **named: Any) -> Any:
            if self.strikes((arguments[1:] if method else arguments, named)):
                self.times += 1
                raise KeyError("nobody foresaw this")
            return work(*arguments, **named)

        return cursed


def cast(patch: pytest.MonkeyPatch, seam: str, curse: Curse) -> None:
    module, _, path = seam.partition(":")
    holder: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for each in outer:
        holder = getattr(holder, each)
    patch.setattr(holder, name, curse.on(getattr(holder, name), method=bool(outer)))


def halted(rig: Rig) -> list[Any]:
    return [problem for node in rig.nodes for problem in node.story.problems if problem[0].startswith("shard halted")]


@pytest.mark.parametrize(
    ("operation", "restart"),
    [(MODEL, False), (MODEL, True), (READ, False)],
    ids=["a creation", "a restored creation", "a read"],
)
@pytest.mark.parametrize("seam", SEAMS)
async def test_one_job_breaks_nothing_else(
    seam: str, operation: str, restart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Rig(partitions=1) as rig:
        nodes = [await rig.start()]
        if seam == STANDBY:
            nodes.append(await rig.start())
            await rig.until(lambda: all(node.ready for node in nodes))
        dataset = await rig.made(DATASET)
        request = {"name": CHOSEN, "trainingDatasetArn": dataset} if operation == MODEL else {}
        curse = Curse(rig)
        if restart:
            rig.api.hung.add("default")
            rig.send(operation, request, CHOSEN, key="same")
            await rig.until(lambda: rig.phase(CHOSEN) == "intended")
            for node in nodes:
                await node.crash()
            rig.api.hung.clear()
        with monkeypatch.context() as patch:
            cast(patch, seam, curse)
            if restart:
                nodes = [await rig.start()]
            else:
                rig.send(operation, request, CHOSEN, key="same")
            follower = rig.send(DATASET, key="same")
            others = [rig.send(DATASET), rig.send(MODEL, {"name": "other", "trainingDatasetArn": dataset})]
            await rig.until(lambda: rig.ended() >= set(others), 600.0)
            await asyncio.sleep(150.0)
            assert not any(node.task.done() for node in nodes)
            assert not halted(rig)
            job = rig.job(CHOSEN)
            kept = sum(node.app.held().get("ServiceError", 0) for node in nodes)
            refused = [letter for node in nodes for letter in node.story.dead_letters]
            assert kept or refused or (job is not None and job.phase in TERMINAL), (job, curse.times)
            if not kept:
                assert follower in rig.ended()
            if curse.times and not seam.startswith("tests."):
                named = [
                    details
                    for node in rig.nodes
                    for _, details in node.story.problems
                    if any(name in str(details) for name in NAMED) or "offset" in details or "resource" in details
                ]
                assert named, (curse.times, [node.story.problems for node in rig.nodes])
            problems = sum(len(node.story.problems) for node in rig.nodes)
            assert problems < 200, "it is tried again and again"
            assert len(rig.creates(CHOSEN)) <= 1
        for node in nodes:
            await node.stop()
