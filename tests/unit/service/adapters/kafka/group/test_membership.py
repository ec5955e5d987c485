"""A member survives broken sessions, tells of its partitions in order, and asks again in growing pauses."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaConnectionError

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.group import membership as module
from service.adapters.kafka.group.membership import GroupMember
from service.adapters.kafka.incidents import Incident
from service.runtime.ports import InRecord, LogError, TopicPartition
from tests.support.fake_consumer import FakeConsumer

pytestmark = pytest.mark.looptime

A, B = TopicPartition("commands", 0), TopicPartition("commands", 1)
KA, KB = KafkaPartition(*A), KafkaPartition(*B)
SETTINGS = KafkaSettings("b:9092", "g")


class Consumer(FakeConsumer):
    """A group's consumer; ``given`` is what the group gives it in its first round."""

    def __init__(self, given: Iterable[KafkaPartition] | None, **options: Any) -> None:
        super().__init__()
        self.given, self.options = given, options
        self.refuses: Exception | None = None
        self.listener: Any = None
        self.rejoins = 0
        self.heartbeat: Any = SimpleNamespace(error_code=0)
        self._coordinator = SimpleNamespace(
            generation=1, member_id="m", group_id="g", _send_req=self._beat, request_rejoin=self._asked
        )
        self._client = SimpleNamespace(send=None)

    async def start(self) -> None:
        await super().start()
        if self.refuses is not None:
            raise self.refuses

    def subscribe(self, topics: Sequence[str], listener: Any) -> None:
        self.topics, self.listener = list(topics), listener

    async def getmany(self, *wanted: KafkaPartition, **options: Any) -> Any:
        if self.given is not None:
            given, self.given = self.given, None
            await self.listener.on_partitions_revoked([])
            await self.listener.on_partitions_assigned(list(given))
        return await super().getmany(*wanted, **options)

    async def _beat(self, _request: Any) -> Any:
        if isinstance(self.heartbeat, Exception):
            raise self.heartbeat
        return self.heartbeat

    def _asked(self) -> None:
        self.rejoins += 1


class Heard:
    """What the runtime hears, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.error: Exception | None = None

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self.told.append(("assigned", partitions))
        if self.error:
            raise self.error

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self.told.append(("revoked", partitions))

    async def superseded_by_peer(self, reason: str) -> None:
        self.told.append(("superseded", reason))

    def received(self, partition: TopicPartition, records: Sequence[InRecord]) -> None:
        self.told.append(("received", [(partition, record.offset) for record in records]))

    def passed(self, partition: TopicPartition, offset: int) -> None:
        self.told.append(("passed", (partition, offset)))

    def halted(self, partition: TopicPartition, reason: str) -> None:
        self.told.append(("halted", (partition, reason)))


class Bench:
    """A member, the consumers that it makes one after the other, and what it says."""

    def __init__(self, settings: KafkaSettings = SETTINGS) -> None:
        self.consumers: list[Consumer] = []
        self.next: list[Consumer] = []
        self.heard, self.counters = Heard(), Counter[Incident]()
        self.member = GroupMember(settings, ["commands"], self.counters, lambda: None)

    def make(self, **options: Any) -> Consumer:
        consumer = self.next.pop(0) if self.next else Consumer([KA])
        consumer.options = options
        self.consumers.append(consumer)
        return consumer


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    monkeypatch.setattr(module, "AIOKafkaConsumer", bench.make)
    monkeypatch.setattr(
        "service.adapters.kafka.reconnection.time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    )
    return bench


async def running(bench: Bench, seconds: float = 1.0) -> "asyncio.Task[None]":
    task = asyncio.create_task(bench.member.consume(bench.heard))
    await asyncio.sleep(seconds)
    return task


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_partitions_are_held_back_until_they_are_started(bench: Bench) -> None:
    consumer = Consumer([KA, KB])
    consumer.put(KA, 0, 1)
    consumer.put(KB, 0)
    bench.next = [consumer]
    task = await running(bench)
    assert bench.heard.told == [("assigned", frozenset({A, B}))]
    assert consumer.paused == {KA, KB}
    assert consumer.positions == {KA: 0, KB: 0}, "without one, aiokafka looks for a committed offset and fetches"
    bench.member.start(A, 1)
    await asyncio.sleep(1)
    assert bench.heard.told[1:] == [("received", [(A, 1)])]
    await ended(task)
    assert consumer.stopped == 1


async def test_the_consumer_reads_committed_records_and_no_offsets_of_its_own(bench: Bench) -> None:
    await ended(await running(bench))
    [consumer] = bench.consumers
    assert consumer.topics == ["commands"]
    wanted = {"isolation_level": "read_committed", "auto_offset_reset": "none", "enable_auto_commit": False}
    assert wanted.items() <= consumer.options.items()
    # A JoinGroup is answered when the slowest member has drained.
    assert consumer.options["request_timeout_ms"] > consumer.options["rebalance_timeout_ms"]


async def test_what_is_not_ours_is_neither_started_nor_paused(bench: Bench) -> None:
    bench.member.start(A, 0)  # before there is a session
    task = await running(bench)
    [consumer] = bench.consumers
    bench.member.start(B, 5)
    bench.member.pause(B)
    bench.member.resume(B)
    assert KB not in {*consumer.positions, *consumer.paused}
    await ended(task)


async def test_a_broken_session_gives_its_partitions_up_and_is_built_anew(bench: Bench) -> None:
    broken = Consumer([KA])
    bench.next = [broken]
    task = await running(bench)
    broken.failures.append(KafkaConnectionError("gone"))
    await asyncio.sleep(1)
    assert bench.heard.told == [
        ("assigned", frozenset({A})),
        ("revoked", frozenset({A})),
        ("assigned", frozenset({A})),
    ]
    assert (len(bench.consumers), broken.stopped, bench.counters[Incident.SESSION_LOST]) == (2, 1, 1)
    await ended(task)


async def test_a_broker_that_cannot_be_reached_is_tried_in_growing_pauses(bench: Bench) -> None:
    for _ in range(30):
        consumer = Consumer(None)
        consumer.refuses = KafkaConnectionError("refused")
        bench.next.append(consumer)
    task = await running(bench, 40)
    assert 5 <= len(bench.consumers) <= 9
    assert all(consumer.stopped == 1 for consumer in bench.consumers[:-1])
    await ended(task)


async def test_a_failure_of_the_runtime_ends_the_session(bench: Bench) -> None:
    """Aiokafka would log it and go on."""
    bench.heard.error = LogError("the shard can't be opened")
    task = await running(bench)
    bench.heard.error = None
    await asyncio.sleep(5)
    assert len(bench.consumers) >= 2
    assert bench.heard.told[-1] == ("assigned", frozenset({A}))
    await ended(task)


async def test_a_poll_that_never_comes_back_ends_the_session(bench: Bench) -> None:
    stuck = Consumer([KA])
    bench.next = [stuck]
    task = await running(bench)
    stuck.sleep = 10_000.0
    await asyncio.sleep(200)
    assert len(bench.consumers) == 2
    await ended(task)


async def test_a_partition_is_held_when_the_coordinator_says_so(bench: Bench) -> None:
    assert not await bench.member.holds(A)
    task = await running(bench)
    [consumer] = bench.consumers
    assert await bench.member.holds(A)
    assert not await bench.member.holds(B)
    for answer in (SimpleNamespace(error_code=27), KafkaConnectionError("gone")):
        consumer.heartbeat = answer
        assert not await bench.member.holds(A)
    await ended(task)
    assert not await bench.member.holds(A)


async def test_an_answer_of_an_older_generation_confirms_nothing(bench: Bench) -> None:
    task = await running(bench)
    [consumer] = bench.consumers

    async def rebalanced(_request: Any) -> Any:
        consumer._coordinator.generation += 1
        return SimpleNamespace(error_code=0)

    consumer._coordinator._send_req = rebalanced
    assert not await bench.member.holds(A)
    await ended(task)


async def test_a_new_assignment_is_asked_for_at_once(bench: Bench) -> None:
    task = await running(bench)
    [consumer] = bench.consumers
    bench.member.rejoin()
    await asyncio.sleep(1)
    assert (consumer.rejoins, bench.counters[Incident.REJOIN]) == (1, 1)
    await ended(task)


async def test_a_superseded_process_serves_nothing_and_asks_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Identity:
        superseded = True

        def guard(self, _consumer: Any) -> None:
            raise KafkaConnectionError("fenced")

    monkeypatch.setattr(bench.member, "_identity", Identity())
    task = await running(bench, 6)
    [(what, reason), *_] = bench.heard.told
    assert what == "superseded"
    assert "asks again every 5 s" in reason
    assert len(bench.consumers) == 2
    await ended(task)
