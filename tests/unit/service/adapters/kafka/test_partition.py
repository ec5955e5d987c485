"""One producer's life: what is restored, what is committed, and that nothing is sent after the first failure."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, ProducerFenced

from service.adapters.kafka import partition as module
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.incidents import Incident
from service.adapters.kafka.partition import KafkaPartitionLog
from service.adapters.kafka.producer import SMALL_BATCH, BatchSize
from service.runtime.ports import (
    BatchRefused,
    CommitUnknown,
    Fenced,
    LogError,
    OutRecord,
    PartitionOffsets,
    RecordRefused,
    TopicPartition,
    Unfit,
)

pytestmark = pytest.mark.looptime

COMMANDS, JOBS = TopicPartition("commands", 1), TopicPartition("jobs", 1)
SETTINGS = KafkaSettings("b:9092", "g")
RECORD = OutRecord("jobs", b"k", b"v", partition=1)


class Offsets:
    """Bounds by partition."""

    def __init__(self) -> None:
        self.ranges = {COMMANDS: (5, 20), JOBS: (3, 9)}

    async def bounds(self, partition: TopicPartition) -> tuple[int, int]:
        return self.ranges[partition]

    async def committed(self, _partition: TopicPartition) -> int | None:
        return 12

    async def topic_id(self, topic: str) -> str:
        return f"id-{topic}"

    async def existing(self, topics: Sequence[str]) -> frozenset[str]:
        return frozenset(topics) - {"absent"}


class Producer:
    """Is only stopped: transactions go through ``transact``."""

    def __init__(self) -> None:
        self.stopped = 0
        self.client = self

    async def send(self, *_: Any) -> None:
        raise AssertionError

    async def stop(self) -> None:
        self.stopped += 1


class Bench:
    def __init__(self) -> None:
        self.producer, self.offsets, self.counters, self.batch = (
            Producer(),
            Offsets(),
            Counter[Incident](),
            BatchSize(SETTINGS),
        )
        self.transactions: list[tuple[list[OutRecord], dict[Any, int]]] = []
        self.read: list[tuple[int, int]] = []
        self.error: Exception | None = None
        self.takes = 0.0
        self.log = KafkaPartitionLog(
            SETTINGS,
            COMMANDS,
            JOBS,
            self.producer,
            self.offsets,  # type: ignore[arg-type]
            asyncio.Semaphore(1),
            self.counters,
            self.batch,
        )

    async def transact(self, _producer: Any, records: Any, offsets: Any, group: str, _attempt: Any) -> None:
        await asyncio.sleep(self.takes)
        if self.error:
            raise self.error
        assert group == "g"
        self.transactions.append((list(records), {tuple(each): offset for each, offset in offsets.items()}))

    async def changelog(self, _settings: Any, partition: TopicPartition, start: int, end: int) -> AsyncIterator[Any]:
        assert partition == JOBS
        self.read.append((start, end))
        yield [(b"k", b"v")]

    async def restored(self, known: int = 0) -> list[Any]:
        return [each async for batch in self.log.restore(known) for each in batch]


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()

    async def limit(_settings: Any, topic: str) -> int:
        return 777

    monkeypatch.setattr(module, "transact", bench.transact)
    monkeypatch.setattr(module, "read_changelog", bench.changelog)
    monkeypatch.setattr(module, "record_limit", limit)
    return bench


async def test_what_is_known_is_not_read_again(bench: Bench) -> None:
    for known, start in ((0, 3), (2, 3), (7, 7), (9, 9)):
        assert await bench.restored(known) == [(b"k", b"v")]
        assert bench.read[-1] == (start, 9)


async def test_a_changelog_that_ends_before_what_is_known_was_made_anew(bench: Bench) -> None:
    with pytest.raises(Unfit, match=r"^jobs-1 ends at offset 9, but this process has read it up to 10: .*backfill"):
        await bench.restored(10)


async def test_a_changelog_that_loses_its_beginning_is_not_read(bench: Bench) -> None:
    await bench.log.offsets()
    bench.offsets.ranges[JOBS] = (4, 9)
    with pytest.raises(LogError, match=r"^jobs-1 began at offset 3, and now begins at 4"):
        await bench.restored()


async def test_where_things_are(bench: Bench) -> None:
    assert await bench.log.offsets() == PartitionOffsets("g", 12, 5, 20, 3, "id-commands", "id-jobs")
    assert await bench.log.existing(["replies", "absent"]) == {"replies"}


async def test_records_and_the_offset_are_one_transaction(bench: Bench) -> None:
    await bench.log.commit([RECORD], 13)
    await bench.log.commit([RECORD], None)
    await bench.log.commit([], 14)
    assert bench.transactions == [([RECORD], {COMMANDS: 13}), ([RECORD], {}), ([], {COMMANDS: 14})]
    assert bench.counters == {}


async def test_nothing_to_commit_is_no_transaction(bench: Bench) -> None:
    await bench.log.commit([], None)
    assert bench.transactions == []


@pytest.mark.parametrize(
    ("error", "kind", "fenced"),
    [
        (ProducerFenced(), Fenced, 1),
        (KafkaConnectionError("gone"), CommitUnknown, 0),
        (KeyError("x"), CommitUnknown, 0),
    ],
)
async def test_after_a_failure_nothing_is_sent_any_more(
    bench: Bench, error: Exception, kind: type[LogError], fenced: int
) -> None:
    bench.error = error
    with pytest.raises(kind):
        await bench.log.commit([RECORD], 13)
    bench.error = None
    with pytest.raises(CommitUnknown, match="spent"):
        await bench.log.commit([RECORD], 13)
    assert bench.transactions == []
    assert (bench.counters[Incident.FENCED], bench.counters[Incident.COMMIT_UNKNOWN]) == (fenced, 1 - fenced)


async def test_a_commit_that_takes_too_long_is_unknown(bench: Bench) -> None:
    bench.takes = 1_000.0
    began = asyncio.get_running_loop().time()
    with pytest.raises(CommitUnknown):
        await bench.log.commit([RECORD], 13)
    assert asyncio.get_running_loop().time() - began == pytest.approx(SETTINGS.commit_deadline)


async def test_a_commit_that_is_cancelled_spends_the_log(bench: Bench) -> None:
    bench.takes = 5.0
    task = asyncio.create_task(bench.log.commit([RECORD], 13))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.takes = 0.0
    with pytest.raises(CommitUnknown, match="spent"):
        await bench.log.commit([RECORD], 13)


async def test_a_record_that_is_too_large_is_told_with_its_topics_limit(bench: Bench) -> None:
    bench.error = RecordRefused("replies", 1000)
    with pytest.raises(RecordRefused) as raised:
        await bench.log.commit([RECORD], 13)
    assert (raised.value.topic, raised.value.size, raised.value.limit) == ("replies", 1000, 777)
    assert bench.batch.limit == SETTINGS.batch_bytes


async def test_a_batch_that_is_too_large_lowers_the_next_ones(bench: Bench) -> None:
    bench.error = BatchRefused("together too large")
    with pytest.raises(BatchRefused):
        await bench.log.commit([RECORD], 13)
    assert bench.batch.limit == SMALL_BATCH


async def test_closing_waits_for_the_commit_under_way(bench: Bench) -> None:
    bench.takes = 5.0
    commit = asyncio.create_task(bench.log.commit([RECORD], 13))
    await asyncio.sleep(1)
    await bench.log.close()
    assert commit.done()
    assert (bench.transactions, bench.producer.stopped) == ([([RECORD], {COMMANDS: 13})], 1)
    await bench.log.close()
    assert bench.producer.stopped == 1
    with pytest.raises(CommitUnknown, match="spent"):
        await bench.log.commit([RECORD], 14)


async def test_restores_take_turns(bench: Bench) -> None:
    first = bench.log.restore()
    await anext(first)
    second = asyncio.create_task(bench.restored())
    await asyncio.sleep(1)
    assert not second.done()
    await first.aclose()  # type: ignore[attr-defined]
    assert await second == [(b"k", b"v")]
