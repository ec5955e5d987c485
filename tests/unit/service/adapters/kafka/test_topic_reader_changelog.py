"""A changelog from its beginning to its end, whatever markers and compaction have left of it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaConnectionError

from service.adapters.kafka import topic_reader as module
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import read_changelog
from service.runtime.ports import LogError, TopicPartition
from tests.support.fake_consumer import FakeConsumer, Record

pytestmark = pytest.mark.looptime

JOBS = TopicPartition("jobs", 3)
KAFKA = KafkaPartition(*JOBS)
SETTINGS = KafkaSettings("b:9092", "g")


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> FakeConsumer:
    consumer = FakeConsumer()

    def make(**options: Any) -> FakeConsumer:
        assert options["isolation_level"] == "read_committed"
        assert options["client_id"] == "cleanroomsml-service-restore-jobs-3"
        return consumer

    monkeypatch.setattr(module, "AIOKafkaConsumer", make)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time()))
    return consumer


async def read(start: int, end: int) -> list[bytes | None]:
    return [value async for batch in read_changelog(SETTINGS, JOBS, start, end) for _, value in batch]


async def test_nothing_to_read_needs_no_connection(consumer: FakeConsumer) -> None:
    assert await read(5, 5) == []
    assert consumer.started == 0


async def test_what_lies_between_start_and_end(consumer: FakeConsumer) -> None:
    consumer.put(KAFKA, *range(10))
    assert await read(2, 7) == [b"2", b"3", b"4", b"5", b"6"]
    assert (consumer.started, consumer.stopped, consumer.assigned) == (1, 1, [KAFKA])


async def test_tombstones_and_records_without_a_key_are_records(consumer: FakeConsumer) -> None:
    consumer.put(KAFKA, 0, 1).records[1] = Record("jobs", 3, 1, key=None, value=None)
    assert [each async for batch in read_changelog(SETTINGS, JOBS, 0, 2) for each in batch] == [
        (b"k", b"0"),
        (b"", None),
    ]


async def test_the_last_offsets_may_be_markers(consumer: FakeConsumer) -> None:
    consumer.put(KAFKA, 0, 1, end=5)
    assert await read(0, 5) == [b"0", b"1"]


class Compacted(FakeConsumer):
    """Where compaction has removed the last records, a reader's position comes to the end never."""

    async def getmany(self, *wanted: Any, **options: Any) -> dict[Any, list[Any]]:
        found = await super().getmany(*wanted, **options)
        self.positions[KAFKA] = min(self.positions[KAFKA], 2)
        return found


async def test_compaction_may_have_removed_the_last_records(
    consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    compacted = Compacted()
    compacted.put(KAFKA, 0, 1, end=9)
    monkeypatch.setattr(module, "AIOKafkaConsumer", lambda **_: compacted)
    assert await read(0, 9) == [b"0", b"1"]


async def test_an_open_transaction_that_does_not_end_is_an_error(consumer: FakeConsumer) -> None:
    consumer.put(KAFKA, 0, 1, end=5).stable = 2
    began = asyncio.get_running_loop().time()
    with pytest.raises(LogError, match="no progress for 30 s in reading jobs-3 at offset 2 of 5"):
        await read(0, 5)
    assert asyncio.get_running_loop().time() - began < 2 * SETTINGS.stall_deadline
    assert consumer.stopped == 1


async def test_a_transaction_that_ends_in_time_is_waited_for(consumer: FakeConsumer) -> None:
    stored = consumer.put(KAFKA, 0, 1, 2, 3, 4)
    stored.stable = 2
    asyncio.get_running_loop().call_later(10, setattr, stored, "stable", None)
    assert await read(0, 5) == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_broken_connection_is_an_error_of_the_port(consumer: FakeConsumer) -> None:
    consumer.put(KAFKA, 0)
    consumer.failures.append(KafkaConnectionError("gone"))
    with pytest.raises(LogError, match="reading jobs-3"):
        await read(0, 1)
    assert consumer.stopped == 1


async def test_a_reader_that_is_left_early_is_disconnected(consumer: FakeConsumer) -> None:
    consumer.put(KAFKA, 0)
    batches = read_changelog(SETTINGS, JOBS, 0, 9)
    assert [value for _, value in await anext(batches)] == [b"0"]
    await batches.aclose()
    assert consumer.stopped == 1
