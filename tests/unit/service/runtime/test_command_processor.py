"""An observation becomes a step; one that breaks the service costs its own job, and comes again a few times."""

import asyncio
from typing import Any

import pytest

from schemas.records import Command, Job, Phase, job_key
from service.core import transitions
from service.core.job import replace
from service.core.observations import Broken, DependencyEnded, HandedOver, Observation, Outlived, Restored, Seen
from service.runtime.command_processor import CommandProcessor
from service.runtime.errors import DEFECT
from service.runtime.inbox import Inbox, Observed
from service.runtime.ports import InRecord, TopicPartition
from service.runtime.processor import ProcessorContext
from tests.support.cluster import Rig
from tests.support.messages import COMMANDS, command, request
from tests.support.shard_internals import Bench as Insides

pytestmark = pytest.mark.looptime

CREATE, MODEL = "CreateTrainingDataset", "CreateAudienceModel"
PARTITION = TopicPartition(COMMANDS, 1)
KEY = job_key("/tests", "c-1")


class Activities:
    """Of a shard whose calls have left or not."""

    def __init__(self) -> None:
        self.unsent = True
        self.kept: list[bytes] = []
        self.lined_up: list[bytes] = []
        self.steps: list[tuple[bytes, Observation]] = []

    def revoke(self, key: bytes) -> bool:
        return self.unsent

    def keep(self, key: bytes) -> None:
        self.kept.append(key)

    def keeps(self, key: bytes) -> bool:
        return key in self.kept

    def line_up(self, jobs: Any) -> None:
        self.lined_up = [key for key, _ in jobs]

    def stepped(self, key: bytes, observation: Observation) -> None:
        self.steps.append((key, observation))


class Copies:
    """Of no other partition."""

    def elsewhere(self, partition: TopicPartition, key: bytes) -> str:
        return ""


class Bench(Insides):
    """A processor without its shard."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox, self.activities = Inbox(), Activities()
        activities: Any = self.activities
        copies: Any = Copies()
        self.processor = CommandProcessor(
            ProcessorContext(
                partition=PARTITION,
                name="commands-1",
                store=self.store,
                inbox=self.inbox,
                activities=activities,
                standby=copies,
                context=self.context,
            )
        )

    def add(self, job: Job, command_id: str = "c-1") -> bytes:
        key = job_key("/tests", command_id)
        self.store.put(key, job)
        return key

    async def learnt(self) -> list[tuple[bytes, Observation]]:
        items = await self.inbox.take(100) if len(self.inbox) else []
        return [(item.key, item.observation) for item in items if isinstance(item, Observed)]


def job(operation: str = CREATE, phase: Phase = Phase.INTENDED, **members: Any) -> Job:
    return Job(Command("c-1", "/tests", operation, "default", {}, ""), phase, accepted_at=1.0, **members)


async def test_what_is_learnt_about_a_job_that_is_not_known_changes_nothing() -> None:
    bench = Bench()
    bench.processor.observe(KEY, HandedOver(), bench.batch)
    assert bench.batch.empty
    assert bench.activities.steps == [(KEY, HandedOver())]


async def test_a_call_that_was_permitted_again_is_not_given_back() -> None:
    bench = Bench()
    bench.add(job())
    bench.activities.unsent = False
    bench.processor.observe(KEY, HandedOver(), bench.batch)
    assert bench.batch.empty
    bench.activities.unsent = True
    bench.processor.observe(KEY, HandedOver(), bench.batch)
    assert not bench.batch.empty


async def test_what_runs_is_restored_before_what_waits_and_that_in_order_of_acceptance() -> None:
    bench = Bench()
    late = bench.add(replace(job(), accepted_at=3.0), "late")
    early = bench.add(replace(job(), accepted_at=2.0), "early")
    runs = bench.add(job(MODEL, Phase.RUNNING, resource_id="arn"), "runs")
    bench.processor.restored()
    assert await bench.learnt() == [(key, Restored()) for key in (runs, early, late)]
    assert bench.activities.lined_up == [early, late]


async def test_who_waits_for_a_job_learns_of_its_end_alone() -> None:
    bench = Bench()
    other = bench.add(job(), "other")
    waiting = bench.add(job("CancelCommand", Phase.QUEUED, awaits=other.decode()), "waiting")
    bench.processor.planned(other)
    assert await bench.learnt() == []
    bench.add(job(phase=Phase.SUCCEEDED, finished_at=5.0), "other")
    bench.processor.planned(other)
    assert await bench.learnt() == [(waiting, DependencyEnded())]


async def test_each_that_waits_for_the_same_command_learns_of_its_end_once_after_a_restore() -> None:
    """However many wait: a thousand cancellations of one parked command would be a million observations."""
    bench = Bench()
    parked = bench.add(job(MODEL, Phase.PARKED, finished_at=5.0), "parked")
    going = bench.add(job(MODEL, Phase.RUNNING, resource_id="arn"), "going")
    waiting = [
        bench.add(job("CancelCommand", Phase.QUEUED, awaits=other.decode(), turn=number), f"x-{number}")
        for number, other in enumerate((parked, parked, parked, going, b'["/tests","gone"]'))
    ]
    bench.processor.restored()
    learnt = await bench.learnt()
    assert [key for key, each in learnt if each == DependencyEnded()] == [*waiting[:3], waiting[4]]


async def test_a_command_is_forgotten_unless_it_has_ended_again_since() -> None:
    bench = Bench()
    bench.add(job(phase=Phase.SUCCEEDED, finished_at=5.0))
    bench.processor.forget(KEY, 4.0, bench.batch)
    assert bench.store.job(KEY) is not None
    bench.processor.forget(KEY, 5.0, bench.batch)
    assert bench.store.job(KEY) is None


async def test_a_command_is_remembered_while_another_one_waits_for_it() -> None:
    bench = Bench()
    bench.receive(CREATE, request(CREATE), key="k")
    bench.receive(MODEL, request(MODEL, trainingDatasetArn="command:c-1"), "c-2", key="k")
    job = bench.job()
    assert job is not None
    bench.store.put(KEY, replace(job, phase=Phase.PARKED, finished_at=5.0))
    assert not bench.processor.forget(KEY, 5.0, bench.batch)
    assert bench.job() is not None
    bench.store.put(job_key("/tests", "c-2"), None)
    assert bench.processor.forget(KEY, 5.0, bench.batch)
    assert bench.job() is None


async def test_who_waits_for_one_learns_of_its_end_in_the_order_of_their_turns() -> None:
    bench = Bench()
    bench.receive(CREATE, request(CREATE), key="k")
    for name in ("c-2", "c-3", "c-4"):
        bench.receive(MODEL, request(MODEL, trainingDatasetArn="command:c-1"), name, key="k")
    first = bench.job("c-2")
    assert first is not None
    bench.store.put(job_key("/tests", "c-2"), replace(first, reason="written again"))
    job = bench.job()
    assert job is not None
    bench.store.put(KEY, replace(job, phase=Phase.SUCCEEDED, finished_at=5.0))
    bench.processor.planned(KEY)
    learnt = [item.key for item in await bench.inbox.take(10) if isinstance(item, Observed)]
    assert learnt == [job_key("/tests", name) for name in ("c-2", "c-3", "c-4")]


async def test_who_waits_learns_in_the_order_of_turns_after_a_restore_whatever_the_clocks_of_owners_were() -> None:
    bench = Bench()
    bench.receive(CREATE, request(CREATE), key="k")
    for name, accepted_at in (("c-2", 9.0), ("c-3", 5.0), ("c-4", 7.0)):
        bench.receive(MODEL, request(MODEL, trainingDatasetArn="command:c-1"), name, key="k")
        waits = bench.job(name)
        assert waits is not None
        bench.store.put(job_key("/tests", name), replace(waits, accepted_at=accepted_at))
    bench.processor.restored()
    learnt = [key for key, each in await bench.learnt() if each == DependencyEnded()]
    assert learnt == [job_key("/tests", name) for name in ("c-2", "c-3", "c-4")]


async def test_an_operation_that_is_not_known_here_is_left_to_who_knows_it() -> None:
    bench = Bench()
    bench.receive(CREATE, request(CREATE), key="k")
    bench.receive(MODEL, request(MODEL, trainingDatasetArn="command:c-1"), "c-2", key="k")
    waiting = bench.job("c-2")
    assert waiting is not None
    strange = replace(waiting, command=replace(waiting.command, asked="CreateSomethingNew"))
    bench.store.put(job_key("/tests", "c-2"), strange)
    bench.processor.observe(job_key("/tests", "c-2"), DependencyEnded(), bench.batch)
    assert bench.job("c-2") == strange
    assert not bench.story.problems


async def test_a_record_that_breaks_the_service_gives_back_the_calls_that_it_has_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()

    def breaks(record: Any, store: Any, batch: Any, context: Any, revoke: Any, elsewhere: Any) -> None:
        assert revoke(b"other")
        raise KeyError("a defect")

    monkeypatch.setattr("service.runtime.commands.receive", breaks)
    key, value, headers = command(CREATE, "c-1", {})
    with pytest.raises(KeyError):
        bench.processor.receive(InRecord(COMMANDS, 1, 0, 0.0, key, value, headers), bench.batch)
    assert await bench.learnt() == [(b"other", HandedOver())]


async def test_an_observation_that_breaks_the_service_comes_again_and_then_ends_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    seen: list[Observation] = []
    steps = transitions.step

    def breaks(known: Job, observation: Observation, *more: Any) -> Any:
        seen.append(observation)
        if isinstance(observation, Restored):
            raise KeyError("a defect")
        return steps(known, observation, *more)

    monkeypatch.setattr(transitions, "step", breaks)
    bench.add(job())
    bench.processor.observe(KEY, Restored(), bench.batch)
    while not isinstance(seen[-1], Broken):
        assert bench.activities.steps == []
        await asyncio.sleep(60.0)
        ((_, again),) = await bench.learnt()
        bench.processor.observe(KEY, again, bench.batch)
    assert len(seen) > 2
    assert bench.activities.steps == [(KEY, Restored())]
    assert bench.activities.kept == []


async def test_a_job_with_which_nothing_can_be_done_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()

    def breaks(*_: Any) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(transitions, "step", breaks)
    bench.add(job())
    bench.processor.observe(KEY, Broken(DEFECT, unsent=True), bench.batch)
    assert bench.activities.kept == [KEY]
    bench.processor.observe(KEY, Outlived(), bench.batch)
    assert bench.activities.steps[-1] == (KEY, Outlived())
    assert bench.batch.empty


async def test_a_last_status_that_breaks_the_service_is_seen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = transitions.step
    times = [0]

    def breaks(job: Any, observation: Any, *more: Any) -> Any:
        if isinstance(observation, Seen) and observation.description["status"] == "ACTIVE":
            times[0] += 1
            if times[0] == 1:
                raise KeyError("a defect")
        return broken(job, observation, *more)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr(transitions, "step", breaks)
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        await rig.made(MODEL, trainingDatasetArn=dataset)
        assert times[0] > 1
        await rig.numbered()
        rig.audit()
