"""Partitions come, stay and go: fencing, rebalances and zombies."""

import asyncio
from typing import Any

import pytest

from service.core.job import Phase
from service.runtime.ports import TopicPartition
from service.runtime.shard import State
from tests.support import api as fake
from tests.support.cluster import Rig
from tests.support.member import MemoryLog
from tests.support.messages import COMMANDS, request
from tests.support.process import POLICY

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"
CONFIGURE = "CreateConfiguredAudienceModel"


async def test_a_fenced_shard_closes_dirty_and_comes_back_by_rejoining() -> None:
    async with Rig() as rig:
        node = await rig.start()
        shard = node.shard(0)
        rig.broker.fence(TopicPartition(COMMANDS, 0))
        command_id = rig.send(CREATE, partition=0)
        assert (await rig.end(command_id)).kind == "succeeded"
        assert shard.state is State.CLOSED
        assert node.shard(0) is not shard
        assert node.story.told("shard_closed_dirty") == 1
        rig.audit()


async def test_an_unknown_commit_spends_the_shard_only() -> None:
    async with Rig() as rig:
        node = await rig.start()
        other = node.shard(1)
        rig.broker.fail_next_commit(applied=False)
        command_id = rig.send(CREATE, partition=0)
        assert (await rig.end(command_id)).kind == "succeeded"
        assert node.shard(1) is other
        assert other.state is State.RUNNING
        rig.audit()


async def test_an_assignment_in_the_moment_of_a_shards_end_opens_its_partition_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by the simulator: a rebalance that others wanted came between a shard's end and its being forgotten."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        held = frozenset(node.assignment.shards)
        given: list[asyncio.Task[None]] = []

        def rejoin(*_: object) -> None:
            given.append(asyncio.create_task(node.assignment.assigned(held)))

        monkeypatch.setattr(MemoryLog, "rejoin", rejoin)
        rig.broker.fail_next_commit(applied=False)
        command_id = rig.send(CREATE)
        assert (await rig.end(command_id)).kind == "succeeded"
        assert len(given) == 1


async def test_of_two_processes_of_one_instance_id_the_elder_says_that_it_is_not_ready() -> None:
    async with Rig(instance_id="pod-0") as rig:
        elder = await rig.start()
        ended = [(await rig.perform(CREATE, partition=number)).key for number in range(2)]
        newcomer = await rig.start()
        await rig.until(lambda: elder.app.superseded)
        assert not elder.ready
        assert "'pod-0'" in str(elder.app.status()["superseded"])
        assert elder.assignment.shards == {}
        assert elder.story.told("instance_id_conflict") == 1
        ended += [(await rig.perform(CREATE, partition=number)).key for number in range(2)]
        assert elder.story.commands["accepted"] == newcomer.story.commands["accepted"] == 2
        await newcomer.crash()
        await rig.until(lambda: elder.ready)
        assert elder.app.superseded == ""
        ended.append((await rig.perform(CREATE, partition=0)).key)
        rig.audit(ended)


async def test_what_is_kept_stays_warm() -> None:
    """A rebalance gives everything up and most of it back: nothing is restored twice."""
    async with Rig(partitions=4) as rig:
        first = await rig.start()
        ended = [(await rig.perform(CREATE, partition=number)).key for number in range(4)]
        before = {number: first.shard(number) for number in range(4)}
        second = await rig.start()
        kept = [number for number in range(4) if TopicPartition(COMMANDS, number) in first.assignment.shards]
        assert all(first.shard(number) is before[number] for number in kept)
        assert 0 < len(kept) + len(second.assignment.shards) < 12
        assert len(first.story.restores) == 8
        assert len(first.assignment.shards) == len(second.assignment.shards) == 4
        more = [(await rig.perform(CREATE, partition=number)).key for number in range(4)]
        rig.audit(ended + more)


async def test_a_lost_partition_is_handed_over_without_settling() -> None:
    """What was permitted and not begun is committed as not sent, so that the successor may call at once."""
    async with Rig(partitions=4, commit_latency=0.2) as rig:
        first = await rig.start()
        sent = [rig.send(CREATE, partition=number) for number in range(4)]
        await rig.until(lambda: first.story.commands["accepted"] == 4, step=0.001)
        began = rig.clock.monotonic()
        second = await rig.start()  # revokes while the intents are being committed
        for command_id in sent:
            await rig.end(command_id)
        assert rig.clock.monotonic() - began < POLICY.settle
        assert rig.api.counts()[CREATE] == 4
        assert rig.api.counts()["ListTrainingDatasets"] == 0
        assert second.story.replies["succeeded"] > 0
        rig.audit()


async def test_calls_under_way_end_before_the_partition_goes() -> None:
    async with Rig() as rig:
        rig.api.latency = 2.0
        await rig.start()
        sent = [rig.send(CREATE, partition=number) for number in range(2)]
        await rig.until(lambda: rig.api.counts()[CREATE] == 2)
        began = rig.clock.monotonic()
        await rig.start()
        assert all(rig.ending(command_id) for command_id in sent)
        assert rig.clock.monotonic() - began < 3.0
        assert rig.api.counts()["ListTrainingDatasets"] == 0
        rig.audit()


async def test_a_call_that_hangs_does_not_hold_up_the_group() -> None:
    """The grace ends; the successor finds out what became of the call."""
    async with Rig() as rig:
        rig.api.inject(CREATE, fake.HANG_AFTER, fake.HANG_AFTER)
        await rig.start()
        sent = [rig.send(CREATE, partition=number) for number in range(2)]
        await rig.until(lambda: rig.api.counts()[CREATE] == 2)
        began = rig.clock.monotonic()
        second = await rig.start()
        assert rig.clock.monotonic() - began < rig.options.stop_deadline
        for command_id in sent:
            assert (await rig.end(command_id)).kind == "succeeded"
        assert second.assignment.shards
        rig.audit()


async def test_a_running_job_goes_with_its_partition() -> None:
    async with Rig() as rig:
        rig.api.working = 40.0
        first = await rig.start()
        dataset = await rig.made(CREATE)
        data = request("CreateAudienceModel", trainingDatasetArn=dataset)
        sent = [rig.send("CreateAudienceModel", data | {"name": f"m{n}"}, partition=n) for n in range(2)]
        await rig.until(lambda: all(rig.phase(command_id) == Phase.RUNNING for command_id in sent))
        second = await rig.start()
        await rig.until(lambda: sum(len(node.pollers["default"]) for node in (first, second)) == 2)
        await first.stop()
        await rig.until(lambda: len(second.pollers["default"]) == 2)
        for command_id in sent:
            assert (await rig.end(command_id)).kind == "succeeded"
        await rig.numbered()
        rig.audit()


async def test_a_zombie_that_comes_back_starts_over() -> None:
    """It missed its session and believes to be an owner; what it remembers is old, and it must not commit it."""
    async with Rig() as rig:
        zombie = await rig.start()
        before = [rig.send(CREATE, partition=number) for number in range(2)]
        await rig.until(lambda: all(rig.ending(command_id) for command_id in before))
        shards = [zombie.shard(number) for number in range(2)]
        rig.broker.evict(zombie.name)
        heir = await rig.start()
        between = [(await rig.perform(CREATE, partition=number)).key for number in range(2)]
        assert [shard.state for shard in shards] == [State.RUNNING, State.RUNNING]
        rig.broker.readmit(zombie.name)
        await heir.stop()
        after = [(await rig.perform(CREATE, partition=number)).key for number in range(2)]
        assert [shard.state for shard in shards] == [State.CLOSED, State.CLOSED]
        await rig.numbered()
        rig.audit(before + between + after)


async def test_an_owner_that_was_away_learns_what_another_took_on_although_nothing_more_arrives() -> None:
    """Found by simulation: its position was ahead of its memory. What it knows of both comes from one replay now."""
    async with Rig(partitions=1) as rig:
        rig.api.working = 60.0
        dataset = rig.api.by_hand(CREATE, name="old")
        await (await rig.start()).stop()  # or the first commit, of the position, would show who the owner is
        rig.broker.opening = lambda: 1.0
        away = rig.begin()
        await rig.until(lambda: away.story.shards.count(("cleanroomsml.commands-0", "restoring")), step=0.001)
        rig.broker.evict(away.name)
        await asyncio.sleep(1.1)  # it knows the offsets, and is reading the changelog
        rig.broker.opening = lambda: 0.0
        heir = await rig.start()
        command_id = rig.send("CreateAudienceModel", request("CreateAudienceModel", trainingDatasetArn=dataset))
        await rig.until(lambda: rig.phase(command_id) == Phase.RUNNING, within=0.8)
        await asyncio.sleep(2.0)  # by now it has restored
        await heir.stop()
        rig.broker.readmit(away.name)
        assert (await rig.end(command_id)).kind == "succeeded"


async def test_who_was_fenced_opens_nothing_by_itself() -> None:
    """Opening fences: a zombie that helps itself to a new producer throws the true owner out."""
    async with Rig(partitions=1) as rig:
        zombie = await rig.start()
        rig.broker.evict(zombie.name)
        heir = await rig.start()
        owner = heir.shard(0)
        zombie.shard(0).resume()
        await rig.until(lambda: zombie.story.told("shard_closed_dirty"))
        await asyncio.sleep(5.0)
        assert heir.shard(0) is owner
        await rig.end(rig.send(CREATE))
        assert owner.state is State.RUNNING


async def test_a_zombie_in_mid_call_does_not_make_a_second_resource() -> None:
    """Its request is in the network when the successor searches: law 2 makes the successor wait for it."""
    async with Rig() as rig:
        rig.api.inject(CREATE, fake.late(20.0))
        zombie = await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.api.counts()[CREATE])
        rig.broker.evict(zombie.name)
        await rig.start()
        assert (await rig.end(command_id)).kind == "succeeded"
        assert len(rig.creates(command_id)) == 1
        rig.audit()


async def test_a_zombie_whose_turn_comes_late_does_not_call() -> None:
    """Law 1: the permission has grown old, and a new one can't be committed any more.

    The connection comes later than the window closes.
    """
    async with Rig() as rig:
        data = await configured(rig)
        zombie = await rig.start()
        rig.api.connect = 2 * POLICY.call_window
        command_id = rig.send(CONFIGURE, data)
        await rig.until(lambda: rig.phase(command_id) == Phase.INTENDED)
        await asyncio.sleep(0.1)
        rig.api.connect = 0.0
        rig.broker.evict(zombie.name)
        evicted = rig.clock.monotonic()
        await rig.start()
        assert (await rig.end(command_id)).kind == "succeeded"
        assert zombie.story.told("shard_closed_dirty") == 1
        [call] = [entry for entry in rig.api.log if entry.operation == CONFIGURE]
        assert call.time - evicted > POLICY.settle, "it was the heir's, who had waited"


async def configured(rig: Rig) -> dict[str, Any]:
    """What it takes to make one of those whose names AWS lets two of them have."""
    maker = await rig.start()
    model = await rig.made("CreateAudienceModel", trainingDatasetArn=await rig.made(CREATE))
    await maker.stop()
    return request(CONFIGURE, audienceModelArn=model)


async def test_a_rebalance_while_an_intent_is_being_renewed() -> None:
    """It is withdrawn, renewed all the same, and given back: still one call at a time."""
    async with Rig(partitions=1, stop_deadline=2.0) as rig:
        data = await configured(rig)
        await rig.start()
        rig.api.latency = 6.0
        command_id = await renewing(rig, data)
        rig.broker.group.rebalance()
        await rig.end(command_id)
        await asyncio.sleep(60.0)
        assert len(rig.creates(command_id)) == 1
        rig.audit()


async def test_a_call_that_leaves_in_a_commit_that_outlasts_a_rebalance_is_not_given_back() -> None:
    """Found by the simulator: the commit renews the intent that the rebalance has withdrawn, and so permits a call."""
    async with Rig(partitions=1, stop_deadline=0.5) as rig:
        data = await configured(rig)
        rig.api.latency = 6.0
        node = await rig.start()
        command_id = await renewing(rig, data)
        rig.broker.group.rebalance()
        await rig.until(lambda: rig.api.counts()[CONFIGURE])
        await asyncio.sleep(2.0)  # until what was put down at the rebalance is committed
        rig.broker.latency = 0.0
        await node.crash()
        rig.api.latency = 0.01
        await rig.start()
        assert (await rig.end(command_id)).kind == "succeeded"
        assert len(rig.creates(command_id)) == 1
        rig.audit()


async def test_a_call_that_is_withdrawn_and_permitted_again_is_made() -> None:
    """The same; the call waits for a connection while its job is given back, and for longer than until it is due."""
    async with Rig(partitions=1, stop_deadline=0.5) as rig:
        data = await configured(rig)
        rig.api.connect = 1.5
        await rig.start()
        command_id = await renewing(rig, data)
        rig.broker.latency = 0.1  # of the commits that follow
        rig.broker.group.rebalance()
        assert (await rig.end(command_id)).kind == "succeeded"
        assert len(rig.creates(command_id)) == 1
        rig.audit()


async def renewing(rig: Rig, data: dict[str, Any]) -> str:
    """Publishes a command whose connection comes after its window: a slow commit is just renewing its intent."""
    connect, rig.api.connect = rig.api.connect, POLICY.call_window + 0.1
    command_id = rig.send(CONFIGURE, data)
    await rig.until(lambda: rig.phase(command_id) == Phase.INTENDED)
    rig.api.connect = connect  # of the attempts that follow
    rig.broker.latency = 1.5
    await asyncio.sleep(POLICY.call_window + 0.3)
    return command_id
