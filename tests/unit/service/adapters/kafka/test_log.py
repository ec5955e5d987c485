"""The Log port on Kafka: a partition is opened only beside its changelog and the topics that it writes to."""

from collections.abc import Collection
from typing import Any

import pytest

from service.adapters.kafka import log as module
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.log import KafkaLog
from service.runtime.ports import TopicPartition, Unfit

SETTINGS = KafkaSettings("b:9092", "g")
COMMANDS, CHANGES = TopicPartition("commands", 2), TopicPartition("changes", 0)


class Offsets:
    """Notes what must be there, and refuses what it is told to."""

    made: "list[Offsets]" = []  # noqa: RUF012 - of all tests, one after the other

    def __init__(self, _settings: KafkaSettings) -> None:
        self.required: list[tuple[TopicPartition, TopicPartition, list[str]]] = []
        self.error: Exception | None = None
        self.closed = 0
        Offsets.made.append(self)

    async def require(
        self, partition: TopicPartition, counterpart: TopicPartition, outlets: Collection[str] = ()
    ) -> None:
        self.required.append((partition, counterpart, sorted(outlets)))
        if self.error:
            raise self.error

    async def close(self) -> None:
        self.closed += 1


class Bench:
    def __init__(self) -> None:
        self.opened: list[tuple[TopicPartition, int]] = []
        self.log = KafkaLog(SETTINGS, {"commands": "jobs", "changes": "resources"}, {"commands": {"replies", "events"}})
        self.offsets = Offsets.made[-1]

    async def open_producer(self, _settings: KafkaSettings, partition: TopicPartition, batch_bytes: int = 0) -> Any:
        self.opened.append((partition, batch_bytes))
        return object()


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(module, "Offsets", Offsets)
    bench = Bench()
    monkeypatch.setattr(module, "open_producer", bench.open_producer)
    return bench


async def test_a_partition_is_opened_beside_its_changelog_and_what_it_writes_to(bench: Bench) -> None:
    await bench.log.open(COMMANDS)
    await bench.log.open(CHANGES)
    assert bench.offsets.required == [
        (TopicPartition("jobs", 2), COMMANDS, ["events", "replies"]),
        (TopicPartition("resources", 0), CHANGES, []),
    ]
    assert bench.opened == [(COMMANDS, SETTINGS.batch_bytes), (CHANGES, SETTINGS.batch_bytes)]


async def test_nobody_is_fenced_where_something_is_missing(bench: Bench) -> None:
    bench.offsets.error = Unfit("jobs is missing")
    with pytest.raises(Unfit):
        await bench.log.open(COMMANDS)
    assert bench.opened == []


async def test_a_batch_that_a_topic_has_refused_is_made_smaller_for_all_partitions(bench: Bench) -> None:
    first = await bench.log.open(COMMANDS)
    first._batch.lower()
    await bench.log.open(CHANGES)
    assert bench.opened[1][1] < bench.opened[0][1]


async def test_without_a_session_nothing_is_held(bench: Bench) -> None:
    assert not await bench.log.membership.holds(COMMANDS)
    bench.log.membership.start(COMMANDS, 5)
    bench.log.membership.pause(COMMANDS)
    bench.log.membership.resume(COMMANDS)
    bench.log.membership.rejoin()


async def test_closing_disconnects_what_partitions_share(bench: Bench) -> None:
    await bench.log.close()
    assert bench.offsets.closed == 1
