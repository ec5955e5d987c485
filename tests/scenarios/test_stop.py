"""SIGTERM: what is under way is finished and committed, within the deadline; no task is left behind."""

import asyncio

import pytest

from service.core.job import Phase
from tests.support import api as fake
from tests.support.cluster import Rig
from tests.support.messages import request
from tests.support.process import POLICY

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"


async def test_calls_under_way_end_and_are_committed() -> None:
    async with Rig() as rig:
        rig.api.latency = 2.0
        node = await rig.start()
        sent = [rig.send(CREATE) for _ in range(5)]
        await rig.until(lambda: rig.api.counts()[CREATE] == 5)
        await node.stop()
        assert [rig.kinds(command_id)[-1] for command_id in sent] == ["succeeded"] * 5
        assert node.story.problems == []


async def test_not_ready_while_stopping() -> None:
    async with Rig() as rig:
        rig.api.latency = 2.0
        node = await rig.start()
        rig.send(CREATE)
        await rig.until(lambda: rig.api.counts()[CREATE])
        seen = [node.ready]
        node.stopping.set()
        await asyncio.sleep(0.1)
        seen.append(node.ready)
        await node.task
        assert seen == [True, False]


async def test_nothing_new_begins_while_stopping() -> None:
    """What is still permitted is committed as not sent; the successor calls at once."""
    async with Rig(partitions=1, commit_latency=0.3) as rig:
        node = await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: node.story.commands["accepted"], step=0.001)
        await node.stop()
        assert not rig.api.log
        assert rig.phase(command_id) == Phase.INTENDED
        began = rig.clock.monotonic()
        await rig.start()
        await rig.end(command_id)
        assert rig.clock.monotonic() - began < POLICY.settle
        assert rig.api.counts()["ListTrainingDatasets"] == 0
        rig.audit()


async def test_what_waits_for_the_budget_is_handed_over_as_not_sent() -> None:
    async with Rig(partitions=1, writes_per_second=0.2) as rig:
        node = await rig.start()
        sent = [rig.send(CREATE) for _ in range(5)]
        await rig.until(lambda: rig.api.counts()[CREATE] == 1)
        began = rig.clock.monotonic()
        await node.stop()
        assert rig.clock.monotonic() - began < 1.0
        await rig.start()
        for command_id in sent:
            await rig.end(command_id)
        assert rig.api.counts()["ListTrainingDatasets"] == 0
        rig.audit()


async def test_a_call_that_hangs_ends_with_the_deadline() -> None:
    async with Rig(call_timeout=1000.0) as rig:
        rig.api.inject(CREATE, fake.HANG_AFTER)
        node = await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.api.counts()[CREATE])
        began = rig.clock.monotonic()
        await node.stop()
        assert rig.clock.monotonic() - began <= rig.options.stop_deadline
        await rig.start()
        assert (await rig.end(command_id)).kind == "succeeded"
        assert rig.api.counts()[CREATE] == 1
        rig.audit()


async def test_a_commit_that_hangs_ends_with_the_deadline() -> None:
    async with Rig() as rig:
        node = await rig.start()
        rig.broker.latency = 1000.0
        command_id = rig.send(CREATE)
        await rig.until(lambda: node.story.commands["accepted"])
        began = rig.clock.monotonic()
        await node.stop()
        assert rig.clock.monotonic() - began <= rig.options.stop_deadline + 0.1
        assert node.story.told("stop_timeout") == 1
        rig.broker.latency = 0.01
        await rig.start()
        assert (await rig.end(command_id)).kind == "succeeded"
        rig.audit()


async def test_with_a_kafka_that_is_away() -> None:
    async with Rig() as rig:
        node = await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.api.counts()[CREATE])
        rig.broker.freeze()
        began = rig.clock.monotonic()
        await node.stop()
        assert rig.clock.monotonic() - began <= rig.options.stop_deadline + 0.1
        rig.broker.thaw()
        await rig.start()
        assert (await rig.end(command_id)).kind == "succeeded"
        rig.audit()


async def test_while_a_new_assignment_is_being_taken_up() -> None:
    """What is lost closes only when its commit has ended; a stop that comes meanwhile must open nothing any more."""
    async with Rig(partitions=1, stop_deadline=8.0) as rig:
        node = await rig.start()
        rig.broker.latency = 8.0
        rig.send(CREATE)
        await rig.until(lambda: node.story.commands["accepted"], step=0.001)
        other = await rig.start(ready=False)
        await rig.until(lambda: other.app.status()["shards"])
        await asyncio.wait_for(node.stop(), 20.0)


@pytest.mark.parametrize("after", [0.0, 0.001, 0.01, 0.05])
async def test_before_it_was_ready(after: float) -> None:
    async with Rig() as rig:
        node = await rig.start(ready=False)
        await asyncio.sleep(after)
        await asyncio.wait_for(node.stop(), rig.options.stop_deadline)
        other = await rig.start()
        assert (await rig.perform(CREATE)).kind == "succeeded"
        assert len(other.assignment.shards) == 4


async def test_running_jobs_are_watched_on_by_the_next_one() -> None:
    async with Rig() as rig:
        rig.api.working = 100.0
        node = await rig.start()
        dataset = await rig.made(CREATE)
        command_id = rig.send("CreateAudienceModel", request("CreateAudienceModel", trainingDatasetArn=dataset))
        await rig.until(lambda: rig.phase(command_id) == Phase.RUNNING)
        began = rig.clock.monotonic()
        await node.stop()
        assert rig.clock.monotonic() - began < 1.0
        await rig.start()
        assert (await rig.end(command_id)).kind == "succeeded"
        rig.audit()


async def test_a_rolling_restart_under_load() -> None:
    async with Rig(partitions=4) as rig:
        nodes = [await rig.start() for _ in range(3)]
        sent = []
        for node in nodes:
            sent += [rig.send(CREATE) for _ in range(20)]
            await asyncio.sleep(0.3)
            await node.stop()
            sent += [rig.send(CREATE) for _ in range(20)]
            await rig.start()
        for command_id in sent:
            assert (await rig.end(command_id)).kind == "succeeded"
        assert rig.api.counts()["ListTrainingDatasets"] == 0
        rig.audit()
