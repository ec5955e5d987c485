"""In order, nothing twice, nothing skipped, nothing before its partition is started; whatever can't be read."""

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import (
    CorruptRecordException,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.group import delivery as module
from service.adapters.kafka.group.delivery import HALTED_RETRY, QUIET, SUSPICION, Delivery
from service.adapters.kafka.incidents import Incident
from service.runtime.ports import InRecord, TopicPartition
from tests.support.clock import ManualClock
from tests.support.fake_consumer import FakeConsumer

pytestmark = pytest.mark.looptime

A, B = TopicPartition("commands", 0), TopicPartition("commands", 1)
KA, KB = KafkaPartition(*A), KafkaPartition(*B)
OTHER = TopicPartition("shop.commands", 0)
SETTINGS = KafkaSettings("b:9092", "g")


class Recorder:
    """What the runtime hears."""

    def __init__(self) -> None:
        self.records: dict[TopicPartition, list[InRecord]] = {}
        self.passes: list[tuple[TopicPartition, int]] = []
        self.halts: list[tuple[TopicPartition, str]] = []

    def received(self, partition: TopicPartition, records: Sequence[InRecord]) -> None:
        self.records.setdefault(partition, []).extend(records)

    def passed(self, partition: TopicPartition, offset: int) -> None:
        self.passes.append((partition, offset))

    def halted(self, partition: TopicPartition, reason: str) -> None:
        self.halts.append((partition, reason))

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        raise AssertionError

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        raise AssertionError

    async def superseded_by_peer(self, reason: str) -> None:
        raise AssertionError

    def offsets(self, partition: TopicPartition) -> list[int]:
        return [record.offset for record in self.records.get(partition, [])]


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.consumer, self.heard, self.counters = FakeConsumer(), Recorder(), Counter[Incident]()
        self.delivery = Delivery(self.consumer, self.heard, self.counters)

    async def poll(self, times: int = 1) -> None:
        for _ in range(times):
            await self.delivery.poll()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    clock = ManualClock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    bench = Bench()
    bench.clock = clock
    return bench


async def test_nothing_is_fetched_before_its_partition_is_started(bench: Bench) -> None:
    bench.consumer.put(KA, 0, 1)
    bench.delivery.hold([A, B])
    await bench.poll()
    assert (bench.heard.records, bench.consumer.paused) == ({}, {KA, KB})
    bench.delivery.start(A, 1)
    await bench.poll()
    assert bench.heard.offsets(A) == [1]


async def test_a_record_is_converted(bench: Bench) -> None:
    bench.consumer.put(KA, 7)
    bench.delivery.start(A, 7)
    await bench.poll()
    assert bench.heard.records[A] == [InRecord("commands", 0, 7, 1_700_000_000.5, b"k", b"7", ())]


async def test_a_paused_partition_delivers_nothing_until_it_is_resumed(bench: Bench) -> None:
    bench.consumer.put(KA, 0, 1)
    bench.consumer.put(KB, 0)
    bench.delivery.start(A, 0)
    bench.delivery.start(B, 0)
    bench.delivery.pause(A)
    await bench.poll()
    assert (bench.heard.offsets(A), bench.heard.offsets(B)) == ([], [0])
    bench.delivery.resume(A)
    await bench.poll()
    assert bench.heard.offsets(A) == [0, 1]


async def test_who_was_not_paused_is_not_resumed(bench: Bench) -> None:
    """After a rebalance it may be somebody else's."""
    bench.delivery.hold([A])
    bench.delivery.resume(A)
    assert KA in bench.consumer.paused


async def test_a_pause_outlasts_the_failure_of_another_partition(bench: Bench) -> None:
    bench.consumer.put(KA, 0)
    bench.delivery.start(A, 0)
    bench.delivery.start(B, 0)
    bench.delivery.pause(A)
    bench.consumer.failures.append(CorruptRecordException())
    await bench.poll(3)
    assert KA in bench.consumer.paused
    assert bench.heard.offsets(A) == []


async def test_after_a_rebalance_nothing_of_what_was_started_is_delivered(bench: Bench) -> None:
    bench.consumer.put(KA, 0, 1, 2)
    bench.delivery.start(A, 0)
    bench.delivery.drop()
    await bench.poll()
    assert bench.heard.records == {}


async def test_what_was_delivered_is_not_delivered_again(bench: Bench) -> None:
    bench.consumer.put(KA, 0, 1)
    bench.delivery.start(A, 0)
    await bench.poll()
    bench.consumer.seek(KA, 0)
    bench.consumer.put(KA, 2)
    await bench.poll()
    assert bench.heard.offsets(A) == [0, 1, 2]


async def test_a_gap_is_read_twice_before_it_is_believed(bench: Bench) -> None:
    """Aborted records and markers leave gaps, and so does a defect of the client."""
    bench.consumer.put(KA, 0, 1)
    bench.delivery.start(A, 0)
    await bench.poll()
    bench.consumer.put(KA, 5)
    await bench.poll()
    assert (bench.heard.offsets(A), bench.counters[Incident.OFFSET_GAP]) == ([0, 1], 0)
    assert bench.consumer.positions[KA] == 2
    await bench.poll()
    assert (bench.heard.offsets(A), bench.counters[Incident.OFFSET_GAP]) == ([0, 1, 5], 1)


async def test_records_that_a_client_had_lost_are_read_the_second_time(bench: Bench) -> None:
    bench.consumer.put(KA, 0)
    bench.delivery.start(A, 0)
    await bench.poll()
    bench.consumer.put(KA, 3)
    await bench.poll()
    bench.consumer.put(KA, 1, 2)
    await bench.poll()
    assert (bench.heard.offsets(A), bench.counters[Incident.OFFSET_GAP]) == ([0, 1, 2, 3], 0)


async def test_a_bad_record_stops_its_partition_alone_and_skips_nothing(bench: Bench) -> None:
    bench.consumer.put(KA, *range(20), bad={7})
    bench.consumer.put(KB, *range(20))
    bench.delivery.start(A, 0)
    bench.delivery.start(B, 0)
    await bench.poll(30)
    assert bench.heard.offsets(A) == list(range(7))
    assert bench.heard.offsets(B) == list(range(20))
    [(partition, reason)] = bench.heard.halts
    assert partition == A
    assert reason.startswith("can't be read at offset 7: ")


async def test_a_partition_that_cannot_be_read_is_tried_again_and_goes_on_when_it_can(bench: Bench) -> None:
    bench.consumer.put(KA, *range(5), bad={2})
    bench.delivery.start(A, 0)
    await bench.poll(10)
    bench.clock.advance(HALTED_RETRY + 1)
    await bench.poll(3)
    assert [reason[:13] for _, reason in bench.heard.halts] == ["can't be read", "", "can't be read"]
    bench.consumer.stored[KA].bad.clear()
    bench.clock.advance(HALTED_RETRY + 1)
    await bench.poll(10)
    assert bench.heard.offsets(A) == list(range(5))
    assert bench.heard.halts[-1] == (A, "")


async def test_a_partition_is_read_singly_for_a_while_only(bench: Bench) -> None:
    bench.consumer.put(KA, *range(30))
    bench.delivery.start(A, 0)
    bench.consumer.failures.append(CorruptRecordException())
    await bench.poll(3)
    assert bench.heard.offsets(A) == [0, 1]
    bench.clock.advance(SUSPICION + 1)
    await bench.poll(2)
    assert len(bench.heard.offsets(A)) > 10


async def test_deleted_records_stop_the_partition_and_say_what_to_do(bench: Bench) -> None:
    bench.consumer.put(KB, 0)
    bench.delivery.start(A, 3)
    bench.delivery.start(B, 0)
    bench.consumer.failures.append(OffsetOutOfRangeError({KA: 3}))
    await bench.poll(2)
    [(partition, reason)] = bench.heard.halts
    assert partition == A
    assert "offset 3: " in reason
    assert "offsets set --topic commands --partition 0 --to OFFSET" in reason
    assert bench.heard.offsets(B) == [0]


@pytest.mark.parametrize("named", ["commands", {"commands"}])
async def test_a_topic_that_we_may_not_read_stops_its_partitions(bench: Bench, named: object) -> None:
    bench.consumer.put(KafkaPartition(*OTHER), 0)
    for partition in (A, B, OTHER):
        bench.delivery.start(partition, 0)
    bench.consumer.failures.append(TopicAuthorizationFailedError(named))
    await bench.poll(2)
    assert {partition for partition, _ in bench.heard.halts} == {A, B}
    assert bench.heard.offsets(OTHER) == [0]


@pytest.mark.parametrize(
    "error",
    [
        TopicAuthorizationFailedError("another"),
        GroupAuthorizationFailedError("g"),
        KafkaConnectionError("gone"),
        ConnectionResetError("gone"),
        TimeoutError(),
    ],
)
async def test_what_concerns_no_record_breaks_the_session(bench: Bench, error: Exception) -> None:
    bench.consumer.put(KA, 0)
    bench.delivery.start(A, 0)
    bench.consumer.failures.append(error)
    with pytest.raises(type(error)):
        await bench.poll()
    assert bench.heard.halts == []


async def test_what_the_session_breaks_at_while_records_are_read_singly(bench: Bench) -> None:
    bench.delivery.start(A, 0)
    bench.consumer.failures += [CorruptRecordException(), KafkaConnectionError("gone")]
    with pytest.raises(KafkaConnectionError):
        await bench.poll(2)


async def test_markers_behind_the_last_record_are_passed_over_when_it_is_quiet(bench: Bench) -> None:
    bench.consumer.put(KA, 0, 1, end=9)
    bench.delivery.start(A, 0)
    await bench.poll(3)
    assert bench.heard.passes == []
    bench.clock.advance(QUIET + 1)
    await bench.poll()
    assert bench.heard.passes == [(A, 9)]
    bench.clock.advance(QUIET + 1)
    await bench.poll()
    assert bench.heard.passes == [(A, 9)]


async def test_a_paused_partition_is_not_passed_over(bench: Bench) -> None:
    bench.consumer.put(KA, 0, end=9)
    bench.delivery.start(A, 0)
    await bench.poll()
    bench.delivery.pause(A)
    bench.clock.advance(QUIET + 1)
    await bench.poll()
    assert bench.heard.passes == []


async def test_a_new_start_forgets_that_the_partition_could_not_be_read(bench: Bench) -> None:
    bench.consumer.put(KA, *range(5), bad={0})
    bench.delivery.start(A, 0)
    await bench.poll(3)
    assert bench.heard.halts
    bench.delivery.start(A, 1)
    await bench.poll()
    assert bench.heard.offsets(A) == [1, 2, 3, 4]
