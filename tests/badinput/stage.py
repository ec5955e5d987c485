"""One service on a real Kafka and a sandbox account, on which all classes of bad input are played."""

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from sandbox.kafka.broker import Broker
from schemas.cloudevents import Headers
from service import topology
from service.adapters.kafka.topics import ensure
from service.settings import load
from tests.acceptance.harness import QUICK, Client, Heard, ServiceProcess, until
from tests.badinput.records import CANARY, LIST, Record, command, identified
from tests.support.sandbox_account import World

PREFIX = "bad"
COMMANDS = f"{PREFIX}.commands"
PARTITION = 0
LARGEST = 4 * 1024 * 1024


class Ears(Client):
    """A subscriber that takes dead letters as they are: what is in them may be more than a JSON parser can bear."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        super().__init__(bootstrap, prefix)
        self.letters: dict[tuple[int, int], Any] = {}

    async def __aenter__(self) -> "Ears":
        await super().__aenter__()
        return self

    async def _read(self) -> None:
        async for record in self._consumer:
            if record.topic.endswith(".dead-letters"):
                told = told_of(record)
                self.letters[int(told["dlq_partition"]), int(told["dlq_offset"])] = record
            else:
                own = {name: (value or b"").decode() for name, value in record.headers}
                key = (record.key or b"").decode()
                data = json.loads(record.value)
                self.heard.append(Heard(record.topic, key, own, data, record.partition, record.offset))


@dataclass(frozen=True)
class Sent:
    """A record that Kafka took."""

    command_id: str
    record: Record
    partition: int
    offset: int


@dataclass
class Stage:
    """What a test needs to send anything at all and to see what becomes of it."""

    kafka: Broker
    world: World
    service: ServiceProcess
    client: Ears
    producer: AIOKafkaProducer
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def send(self, record: Record, command_id: str = "", *, partition: int = PARTITION, **more: Any) -> Sent:
        """Produce a record; its id is made up unless given."""
        command_id = command_id or f"bad-{next(self.numbers)}"
        record = identified(record, command_id)
        taken = await self.producer.send_and_wait(
            COMMANDS, record.value, record.key, partition, headers=list(record.headers), **more
        )
        return Sent(command_id, record, taken.partition, taken.offset)

    async def sentinel(self, partition: int = PARTITION, seconds: float = 40.0) -> None:
        """A good command behind the bad ones, on their partition: it succeeds, so the partition goes on."""
        sent = await self.send(command(LIST, {}), f"good-{next(self.numbers)}", partition=partition)
        assert (await self.terminal(sent, seconds)).kind == "succeeded"

    async def terminal(self, sent: Sent, seconds: float = 40.0) -> Heard:
        return await self.client.terminal(sent.command_id, seconds)

    async def letter(self, sent: Sent) -> Any:
        """The dead letter of a record, with the original untouched."""
        place = (sent.partition, sent.offset)
        await until(
            lambda: place in self.client.letters,
            20,
            lambda: f"no dead letter for {sent.command_id}\n{self.service.tail()}",
        )
        letter = self.client.letters[place]
        assert letter.value == sent.record.value, "untouched"
        assert letter.key == sent.record.key, "untouched"
        assert tuple(letter.headers)[: len(sent.record.headers)] == sent.record.headers, "untouched"
        told = told_of(letter)
        assert told["dlq_topic"] == COMMANDS
        assert told["dlq_message"]
        assert CANARY not in told["dlq_message"]
        return letter

    def has_letter(self, sent: Sent) -> bool:
        return (sent.partition, sent.offset) in self.client.letters

    def calls(self) -> dict[str, int]:
        """How many requests of each operation AWS has had from this account."""
        counts: dict[str, int] = {}
        for entry in self.world.admin("GET", "requests")["requests"]:
            if entry["account"] == self.world.account:
                counts[entry["operation"]] = counts.get(entry["operation"], 0) + 1
        return counts

    def assert_no_secret_in_the_log(self) -> None:
        assert CANARY not in self.service.log.read_text(errors="replace")


def told_of(letter: Any) -> dict[str, str]:
    """Our headers of a dead letter."""
    headers: Headers = tuple(letter.headers)
    return {name: (value or b"").decode() for name, value in headers if name.startswith("dlq_")}


def environment(kafka: Broker, world: World) -> dict[str, str]:
    return {
        "CRML_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CRML_KAFKA__GROUP_ID": "bad-service",
        "CRML_TOPICS__PREFIX": PREFIX,
        "AWS_ENDPOINT_URL": world.url,
        "AWS_REGION": world.region,
        "AWS_ACCESS_KEY_ID": world.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        **{f"CRML_{name}": value for name, value in QUICK.items()},
        "CRML_TOPICS__PARTITIONS": "4",
        "CRML_TIMING__QUOTA_RETRY": "1",
    }


@asynccontextmanager
async def opened(kafka: Broker, world: World, directory: Path) -> AsyncIterator[Stage]:
    """A service that serves, and ears for its replies and letters; stopped by SIGTERM at the end."""
    variables = environment(kafka, world)
    settings = load(environ=variables)
    await ensure(topology.kafka_settings(settings), topology.topic_specs(settings), replication=1)
    service = ServiceProcess(variables, directory / "service.log")
    service.start()
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, max_request_size=LARGEST)
    try:
        await service.ready()
        async with Ears(kafka.bootstrap, PREFIX) as client, producer:
            yield Stage(kafka, world, service, client, producer)
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()
