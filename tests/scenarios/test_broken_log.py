"""A changelog that can't be read, a Kafka that is away."""

import asyncio

import pytest

from schemas.records import job_key
from service.runtime.ports import InRecord, TopicPartition
from tests.support.cluster import Rig
from tests.support.messages import CHANGELOG, COMMANDS

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"


def broken(rig: Rig, value: bytes | None) -> None:
    """A record in the changelog of a partition that a former owner served."""
    rig.broker.produce(CHANGELOG, job_key("/tests", "old"), value, partition=1)
    rig.broker.set_offset(TopicPartition(COMMANDS, 1), 0)


async def test_a_corrupt_changelog_record_halts_its_shard_only() -> None:
    async with Rig() as rig:
        rig.broker.produce(CHANGELOG, job_key("/tests", "old"), b'{"record":"job","v":', partition=1)
        node = await rig.start(ready=False)
        good = rig.send(CREATE, partition=0)
        bad = rig.send(CREATE, partition=1)
        assert (await rig.end(good)).kind == "succeeded"
        assert rig.kinds(bad) == []
        assert list(node.assignment.standing) == [TopicPartition(COMMANDS, 1)]
        assert not node.ready
        assert node.app.status()["started"] is True  # a probe must not kill the pod for it: others are served
        assert "halted" in {state for partition, state in node.story.shards if partition.endswith("-1")}


async def test_a_halted_partition_that_goes_elsewhere_no_longer_counts() -> None:
    async with Rig() as rig:
        broken(rig, b"?")
        nodes = [await rig.start(ready=False)]
        await rig.until(lambda: nodes[0].assignment.standing)
        nodes.append(await rig.start(ready=False))
        await rig.until(lambda: sorted(node.ready for node in nodes) == [False, True])
        assert [bool(node.assignment.standing) for node in nodes] == [not node.ready for node in nodes]


async def test_a_halted_partition_is_tried_again_with_the_next_assignment() -> None:
    async with Rig() as rig:
        broken(rig, b"?")
        node = await rig.start(ready=False)
        bad = rig.send(CREATE, partition=1)
        await rig.until(lambda: node.assignment.standing)
        rig.broker.produce(CHANGELOG, job_key("/tests", "old"), None, partition=1)  # somebody has mended it
        rig.broker.group.rebalance()
        assert (await rig.end(bad)).kind == "succeeded"
        assert node.ready


async def test_a_kafka_that_is_away_for_a_while() -> None:
    async with Rig() as rig:
        node = await rig.start()
        before = await rig.perform(CREATE)
        rig.broker.freeze()
        command_id = rig.send(CREATE)
        await asyncio.sleep(30.0)
        rig.broker.thaw()
        assert (await rig.end(command_id)).kind == "succeeded"
        await rig.until(lambda: node.ready)
        rig.audit([before.key, command_id])


async def test_a_kafka_that_is_away_at_the_start() -> None:
    async with Rig() as rig:
        rig.broker.freeze()
        node = await rig.start(ready=False)
        await asyncio.sleep(30.0)
        assert not node.ready
        assert node.app.status()["started"] is False
        rig.broker.thaw()
        assert (await rig.perform(CREATE)).kind == "succeeded"
        assert node.app.status()["started"] is True
        assert node.ready


async def test_a_corrupt_record_that_has_a_successor_harms_nobody() -> None:
    async with Rig() as rig:
        for value in (b"?", None):  # as `skip-corrupt` leaves it, until compaction comes
            broken(rig, value)
        await rig.start()
        assert (await rig.perform(CREATE, partition=1)).kind == "succeeded"


async def test_a_halted_partition_is_tried_again_without_an_assignment() -> None:
    async with Rig() as rig:
        broken(rig, b"?")
        node = await rig.start(ready=False)
        bad, good = rig.send(CREATE, partition=1), rig.send(CREATE, partition=0)
        await rig.until(lambda: node.assignment.standing)
        (why,) = node.assignment.standing.values()
        assert "skip-corrupt --topic cleanroomsml.jobs --partition 1" in why
        generation = rig.broker.group.generation
        rig.broker.produce(CHANGELOG, job_key("/tests", "old"), None, partition=1)
        assert (await rig.end(bad)).kind == "succeeded"
        assert (await rig.end(good)).kind == "succeeded"
        assert rig.broker.group.generation == generation
        assert node.ready


async def test_records_for_a_predecessor_that_halted_are_not_taken_ahead_of_what_it_left() -> None:
    """Found by fault 27: nobody stops the delivery of a partition that halts, and its successor is still restoring."""
    async with Rig() as rig:
        node = await rig.start()
        partition = TopicPartition(COMMANDS, 0)
        successor = node._make_shard(partition)
        successor.receive([InRecord(COMMANDS, 0, 79, 0.0, b"k", b"{}", ())])
        assert (successor.waiting, successor.position) == (0, 0)
        assert (await rig.perform(CREATE, partition=0)).kind == "succeeded"


async def test_a_process_with_a_halted_partition_stops_cleanly() -> None:
    async with Rig() as rig:
        broken(rig, b"?")
        node = await rig.start(ready=False)
        await rig.until(lambda: node.assignment.standing)
        await node.stop()


async def test_a_committed_offset_that_is_gone_halts_its_shard_only() -> None:
    async with Rig() as rig:
        node = await rig.start()
        done = await rig.perform(CREATE, partition=1)
        await node.stop()
        rig.send(CREATE, partition=1)
        lost = rig.send(CREATE, partition=1)
        rig.broker.delete_records(COMMANDS, 1, rig.broker.partition(COMMANDS, 1).end)
        node = await rig.start(ready=False)
        assert (await rig.perform(CREATE, partition=0)).kind == "succeeded"
        await rig.until(lambda: node.assignment.standing)
        generation = rig.broker.group.generation
        await asyncio.sleep(120)
        assert list(node.assignment.standing) == [TopicPartition(COMMANDS, 1)]
        assert rig.broker.group.generation == generation, "nobody is disturbed by asking again and again"
        assert rig.kinds(lost) == []
        assert not node.ready
        assert done.kind == "succeeded"


async def test_a_partition_whose_records_cannot_be_read_is_told_and_taken_back() -> None:
    async with Rig() as rig:
        node = await rig.start()
        partition = TopicPartition(COMMANDS, 0)
        node.assignment.halted(partition, "can't be read at offset 7: UnsupportedCodecError()")
        assert node.app.status()["ready"] is False
        assert node.app.status()["halted"] == {f"{COMMANDS}-0": "can't be read at offset 7: UnsupportedCodecError()"}
        assert node.story.shards[-1] == (f"{COMMANDS}-0", "halted")
        node.assignment.halted(partition, "")
        assert node.app.status()["ready"] is True
        assert node.story.shards[-1] == (f"{COMMANDS}-0", "running")
        node.assignment.halted(partition, "once more")
        rig.broker.group.rebalance()
        await rig.until(lambda: node.ready)
