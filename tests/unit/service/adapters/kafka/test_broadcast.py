"""Shared Lists: what is sent and heard, and that nothing of it ends the process; with Kafka: ``tests/contract``."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaConnectionError

from service.adapters.kafka import broadcast as module
from service.adapters.kafka import reconnection
from service.adapters.kafka.broadcast import WAITING, KafkaBroadcast
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.reconnection import BACKOFF_CAP
from tests.support.fake_consumer import FakeConsumer

pytestmark = pytest.mark.looptime

LISTS = KafkaPartition("lists", 0)


class Producer:
    """Keeps what is sent; fails as often as it is asked to."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.failures: list[Exception] = []
        self.started = self.stopped = 0

    async def start(self) -> None:
        self.started += 1

    async def stop(self) -> None:
        self.stopped += 1

    async def send_and_wait(self, topic: str, value: bytes, *, partition: int) -> None:
        assert (topic, partition) == ("lists", 0)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(value)


class Bench:
    def __init__(self) -> None:
        self.consumer, self.producer = FakeConsumer(), Producer()
        self.consumer.put(LISTS, 0, 1)
        self.numbers = frozenset({0})
        self.heard: list[bytes] = []
        offsets: Any = SimpleNamespace(numbers=self._numbers)
        self.broadcast = KafkaBroadcast(KafkaSettings("b:9092", "g"), "lists", offsets)

    async def _numbers(self, topic: str) -> frozenset[int]:
        assert topic == "lists"
        return self.numbers

    async def run(self, seconds: float = 1.0) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.broadcast.run(self.heard.append))
        await asyncio.sleep(seconds)
        return task


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    monkeypatch.setattr(module, "topic_consumer", lambda _settings, _role: bench.consumer)
    monkeypatch.setattr(module, "AIOKafkaProducer", lambda **_options: bench.producer)
    monkeypatch.setattr(reconnection, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time()))
    return bench


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    async with asyncio.timeout(60.0):
        await asyncio.wait([task])
    assert task.cancelled()


async def test_what_comes_from_now_on_is_heard_and_what_is_sent_goes_out(bench: Bench) -> None:
    task = await bench.run()
    bench.consumer.put(LISTS, 2, 3)
    bench.broadcast.send(b"a")
    bench.broadcast.send(b"b")
    await asyncio.sleep(1.0)
    assert bench.heard == [b"2", b"3"], "nothing that was there before"
    assert bench.producer.sent == [b"a", b"b"]
    await ended(task)
    assert (bench.consumer.stopped, bench.producer.stopped) == (1, 1)


async def test_a_record_that_cannot_be_read_ends_nothing(bench: Bench) -> None:
    task = await bench.run()
    for failure in (KafkaConnectionError("gone"), ValueError("no such codec")):
        bench.consumer.failures.append(failure)
        await asyncio.sleep(2 * BACKOFF_CAP)
        bench.consumer.put(LISTS, bench.consumer.stored[LISTS].end)
        await asyncio.sleep(1.0)
    assert bench.heard == [b"2", b"3"]
    assert (bench.consumer.started, bench.producer.started) == (3, 1)
    await ended(task)


async def test_what_cannot_be_sent_is_lost_and_the_next_is_sent(bench: Bench) -> None:
    bench.producer.failures.append(KafkaConnectionError("gone"))
    bench.broadcast.send(b"lost")
    task = await bench.run(2 * BACKOFF_CAP)
    bench.broadcast.send(b"sent")
    await asyncio.sleep(1.0)
    assert bench.producer.sent == [b"sent"]
    await ended(task)


async def test_what_waits_is_bounded_and_the_oldest_goes_first(bench: Bench) -> None:
    for number in range(WAITING + 1):
        bench.broadcast.send(b"%d" % number)
    task = await bench.run()
    assert bench.producer.sent == [b"%d" % number for number in range(1, WAITING + 1)]
    await ended(task)


async def test_nothing_is_written_to_a_topic_that_does_not_exist(bench: Bench) -> None:
    bench.numbers = frozenset()
    task = await bench.run(60.0)
    assert (bench.consumer.started, bench.producer.started) == (0, 0)
    bench.numbers = frozenset({0})
    await asyncio.sleep(2 * BACKOFF_CAP)
    assert (bench.consumer.started, bench.producer.started) == (1, 1)
    await ended(task)
