"""One helper connection for all partitions: connects when first asked, and again after a failure."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError

from service.adapters.kafka import offsets as module
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.offsets import Offsets, absent
from service.runtime.ports import LogError, TopicPartition, Unfit
from tests.support.fake_consumer import FakeConsumer

pytestmark = pytest.mark.looptime

COMMANDS, JOBS = TopicPartition("commands", 1), TopicPartition("jobs", 1)
SETTINGS = KafkaSettings("b:9092", "g")


class Helper(FakeConsumer):
    """A consumer that also answers for the group and for the cluster."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        super().__init__()
        self.topics = topics
        self.offset: int | None = None
        self.error: Exception | None = None
        self.hangs = False
        self._client = SimpleNamespace(fetch_all_metadata=self._metadata)

    async def committed(self, _partition: KafkaPartition) -> int | None:
        await self._answer()
        return self.offset

    async def end_offsets(self, partitions: Any) -> dict[KafkaPartition, int]:
        await self._answer()
        return await super().end_offsets(partitions)

    async def _metadata(self) -> Any:
        await self._answer()
        return SimpleNamespace(partitions_for_topic=lambda topic: set(range(self.topics.get(topic, 0))) or None)

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.sleep(10_000)
        if self.error:
            raise self.error


class Bench:
    def __init__(self) -> None:
        self.helpers: list[Helper] = []
        self.options: list[dict[str, Any]] = []
        self.topics: dict[str, int] = {"commands": 3, "jobs": 3, "replies": 1}
        self.offsets = Offsets(SETTINGS)

    def make(self, **options: Any) -> Helper:
        self.options.append(options)
        self.helpers.append(Helper(self.topics))
        return self.helpers[-1]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    monkeypatch.setattr(module, "AIOKafkaConsumer", bench.make)
    return bench


async def test_all_questions_share_a_connection(bench: Bench) -> None:
    assert await bench.offsets.committed(COMMANDS) is None
    bench.helpers[0].offset = 7
    assert await bench.offsets.committed(COMMANDS) == 7
    bench.helpers[0].put(KafkaPartition(*JOBS), 3, 4, end=9).start = 3
    assert await bench.offsets.bounds(JOBS) == (3, 9)
    assert [helper.started for helper in bench.helpers] == [1]


async def test_those_who_ask_at_once_share_it_too(bench: Bench) -> None:
    await asyncio.gather(*(bench.offsets.committed(COMMANDS) for _ in range(5)))
    assert len(bench.helpers) == 1


async def test_it_reads_uncommitted_and_is_no_member(bench: Bench) -> None:
    """The end for a ``read_committed`` reader is the last stable offset, behind which committed records may lie."""
    await bench.offsets.committed(COMMANDS)
    [options] = bench.options
    assert options["isolation_level"] == "read_uncommitted"
    assert options["enable_auto_commit"] is False


@pytest.mark.parametrize("error", [KafkaConnectionError("gone"), ConnectionResetError("x"), None])
async def test_after_a_failure_it_connects_again(bench: Bench, error: Exception | None) -> None:
    await bench.offsets.committed(COMMANDS)
    bench.helpers[0].error, bench.helpers[0].hangs = error, error is None
    with pytest.raises(LogError, match="reading committed of"):
        await bench.offsets.committed(COMMANDS)
    assert bench.helpers[0].stopped == 1
    assert await bench.offsets.committed(COMMANDS) is None
    assert len(bench.helpers) == 2


async def test_a_missing_right_is_for_a_person(bench: Bench) -> None:
    await bench.offsets.committed(COMMANDS)
    bench.helpers[0].error = GroupAuthorizationFailedError("g")
    with pytest.raises(Unfit):
        await bench.offsets.committed(COMMANDS)


async def test_a_caller_that_is_cancelled_leaves_the_connection_to_others(bench: Bench) -> None:
    await bench.offsets.committed(COMMANDS)
    bench.helpers[0].hangs = True
    task = asyncio.create_task(bench.offsets.committed(COMMANDS))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.helpers[0].hangs = False
    await bench.offsets.committed(COMMANDS)
    assert (len(bench.helpers), bench.helpers[0].stopped) == (1, 0)


async def test_a_helper_that_cannot_connect_is_thrown_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(self: Helper) -> None:
        raise KafkaConnectionError("refused")

    monkeypatch.setattr(Helper, "start", refused)
    for _ in range(2):
        with pytest.raises(LogError):
            await bench.offsets.bounds(JOBS)
    assert [helper.stopped for helper in bench.helpers] == [1, 1]


async def test_a_partition_whose_changelog_and_topics_are_there_is_served(bench: Bench) -> None:
    await bench.offsets.require(JOBS, COMMANDS, ["replies"])


@pytest.mark.parametrize(
    ("topics", "wanted"),
    [
        ({"jobs": 3}, r"^commands-1 is not served: replies does not exist, .*python -m service topics"),
        ({"replies": 1}, r"^jobs is missing, but commands has a partition 1: .*stop the service and run"),
        ({"jobs": 1, "replies": 1}, r"^jobs has 1 partitions, but commands has a partition 1"),
    ],
)
async def test_one_that_lacks_any_of_them_is_for_a_person(bench: Bench, topics: dict[str, int], wanted: str) -> None:
    bench.topics = topics
    with pytest.raises(Unfit, match=wanted):
        await bench.offsets.require(JOBS, COMMANDS, ["replies"])


async def test_which_topics_and_partitions_are_there(bench: Bench) -> None:
    assert await bench.offsets.existing(["jobs", "replies", "absent"]) == {"jobs", "replies"}
    assert await bench.offsets.numbers("jobs") == {0, 1, 2}
    assert await bench.offsets.numbers("absent") == frozenset()


async def test_the_id_of_a_topic_is_asked_of_the_same_connection(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def topic_id(client: Any, topic: str) -> str:
        assert client is bench.helpers[-1]._client
        if topic == "gone":
            raise KafkaConnectionError("gone")
        return f"id of {topic}"

    monkeypatch.setattr(module, "topic_id", topic_id)
    assert await bench.offsets.topic_id("jobs") == "id of jobs"
    with pytest.raises(LogError, match="reading the id of gone"):
        await bench.offsets.topic_id("gone")
    assert bench.helpers[0].stopped == 1


async def test_closing_is_idempotent(bench: Bench) -> None:
    await bench.offsets.close()
    await bench.offsets.committed(COMMANDS)
    await bench.offsets.close()
    await bench.offsets.close()
    assert bench.helpers[0].stopped == 1


@pytest.mark.parametrize(("topics", "words"), [(["a"], "a does not exist"), (["a", "b"], "a, b do not exist")])
def test_what_is_absent_is_named_with_what_to_do(topics: list[str], words: str) -> None:
    assert absent(topics).startswith(words)
    assert "python -m service topics" in absent(topics)
