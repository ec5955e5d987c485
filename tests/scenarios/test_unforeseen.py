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
from tests.support.cluster import Rig

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
    "service.core.outcomes:succeeded",
    "service.core.outcomes:started",
    "service.core.outcomes:arriving",
    "service.runtime.watches:KindWatches.age",
    "service.runtime.dispatch:stamp",
    "service.runtime.activities:occupies_slot",
    "service.runtime.activities:keeps_line",
    "service.runtime.activities:subject",
    "service.runtime.activities:Activities._plan",
    "service.runtime.activities:Activities._stop_obsolete",
    "service.runtime.activities:Activities._call",
    "service.runtime.activities:Activities._watch",
    "service.runtime.activities:Activities._fired",
    "service.runtime.transaction:Transaction.apply",
    "service.runtime.transaction:Transaction._put",
    "service.runtime.transaction:Transaction._reply",
    "service.runtime.transaction:Transaction._change",
    "service.runtime.dispatch:Dispatch.call",
    "service.runtime.dispatch:Dispatch.search",
    "service.runtime.dispatch:RateLimitedApi.send",
    "service.runtime.key_order:KeyOrder.join",
    "service.runtime.poller:Poller.watch",
    "service.runtime.poller:Poller._fired",
    "service.runtime.poller:Poller._next",
    "service.runtime.poller:Poller._listed_one",
    "service.runtime.poller:Poller._get",
    "service.runtime.poll_results:PollResults.deliver_one",
    STANDBY,
    "service.runtime.slots:SlotRegistry.occupy",
    "service.runtime.slots:SlotRegistry.request",
    "service.runtime.slots:SlotRegistry.release",
    "service.runtime.timers:Timers.set",
    "service.runtime.timers:Timers.cancel",
    "tests.support.recording_telemetry:Story.transition",
    "tests.support.recording_telemetry:Story.waiting",
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
    """Makes a function raise for the chosen command, known by its id, its key and the resource that it makes.

    Args:
        rig: The world.
        words: What strikes beside them.
        own: Whether a method is judged by what its object holds, instead of its arguments.
    """

    def __init__(self, rig: Rig, words: frozenset[str] | set[str] = frozenset({CHOSEN}), *, own: bool = False) -> None:
        self.times = 0
        self._words = words
        self._own = own
        self._rig = rig
        self._key = job_key("/tests", CHOSEN)

    def strikes(self, arguments: Any) -> bool:
        return any(self._is_chosen(part) for part in parts(arguments))

    def _is_chosen(self, part: Any) -> bool:
        if isinstance(part, Job):
            return part.command.id == CHOSEN
        if isinstance(part, Command):
            return part.id == CHOSEN
        if isinstance(part, str | bytes) and (part == self._key or part in self._words):
            return True
        return isinstance(part, str) and part.startswith("arn:") and part in self._made()

    def _made(self) -> set[str]:
        world = self._rig.api.worlds["default"]
        return {key for key, item in world.items.items() if item.members.get("name") == CHOSEN}

    def on(self, work: Callable[..., Any], *, method: bool) -> Callable[..., Any]:
        def cursed(*arguments: Any, **named: Any) -> Any:
            judged = vars(arguments[0]) if self._own else arguments[1:] if method else arguments
            if self.strikes((judged, named)):
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
    return [problem for node in rig.nodes for problem in node.story.problems if problem[0].startswith("shard_halted")]


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
            shards = [shard for node in nodes for shard in node.assignment.shards.values()]
            assert not any(shard.statistics()["callable"] for shard in shards), "it would close its partition"
        for node in nodes:
            await node.stop()


async def test_a_record_that_breaks_the_service_leaves_only_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is accepted, and then something breaks: nobody hears that it was."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        with monkeypatch.context() as patch:
            cast(patch, "tests.support.recording_telemetry:Story.command", Curse(rig, {READ}))
            broken = rig.send(READ)
            assert (await rig.perform(DATASET)).kind == "succeeded"
        assert node.story.dead_letters == ["ServiceError"]
        assert rig.kinds(broken) == []
        assert rig.job(broken) is None


async def test_a_cancellation_that_breaks_the_service_cancels_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call that it has stopped already is made after all."""
    async with Rig(partitions=1, writes_per_second=0.1) as rig:
        await rig.start()
        await rig.perform(DATASET)
        waiting = rig.send(DATASET, key="same")
        await rig.until(lambda: rig.phase(waiting) == "intended")
        with monkeypatch.context() as patch:
            cast(patch, "service.core.cancellation:done", Curse(rig, {CHOSEN}))
            rig.send("CancelCommand", {"commandId": waiting, "commandSource": "/tests"}, CHOSEN, key="same")
            assert (await rig.end(CHOSEN)).code == "ServiceError"
        assert (await rig.end(waiting)).kind == "succeeded"
        assert len(rig.creates(waiting)) == 1


async def test_a_summary_that_breaks_the_service_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(partitions=1, quotas={"audience-models": 3}) as rig:
        await rig.start()
        dataset = await rig.made(DATASET)
        rig.api.working = 60.0
        with monkeypatch.context() as patch:
            cast(patch, "service.runtime.poller:Poller._listed_one", Curse(rig))
            jobs = [
                rig.send(MODEL, {"name": name, "trainingDatasetArn": dataset}, name)
                for name in (CHOSEN, "two", "three")
            ]
            await rig.until(lambda: set(jobs) <= rig.ended())
            assert [rig.phase(job) for job in jobs] == ["parked", "succeeded", "succeeded"]


async def test_what_belongs_to_no_job_halts_one_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(partitions=2) as rig:
        node = await rig.start()
        with monkeypatch.context() as patch:
            cast(patch, "service.runtime.transaction:Transaction.out", Curse(rig, {CHOSEN}, own=True))
            rig.send(READ, {}, CHOSEN, partition=0)
            assert (await rig.perform(DATASET, partition=1)).kind == "succeeded"
            (why,) = node.assignment.standing.values()
            assert why.startswith("a defect of the service, please report it: KeyError")
        await rig.end(CHOSEN)
        rig.audit()
