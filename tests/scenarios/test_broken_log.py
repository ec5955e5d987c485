"""A changelog that can't be read, a Kafka that is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from schemas.records import job_key
from service.runtime.ports import InRecord, TopicPartition
from tests.support.cluster import Rig
from tests.support.member import MemoryPartitionLog
from tests.support.messages import CHANGELOG, CHANGES, COMMANDS, RESOURCES

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
        assert node.ready  # what can be served is served; the page, the metric and the log name the rest
        assert list(node.app.status()["halted"]) == [f"{COMMANDS}-1"]  # type: ignore[call-overload]
        assert node.app.status()["started"] is True  # a probe must not kill the pod for it: others are served
        assert "halted" in {state for partition, state in node.story.shards if partition.endswith("-1")}


async def test_a_halted_partition_that_goes_elsewhere_no_longer_counts() -> None:
    async with Rig() as rig:
        broken(rig, b"?")
        nodes = [await rig.start(ready=False)]
        await rig.until(lambda: nodes[0].assignment.standing)
        nodes.append(await rig.start(ready=False))
        await rig.until(lambda: all(node.ready for node in nodes))
        await rig.until(lambda: sorted(len(node.assignment.standing) for node in nodes) == [0, 1])


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
        assert node.ready
        assert done.kind == "succeeded"


async def test_a_partition_whose_records_cannot_be_read_is_told_and_taken_back() -> None:
    async with Rig() as rig:
        node = await rig.start()
        partition = TopicPartition(COMMANDS, 0)
        node.assignment.halted(partition, "can't be read at offset 7: UnsupportedCodecError()")
        assert node.app.status()["ready"] is True
        assert node.app.status()["halted"] == {f"{COMMANDS}-0": "can't be read at offset 7: UnsupportedCodecError()"}
        assert node.story.shards[-1] == (f"{COMMANDS}-0", "halted")
        node.assignment.halted(partition, "")
        assert node.app.status()["halted"] == {}
        assert node.story.shards[-1] == (f"{COMMANDS}-0", "running")
        node.assignment.halted(partition, "once more")
        rig.broker.group.rebalance()
        await rig.until(lambda: not node.assignment.standing)
        assert node.ready


async def test_a_process_that_can_serve_nothing_is_not_ready() -> None:
    """The brake of a rollout: a release, or settings, with which nothing is served must not reach every pod."""
    async with Rig(partitions=1) as rig:
        both = {TopicPartition(COMMANDS, 0), TopicPartition(CHANGES, 0)}
        for partition, changelog in zip(sorted(both, reverse=True), (CHANGELOG, RESOURCES), strict=True):
            rig.broker.produce(changelog, job_key("/tests", "old"), b"?", partition=0)
            rig.broker.set_offset(partition, 0)
        node = await rig.start(ready=False)
        await rig.until(lambda: node.assignment.standing.keys() == both)
        for _ in range(120):
            await asyncio.sleep(1.0)
            assert not node.ready
        assert node.app.status()["started"] is True  # nor is it killed: a restart would find the same
        rig.broker.produce(RESOURCES, job_key("/tests", "old"), None, partition=0)
        await rig.until(lambda: node.ready)
        assert list(node.assignment.standing) == [TopicPartition(COMMANDS, 0)]


async def test_all_partitions_whose_records_cannot_be_read_make_a_process_unready() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        for topic in (COMMANDS, CHANGES):
            assert node.ready
            node.assignment.halted(TopicPartition(topic, 0), "can't be read at offset 7")
        assert not node.ready


async def test_a_halted_partition_that_is_tried_again_keeps_its_process_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt restores for a while; readiness that came and went with them would hold up a rollout, too."""
    restore = MemoryPartitionLog.restore

    async def slow(log: MemoryPartitionLog, known: int = 0) -> AsyncIterator[Sequence[tuple[bytes, bytes | None]]]:
        await asyncio.sleep(20.0)
        async for each in restore(log, known):
            yield each

    async with Rig() as rig:
        broken(rig, b"?")
        monkeypatch.setattr(MemoryPartitionLog, "restore", slow)
        node = await rig.start()
        began = len(node.story.restores)
        for _ in range(300):
            await asyncio.sleep(1.0)
            assert node.ready
            assert list(node.assignment.standing) == [TopicPartition(COMMANDS, 1)]
        tries = [state for name, state in node.story.shards if name == f"{COMMANDS}-1"].count("restoring")
        assert tries >= 5
        assert len(node.story.restores) == began
        rig.broker.produce(CHANGELOG, job_key("/tests", "old"), None, partition=1)
        await rig.until(lambda: not node.assignment.standing)
        assert node.ready


async def test_a_partition_that_was_repaired_and_then_lost_its_log_is_not_shown_as_halted() -> None:
    async with Rig() as rig:
        broken(rig, b"?")
        node = await rig.start()
        await rig.until(lambda: node.assignment.standing)
        rig.broker.produce(CHANGELOG, job_key("/tests", "old"), None, partition=1)
        assert (await rig.perform(CREATE, partition=1)).kind == "succeeded"
        rig.broker.fail_next_commit(applied=False)
        command_id = rig.send(CREATE, partition=1)
        await rig.until(lambda: node.story.told("shard_closed_dirty"), step=0.001)
        assert node.app.status()["halted"] == {}
        assert (await rig.end(command_id)).kind == "succeeded"


async def test_a_halted_partition_does_not_hold_up_a_rolling_update() -> None:
    """As a StatefulSet does it: the next pod goes only when the one before is ready."""
    async with Rig(partitions=4) as rig:
        broken(rig, b"?")
        old = [await rig.start(), await rig.start()]
        bad = rig.send(CREATE, partition=1)
        await rig.until(lambda: any(node.assignment.standing for node in old))
        for node in old:
            await node.stop()
            began = rig.clock.monotonic()
            await rig.start()
            assert rig.clock.monotonic() - began < 30.0
        assert rig.kinds(bad) == []
        rig.broker.produce(CHANGELOG, job_key("/tests", "old"), None, partition=1)
        assert (await rig.end(bad)).kind == "succeeded"
