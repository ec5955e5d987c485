"""A reader that follows: what comes is handed on as it comes, and a Kafka that has gone silent is noticed."""

from contextlib import aclosing
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import TopicAuthorizationFailedError

from service.adapters.kafka import topic_reader
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import Reader
from service.runtime.ports import LogError, TopicPartition, Unfit
from tests.support.fake_consumer import FakeConsumer

SETTINGS = KafkaSettings("127.0.0.1:1", "group", stall_deadline=0.05)
ONE, TWO = KafkaPartition("replies", 0), KafkaPartition("events", 0)


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> FakeConsumer:
    monkeypatch.setattr(topic_reader, "FOLLOW_MS", 1)
    consumer = FakeConsumer()
    consumer.put(ONE, 0, 1, 2)
    consumer.put(TWO, 0)
    return consumer


def follow(consumer: FakeConsumer, **starts: int) -> Any:
    return aclosing(Reader(SETTINGS, consumer, consumer).follow({TopicPartition(t, 0): o for t, o in starts.items()}))


async def test_from_an_offset_on_as_it_comes(consumer: FakeConsumer) -> None:
    async with follow(consumer, replies=1, events=1) as batches:
        first = await anext(batches)
        assert [(each.topic_partition.topic, each.offset) for each in first] == [("replies", 1), ("replies", 2)]
        assert await anext(batches) == []
        consumer.put(TWO, 1)
        assert [each.topic_partition.topic for each in await anext(batches)] == ["events"]


async def test_an_idle_topic_is_no_silence(consumer: FakeConsumer) -> None:
    """The broker answers all the time, with nothing."""
    async with follow(consumer, replies=3) as batches:
        for _ in range(100):
            assert await anext(batches) == []


async def test_a_silent_kafka_is_an_error(consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with follow(consumer, replies=3) as batches:
        await anext(batches)
        monkeypatch.setattr(consumer, "last_poll_timestamp", lambda _: 1)
        with pytest.raises(LogError, match=r"Kafka has not answered for 0\.05 s"):
            assert [batch async for batch in batches] == []


async def test_a_refusal_is_said(consumer: FakeConsumer) -> None:
    consumer.failures = [TopicAuthorizationFailedError("events")]
    async with follow(consumer, events=0) as batches:
        with pytest.raises(Unfit):
            await anext(batches)
