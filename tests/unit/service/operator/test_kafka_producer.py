"""The producer of an operator's commands: idempotent, bounded in time, and disconnected whatever happens."""

from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from service.adapters.kafka.client_options import KafkaSettings
from service.operator import kafka_producer as module
from service.operator.kafka_producer import idempotent_producer
from service.runtime.ports import LogError

SETTINGS = KafkaSettings("b:9092", "g", record_bytes=1234)


class Producer:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.options: dict[str, Any] = {}
        self.events: list[str] = []

    def make(self, **options: Any) -> "Producer":
        self.options = options
        return self

    async def start(self) -> None:
        self.events.append("start")
        if self.error:
            raise self.error

    async def stop(self) -> None:
        self.events.append("stop")


async def test_it_is_idempotent_and_stops_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer()
    monkeypatch.setattr(module, "AIOKafkaProducer", producer.make)
    async with idempotent_producer(SETTINGS, "dlq-replay") as connected:
        assert connected is producer
        assert producer.events == ["start"]
    assert producer.events == ["start", "stop"]
    wanted = {"enable_idempotence": True, "max_request_size": 1234, "client_id": "cleanroomsml-service-dlq-replay"}
    assert wanted.items() <= producer.options.items()


async def test_who_cannot_connect_is_disconnected_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(KafkaConnectionError("no broker"))
    monkeypatch.setattr(module, "AIOKafkaProducer", producer.make)
    with pytest.raises(LogError, match="connecting to send"):
        async with idempotent_producer(SETTINGS, "repair"):
            raise AssertionError
    assert producer.events == ["start", "stop"]
