"""The sandbox's Kafka: a real broker with transactions that can be killed, frozen and restarted."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from sandbox.kafka.broker import Broker, BrokerError, free_port
from tests.acceptance.kafka_fixture import running_kafka

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


def create_topic(broker: Broker, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])[topic].result(timeout=10)


def committed(broker: Broker, topic: str, count: int) -> list[bytes]:
    """Return what a reader of committed records sees, once it has seen `count`."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": f"reader-of-{topic}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    values: list[bytes] = []
    deadline = time.monotonic() + 15
    try:
        while len(values) < count and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                values.append(message.value() or b"")
    finally:
        consumer.close()
    return values


async def write(broker: Broker, topic: str, value: bytes, *, transactional_id: str = "writer") -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=transactional_id)
    async with producer, producer.transaction():
        await producer.send_and_wait(topic, value)


async def test_committed_records_are_read_and_aborted_ones_hidden(broker: Broker) -> None:
    create_topic(broker, "transactions")
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="one") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait("transactions", b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait("transactions", b"committed")
    assert await asyncio.to_thread(committed, broker, "transactions", 1) == [b"committed"]


async def test_data_and_cluster_id_survive_a_kill(broker: Broker) -> None:
    create_topic(broker, "durable")
    await write(broker, "durable", b"before")
    properties = broker.data_dir / "data" / "meta.properties"
    formatted, pid = properties.read_text(), broker.pid

    broker.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await broker.start()

    await write(broker, "durable", b"after")
    assert await asyncio.to_thread(committed, broker, "durable", 2) == [b"before", b"after"]
    assert properties.read_text() == formatted


async def test_a_frozen_broker_is_silent_and_goes_on_when_thawed(broker: Broker) -> None:
    create_topic(broker, "frozen")
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        await producer.send_and_wait("frozen", b"warm")
        broker.freeze()
        try:
            sending = asyncio.create_task(producer.send_and_wait("frozen", b"late"))
            done, _ = await asyncio.wait([sending], timeout=1)
            assert not done
        finally:
            broker.thaw()
        await asyncio.wait_for(sending, 5)


def states_of_threads(broker: Broker) -> set[str]:
    files = Path(f"/proc/{broker.pid}/task").glob("*/stat")
    return {file.read_text().rpartition(") ")[2][0] for file in files}


async def test_a_broker_that_is_frozen_or_gone_may_be_frozen_again(broker: Broker) -> None:
    for _ in range(20):
        broker.freeze()
        broker.freeze()
        assert states_of_threads(broker) == {"T"}
        broker.thaw()
    os.kill(broker.pid, signal.SIGKILL)
    broker.freeze()
    broker.kill()
    await broker.start()


async def test_a_taken_port_is_named(broker: Broker, tmp_path: Path) -> None:
    port = int(broker.bootstrap.rpartition(":")[2])
    with pytest.raises(BrokerError, match=rf"Port {port} is taken; choose another one with --port"):
        await Broker(port, tmp_path).start()


async def test_a_broker_that_dies_shows_its_log(tmp_path: Path) -> None:
    broker = Broker(free_port(), tmp_path, config={"num.io.threads": "none"})
    with pytest.raises(BrokerError, match=r"(?s)exit code 1.*num\.io\.threads"):
        await broker.start()
    with pytest.raises(BrokerError, match="not started"):
        _ = broker.pid


def test_free_port_is_outside_the_systems_own_range() -> None:
    port = free_port()
    assert 20_000 <= port < 32_000
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


class Command:
    """`kafka_command` in a process of its own, started and ready."""

    def __init__(self, data_dir: Path) -> None:
        imports = "from pathlib import Path; from sandbox.kafka.broker import kafka_command as run"
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{imports}; run(port={free_port()}, data_dir=Path({str(data_dir)!r}))"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.lines = self.process.stdout
        self.ready = next(line for line in self.lines if line.startswith("kafka ready on 127.0.0.1:"))
        self.java = int(self.ready.partition("pid ")[2].partition(",")[0])

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.lines.close()
        return code


def is_gone(pid: int) -> bool:
    """Wait until no process of the session remains, neither Java nor its watcher; say whether that came true."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_the_command_stops_cleanly(tmp_path: Path) -> None:
    command = Command(tmp_path)
    assert command.end(signal.SIGTERM) == 0
    assert is_gone(command.java)
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_kafka_dies_with_a_killed_parent(tmp_path: Path) -> None:
    command = Command(tmp_path)
    assert command.end(signal.SIGKILL) == -signal.SIGKILL
    assert is_gone(command.java)
