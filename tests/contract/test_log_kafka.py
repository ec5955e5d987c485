"""What only the Kafka adapter promises: deadlines, survival, unreadable records, topics, aiokafka's private names."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError, UnsupportedCodecError
from aiokafka.producer import AIOKafkaProducer, sender
from aiokafka.protocol.transaction import EndTxnRequest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.kafka.broker import Broker
from service.adapters.kafka import brokers
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.incidents import Incident
from service.adapters.kafka.log import KafkaLog
from service.adapters.kafka.producer import clashes, transactional_id
from service.adapters.kafka.reconnection import backoff
from service.adapters.kafka.topics import TopicSpec, changelog, ensure, foreign_producers, output_topic, verify
from service.runtime.ports import CommitUnknown, InRecord, LogError, OutRecord, TopicPartition, Unfit
from tests.contract.test_log_worlds import PARTITIONS, RECORD_BYTES, KafkaWorld, eventually, position, running

SHORT: dict[str, Any] = {
    "request_timeout": 2.0,
    "open_deadline": 2.0,
    "read_deadline": 1.0,
    "commit_deadline": 1.0,
    "stop_deadline": 0.5,
    "rebalance_timeout": 6.0,
}


@pytest.fixture
async def world(kafka: Broker) -> AsyncIterator[KafkaWorld]:
    """Topics of its own on the session's Kafka."""
    world = KafkaWorld(kafka)
    await world.prepare()
    yield world
    await world.close()
    await asyncio.sleep(0.05)
    strays = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [task for task in strays if "aiokafka" in repr(task.get_coro())] == []


async def reopened(log: KafkaLog, partition: TopicPartition) -> Any:
    """As its assignment would do it: a broker that has just come back may refuse the first time."""
    for _ in range(5):
        with contextlib.suppress(LogError):
            return await log.open(partition)
        await asyncio.sleep(0.2)
    return await log.open(partition)


async def test_a_frozen_broker_costs_deadlines_and_loses_nothing(kafka: Broker) -> None:
    world = KafkaWorld(kafka, **SHORT)
    await world.prepare()
    first = TopicPartition(world.commands, 0)
    await world.produce(0, [b"a"])
    log = world.log()
    owner = await log.open(first)
    assert await position(owner) == 0
    kafka.freeze()
    try:
        begun = time.monotonic()
        with pytest.raises(CommitUnknown):
            await owner.commit([OutRecord(world.jobs, b"k", b"v", (), 0)], 1)
        assert time.monotonic() - begun < 1.5
        await owner.close()
        with pytest.raises(LogError):
            await log.open(first)
        with pytest.raises(LogError):
            await position(owner)
        assert time.monotonic() - begun < 8
    finally:
        kafka.thaw()
    assert log.incidents == {Incident.COMMIT_UNKNOWN: 1}
    successor = await reopened(log, first)
    committed = await position(successor)
    jobs = [batch async for batch in successor.restore()]
    assert (committed, jobs) in [(0, []), (1, [[(b"k", b"v")]])]
    await successor.commit([], 1)
    await successor.close()
    await world.close()


async def test_a_lost_end_of_a_transaction_is_never_sent_again(
    world: KafkaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, ends = AIOKafkaClient.send, []

    async def lossy(self: Any, node_id: Any, request: Any, **options: Any) -> Any:
        answer = await send(self, node_id, request, **options)
        if isinstance(request, EndTxnRequest):
            ends.append(request)
            raise KafkaConnectionError("the answer was lost")
        return answer

    monkeypatch.setattr(AIOKafkaClient, "send", lossy)
    await world.produce(0, [b"a"])
    log = await world.log().open(TopicPartition(world.commands, 0))
    with pytest.raises(CommitUnknown, match="batch delivery"):
        await log.commit([OutRecord(world.jobs, b"k", b"v", (), 0)], 1)
    await log.close()
    assert len(ends) == 1
    monkeypatch.undo()
    successor = await world.log().open(TopicPartition(world.commands, 0))
    assert await position(successor) == 1
    assert [batch async for batch in successor.restore()] == [[(b"k", b"v")]]
    await successor.close()


async def test_the_group_survives_a_killed_broker(world: KafkaWorld, kafka: Broker) -> None:
    async with running(world) as member:
        await world.produce(0, [b"before"])
        await eventually(lambda: b"before" in member.committed)
        kafka.kill()
        await asyncio.sleep(0.5)
        await kafka.start()
        await world.produce(0, [b"after"])
        await eventually(lambda: b"after" in member.committed, within=30)
    assert sorted(await world.read(world.replies)) == [(b"after", b"after"), (b"before", b"before")]


async def test_leaving_hands_over_at_once(world: KafkaWorld) -> None:
    async with running(world) as one:
        await eventually(lambda: len(one.partitions) == 2)
    begun = time.monotonic()
    async with running(world) as two:
        await eventually(lambda: len(two.partitions) == 2)
    assert time.monotonic() - begun < world.settings.session_timeout / 2


async def test_a_static_member_comes_back_without_a_rebalance(kafka: Broker) -> None:
    world = KafkaWorld(kafka, group_instance_id="pod-0")
    await world.prepare()
    async with running(world) as one:
        await eventually(lambda: len(one.partitions) == 2)
    begun = time.monotonic()
    async with running(world) as two:
        await eventually(lambda: len(two.partitions) == 2)
    assert time.monotonic() - begun < world.settings.session_timeout / 2
    await world.close()


async def test_an_unreadable_record_halts_its_partition_alone(
    world: KafkaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = PartitionRecords._consumer_record

    def refuse(self: Any, partition: Any, record: Any) -> Any:
        if record.value == b"poison":
            raise UnsupportedCodecError("no such codec here")
        return convert(self, partition, record)

    monkeypatch.setattr(PartitionRecords, "_consumer_record", refuse)
    await world.produce(0, [b"a", b"b", b"poison", b"c"])
    await world.produce(1, [b"x", b"y"])
    log = world.log()
    async with running(world, log) as member:
        await eventually(lambda: member.halts)
        await world.produce(1, [b"z"])
        await eventually(lambda: len(member.deliveries) >= 5)
        ((halted, why),) = member.halts
        assert halted == TopicPartition(world.commands, 0)
        assert "offset 2" in why
        monkeypatch.undo()
        log.membership.start(TopicPartition(world.commands, 0), 2)
        await eventually(lambda: len(member.deliveries) >= 7)
    assert [each.value for each in member.deliveries if each.partition == 0] == [b"a", b"b", b"poison", b"c"]
    assert [each.value for each in member.deliveries if each.partition == 1] == [b"x", b"y", b"z"]
    assert member.halts[1:] == [(halted, "")]


async def test_an_offset_that_retention_removed_halts_its_partition(world: KafkaWorld) -> None:
    await world.produce(0, [b"a", b"b", b"c"])
    await world.produce(1, [b"x"])
    await world.delete_before(0, 2)
    log = world.log()
    async with running(world, log) as member:
        await eventually(lambda: len(member.deliveries) == 2)
        log.membership.start(TopicPartition(world.commands, 0), 0)
        await eventually(lambda: member.halts)
        await world.produce(1, [b"y"])
        await eventually(lambda: len(member.deliveries) == 3)
        ((halted, why),) = member.halts
        assert halted == TopicPartition(world.commands, 0)
        assert "offset 0" in why
        assert "nothing is skipped" in why
        log.membership.start(halted, 3)
        assert member.halts[1:] == [(halted, "")]
    assert [each.value for each in member.deliveries if each.partition == 0] == [b"c"]


async def test_the_end_of_a_changelog_lies_behind_what_is_still_open(world: KafkaWorld) -> None:
    """To restore up to the last stable offset would be to forget what was committed behind an open transaction."""
    changelog = TopicPartition(world.jobs, 0)
    before = (await world.offsets.bounds(changelog))[1]
    await world.leave_open(0, [b"undecided"])
    assert (await world.offsets.bounds(changelog))[1] > before


async def test_a_partition_without_its_changelog_is_for_a_person(world: KafkaWorld) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.settings.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_partitions({world.commands: NewPartitions(3)})
    finally:
        await admin.close()
    log = world.log()
    with pytest.raises(Unfit, match=f"{world.jobs} has 2 partitions, but {world.commands} has a partition 2"):
        await log.open(TopicPartition(world.commands, 2))
    owner = await log.open(TopicPartition(world.commands, 1))
    await owner.close()
    gone = KafkaLog(world.settings, {world.commands: f"{world.jobs}-none"})
    with pytest.raises(Unfit, match="is missing"):
        await gone.open(TopicPartition(world.commands, 0))
    await gone.close()


async def test_a_topic_that_is_missing_is_for_a_person(world: KafkaWorld) -> None:
    place = TopicPartition(world.commands, 0)
    outlets = {world.commands: [world.replies, f"{world.replies}-none"], "others": ["nowhere"]}
    blind = KafkaLog(world.settings, {world.commands: world.jobs}, outlets)
    with pytest.raises(Unfit, match=f"{place.topic}-0 is not served: {world.replies}-none does not exist.*topics"):
        await blind.open(place)
    await blind.close()


async def test_a_right_that_is_missing_is_for_a_person(world: KafkaWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(self: Any, *_: Any, **__: Any) -> Any:
        raise TopicAuthorizationFailedError(world.jobs)

    owner = await world.log().open(TopicPartition(world.commands, 0))
    monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", refused)
    with pytest.raises(Unfit, match=r"nothing was committed.*service check"):
        await owner.commit([OutRecord(world.jobs, b"k", b"v", (), 0)], None)
    await owner.close()


async def test_a_topic_that_may_not_be_read_any_more_halts_alone(
    world: KafkaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    getmany, refusals = AIOKafkaConsumer.getmany, [False]

    async def guarded(self: Any, *partitions: Any, **options: Any) -> Any:
        if refusals.pop() if refusals else False:
            raise TopicAuthorizationFailedError(world.commands)
        return await getmany(self, *partitions, **options)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", guarded)
    log = world.log()
    async with running(world, log) as member:
        for number in range(PARTITIONS):  # only what was started can be halted
            await world.produce(number, [b"a"])
        await eventually(lambda: len({record.partition for record in member.deliveries}) == PARTITIONS)
        refusals.append(True)
        await eventually(lambda: len(member.halts) == PARTITIONS)
        assert all("grant the right" in why for _, why in member.halts)
        assert not log.incidents[Incident.SESSION_LOST], "the membership is not given up for it"


async def test_topics_are_created_once_and_verified(kafka: Broker) -> None:
    world = KafkaWorld(kafka)
    settings = world.settings
    commands = output_topic(world.commands, 3, retention=60, record_bytes=RECORD_BYTES)
    specs = [commands, changelog(world.jobs, commands, record_bytes=RECORD_BYTES)]
    findings = await verify(settings, specs)
    assert [(each.topic, each.setting) for each in findings] == [(world.commands, "topic"), (world.jobs, "topic")]
    assert await ensure(settings, specs[:1], replication=1) == [world.commands]
    other = changelog(world.jobs, TopicSpec(world.commands, 8), record_bytes=RECORD_BYTES)
    assert await ensure(settings, [commands, other], replication=1) == [world.jobs]
    assert await ensure(settings, specs, replication=1) == []
    assert await verify(settings, [*specs, other]) == []
    wrong = [
        TopicSpec(world.commands, 3, {"cleanup.policy": "compact", "max.message.bytes": str(RECORD_BYTES + 1)}),
        TopicSpec(world.replies, 1),
        TopicSpec(world.jobs, 3, {"max.message.bytes": "9"}, at_most={"max.message.bytes": 10}),
    ]
    await ensure(settings, wrong[1:2], replication=1)
    found = [*await verify(settings, wrong), *await verify(settings, [TopicSpec(world.replies, 1, {}, world.jobs)])]
    assert [(each.setting, each.is_, each.must_be) for each in found] == [
        ("cleanup.policy", "delete", "compact"),
        ("max.message.bytes", str(RECORD_BYTES), f"at least {RECORD_BYTES + 1}"),
        ("max.message.bytes", str(RECORD_BYTES), "at most 10: a larger record's content is lost in its dead letter"),
        ("partitions", "1", f"3, as many as {world.jobs} has"),
    ]
    assert "add-config cleanup.policy=compact" in str(found[0])
    with pytest.raises(LogError, match="InvalidReplicationFactor"):
        await ensure(settings, [TopicSpec(f"{world.commands}.x", 1)], replication=5)
    await world.close()


async def test_a_broker_that_is_too_old_is_refused(world: KafkaWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TopicSpec(world.commands, PARTITIONS)
    assert await verify(world.settings, [spec]) == []
    monkeypatch.setattr(brokers, "_SINCE", 99)
    for refused in (verify(world.settings, [spec]), ensure(world.settings, [spec], replication=1)):
        with pytest.raises(Unfit, match=r"Kafka 4\.0 or later is needed"):
            await refused


async def test_a_group_that_shares_our_transactional_ids_is_found(world: KafkaWorld) -> None:
    name = world.settings.group_id
    elsewhere = replace(world.settings, group_id=f"{name}-a", application=f"{name}-a")
    ours = f"a-{world.commands}"
    await ensure(world.settings, [TopicSpec(ours, 1)], replication=1)
    assert await foreign_producers(world.settings, [ours, world.commands]) == []
    log = KafkaLog(elsewhere, {world.commands: world.jobs})
    async with running(world, log) as member:
        await eventually(lambda: member.held)
        (why,) = await foreign_producers(world.settings, [ours, world.commands])
        assert f"{ours} of group {name} and {world.commands} of group {name}-a" in why
    await log.close()


names = st.text("ab-.", min_size=1, max_size=6)


@given(st.sampled_from(("svc", "svc-a", "a")), names, names)
@example("svc", "a-b", "b")
@example("svc-a", "b", "a-b")
def test_transactional_ids_are_shared_only_where_that_is_found(group: str, first: str, second: str) -> None:
    ids = [transactional_id(group, TopicPartition(topic, number)) for topic in {first, second} for number in (1, 11)]
    assert len(set(ids)) == len(ids)
    for other in ("svc", "svc-a", "a"):
        shared = transactional_id(group, TopicPartition(first, 1)) == transactional_id(other, TopicPartition(second, 1))
        found = (first, other, second) in clashes(group, [first], ["svc", "svc-a", "a"], [second])
        assert found == (shared and other != group)


def test_brokers_are_told_by_the_versions_that_they_speak() -> None:
    kafka_3_9, kafka_4_0 = [(24, 0, 5), (26, 0, 4)], [(24, 0, 5), (26, 0, 5)]
    assert brokers.supported(kafka_4_0)
    assert not brokers.supported(kafka_3_9)
    assert not brokers.supported([])


async def test_nothing_listens() -> None:
    beats: list[None] = []
    settings = KafkaSettings("127.0.0.1:1", "nobody", **SHORT)
    log = KafkaLog(settings, {"commands": "jobs"}, alive=lambda: beats.append(None))
    with pytest.raises(LogError):
        await log.open(TopicPartition("commands", 0))
    with pytest.raises(LogError):
        await verify(KafkaSettings("127.0.0.1:1", "nobody"), [])
    task = asyncio.create_task(log.membership.consume(_Nobody()))
    await eventually(lambda: len(beats) > 2)
    assert log.incidents == {Incident.SESSION_LOST: len(beats) - 1}
    task.cancel()
    await asyncio.wait([task], timeout=2)
    assert task.cancelled()
    await log.close()


class _Nobody:
    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        raise AssertionError("never had a partition")

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        raise AssertionError("never came into the group")

    def received(self, partition: TopicPartition, records: Sequence[InRecord]) -> None:
        raise AssertionError("never had a partition")

    def passed(self, partition: TopicPartition, offset: int) -> None:
        raise AssertionError("never had a partition")

    async def superseded_by_peer(self, reason: str) -> None:
        raise AssertionError("never had a place")

    def halted(self, partition: TopicPartition, reason: str) -> None:
        raise AssertionError("never had a partition")


async def test_a_failing_assignee_ends_the_membership(world: KafkaWorld) -> None:
    log = world.log()
    async with asyncio.timeout(10):
        with pytest.raises(AssertionError, match="never came"):
            await log.membership.consume(_Nobody())


async def test_private_names_of_aiokafka_are_still_there(kafka: Broker) -> None:
    """The adapter leans on these; a new aiokafka that lacks one must be met here, not in production."""
    assert isinstance(sender.BACKOFF_OVERRIDE, float)
    assert callable(GroupCoordinator.request_rejoin)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id="names")
    await producer.start()
    try:
        assert producer._sender.client is producer.client
        assert producer._sender.sender_task is producer._sender._sender_task
        assert {"_conns", "send"} <= {*vars(producer.client), *dir(producer.client)}
        assert {"_batches"} <= set(vars(producer._message_accumulator))
        assert {"_transaction_waiter"} <= set(vars(producer._txn_manager))
        assert all(connection._writer.transport for connection in producer.client._conns.values())
    finally:
        await producer.stop()


def test_python_without_assertions_is_refused() -> None:
    program = (
        "from service.adapters.kafka.log import KafkaLog\n"
        "from service.adapters.kafka.client_options import KafkaSettings\n"
        "KafkaLog(KafkaSettings('127.0.0.1:1', 'g'), {})"
    )
    ended = subprocess.run([sys.executable, "-O", "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "assertions" in ended.stderr


def test_settings_are_checked_and_backoff_is_capped() -> None:
    with pytest.raises(ValueError, match="transaction_timeout"):
        KafkaSettings("b", "g", commit_deadline=60, rebalance_timeout=90)
    with pytest.raises(ValueError, match="rebalance_timeout"):
        KafkaSettings("b", "g", commit_deadline=20, rebalance_timeout=20)
    assert [backoff(attempt) for attempt in (0, 1, 2, 3, 7, 8, 99)] == [0, 0.2, 0.4, 0.8, 12.8, 15, 15]
