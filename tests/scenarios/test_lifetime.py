"""Times that a command names, and how long it is remembered; a restart changes none of them."""

import asyncio
from dataclasses import replace

import pytest

from schemas.cloudevents import format_time
from schemas.records import POSITION_KEY, job_key, resource_key
from tests.support import api as fake
from tests.support.cluster import Rig
from tests.support.messages import CHANGELOG, DEAD_LETTERS, RESOURCES, request
from tests.support.process import POLICY

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"


async def test_not_before_its_time() -> None:
    async with Rig() as rig:
        node = await rig.start()
        at = rig.clock.wall() + 100.0
        command_id = rig.send(CREATE, notbefore=format_time(at))
        await rig.until(lambda: rig.kinds(command_id) == ["accepted", "waiting"])
        assert rig.replies(command_id)[1].data["reason"] == "NotBefore"
        await asyncio.sleep(50.0)
        await rig.restart(node)
        await rig.end(command_id)
        assert 0.0 <= rig.api.log[0].time - 100.0 < 1.0
        assert rig.api.log[0].operation == CREATE
        rig.audit()


@pytest.mark.parametrize("restarts", [0, 1, 2])
async def test_not_after_its_deadline(restarts: int) -> None:
    async with Rig() as rig:
        node = await rig.start()
        rig.api.always(CREATE, fake.THROTTLED)
        command_id = rig.send(CREATE, deadline=format_time(rig.clock.wall() + 60.0))
        for _ in range(restarts):
            await asyncio.sleep(10.0)
            node = await rig.restart(node)
        reply = await rig.end(command_id)
        assert (reply.kind, reply.code) == ("failed", "DeadlineExceeded")
        assert 59.0 < rig.clock.monotonic() < 62.0 + POLICY.settle
        calls = rig.api.counts()[CREATE]
        rig.api.always(CREATE, None)
        await asyncio.sleep(100.0)
        assert rig.api.counts()[CREATE] == calls
        assert rig.creates(command_id) == []
        rig.audit()


async def test_a_deadline_does_not_touch_what_has_begun() -> None:
    async with Rig() as rig:
        rig.api.working = 100.0
        await rig.start()
        dataset = await rig.made(CREATE)
        data = request("CreateAudienceModel", trainingDatasetArn=dataset)
        command_id = rig.send("CreateAudienceModel", data, deadline=format_time(rig.clock.wall() + 20.0))
        assert (await rig.end(command_id)).kind == "succeeded"


async def test_a_deadline_while_waiting_for_a_slot() -> None:
    async with Rig() as rig:
        rig.api.quotas = {"audience-models": 0}
        await rig.start()
        data = request("CreateAudienceModel", trainingDatasetArn=await rig.made(CREATE))
        command_id = rig.send("CreateAudienceModel", data, deadline=format_time(rig.clock.wall() + 20.0))
        assert (await rig.end(command_id)).code == "DeadlineExceeded"
        assert rig.clock.monotonic() < 25.0
        rig.audit()


@pytest.mark.parametrize("restart", [True, False])
async def test_an_ended_command_is_forgotten_and_then_new_again(restart: bool) -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        await rig.perform(CREATE, command_id="once")
        await asyncio.sleep(POLICY.retention / 2)
        if restart:
            node = await rig.restart(node)
        rig.send(CREATE, command_id="once")
        await rig.until(lambda: rig.kinds("once").count("succeeded") == 2)
        assert rig.api.counts()[CREATE] == 1
        assert len({reply.id for reply in rig.replies("once")}) == 2
        await asyncio.sleep(POLICY.retention / 2 + 1.0)
        assert rig.job("once") is not None  # until Kafka's clock says so too: with the next record
        rig.send(CREATE)
        await rig.until(lambda: rig.job("once") is None)
        changelog = [r for r in rig.broker.read_committed(CHANGELOG) if r.key == job_key("/tests", "once")]
        assert changelog[-1].value is None
        rig.send(CREATE, request(CREATE, name="another"), command_id="once")
        await rig.until(lambda: rig.api.counts()[CREATE] == 3)
        assert node.app.jobs().keys() <= {"intended", "succeeded"}


async def test_a_deleted_resource_is_forgotten_too() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        arn = await rig.made(CREATE)
        await rig.perform("DeleteTrainingDataset", request("DeleteTrainingDataset", trainingDatasetArn=arn))
        await rig.numbered()
        assert rig.statuses(arn) == ["created", "deleted"]
        await asyncio.sleep(POLICY.retention / 2)
        await rig.restart(node)
        await asyncio.sleep(POLICY.retention / 2 + 1.0)
        assert resource_key("training-dataset", arn) in rig.folded(0, RESOURCES)
        other = await rig.made(CREATE)
        left = {POSITION_KEY, resource_key("training-dataset", other)}
        await rig.until(lambda: rig.folded(0, RESOURCES).keys() == left)


async def test_a_duplicate_while_it_runs_and_a_misuse_after_it_ended() -> None:
    async with Rig() as rig:
        rig.api.latency = 1.0
        await rig.start()
        data = request(CREATE, name="data")
        command_id = rig.send(CREATE, data)
        await rig.until(lambda: rig.api.counts()[CREATE])
        rig.send(CREATE, data, command_id=command_id)
        await rig.end(command_id)
        assert rig.kinds(command_id).count("accepted") == 2
        rig.send(CREATE, request(CREATE, name="else"), command_id=command_id)
        await rig.until(lambda: "rejected" in rig.kinds(command_id))
        assert rig.api.counts()[CREATE] == 1
        assert len(rig.broker.read_committed(DEAD_LETTERS)) == 0


async def test_a_clock_that_is_set_forward_does_not_forget_a_timer() -> None:
    async with Rig(policy=replace(POLICY, retention=50.0)) as rig:
        node = await rig.start()
        command_id = rig.send(CREATE, notbefore=format_time(rig.clock.wall() + 10_000.0))
        await rig.until(lambda: len(rig.kinds(command_id)) == 2)
        node.clock.skew = 10_000.0
        await rig.end(command_id, within=61.0)


async def test_an_end_seen_by_an_owner_whose_clock_is_days_behind_is_not_forgotten_early() -> None:
    """The owner restores the job, and sees its end before any record of the partition shows Kafka's clock."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        command = rig.send("CreateAudienceModel", request("CreateAudienceModel", trainingDatasetArn=dataset))
        await rig.until(lambda: rig.phase(command) == "running")
        await node.crash()
        behind = rig.begin()
        behind.clock.skew = -30 * 86_400.0
        await rig.end(command)
        await behind.stop()
        await rig.start()
        await rig.perform("ListTrainingDatasets")
        await asyncio.sleep(5)
        assert rig.job(command) is not None
