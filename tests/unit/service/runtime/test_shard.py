"""What breaks the service costs one look, one call or one record, never a shard."""

import asyncio
from typing import Any

import pytest

from schemas import records
from schemas.cloudevents import format_time
from service.core import transitions
from service.core.observations import Lost, Returned, Seen
from tests.support.api import LOST_REPLY
from tests.support.cluster import Rig

pytestmark = pytest.mark.looptime

MODEL, READ = "CreateAudienceModel", "ListAudienceModels"


async def test_an_answer_that_breaks_the_service_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job goes on: what its call has made is searched for and found."""
    broken = transitions.step
    first = [True]

    def breaks(job: Any, observation: Any, *more: Any) -> Any:
        if isinstance(observation, Returned) and job.command.operation == MODEL and first:
            first.clear()
            raise KeyError("a defect")
        return broken(job, observation, *more)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr(transitions, "step", breaks)
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        await rig.made(MODEL, trainingDatasetArn=dataset)
        assert rig.nodes[0].story.problems
        await rig.numbered()
        rig.audit()


@pytest.mark.parametrize("meanwhile", ["", "deadline", "CancelCommand"])
async def test_a_call_whose_loss_breaks_the_service_has_left_all_the_same(
    monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Neither a deadline, nor a cancellation, nor the end of its tries says that nothing was sent."""
    broken = transitions.step

    def breaks(job: Any, observation: Any, *more: Any) -> Any:
        if isinstance(observation, Lost):
            raise KeyError("a defect")
        return broken(job, observation, *more)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr(transitions, "step", breaks)
        await rig.start()
        rig.api.inject("CreateTrainingDataset", LOST_REPLY)
        deadline = {"deadline": format_time(rig.clock.wall() + 20.0)} if meanwhile == "deadline" else {}
        rig.send("CreateTrainingDataset", command_id="mine", **deadline)
        await rig.until(lambda: rig.nodes[0].story.problems)
        if meanwhile == "CancelCommand":
            cancelled = await rig.perform(meanwhile, {"commandId": "mine", "commandSource": "/tests"})
            assert cancelled.data["error"]["code"] == "TooLate"
        assert len(rig.creates("mine")) == 1
        assert (await rig.end("mine")).kind == "parked"


async def test_a_look_that_breaks_the_service_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = looks_deliver()
    times = [0]

    def breaks(self: Any, *arguments: Any) -> None:
        times[0] += 1
        if times[0] == 1:
            raise KeyError("a defect")
        broken(self, *arguments)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr("service.runtime.poll_results.PollResults.deliver", breaks)
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        await rig.made(MODEL, trainingDatasetArn=dataset)
        assert times[0] > 1
        rig.audit()


def looks_deliver() -> Any:
    from service.runtime.poll_results import PollResults

    return PollResults.deliver


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


async def test_a_timer_that_comes_after_the_end_of_its_shard_begins_nothing_and_is_no_defect() -> None:
    """Found by the simulator: it was tried again and again, in a shard that had ended."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        command_id = rig.send("CreateTrainingDataset")
        await rig.end(command_id)
        activities, job = node.shard(0)._activities, rig.job(command_id)
        assert job is not None
        await node.crash()
        activities._fire(records.key_of(job), job)
        await asyncio.sleep(120.0)
        assert not node.story.told("planning_error")
