"""Offsets, changelogs and topics that disagree: a shard goes on where it can be known, and halts where it can't."""

import asyncio

import pytest

from schemas import records
from schemas.records import Position
from service.runtime.ports import TopicPartition
from tests.support.cluster import Rig
from tests.support.member import QUIET
from tests.support.messages import CHANGELOG, CHANGES, COMMANDS, RESOURCES, request
from tests.support.process import POLICY, Node

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"
JOB = "CreateAudienceModel"


async def served(rig: Rig) -> str:
    """A billed job that has ended and was forgotten long ago; the service is stopped, the changelog is not empty."""
    node = await rig.start()
    arn = await rig.made(CREATE)
    command_id = rig.send(JOB, request(JOB, trainingDatasetArn=arn))
    await rig.end(command_id)
    await asyncio.sleep(POLICY.retention + 1.0)
    await rig.perform(CREATE)
    await rig.until(lambda: rig.job(command_id) is None)
    await rig.numbered()
    await node.stop()
    return command_id


async def halts(rig: Rig, topic: str = COMMANDS) -> tuple[Node, str]:
    node = await rig.start(ready=False)
    await rig.until(lambda: node.assignment.standing)
    (partition,) = node.assignment.standing
    assert partition == TopicPartition(topic, 0)
    return node, node.assignment.standing[partition]


async def test_a_lost_offset_is_recovered_from_the_changelog() -> None:
    async with Rig(partitions=1) as rig:
        command_id = await served(rig)
        events = len(rig.events())
        rig.broker.lose_offsets()
        node = await rig.start()
        assert (await rig.perform(CREATE)).kind == "succeeded"
        await rig.numbered()
        assert len(rig.creates(command_id)) == 1
        assert rig.kinds(command_id).count("succeeded") == 1
        assert len(rig.events()) == events + 1
        assert node.story.told("offset_corrected")
        assert rig.broker.committed(TopicPartition(COMMANDS, 0)) is not None


async def test_an_offset_that_was_set_back_repeats_nothing() -> None:
    async with Rig(partitions=1) as rig:
        command_id = await served(rig)
        rig.broker.set_offset(TopicPartition(COMMANDS, 0), 0)
        await rig.start()
        assert (await rig.perform(CREATE)).kind == "succeeded"
        assert len(rig.creates(command_id)) == 1


async def test_a_lost_offset_beside_the_changelog_of_an_older_release_halts() -> None:
    async with Rig(partitions=1) as rig:
        command_id = await served(rig)
        rig.broker.produce(CHANGELOG, records.POSITION_KEY, None, partition=0)
        rig.broker.lose_offsets(COMMANDS)
        node, why = await halts(rig)
        assert "the changelog is not empty but records no position" in why
        assert f"python -m service offsets set --topic {COMMANDS} --partition 0 --to OFFSET" in why
        await asyncio.sleep(120)
        assert len(rig.creates(command_id)) == 1
        assert list(node.assignment.standing) == [TopicPartition(COMMANDS, 0)]


@pytest.mark.parametrize(("topic", "changelog"), [(COMMANDS, CHANGELOG), (CHANGES, RESOURCES)])
async def test_a_changelog_that_was_made_anew_halts(topic: str, changelog: str) -> None:
    async with Rig(partitions=1) as rig:
        await served(rig)
        rig.broker.recreate(changelog)
        _, why = await halts(rig, topic)
        assert "the changelog is empty: it was lost" in why
        assert "python -m service backfill" in why


async def test_a_changelog_whose_first_records_were_deleted_halts() -> None:
    async with Rig(partitions=1) as rig:
        await served(rig)
        rig.broker.delete_records(CHANGELOG, 0, 3)
        _, why = await halts(rig)
        assert "compaction does not do that" in why


async def test_a_changelog_without_a_position_whose_first_records_were_deleted_halts() -> None:
    """That of an older release, or one whose only position is among what was lost."""
    async with Rig(partitions=1) as rig:
        await served(rig)
        rig.broker.produce(CHANGELOG, records.POSITION_KEY, None, partition=0)
        rig.broker.delete_records(CHANGELOG, 0, 3)
        _, why = await halts(rig)
        assert "begins at offset 3 and records no position" in why
        await asyncio.sleep(120)  # and it does not record one when it is tried again
        assert await halts(rig)


@pytest.mark.parametrize("standby", [False, True])
@pytest.mark.parametrize("consumed", [False, True])
async def test_a_changelog_that_was_made_anew_under_its_shard_halts_the_next_one(standby: bool, consumed: bool) -> None:
    """Its newest records agree with everything else: only the topic's id tells what is not in it."""
    async with Rig(partitions=1, standby=standby) as rig:
        node = await rig.start()
        other = await rig.start()
        owner = node if TopicPartition(COMMANDS, 0) in node.assignment.shards else other
        forgotten = rig.send(JOB, request(JOB, trainingDatasetArn=await rig.made(CREATE)))
        await rig.end(forgotten)
        going_on = rig.send(JOB, request(JOB, trainingDatasetArn=await rig.made(CREATE)))
        await rig.until(lambda: rig.phase(going_on) == "running")
        rig.broker.recreate(CHANGELOG)
        if consumed:
            await rig.perform(CREATE)
        await rig.end(going_on)
        assert len(rig.broker.read_committed(CHANGELOG)) > 0
        await owner.crash()
        heir = other if owner is node else node
        await rig.until(lambda: heir.assignment.standing)
        (why,) = heir.assignment.standing.values()
        assert "the changelog was deleted and recreated" in why
        assert "python -m service offsets set" in why
        rig.send(JOB, {"name": "n"}, forgotten)
        await asyncio.sleep(120)
        assert len(rig.creates(forgotten)) == 1


@pytest.mark.parametrize(
    ("topic", "why"),
    [(COMMANDS, "the topic was deleted and recreated"), (CHANGELOG, "the changelog was deleted and recreated")],
)
async def test_a_topic_that_is_replaced_under_a_running_shard_halts_it_soon(topic: str, why: str) -> None:
    """A new commands topic that has grown beyond the old position is read on from there, its first commands unseen."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        await rig.perform(CREATE)
        rig.broker.recreate(topic)
        skipped = [rig.send(CREATE) for _ in range(3)] if topic == COMMANDS else []
        await rig.until(lambda: node.assignment.standing, within=60.0 + 5.0)
        (reason,) = node.assignment.standing.values()
        assert why in reason
        assert f"python -m service offsets set --topic {COMMANDS} --partition 0" in reason
        assert not any(rig.creates(each) for each in skipped[:1])


async def test_a_changelog_that_loses_records_under_a_running_shard_halts_it_soon() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        await rig.perform(CREATE)
        await asyncio.sleep(100)
        assert not node.assignment.standing
        rig.broker.freeze()
        await asyncio.sleep(70)  # who can't be asked is asked again
        rig.broker.thaw()
        rig.broker.delete_records(CHANGELOG, 0, 1)
        await rig.until(lambda: node.assignment.standing, within=60.0 + 5.0)
        assert "compaction does not do that" in next(iter(node.assignment.standing.values()))


@pytest.mark.parametrize("topic", [COMMANDS, CHANGES])
@pytest.mark.parametrize("grown", [False, True])
async def test_a_consumed_topic_that_was_made_anew_halts(topic: str, grown: bool) -> None:
    async with Rig(partitions=1) as rig:
        await served(rig)
        rig.broker.recreate(topic)
        for _ in range(30 if grown else 0):  # beyond the position that the changelog records
            rig.broker.produce(topic, b"key", b"not read")
        _, why = await halts(rig, topic)
        assert "recreated" in why
        assert f"--topic {topic} --partition 0" in why


async def test_another_group_does_not_take_over_by_itself() -> None:
    async with Rig(partitions=1) as rig:
        await served(rig)
        rig.broker.group_id = "renamed"
        rig.broker.lose_offsets()
        node = await rig.start(ready=False)
        await rig.until(lambda: len(node.assignment.standing) == 2)
        assert all(
            "belongs to the consumer group 'cleanroomsml-service'" in each for each in node.assignment.standing.values()
        )


async def test_a_new_installation_performs_what_was_sent_before_its_first_start() -> None:
    async with Rig(partitions=1) as rig:
        early = rig.send(CREATE)
        await rig.start()
        assert (await rig.end(early)).kind == "succeeded"


async def test_each_position_is_committed_with_what_it_has_led_to() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        await rig.perform(CREATE)
        rig.broker.produce(COMMANDS, b"key", b"no command at all")
        consumed = TopicPartition(COMMANDS, 0)
        await rig.until(lambda: rig.broker.committed(consumed) == rig.broker.partition(*consumed).end)
        position = rig.folded(0)[records.POSITION_KEY]
        assert isinstance(position, Position)
        assert position.offset == rig.broker.committed(consumed)
        assert (position.group, position.topic_id) == (rig.broker.group_id, rig.broker.topic_id(COMMANDS))
        assert position.log_id == rig.broker.topic_id(CHANGELOG)


async def test_a_halted_partition_that_went_elsewhere_unnoticed_is_not_opened() -> None:
    """Opening fences: a process that missed its session would throw the true owner out, every 30 seconds."""
    async with Rig(partitions=1) as rig:
        rig.broker.produce(CHANGELOG, records.job_key("/tests", "old"), b"?", partition=0)
        rig.broker.set_offset(TopicPartition(COMMANDS, 0), 0)
        away, _ = await halts(rig)
        rig.broker.evict(away.name)
        rig.broker.produce(CHANGELOG, records.job_key("/tests", "old"), None, partition=0)
        heir = await rig.start()
        owner = heir.shard(0)
        await asyncio.sleep(120)
        assert (await rig.perform(CREATE)).kind == "succeeded"
        assert heir.shard(0) is owner
        assert not heir.story.told("shard_closed_dirty")


async def test_a_marker_that_kafka_deletes_with_its_record_is_consumed() -> None:
    """Behind each change is the marker of its transaction: when both have expired, nothing is missing."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        await rig.made(CREATE)
        await rig.numbered()
        await asyncio.sleep(QUIET + 1.0)
        changes = rig.broker.partition(CHANGES, 0)
        assert rig.broker.committed(TopicPartition(CHANGES, 0)) == changes.end
        rig.broker.delete_records(CHANGES, 0, changes.end)
        node = await rig.restart(node)
        await rig.made(CREATE)
        await rig.numbered()
        assert len(rig.events()) == 2
        rig.audit()


async def test_what_was_passed_over_is_where_a_shard_resumes() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        await rig.made(CREATE)
        await asyncio.sleep(QUIET + 1.0)
        changes = rig.broker.partition(CHANGES, 0)
        assert node.assignment.shards[TopicPartition(CHANGES, 0)].position == changes.end
