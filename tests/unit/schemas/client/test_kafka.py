"""The transport over aiokafka: repeats through a new producer, readers that keep their positions themselves."""

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndTimestamp

from schemas.client import ClientSettings, SendUnknownError, UnreachableError
from schemas.client import kafka as module
from schemas.client.kafka import KafkaReader, KafkaTransport
from schemas.events import Message

pytestmark = pytest.mark.looptime

MESSAGE = Message(b"k", b"{}", (("ce_id", b"one"),))
REPLIES, EVENTS = "cleanroomsml.replies", "cleanroomsml.events"


class Cluster:
    """What the fakes share: records, partitions, and what is to go wrong."""

    def __init__(self) -> None:
        self.partitions = {REPLIES: 2, EVENTS: 1}
        self.logs: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.made: list[Any] = []
        self.open: set[Any] = set()
        self.failures: list[Exception | float] = []
        self.written: list[Any] = []

    async def happen(self) -> None:
        """The next failure: an error, or a wait."""
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            await asyncio.sleep(failure)


class Fake:
    """A client of aiokafka."""

    def __init__(self, cluster: Cluster, **options: Any) -> None:
        self.cluster, self.options = cluster, options
        cluster.made.append(self)

    async def start(self) -> None:
        await self.cluster.happen()
        self.cluster.open.add(self)

    async def stop(self) -> None:
        self.cluster.open.discard(self)


class Producer(Fake):
    async def send_and_wait(self, topic: str, value: bytes, key: bytes, *, headers: Any) -> Any:
        await asyncio.sleep(0.1)
        await self.cluster.happen()
        self.cluster.written.append((topic, value, key, headers))
        return SimpleNamespace(topic=topic, partition=0, offset=len(self.cluster.written) - 1)


class Admin(Fake):
    async def describe_topics(self) -> list[Any]:
        return [
            {"topic": topic, "partitions": [{"partition": number} for number in range(count)]}
            for topic, count in self.cluster.partitions.items()
        ]


class Consumer(Fake):
    def __init__(self, cluster: Cluster, **options: Any) -> None:
        super().__init__(cluster, **options)
        self.at: dict[TopicPartition, int] = {}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: len(self.cluster.logs[each.topic, each.partition]) for each in partitions}

    async def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        found = {each: self.cluster.logs[each.topic, each.partition] for each in times}
        return {
            each: OffsetAndTimestamp(times[each] // 1000, times[each]) if times[each] // 1000 < len(log) else None
            for each, log in found.items()
        }

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.at = dict.fromkeys(partitions, -1)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.at[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.at[partition]

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self.cluster.partitions[topic]))

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        await self.cluster.happen()
        found = {}
        for each, position in self.at.items():
            log = self.cluster.logs[each.topic, each.partition]
            if new := log[position:]:
                found[each] = [record(each, position + number, value) for number, value in enumerate(new)]
                self.at[each] = len(log)
        if not found:
            await asyncio.sleep(timeout_ms / 1000)
        return found


def record(partition: TopicPartition, offset: int, value: bytes) -> Any:
    return SimpleNamespace(**partition._asdict(), offset=offset, timestamp=1500, key=b"k", value=value, headers=[])


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    for name, fake in (("Producer", Producer), ("Consumer", Consumer), ("AdminClient", Admin)):
        monkeypatch.setattr(module, f"AIOKafka{name}", lambda fake=fake, **options: fake(cluster, **options))
    return cluster


SETTINGS = ClientSettings(bootstrap_servers="broker:9092", source="/x", send_timeout=20.0)


async def transport() -> KafkaTransport:
    made = KafkaTransport(SETTINGS)
    await made.open()
    return made


# --- sending --------------------------------------------------------------------------------------------------------


async def test_a_command_is_written_with_its_key_to_the_commands_topic(cluster: Cluster) -> None:
    link = await transport()
    assert await link.send(MESSAGE) == ("cleanroomsml.commands", 0, 0)
    assert cluster.written == [("cleanroomsml.commands", b"{}", b"k", [("ce_id", b"one")])]
    options = cluster.made[0].options
    assert options["enable_idempotence"]
    assert "partitioner" not in options, "aiokafka's own is murmur2, as Java's"
    await link.close()
    assert cluster.open == set()


def test_the_partitioner_is_javas() -> None:
    """From Kafka's own tests: murmur2 of these keys."""
    found = [DefaultPartitioner()(key, list(range(1000)), list(range(1000))) for key in (b"21", b"foobar", b"abc")]
    assert found == [(each & 0x7FFFFFFF) % 1000 for each in (-973932308, -790332482, 479470107)]


@pytest.mark.parametrize("error", [KafkaTimeoutError(), KafkaConnectionError(), OutOfOrderSequenceNumber(), OSError()])
async def test_a_failed_send_is_repeated_by_a_new_producer(cluster: Cluster, error: Exception) -> None:
    link = await transport()
    cluster.failures = [error]
    await link.send(MESSAGE)
    assert len(cluster.made) == 2
    assert cluster.open == {cluster.made[1]}
    assert len(cluster.written) == 1


async def test_many_senders_share_one_new_producer(cluster: Cluster) -> None:
    link = await transport()
    cluster.failures = [KafkaConnectionError() for _ in range(30)]
    await asyncio.gather(*(link.send(MESSAGE) for _ in range(30)))
    assert len(cluster.made) <= 3
    assert len(cluster.open) == 1
    assert len(cluster.written) == 30


@pytest.mark.parametrize("error", [TopicAuthorizationFailedError("t"), RecordTooLargeError()])
async def test_what_kafka_refuses_is_not_repeated(cluster: Cluster, error: Exception) -> None:
    link = await transport()
    cluster.failures = [error]
    with pytest.raises(UnreachableError, match="takes no such command") as caught:
        await link.send(MESSAGE)
    assert not isinstance(caught.value, SendUnknownError)
    await link.send(MESSAGE)


async def test_an_outage_that_lasts_leaves_the_outcome_open(cluster: Cluster) -> None:
    link = await transport()
    cluster.failures = [KafkaTimeoutError() for _ in range(100)]
    begun = asyncio.get_running_loop().time()
    with pytest.raises(SendUnknownError, match="send the same id again"):
        await link.send(MESSAGE)
    assert asyncio.get_running_loop().time() - begun <= SETTINGS.send_timeout
    cluster.failures = [1_000.0]
    with pytest.raises(UnreachableError, match="no answer within 20 s") as caught:
        await link.send(MESSAGE)
    assert not isinstance(caught.value, SendUnknownError), "no producer was connected"
    cluster.failures = []
    link = await transport()
    cluster.failures = [1_000.0]
    with pytest.raises(SendUnknownError, match="no answer within 20 s"):
        await link.send(MESSAGE)


async def test_a_kafka_that_is_away_at_the_start(cluster: Cluster) -> None:
    cluster.failures = [KafkaConnectionError()]
    with pytest.raises(UnreachableError, match=r"connecting to .*: no broker accepts the connection"):
        await transport()
    cluster.failures = [1_000.0]
    with pytest.raises(UnreachableError, match="no answer from Kafka within 30 s"):
        await transport()
    assert cluster.open == set()


# --- reading --------------------------------------------------------------------------------------------------------


async def opened(since: float | None = None) -> KafkaReader:
    reader = (await transport()).reader()
    await reader.open(since)
    return reader


async def values(reader: KafkaReader) -> list[bytes | None]:
    return [each.value for each in await reader.read()]


async def test_a_reader_takes_its_positions_when_it_is_opened(cluster: Cluster) -> None:
    cluster.logs[REPLIES, 1] = [b"before"]
    reader = await opened()
    cluster.logs[REPLIES, 1].append(b"after")
    cluster.logs[EVENTS, 0].append(b"event")
    assert await values(reader) == [b"after", b"event"]
    assert reader.positions() == await reader.ends() == {(REPLIES, 0): 0, (REPLIES, 1): 2, (EVENTS, 0): 1}
    options = cluster.made[-1].options
    assert (options["group_id"], options["isolation_level"], options["enable_auto_commit"]) == (
        None,
        "read_committed",
        False,
    )
    await reader.close()
    assert not any(isinstance(each, Consumer | Admin) for each in cluster.open)


async def test_a_reader_may_begin_in_the_past(cluster: Cluster) -> None:
    cluster.logs[REPLIES, 0] = [b"0", b"1", b"2"]
    assert await values(await opened(since=1.0)) == [b"1", b"2"]
    assert await values(await opened(since=9.0)) == []


@pytest.mark.parametrize("failure", [KafkaConnectionError(), OSError(), AssertionError(), 1_000.0])
async def test_a_broken_consumer_is_followed_by_one_at_the_same_position(
    cluster: Cluster, failure: Exception | float
) -> None:
    cluster.logs[REPLIES, 0] = [b"0"]
    reader = await opened(since=0.0)
    assert await values(reader) == [b"0"]
    cluster.failures = [failure]
    assert await values(reader) == []
    cluster.logs[REPLIES, 0].append(b"1")
    cluster.failures = [KafkaConnectionError()]
    assert await values(reader) == [], "the new one does not connect at once"
    assert await values(reader) == [b"1"]
    assert sum(isinstance(each, Consumer) for each in cluster.open) == 1


async def test_partitions_that_are_added_are_read_from_their_beginning(cluster: Cluster) -> None:
    reader = await opened()
    cluster.partitions[REPLIES] = 3
    cluster.logs[REPLIES, 2] = [b"0"]
    assert await values(reader) == []
    assert await values(reader) == [b"0"]


async def test_a_topic_that_is_missing_is_named(cluster: Cluster) -> None:
    del cluster.partitions[EVENTS]
    with pytest.raises(UnreachableError, match=r"topic cleanroomsml.events does not exist, or"):
        await opened()
