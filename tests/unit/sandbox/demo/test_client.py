"""The demo's client: what it gives to Kafka's clients and takes from them."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.demo import client as clients
from sandbox.demo.client import Client
from sandbox.demo.records import COMMANDS, DEAD_LETTERS, EVENTS, REPLIES, Command


@dataclass
class Kafka:
    """Stands in for both clients of aiokafka; records what is asked of them."""

    life: list[str] = field(default_factory=list)
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    batches: list[dict[str, list[Any]]] = field(default_factory=list)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: str = ""

    def client(self, name: str) -> Any:
        kafka = self

        class Made:
            def __init__(self, *topics: str, **options: Any) -> None:
                kafka.options[name] = {"topics": topics, **options}

            async def start(self) -> None:
                kafka.life.append(f"{name} starts")
                if kafka.broken == name:
                    raise ConnectionError(name)

            async def stop(self) -> None:
                kafka.life.append(f"{name} stops")

            async def send_and_wait(self, *sent: Any, **more: Any) -> None:
                kafka.sent.append((*sent, more))

            async def getmany(self, *, timeout_ms: int) -> dict[str, list[Any]]:
                assert timeout_ms > 0
                return kafka.batches.pop(0) if kafka.batches else {}

        return Made


@dataclass
class Message:
    topic: str
    timestamp: int
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr(clients, "AIOKafkaProducer", made.client("producer"))
    monkeypatch.setattr(clients, "AIOKafkaConsumer", made.client("consumer"))
    return made


async def test_both_clients_live_as_long_as_the_block(kafka: Kafka) -> None:
    async with Client("h:1", "run-1"):
        assert kafka.life == ["producer starts", "consumer starts"]
    assert kafka.life[2:] == ["consumer stops", "producer stops"]
    assert kafka.options["producer"] == {"topics": (), "bootstrap_servers": "h:1", "enable_idempotence": True}
    consumer = kafka.options["consumer"]
    assert consumer["topics"] == (REPLIES, EVENTS, DEAD_LETTERS)
    assert consumer["isolation_level"] == "read_committed"
    assert consumer["auto_offset_reset"] == "earliest"
    assert consumer["enable_auto_commit"] is False


@pytest.mark.parametrize("broken", ["producer", "consumer"])
async def test_a_client_that_does_not_start_leaves_none_behind(kafka: Kafka, broken: str) -> None:
    kafka.broken = broken
    with pytest.raises(ConnectionError, match=broken):
        await Client("h:1", "run-1").__aenter__()
    started = [each.split()[0] for each in kafka.life if each.endswith("starts")]
    assert sorted(each.split()[0] for each in kafka.life if each.endswith("stops")) == sorted(started)


async def test_commands_of_a_run_have_one_key_and_their_time(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.1239)
    async with Client("h:1", "run-1") as client:
        command = Command("c-1", "CreateAudienceModel", {"name": "x"})
        sent = await client.publish(command)
        await client.publish(Command("c-2", "CreateAudienceModel", {}))
    assert sent.time == 1_700_000_000.1239
    assert command.time == 0.0
    (topic, value, more), (_, _, second) = kafka.sent
    assert (topic, json.loads(value)) == (COMMANDS, {"name": "x"})
    assert more["key"] == second["key"] == b"run-1"
    assert more["timestamp_ms"] == 1_700_000_000_123
    assert ("ce_id", b"c-1") in more["headers"]
    assert ("ce_correlationid", b"run-1") in more["headers"]


async def test_records_of_all_partitions_come_oldest_first(kafka: Kafka) -> None:
    kafka.batches = [
        {
            "events-0": [Message(EVENTS, 3000, (), b'{"status": "ACTIVE"}'), Message(EVENTS, 5000, (), b"{}")],
            "replies-1": [Message(REPLIES, 2000, (("ce_type", b"cleanroomsml.reply.started"),), b"{}")],
            "letters-0": [Message(DEAD_LETTERS, 4000, (("dlq_reason", b"NotJson"),), None)],
        }
    ]
    async with Client("h:1", "run-1") as client:
        found = await client.read()
        assert [(record.time, record.what) for record in found] == [
            (2.0, "started"),
            (3.0, "ACTIVE"),
            (4.0, "NotJson"),
            (5.0, ""),
        ]
        assert await client.read() == []
