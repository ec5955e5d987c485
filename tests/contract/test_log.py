"""The Log port's contract: the same tests for the in-memory twin and for aiokafka on a real Kafka."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.runtime.ports import (
    BatchRefused,
    CommitUnknown,
    Fenced,
    LogError,
    OutRecord,
    PartitionLog,
    RecordRefused,
    TopicPartition,
    Unfit,
)
from tests.contract.test_log_worlds import (
    PARTITIONS,
    RECORD_BYTES,
    KafkaWorld,
    MemoryWorld,
    World,
    eventually,
    position,
    running,
)


@pytest.fixture(params=["memory", "kafka"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Both, one after the other."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    world = KafkaWorld(request.getfixturevalue("kafka"))
    await world.prepare()
    yield world
    await world.close()


async def restored(log: PartitionLog) -> list[tuple[bytes, bytes | None]]:
    return [item for batch in [batch async for batch in log.restore()] for item in batch]


def job(world: World, value: bytes | None, key: bytes = b"key") -> OutRecord:
    return OutRecord(world.jobs, key, value, (("h", b"1"), ("none", None)), 0)


async def test_a_commit_is_atomic_and_moves_the_offset(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    await world.produce(0, [b"a", b"b", b"c"])
    log = await world.log().open(first)
    assert await position(log) == 0
    await log.commit([job(world, b"1"), OutRecord(world.replies, b"k", b"r"), job(world, None)], 2)
    await log.commit([], 3)
    await log.commit([job(world, b"2")], None)
    await log.commit([], None)
    assert await world.read(world.jobs) == [(b"key", b"1"), (b"key", None), (b"key", b"2")]
    assert await world.read(world.replies) == [(b"k", b"r")]
    await log.close()
    successor = await world.log().open(first)
    assert await position(successor) == 3
    assert await restored(successor) == [(b"key", b"1"), (b"key", None), (b"key", b"2")]
    await successor.close()


async def test_a_second_open_fences_the_first(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    await world.produce(0, [b"a", b"b"])
    old = await world.log().open(first)
    await old.commit([job(world, b"1")], 1)
    new = await world.log().open(first)
    with pytest.raises(Fenced):
        await old.commit([job(world, b"zombie")], 2)
    with pytest.raises(CommitUnknown):
        await old.commit([job(world, b"zombie")], 2)
    assert await position(new) == 1
    await new.commit([job(world, b"2")], 2)
    await asyncio.gather(old.close(), new.close())
    assert await world.read(world.jobs) == [(b"key", b"1"), (b"key", b"2")]


async def test_partitions_are_fenced_one_by_one(world: World) -> None:
    log = world.log()
    logs = [await log.open(TopicPartition(world.commands, number)) for number in (0, 1)]
    again = await log.open(TopicPartition(world.commands, 0))
    await logs[1].commit([job(world, b"1")], None)
    await asyncio.gather(*(each.close() for each in [*logs, again]))


async def test_restore_skips_what_was_aborted_also_at_the_end(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    await world.produce_aborted(world.jobs, 0, [b"never"])
    log = await world.log().open(first)
    await log.commit([job(world, b"1")], None)
    await world.produce_aborted(world.jobs, 0, [b"never", b"never"])
    assert await restored(log) == [(b"key", b"1")]
    await log.close()


async def test_an_empty_changelog_restores_nothing(world: World) -> None:
    log = await world.log().open(TopicPartition(world.commands, 1))
    assert await restored(log) == []
    await log.close()


async def test_open_ends_what_a_dead_predecessor_left_open(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    owner = await world.log().open(first)
    await owner.commit([job(world, b"1")], None)
    await owner.close()
    await world.leave_open(0, [b"never"])
    log = await world.log().open(first)
    assert await restored(log) == [(b"key", b"1")]
    await log.commit([job(world, b"2")], None)
    assert await restored(log) == [(b"key", b"1"), (b"key", b"2")]
    await log.close()


async def test_restore_reads_committed_records_of_many_batches_in_order(world: World) -> None:
    log = await world.log().open(TopicPartition(world.commands, 0))
    written = []
    for batch in range(5):
        records = [job(world, b"%d" % (batch * 500 + number), b"%d" % number) for number in range(500)]
        await log.commit(records, None)
        written += [(record.key, record.value) for record in records]
    assert await restored(log) == written
    await log.close()


async def test_offsets_say_what_was_committed_and_what_is_there(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    await world.produce(0, [b"a", b"b", b"c"])
    log = await world.log().open(first)
    found = await log.offsets()
    assert (found.committed, found.start, found.end, found.log_start) == (None, 0, 3, 0)
    await log.commit([job(world, b"1")], 1)
    await world.delete_before(0, 2)
    again = await log.offsets()
    assert (again.committed, again.start, again.end) == (1, 2, 3)
    assert again.topic_id == found.topic_id != ""
    await log.close()


async def test_a_topic_that_was_made_anew_has_another_id_and_no_offset(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    await world.produce(0, [b"a", b"b"])
    log = await world.log().open(first)
    await log.commit([job(world, b"1")], 2)
    before = await log.offsets()
    await log.close()
    await world.recreate(world.commands)
    await world.produce(0, [b"a", b"b", b"c"])
    successor = await world.log().open(first)
    found = await successor.offsets()
    assert (before.committed, found.committed, found.start, found.end) == (2, None, 0, 3)
    assert found.topic_id not in ("", before.topic_id)
    assert await restored(successor) == [(b"key", b"1")]
    await successor.close()


async def test_a_changelog_that_ends_before_what_was_read_of_it_is_refused(world: World) -> None:
    log = await world.log().open(TopicPartition(world.commands, 0))
    await log.commit([job(world, b"1")], None)
    with pytest.raises(Unfit, match=r"made anew|recreated"):
        [batch async for batch in log.restore(known=100)]
    await log.close()


async def test_a_changelog_that_loses_its_beginning_before_it_is_read_is_not_read(world: World) -> None:
    log = await world.log().open(TopicPartition(world.commands, 0))
    for value in (b"1", b"2", b"3"):
        await log.commit([job(world, value, value)], None)
    found = await log.offsets()
    await world.delete_before(0, 2, world.jobs)
    with pytest.raises(LogError, match="began at offset 0"):
        await restored(log)
    again = await log.offsets()
    assert (found.log_start, again.log_start) == (0, 2)
    assert [value for _, value in await restored(log)] == [b"2", b"3"]
    await log.close()


async def test_a_changelog_that_was_made_anew_has_another_id(world: World) -> None:
    """Its records may look as they should: those that its shard has written since."""
    first = TopicPartition(world.commands, 0)
    log = await world.log().open(first)
    await log.commit([job(world, b"1")], 1)
    before = await log.offsets()
    await log.close()
    await world.recreate(world.jobs)
    successor = await world.log().open(first)
    await successor.commit([job(world, b"2")], 2)
    found = await successor.offsets()
    assert found.log_id not in ("", before.log_id, found.topic_id)
    assert (found.committed, found.log_start, found.topic_id) == (2, 0, before.topic_id)
    await successor.close()


async def test_a_member_holds_what_its_assignment_says_until_it_leaves(world: World) -> None:
    async with running(world) as member:
        await eventually(lambda: len(member.partitions) == 2)
        first = TopicPartition(world.commands, 0)
        assert await member.log.membership.holds(first)
        assert not await member.log.membership.holds(TopicPartition(world.commands, PARTITIONS))
    assert not await member.log.membership.holds(first)


async def test_without_a_committed_offset_work_begins_at_the_beginning(world: World) -> None:
    await world.produce(1, [b"a", b"b", b"c"])
    await world.delete_before(1, 2)
    log = await world.log().open(TopicPartition(world.commands, 1))
    assert await position(log) == 2
    await log.close()


async def test_close_is_idempotent_and_spends_the_log(world: World) -> None:
    log = await world.log().open(TopicPartition(world.commands, 0))
    await asyncio.gather(log.close(), log.close())
    await log.close()
    with pytest.raises(CommitUnknown):
        await log.commit([job(world, b"1")], None)
    assert await world.read(world.jobs) == []


async def test_a_cancelled_commit_spends_the_log(world: World) -> None:
    log = await world.log().open(TopicPartition(world.commands, 0))
    task = asyncio.create_task(log.commit([job(world, b"1")], None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(CommitUnknown):
        await log.commit([job(world, b"2")], None)
    await log.close()


async def test_a_member_gets_everything_once_and_in_order(world: World) -> None:
    await world.produce(0, [b"0-%d" % number for number in range(700)])
    await world.produce_aborted(world.commands, 0, [b"never"])
    await world.produce(0, [b"0-700"])
    await world.produce(1, [b"1-0"])
    async with running(world) as member:
        await eventually(lambda: len(member.deliveries) >= 702)
        await world.produce(1, [b"1-1"])
        await eventually(lambda: len(member.deliveries) >= 703)
    values = [record.value for record in member.deliveries if record.partition == 0]
    assert values == [b"0-%d" % number for number in range(701)]
    assert [record.value for record in member.deliveries if record.partition == 1] == [b"1-0", b"1-1"]
    assert abs(member.deliveries[0].timestamp - member.deliveries[-1].timestamp) < 60


async def test_markers_and_aborted_records_behind_the_last_record_are_passed_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.adapters.kafka.group.delivery.QUIET", 0.5)
    monkeypatch.setattr("tests.support.member.QUIET", 0.5)
    first = TopicPartition(world.commands, 0)
    await world.produce(0, [b"a"])
    await world.produce_aborted(world.commands, 0, [b"never"])
    async with running(world, world.log()) as member:
        await eventually(lambda: member.passes)
        assert [each.value for each in member.deliveries] == [b"a"]
        assert member.passes == [(first, 3)]
        await world.produce(0, [b"b"])
        await eventually(lambda: len(member.deliveries) == 2)
    assert [each.value for each in member.deliveries] == [b"a", b"b"]


async def test_nothing_is_delivered_before_start_nor_while_paused(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    await world.produce(0, [b"a", b"b", b"c"])
    await world.produce(1, [b"z"])
    member = _Silent()
    log = world.log()
    task = asyncio.create_task(log.membership.consume(member))
    await eventually(lambda: member.held)
    await asyncio.sleep(0.3)
    assert member.values == []
    log.membership.start(first, 1)
    log.membership.start(TopicPartition("unknown", 0), 0)
    await eventually(lambda: len(member.values) == 2)
    log.membership.pause(first)
    await world.produce(0, [b"d"])
    await asyncio.sleep(0.3)
    assert member.values == [b"b", b"c"]
    log.membership.resume(first)
    await eventually(lambda: member.values == [b"b", b"c", b"d"])
    log.membership.start(first, 3)
    await eventually(lambda: member.values == [b"b", b"c", b"d", b"d"])
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


class _Silent:
    def __init__(self) -> None:
        self.held: frozenset[TopicPartition] = frozenset()
        self.values: list[bytes | None] = []

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self.held = frozenset()

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self.held = partitions

    def received(self, partition: TopicPartition, records: object) -> None:
        assert isinstance(records, list)
        self.values += [record.value for record in records]

    def passed(self, partition: TopicPartition, offset: int) -> None:
        pass

    async def superseded_by_peer(self, reason: str) -> None:
        raise AssertionError(reason)

    def halted(self, partition: TopicPartition, reason: str) -> None:
        raise AssertionError(reason)


async def test_of_two_processes_of_one_instance_id_the_newcomer_serves_until_it_has_gone(world: World) -> None:
    async with running(world, world.log("pod-0")) as elder:
        await eventually(lambda: len(elder.partitions) == 2)
        async with running(world, world.log("pod-0")) as newcomer:
            await eventually(lambda: len(newcomer.partitions) == 2 and elder.steps_back)
            await asyncio.sleep(world.retry_interval + 1)  # meanwhile the elder has asked for its place again
            await world.produce(0, [b"a"])
            await eventually(lambda: b"a" in newcomer.committed)
            assert (newcomer.assignments, newcomer.steps_back) == (1, [])
            assert (elder.partitions, elder.assignments) == ({}, 1)
            assert all("instance 'pod-0'" in reason for reason in elder.steps_back)
        await eventually(lambda: len(elder.partitions) == 2, within=30)
        await world.produce(0, [b"b"])
        await eventually(lambda: b"b" in elder.committed)
    assert sorted(await world.read(world.replies)) == [(b"a", b"a"), (b"b", b"b")]


async def test_rejoin_brings_a_fresh_assignment(world: World) -> None:
    async with running(world) as member:
        await eventually(lambda: len(member.partitions) == 2)
        held, before = member.held, member.assignments
        await asyncio.sleep(0.1)
        member.log.membership.rejoin()
        await eventually(lambda: member.assignments > before and len(member.partitions) == 2)
        assert member.held == held
        await world.produce(0, [b"a"])
        await eventually(lambda: member.deliveries)


async def test_two_members_share_and_everything_is_committed_once(world: World) -> None:
    wanted = {(number, b"%d-%d" % (number, index)) for number in (0, 1) for index in range(300)}
    async with running(world) as one:
        for number in (0, 1):
            await world.produce(number, [b"%d-%d" % (number, index) for index in range(100)])
        await eventually(lambda: len(one.deliveries) >= 50)
        async with running(world) as two:
            for number in (0, 1):
                await world.produce(number, [b"%d-%d" % (number, index) for index in range(100, 200)])
            await eventually(lambda: len(one.held) == len(two.held) == 1 and not one.held & two.held)
        for number in (0, 1):
            await world.produce(number, [b"%d-%d" % (number, index) for index in range(200, 300)])
        await eventually(lambda: len(one.held) == 2)
        await eventually(lambda: one.committed >= {b"0-299", b"1-299"})
    replies = await world.read(world.replies)
    assert len(replies) == len(set(replies)) == 600
    assert {value for _, value in replies} == {value for _, value in wanted}


async def test_a_record_that_is_too_large_commits_nothing(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    await world.produce(0, [b"a"])
    log = await world.log().open(first)
    with pytest.raises(RecordRefused, match=r"max\.message\.bytes") as refused:
        await log.commit([OutRecord(world.replies, b"k", b"small"), job(world, b"x" * RECORD_BYTES * 2)], 1)
    assert refused.value.topic == world.jobs
    assert RECORD_BYTES * 2 < refused.value.size < RECORD_BYTES * 2 + 200
    await log.close()
    successor = await world.log().open(first)
    assert await position(successor) == 0
    assert await restored(successor) == []
    assert await world.read(world.replies) == []
    await successor.close()


async def test_records_that_fit_one_by_one_are_written_though_their_topic_refuses_them_together(world: World) -> None:
    first, member = TopicPartition(world.commands, 0), world.log()
    await world.limit(world.jobs, 64 * 1024)
    fitting = [job(world, b"x" * 9_000, b"%d" % number) for number in range(20)]
    log = await member.open(first)
    with pytest.raises(BatchRefused, match=world.jobs):
        await log.commit(fitting, None)
    await log.close()
    log = await member.open(first)
    assert await restored(log) == []
    await log.commit(fitting, None)
    with pytest.raises(RecordRefused, match=r"a record of 7\d{4} bytes, it takes 65536") as refused:
        await log.commit([*fitting, job(world, b"y" * 70_000)], None)
    assert 70_000 < refused.value.size < 70_200
    assert refused.value.limit == 64 * 1024
    await log.close()
    successor = await member.open(first)
    assert len(await restored(successor)) == 20
    await successor.close()


async def test_a_topic_that_somebody_deletes_spends_the_log_and_is_then_known_to_be_missing(world: World) -> None:
    first = TopicPartition(world.commands, 0)
    log = await world.log().open(first)
    assert await log.existing([world.replies, world.jobs]) == {world.replies, world.jobs}
    await log.commit([job(world, b"1"), OutRecord(world.replies, b"k", b"r")], None)
    await world.remove(world.replies)
    with pytest.raises(LogError):
        await log.commit([job(world, b"2"), OutRecord(world.replies, b"k", b"r")], None)
    await log.close()
    successor = await world.log().open(first)
    assert await successor.existing([world.replies, world.jobs]) == {world.jobs}
    assert await restored(successor) == [(b"key", b"1")]
    await successor.commit([job(world, b"3")], None)
    await successor.close()
