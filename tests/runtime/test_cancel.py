"""A command that stops another: certain before the call, told truly after it."""

import asyncio
from typing import Any

import pytest

from schemas.cloudevents import format_time
from schemas.operations import AUDIENCE_MODEL
from service.core.budget import Lane
from service.core.job import Phase
from tests.fakes import api as fake
from tests.runtime.messages import COMMANDS, command, request
from tests.runtime.rig import Rig

pytestmark = pytest.mark.looptime

CREATE, MODEL = "CreateTrainingDataset", "CreateAudienceModel"


def cancel(rig: Rig, command_id: str, **members: Any) -> str:
    """Publishes a cancellation to the partition of the command."""
    data = {"commandId": command_id, "commandSource": "/tests", **members}
    _, value, headers = command("CancelCommand", f"cancel-{command_id}", data)
    rig.broker.produce(COMMANDS, command_id.encode(), value, headers)
    rig.sent[f"cancel-{command_id}"] = "CancelCommand"
    return f"cancel-{command_id}"


async def stopped(rig: Rig, command_id: str) -> None:
    """It was stopped before the call: both hear of it, and AWS never does."""
    cancellation = await rig.end(cancel(rig, command_id))
    assert (cancellation.kind, cancellation.data["result"]) == ("succeeded", {"cancelled": True})
    ending = await rig.end(command_id)
    assert ending.kind == "failed"
    await asyncio.sleep(200.0)
    assert rig.creates(command_id) == []
    rig.audit()


async def test_before_its_time() -> None:
    async with Rig() as rig:
        await rig.start()
        command_id = rig.send(CREATE, notbefore=format_time(rig.clock.wall() + 100.0))
        await rig.until(lambda: len(rig.kinds(command_id)) == 2)
        await stopped(rig, command_id)
        assert rig.api.log == []


async def test_while_it_waits_for_a_slot() -> None:
    async with Rig() as rig:
        await rig.start()
        dataset = await rig.made(CREATE)
        rig.api.inject(MODEL, fake.QUOTA)
        command_id = rig.send(MODEL, request(MODEL, trainingDatasetArn=dataset))
        await rig.until(lambda: rig.phase(command_id) == Phase.QUEUED)
        await stopped(rig, command_id)


@pytest.mark.parametrize("wait", [0.5, 10.0])
async def test_while_it_waits_for_the_budget(wait: float) -> None:
    async with Rig(writes_per_second=0.02) as rig:
        node = await rig.start()
        await node.limiters["default"].take(Lane.CREATE)
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.phase(command_id) == Phase.INTENDED)
        await asyncio.sleep(wait)
        await stopped(rig, command_id)
        assert rig.api.log == []


async def test_while_it_waits_for_a_connection() -> None:
    async with Rig() as rig:
        rig.api.connect = 1.0
        await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.phase(command_id) == Phase.INTENDED)
        await asyncio.sleep(0.5)
        await stopped(rig, command_id)
        assert rig.api.log == []


async def test_in_one_batch_with_its_command() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.broker.latency = 0.5
        rig.send(CREATE)
        await asyncio.sleep(0.1)  # the next two come together
        command_id = rig.send(CREATE)
        await stopped(rig, command_id)
        assert node.story.problems == []


@pytest.mark.parametrize("applied", [True, False])
async def test_when_the_commit_of_the_cancellation_is_lost(applied: bool) -> None:
    """Whatever became of it, both commands agree."""
    async with Rig(partitions=1) as rig:
        rig.api.connect = 1.0
        await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.phase(command_id) == Phase.INTENDED)
        rig.broker.fail_next_commit(applied=applied)
        cancellation = await rig.end(cancel(rig, command_id))
        ending = await rig.end(command_id)
        assert (cancellation.kind == "succeeded") == (ending.kind == "failed") == (not rig.creates(command_id))
        rig.audit()


async def test_too_late_once_the_call_has_left() -> None:
    async with Rig() as rig:
        rig.api.latency = 1.0
        await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.api.counts()[CREATE])
        cancellation = await rig.end(cancel(rig, command_id))
        assert (cancellation.kind, cancellation.code) == ("failed", "TooLate")
        assert (await rig.end(command_id)).kind == "succeeded"
        rig.audit()


async def test_too_late_while_nobody_knows() -> None:
    async with Rig() as rig:
        rig.api.list_lag = 10.0
        rig.api.inject(CREATE, fake.LOST_REPLY)
        await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.phase(command_id) == Phase.UNCERTAIN)
        assert (await rig.end(cancel(rig, command_id))).code == "TooLate"
        assert (await rig.end(command_id)).kind == "succeeded"
        rig.audit()


@pytest.mark.parametrize("restarts", [0, 1])
async def test_too_late_but_deleted_as_soon_as_it_is_there(restarts: int) -> None:
    async with Rig() as rig:
        rig.api.working = 20.0
        node = await rig.start()
        dataset = await rig.made(CREATE)
        command_id = rig.send(MODEL, request(MODEL, trainingDatasetArn=dataset))
        await rig.until(lambda: rig.phase(command_id) == Phase.RUNNING)
        cancellation = cancel(rig, command_id, deleteResource=True)
        await rig.until(lambda: rig.kinds(cancellation))
        for _ in range(restarts):
            node = await rig.restart(node)
        assert (await rig.end(command_id)).kind == "succeeded"
        assert (await rig.end(cancellation)).kind == "succeeded"
        assert rig.api.items(AUDIENCE_MODEL) == []
        await rig.numbered()
        rig.audit()


async def test_what_nobody_knows_and_what_has_ended() -> None:
    async with Rig() as rig:
        await rig.start()
        assert (await rig.end(cancel(rig, "never"))).code == "UnknownCommand"
        ended = (await rig.perform(CREATE)).key
        assert (await rig.end(cancel(rig, ended))).code == "TooLate"
