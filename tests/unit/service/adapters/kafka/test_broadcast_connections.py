"""Hints through a topic, with a simulated broker: what is dropped, what is heard, and when it connects again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, OffsetOutOfRangeError
from structlog.testing import capture_logs

from service.adapters.kafka.broadcast import WAITING, KafkaBroadcast
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.reconnection import STEADY
from service.runtime.ports import LogError
from tests.support.fake_consumer import FakeConsumer, Record, Stored

pytestmark = pytest.mark.looptime

TOPIC = "cleanroomsml.lists"
ZERO, ONE = KafkaPartition(TOPIC, 0), KafkaPartition(TOPIC, 1)
SETTINGS = KafkaSettings("127.0.0.1:1", "group", read_deadline=10.0, commit_deadline=7.0)
POLLED = 0.6
"""Seconds after which an idle consumer has polled again."""


def now() -> float:
    return round(asyncio.get_running_loop().time(), 3)


async def for_ever() -> None:
    await asyncio.Event().wait()


class Listener(FakeConsumer):
    """A consumer that may not connect."""

    def __init__(self, broker: "Broker") -> None:
        super().__init__()
        self.stored = broker.stored
        self.ended = asyncio.Event()
        self._broker = broker

    async def stop(self) -> None:
        await super().stop()
        self.ended.set()

    async def start(self) -> None:
        await super().start()
        if self._broker.deaf:
            await for_ever()
        if self._broker.unreadable:
            raise self._broker.unreadable.pop(0)


class Speaker:
    """A producer that writes, fails, or waits for an answer."""

    def __init__(self, broker: "Broker", options: dict[str, Any]) -> None:
        self.options = options
        self.started = self.stopped = 0
        self._broker = broker

    async def start(self) -> None:
        self.started += 1
        if self._broker.unwritable:
            raise self._broker.unwritable.pop(0)

    async def stop(self) -> None:
        self.stopped += 1

    async def send_and_wait(self, topic: str, value: bytes, partition: int) -> None:
        assert not self.stopped
        self._broker.tried.append(value)
        answer = self._broker.answers.pop(0) if self._broker.answers else None
        await asyncio.sleep(self._broker.slowness)
        if answer is for_ever:
            await for_ever()
        if answer is not None:
            raise answer
        self._broker.append(KafkaPartition(topic, partition), value)


class Broker:
    """One topic, and the clients that were made for it."""

    def __init__(self) -> None:
        self.stored: dict[KafkaPartition, Stored] = {ZERO: Stored(), ONE: Stored()}
        self.listeners: list[Listener] = []
        self.speakers: list[Speaker] = []
        self.tried: list[bytes] = []
        self.answers: list[Any] = []
        """To the next writes, one each: an error, ``for_ever`` for none, or None for success."""
        self.slowness = 0.0
        """Seconds that a write takes."""
        self.unreadable: list[BaseException] = []
        self.unwritable: list[BaseException] = []
        self.deaf = False
        self.unknown: list[BaseException | frozenset[int]] = []
        """Answers to the next questions for partitions."""
        self.asked: list[float] = []

    def append(self, partition: KafkaPartition, *values: bytes | None) -> None:
        stored = self.stored[partition]
        for value in values:
            stored.records[stored.end] = Record(partition.topic, partition.partition, stored.end, value=value)
            stored.end += 1

    def written(self, partition: KafkaPartition = ZERO) -> list[bytes | None]:
        return [record.value for _, record in sorted(self.stored[partition].records.items())]

    async def numbers(self, topic: str) -> frozenset[int]:
        assert topic == TOPIC
        self.asked.append(now())
        answer = self.unknown.pop(0) if self.unknown else frozenset({0, 1})
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def open(self) -> list[tuple[int, int]]:
        """Of each client, how often it was started and stopped."""
        clients: Iterable[Any] = (*self.listeners, *self.speakers)
        return [(each.started, each.stopped) for each in clients]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()

    def consumer(settings: KafkaSettings, role: str) -> Listener:
        assert (settings, role) == (SETTINGS, "lists")
        made.listeners.append(Listener(made))
        return made.listeners[-1]

    def producer(**options: Any) -> Speaker:
        made.speakers.append(Speaker(made, options))
        return made.speakers[-1]

    module = "service.adapters.kafka.broadcast."
    monkeypatch.setattr(module + "topic_consumer", consumer)
    monkeypatch.setattr(module + "AIOKafkaProducer", producer)
    monkeypatch.setattr(
        "service.adapters.kafka.reconnection.time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    )
    return made


def broadcast(broker: Broker) -> KafkaBroadcast:
    offsets: Any = broker
    return KafkaBroadcast(SETTINGS, TOPIC, offsets)


@asynccontextmanager
async def running(made: KafkaBroadcast, also: Callable[[bytes], None] = lambda _: None) -> AsyncIterator[list[bytes]]:
    """While it runs; it runs until it is cancelled."""
    heard: list[bytes] = []

    def hear(value: bytes) -> None:
        heard.append(value)
        also(value)

    task = asyncio.create_task(made.run(hear))
    yield heard
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


# Sending and hearing


async def test_what_is_sent_is_heard_in_order(broker: Broker) -> None:
    made = broadcast(broker)
    async with running(made) as heard:
        await asyncio.sleep(POLLED)
        for number in range(5):
            made.send(b"%d" % number)
        await asyncio.sleep(POLLED)
        assert heard == [b"0", b"1", b"2", b"3", b"4"]
        await asyncio.sleep(100.0)
        assert len(heard) == 5, "none twice"
        made.send(b"later")
        await asyncio.sleep(POLLED)
        assert heard[5:] == [b"later"]


async def test_every_partition_is_read_and_the_first_is_written(broker: Broker) -> None:
    made = broadcast(broker)
    async with running(made) as heard:
        await asyncio.sleep(POLLED)
        broker.append(ONE, b"of a replica that writes elsewhere")
        made.send(b"own")
        await asyncio.sleep(POLLED)
        assert set(heard) == {b"own", b"of a replica that writes elsewhere"}
        assert (broker.written(ZERO), len(broker.written(ONE))) == ([b"own"], 1)


async def test_what_was_there_before_is_not_heard(broker: Broker) -> None:
    broker.append(ZERO, b"old", b"older")
    broker.append(ONE, b"oldest")
    async with running(broadcast(broker)) as heard:
        await asyncio.sleep(POLLED)
        broker.append(ZERO, b"new")
        await asyncio.sleep(POLLED)
        assert heard == [b"new"]


async def test_a_tombstone_is_heard_as_nothing_and_any_bytes_as_they_are(broker: Broker) -> None:
    nonsense = [None, b"", b"\x00\xff", b"{", b"x" * 100_000]
    async with running(broadcast(broker)) as heard:
        await asyncio.sleep(POLLED)
        broker.append(ZERO, *nonsense)
        await asyncio.sleep(POLLED)
        assert heard == [b"", b"", b"\x00\xff", b"{", b"x" * 100_000]


async def test_much_at_once_leaves_time_for_others(broker: Broker) -> None:
    turns = 0
    at: list[int] = []
    started: list[asyncio.Task[None]] = []

    async def others() -> None:
        nonlocal turns
        while len(at) < 100:
            turns += 1
            await asyncio.sleep(0)

    def hear(_: bytes) -> None:
        if not started:
            started.append(asyncio.create_task(others()))
        at.append(turns)

    async with running(broadcast(broker), hear):
        await asyncio.sleep(POLLED)
        broker.append(ZERO, *[b"v"] * 100)
        await asyncio.sleep(POLLED)
        assert at == list(range(100)), "one turn for each record"
        await started[0]


async def test_nothing_more_than_a_leaders_word_is_waited_for_and_nothing_is_too_large_for_a_batch(
    broker: Broker,
) -> None:
    async with running(broadcast(broker)):
        await asyncio.sleep(POLLED)
        options = broker.speakers[0].options
        assert (options["acks"], options["client_id"]) == (1, "cleanroomsml-service-lists")
        assert "transactional_id" not in options
        assert (options["max_batch_size"], options["max_request_size"]) == (512 * 1024, 1_000_000)


# What is dropped


async def test_what_was_sent_while_nothing_ran_waits_and_the_oldest_are_dropped(broker: Broker) -> None:
    made = broadcast(broker)
    for number in range(WAITING + 3):
        made.send(b"%d" % number)
    async with running(made):
        await asyncio.sleep(POLLED)
        assert broker.written() == [b"%d" % number for number in range(3, WAITING + 3)]


async def test_what_comes_faster_than_kafka_writes_drops_the_oldest_that_wait(broker: Broker) -> None:
    broker.slowness = 1.0
    made = broadcast(broker)
    async with running(made):
        await asyncio.sleep(POLLED)
        made.send(b"under way")
        await asyncio.sleep(0.1)
        for number in range(WAITING + 1):
            made.send(b"%d" % number)
        await asyncio.sleep(WAITING + 10.0)
        assert broker.written() == [b"under way", *(b"%d" % number for number in range(1, WAITING + 1))]


async def test_what_is_sent_while_another_is_written_is_not_forgotten(broker: Broker) -> None:
    broker.slowness = 1.0
    made = broadcast(broker)
    async with running(made):
        await asyncio.sleep(POLLED)
        for number in range(3):
            made.send(b"%d" % number)
            await asyncio.sleep(0.999)
        await asyncio.sleep(10.0)
        assert broker.written() == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    "error",
    [KafkaConnectionError("gone"), MessageSizeTooLargeError("too large"), OSError("broken pipe"), AssertionError()],
    ids=lambda error: type(error).__name__,
)
async def test_a_write_that_fails_is_not_repeated_and_those_behind_it_are_written(
    broker: Broker, error: BaseException
) -> None:
    broker.answers = [None, error]
    made = broadcast(broker)
    for value in (b"a", b"b", b"c", b"d"):
        made.send(value)
    async with running(made):
        await asyncio.sleep(5.0)
        assert broker.tried == [b"a", b"b", b"c", b"d"]
        assert broker.written() == [b"a", b"c", b"d"]
        assert broker.open() == [(1, 0), (1, 1), (1, 0)], "only the producer is replaced"


async def test_a_write_without_an_answer_is_given_up_in_time(broker: Broker) -> None:
    broker.answers = [for_ever]
    made = broadcast(broker)
    made.send(b"a")
    made.send(b"b")
    async with running(made):
        await asyncio.sleep(SETTINGS.commit_deadline - 0.1)
        assert broker.tried == [b"a"]
        await asyncio.sleep(1.0)
        assert (broker.tried, broker.written()) == ([b"a", b"b"], [b"b"])


# Connecting again


async def test_a_reader_that_fails_begins_again_at_the_end(broker: Broker) -> None:
    made = broadcast(broker)
    async with running(made) as heard:
        await asyncio.sleep(POLLED)
        broker.append(ZERO, b"first")
        await asyncio.sleep(POLLED)
        broker.listeners[0].failures = [OffsetOutOfRangeError({ZERO: 1})]
        await broker.listeners[0].ended.wait()
        broker.append(ZERO, b"while there is no reader")
        await asyncio.sleep(1.0)
        broker.append(ZERO, b"second")
        made.send(b"third")
        await asyncio.sleep(POLLED)
        assert heard == [b"first", b"second", b"third"]
        assert broker.open() == [(1, 1), (1, 0), (1, 0)], "only the consumer is replaced"


async def test_it_writes_to_no_topic_that_is_not_there(broker: Broker) -> None:
    """Else the broker might create it."""
    broker.unknown = [frozenset()] * 6
    made = broadcast(broker)
    made.send(b"early")
    with capture_logs() as logs:
        async with running(made):
            await asyncio.sleep(1.3)
            assert (broker.asked, broker.open()) == ([0.0, 0.0, 0.2, 0.2, 0.6, 0.6], [])
            await asyncio.sleep(POLLED)
            assert broker.written() == [b"early"]
    assert [log["topic"] for log in logs] == [TOPIC] * 6
    assert f"{TOPIC} does not exist" in logs[0]["error"]


async def test_attempts_are_made_less_and_less_often(broker: Broker) -> None:
    broker.unknown = [LogError("no answer")] * 60
    async with running(broadcast(broker)):
        await asyncio.sleep(100.0)
    waits = [round(later - former, 3) for former, later in pairwise(broker.asked[::2])]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0, 15.0, 15.0]


@pytest.mark.parametrize(("lasted", "wait"), [(STEADY - 1.0, 1.6), (STEADY + 1.0, 0.2)])
async def test_a_failure_counts_as_the_first_again_once_all_went_well_for_long(
    broker: Broker, lasted: float, wait: float
) -> None:
    broker.unknown = [LogError("no answer")] * 6
    made = broadcast(broker)
    async with running(made):
        await asyncio.sleep(1.4 + lasted)
        assert len(broker.asked) == 8
        broker.answers = [KafkaConnectionError("gone")]
        made.send(b"v")
        failed = now()
        await asyncio.sleep(wait + 0.1)
        assert [round(asked - failed, 3) for asked in broker.asked[8:]] == [wait]


async def test_one_that_does_not_connect_leaves_the_other_one_alone(broker: Broker) -> None:
    broker.unreadable = [KafkaConnectionError("no reader")] * 2
    broker.unwritable = [OSError("no writer"), RuntimeError("a defect of the client")]
    made = broadcast(broker)
    with capture_logs() as logs:
        async with running(made) as heard:
            await asyncio.sleep(2.0)
            assert broker.open() == [(1, 1), (1, 1), (1, 0)] * 2
            made.send(b"v")
            await asyncio.sleep(POLLED)
            assert heard == [b"v"]
    assert sorted("reader" in log["error"] for log in logs) == [False, False, True, True]


async def test_a_broker_that_does_not_answer_is_given_up_in_time(broker: Broker) -> None:
    broker.deaf = True
    made = broadcast(broker)
    made.send(b"v")
    async with running(made):
        await asyncio.sleep(SETTINGS.read_deadline - 0.1)
        assert broker.open() == [(1, 0), (1, 0)]
        assert broker.written() == [b"v"], "what is not heard here is written all the same"
        broker.deaf = False
        await asyncio.sleep(1.0)
        assert broker.open() == [(1, 1), (1, 0), (1, 0)]


# The end


@pytest.mark.parametrize("seconds", [0.0, 0.1, 5.0])
@pytest.mark.parametrize("deaf", [False, True])
async def test_cancelled_at_any_time_it_leaves_no_connection(broker: Broker, seconds: float, deaf: bool) -> None:
    broker.deaf, broker.slowness = deaf, 3.0
    made = broadcast(broker)
    made.send(b"v")
    async with running(made):
        await asyncio.sleep(seconds)
    assert all(stopped == 1 for _, stopped in broker.open())
    written = broker.written()
    made.send(b"w")
    await asyncio.sleep(100.0)
    assert broker.written() == written


async def test_a_defect_of_the_one_that_listens_ends_nothing_and_what_comes_later_is_heard(broker: Broker) -> None:
    def hear(value: bytes) -> None:
        if value == b"bad":
            raise RecursionError

    made = broadcast(broker)
    with capture_logs() as logs:
        async with running(made, hear) as heard:
            await asyncio.sleep(POLLED)
            broker.append(ZERO, b"bad", b"lost with it")
            await broker.listeners[0].ended.wait()
            await asyncio.sleep(POLLED)
            made.send(b"good")
            await asyncio.sleep(POLLED)
            assert heard == [b"bad", b"good"], "the bad one is not read again"
            assert broker.open() == [(1, 1), (1, 0), (1, 0)]
    assert [log["error"] for log in logs] == ["RecursionError()"]
