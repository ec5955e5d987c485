"""A process dies at every moment of interest: one creation, one end, events without gaps."""

import pytest

from service.core.job import Phase
from tests.support import api as fake
from tests.support.cluster import Rig
from tests.support.messages import request
from tests.support.process import CADENCE, POLICY, Node

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"


async def settled(rig: Rig, command_id: str, kind: str = "succeeded") -> None:
    """Waits for the end and a while longer; then all promises must have been kept."""
    assert (await rig.end(command_id)).kind == kind
    await rig.numbered()
    await rig.until(lambda: all(node.ready for node in rig.nodes if not node.task.done()))
    rig.audit()
    assert len(rig.creates(command_id)) == 1


async def model(rig: Rig) -> tuple[Node, str]:
    """A process and a command to it that takes a while."""
    node = await rig.start()
    dataset = await rig.made(CREATE)
    return node, rig.send("CreateAudienceModel", request("CreateAudienceModel", trainingDatasetArn=dataset))


async def test_before_the_intent_is_committed() -> None:
    async with Rig(commit_latency=1.0) as rig:
        node = await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: node.story.commands["accepted"] == 1)
        assert rig.kinds(command_id) == []
        await rig.restart(node)
        await settled(rig, command_id)
        assert rig.job(command_id) is not None


async def test_after_the_intent_and_before_the_call() -> None:
    """Nothing has left, but nobody can know: a search and the settling come first."""
    async with Rig() as rig:
        rig.api.connect = 1.0
        node = await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.phase(command_id) == Phase.INTENDED)
        assert not rig.api.log
        await rig.restart(node)
        began = rig.clock.monotonic()
        await settled(rig, command_id)
        assert rig.clock.monotonic() - began >= POLICY.settle
        assert rig.api.counts()[CREATE] == 1


async def test_after_the_call_and_before_its_outcome_is_known() -> None:
    """The creation is found by its marker and adopted, without waiting for anything to settle."""
    async with Rig() as rig:
        rig.api.latency = 1.0
        node = await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.api.counts()[CREATE])
        await rig.restart(node)
        began = rig.clock.monotonic()
        await settled(rig, command_id)
        assert rig.clock.monotonic() - began < POLICY.settle
        assert rig.api.counts()[CREATE] == 1


@pytest.mark.parametrize("lag", [0.0, 12.0])
async def test_while_the_outcome_is_being_searched_for(lag: float) -> None:
    async with Rig() as rig:
        rig.api.list_lag = lag
        rig.api.inject(CREATE, fake.LOST_REPLY)
        node = await rig.start()
        command_id = rig.send(CREATE)
        rig.api.latency = 0.5
        await rig.until(lambda: rig.phase(command_id) == Phase.UNCERTAIN)
        node = await rig.restart(node)
        await rig.until(lambda: rig.api.counts()["ListTrainingDatasets"])
        await rig.restart(node)
        await settled(rig, command_id)
        assert rig.api.counts()[CREATE] == 1


async def test_an_empty_search_begins_again_with_every_crash() -> None:
    """Law 2 is counted anew by every owner: the former one may have called until just now."""
    async with Rig() as rig:
        rig.api.inject(CREATE, fake.LOST_REQUEST)
        node = await rig.start()
        command_id = rig.send(CREATE)
        began = 0.0
        for _ in range(3):
            await rig.until(lambda: rig.phase(command_id) == Phase.UNCERTAIN)
            await sleep(rig, POLICY.settle * 0.8)
            assert rig.api.counts()[CREATE] == 1
            began = rig.clock.monotonic()
            node = await rig.restart(node)
        await settled(rig, command_id)
        assert rig.clock.monotonic() - began >= POLICY.settle
        assert rig.api.counts()[CREATE] == 2


async def test_while_a_job_runs() -> None:
    async with Rig() as rig:
        rig.api.working = 60.0
        node, command_id = await model(rig)
        for _ in range(4):
            await rig.until(lambda: rig.phase(command_id) == Phase.RUNNING)
            await sleep(rig, 10.0)
            node = await rig.restart(node)
        await settled(rig, command_id)
        assert rig.statuses(started(rig, command_id)) == ["CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"]
        assert rig.clock.monotonic() < 60.0 + 10 * CADENCE.later


def started(rig: Rig, command_id: str) -> str:
    """The ARN that the reply told."""
    return next((str(reply.data["resourceArn"]) for reply in rig.replies(command_id) if reply.kind == "started"), "")


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("which", range(1, 5))
async def test_in_the_middle_of_a_commit(applied: bool, which: int) -> None:
    """The outcome of a commit is lost: the shard is opened anew and finds out."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        dataset = await rig.made(CREATE)
        await rig.numbered()
        commits = len(node.story.commits)
        command_id = rig.send("CreateAudienceModel", request("CreateAudienceModel", trainingDatasetArn=dataset))
        await rig.until(lambda: len(node.story.commits) >= commits + which - 1, step=0.001)
        rig.broker.fail_next_commit(applied=applied)
        await settled(rig, command_id)
        assert node.story.told("shard_closed_dirty") == 1


@pytest.mark.parametrize("applied", [True, False])
async def test_in_the_middle_of_a_commit_and_then_a_crash(applied: bool) -> None:
    async with Rig() as rig:
        node, command_id = await model(rig)
        rig.broker.fail_next_commit(applied=applied)
        await rig.until(lambda: node.story.told("shard_closed_dirty"))
        await rig.restart(node)
        await settled(rig, command_id)


@pytest.mark.parametrize("moment", [0.001 * 2**n for n in range(14)])
async def test_at_any_moment(moment: float) -> None:
    """Not chosen: two crashes at moments spread over the whole life of a command."""
    async with Rig() as rig:
        rig.api.latency = 0.3
        node, command_id = await model(rig)
        for _ in range(2):
            await sleep(rig, moment)
            node = await rig.restart(node, ready=False)
        await settled(rig, command_id)


async def sleep(rig: Rig, seconds: float) -> None:
    until = rig.clock.monotonic() + seconds
    await rig.until(lambda: rig.clock.monotonic() >= until, step=min(seconds, 0.1))


async def test_the_end_is_told_once_however_often_one_restarts() -> None:
    async with Rig() as rig:
        node = await rig.start()
        command_id = rig.send(CREATE)
        await rig.end(command_id)
        for _ in range(3):
            node = await rig.restart(node)
        await sleep(rig, 100.0)
        assert rig.kinds(command_id) == ["accepted", "succeeded"]
        rig.audit()
