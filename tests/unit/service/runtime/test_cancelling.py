"""A command that stops another: certain before the call, told truly after it."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from schemas.cloudevents import format_time
from schemas.operations import AUDIENCE_MODEL
from schemas.permissions import TargetFacts
from service.core.job import Phase
from service.core.rate_budget import Lane
from tests.support import api as fake
from tests.support.cluster import Rig
from tests.support.messages import COMMANDS, command, request

pytestmark = pytest.mark.looptime

CREATE, MODEL, DELETE = "CreateTrainingDataset", "CreateAudienceModel", "DeleteAudienceModel"


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


async def test_in_the_commit_in_which_its_turn_comes() -> None:
    """Found by the simulator: the end of the command before it and its cancellation were stepped in one batch."""
    async with Rig(partitions=1) as rig:
        await rig.start()
        rig.api.latency = 1.0
        before = rig.send(CREATE, key="same")
        await rig.until(lambda: rig.api.counts()[CREATE])
        command_id = rig.send(CREATE, key="same")
        await rig.until(lambda: rig.phase(command_id) == Phase.INTENDED)
        rig.broker.latency = 2.0  # of a commit that begins before both and ends after them
        rig.send("ListTrainingDatasets")
        await rig.until(lambda: rig.api.log[0].outcome == "ok")
        cancellation = cancel(rig, command_id)
        assert (await rig.end(cancellation)).kind == "succeeded"
        assert rig.ending(before)
        await asyncio.sleep(100.0)
        assert rig.creates(command_id) == []
        rig.audit()


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


# Deleting what the command has made: that resource, where it was made, and no other


def cancelling(rig: Rig, of: str, **attributes: str) -> str:
    """Publishes a cancellation that is to delete."""
    data = {"commandId": of, "commandSource": "/tests", "deleteResource": True}
    _, value, headers = command("CancelCommand", f"cancel-{of}", data, **attributes)
    rig.broker.produce(COMMANDS, of.encode(), value, headers)
    rig.sent[f"cancel-{of}"] = "CancelCommand"
    return f"cancel-{of}"


def deletions(rig: Rig) -> list[tuple[str, str]]:
    """Target and resource of each deletion that was sent."""
    return [(entry.target, entry.params["audienceModelArn"]) for entry in rig.api.log if entry.operation == DELETE]


async def model(rig: Rig, target: str, **attributes: str) -> tuple[str, str]:
    """A command that makes a model at a target, and its ARN; beside it lies somebody else's."""
    dataset = rig.api.by_hand(CREATE, target, name="data")
    rig.api.by_hand(MODEL, target, name="theirs", trainingDatasetArn=dataset)
    data = {"name": "ours", "trainingDatasetArn": dataset}
    command_id = rig.send(MODEL, data, target=target, **attributes)
    await rig.until(lambda: rig.phase(command_id) == Phase.RUNNING)
    job = rig.job(command_id)
    assert job is not None
    return command_id, job.resource_id


@pytest.mark.parametrize("seed", range(8))
async def test_a_deletion_is_of_that_resource_at_its_target_whenever_processes_crash(seed: int) -> None:
    draw = Random(f"cancel/{seed}")
    async with Rig(partitions=1, targets=("default", "other")) as rig:
        rig.api.slowness = lambda: draw.choice((0.0, 0.5, 2.0))
        node = await rig.start()
        command_id, arn = await model(rig, "other")
        cancellation = cancelling(rig, command_id)
        for _ in range(4):
            await asyncio.sleep(draw.choice((0.05, 0.5, 4.0)) * draw.random())
            node = await rig.restart(node)
        ending = await rig.end(cancellation)
        assert (ending.kind, ending.data["result"]) == ("succeeded", {"cancelled": False, "deleted": True})
        assert ending.data["target"] == "other"
        assert set(deletions(rig)) == {("other", arn)}
        assert not rig.api.item(arn, "other").exists(rig.clock.monotonic())
        assert rig.api.item("theirs", "other").exists(rig.clock.monotonic())
        await rig.numbered()
        assert rig.statuses(arn)[-1] == "deleted"
        rig.audit()


async def test_its_own_deadline_and_start_time_are_respected() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.working = 100.0
        node = await rig.start()
        first, _ = await model(rig, "default")
        second, arn = await model(rig, "default")
        past = cancelling(rig, first, deadline=format_time(rig.clock.wall() - 60.0))
        assert (await rig.end(past)).code == "DeadlineExceeded"
        early = cancelling(rig, second, notbefore=format_time(rig.clock.wall() + 20.0))
        await rig.until(lambda: rig.kinds(early) == ["accepted", "waiting"])
        node = await rig.restart(node)
        await asyncio.sleep(10.0)
        assert rig.kinds(early) == ["accepted", "waiting"]
        await rig.until(lambda: rig.kinds(early) == ["accepted", "waiting", "waiting"])
        assert rig.replies(early)[-1].data["reason"] == "CommandUnderWay"
        assert (await rig.end(early)).kind == "succeeded"
        assert deletions(rig) == [("default", arn)]
        rig.audit()


async def test_a_deadline_passes_while_the_command_is_still_under_way() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.working = 100.0
        node = await rig.start()
        command_id, _ = await model(rig, "default")
        waiting = cancelling(rig, command_id, deadline=format_time(rig.clock.wall() + 30.0))
        await rig.until(lambda: len(rig.kinds(waiting)) == 2)
        await rig.restart(node)
        began = rig.clock.monotonic()
        assert (await rig.end(waiting)).code == "DeadlineExceeded"
        assert rig.clock.monotonic() - began < 32.0
        assert (await rig.end(command_id)).kind == "succeeded"
        assert deletions(rig) == []
        rig.audit()


async def parked(rig: Rig, target: str = "default") -> tuple[str, str]:
    """A command whose List shows two resources with its marker; the ARN of the one that it has made."""
    dataset = rig.api.by_hand(CREATE, target, name="data")
    rig.api.list_lag = 5.0
    rig.api.inject(MODEL, fake.LOST_REPLY)
    command_id = rig.send(MODEL, request(MODEL, trainingDatasetArn=dataset), target=target)
    await rig.until(lambda: rig.phase(command_id) == Phase.UNCERTAIN)
    (made,) = rig.api.items(AUDIENCE_MODEL, target)
    description = made.members["description"]
    rig.api.by_hand(MODEL, target, name="copy", trainingDatasetArn=dataset, description=description)
    return command_id, made.key


def resolve(rig: Rig, of: str, **members: str) -> str:
    data = {"commandId": of, "commandSource": "/tests", **members}
    _, value, headers = command("ResolveCommand", f"resolve-{of}", data)
    rig.broker.produce(COMMANDS, of.encode(), value, headers)
    return f"resolve-{of}"


@pytest.mark.parametrize("before", [True, False])
async def test_a_parked_command_is_waited_for_and_what_it_adopts_is_deleted(before: bool) -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        command_id, arn = await parked(rig)
        cancellation = cancelling(rig, command_id) if before else ""
        await rig.until(lambda: rig.phase(command_id) == Phase.PARKED)
        cancellation = cancellation or cancelling(rig, command_id)
        await rig.until(lambda: "CommandParked" in [reply.data.get("reason") for reply in rig.replies(cancellation)])
        node = await rig.restart(node)
        await asyncio.sleep(60.0)
        assert rig.ending(cancellation) is None
        await rig.end(resolve(rig, command_id, resolution="adopt", resourceArn=arn))
        await rig.restart(node)
        ending = await rig.end(cancellation)
        assert ending.data["result"] == {"cancelled": False, "deleted": True}
        assert deletions(rig) == [("default", arn)]


async def test_who_gave_a_parked_command_up_does_not_know_what_it_made() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        command_id, _ = await parked(rig)
        await rig.until(lambda: rig.phase(command_id) == Phase.PARKED)
        cancellation = cancelling(rig, command_id)
        await rig.end(resolve(rig, command_id, resolution="fail"))
        assert (await rig.end(cancellation)).code == "OutcomeUnknown"
        assert deletions(rig) == []


async def test_what_is_adopted_lies_at_the_target_of_the_command() -> None:
    """The decision names no target: the command's counts, not the default one."""
    async with Rig(partitions=1, targets=("default", "other")) as rig:
        node = await rig.start()
        facts = {"default": TargetFacts(account="111122223333"), "other": TargetFacts(account="111122223334")}
        node.context.limits[COMMANDS].facts.update(facts)  # type: ignore[attr-defined]
        command_id, arn = await parked(rig, "other")
        await rig.until(lambda: rig.phase(command_id) == Phase.PARKED)
        elsewhere = arn.replace("111122223334", "111122223333")
        refused = await rig.end(resolve(rig, command_id, resolution="adopt", resourceArn=elsewhere))
        assert refused.code == "InvalidResolution"
        assert "account" in refused.data["error"]["message"]
        data = {"commandId": command_id, "commandSource": "/tests", "resolution": "adopt", "resourceArn": arn}
        _, value, headers = command("ResolveCommand", "again", data)
        rig.broker.produce(COMMANDS, command_id.encode(), value, headers)
        assert (await rig.end("again")).kind == "succeeded"
        await rig.until(lambda: rig.kinds(command_id)[-1] == "succeeded")


@pytest.mark.parametrize(
    "grant",
    [
        {"operations": ("Create*", "CancelCommand")},
        {"targets": frozenset({"default"}), "open": False},
    ],
)
async def test_a_deletion_needs_the_right_to_delete_there(grant: dict[str, Any]) -> None:
    async with Rig(partitions=1, targets=("default", "other")) as rig:
        node = await rig.start()
        command_id, _ = await model(rig, "other")
        limits = node.context.limits[COMMANDS]
        node.context.limits[COMMANDS] = replace(limits, grant=replace(limits.grant, **grant))  # type: ignore[index]
        refused = await rig.end(cancelling(rig, command_id))
        assert (refused.kind, refused.code) == ("failed", "NotAllowed")
        assert (await rig.end(command_id)).kind == "succeeded"
        assert deletions(rig) == []


async def test_a_cancellation_of_itself_and_of_another_cancellation() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.working = 30.0
        await rig.start()
        data = {"commandId": "self", "commandSource": "/tests"}
        key, value, headers = command("CancelCommand", "self", data)
        rig.broker.produce(COMMANDS, key, value, headers)
        assert (await rig.end("self")).code == "UnknownCommand"
        command_id, _ = await model(rig, "default")
        waiting = cancelling(rig, command_id)
        await rig.until(lambda: len(rig.kinds(waiting)) == 2)
        assert (await rig.end(cancel(rig, waiting))).kind == "succeeded"
        assert (await rig.end(waiting)).code == "Cancelled"
        assert (await rig.end(command_id)).kind == "succeeded"
        assert deletions(rig) == []
        rig.audit()
