"""The composition root: the settings arrive where they count, and a stop leaves nothing behind."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.kafka.broker import free_port
from service import bootstrap
from service.adapters.http import ListenError
from service.adapters.kafka.incidents import Incidents
from service.runtime.group_snapshot import GroupSnapshot, Replica
from service.runtime.ports import Assignee, Follower, TopicPartition
from service.settings import Settings, SettingsError, load
from tests.unit.service.settings.test_tenants import loaded

SMALL = {
    "CRML_HTTP__PORT": "0",
    "CRML_TARGETS__EU__REGION": "eu-west-1",
    "CRML_TARGETS__US__REGION": "us-east-1",
    "CRML_DEFAULT_TARGET": "eu",
    "CRML_TARGETS__EU__RATE__WRITES_PER_SECOND": "8",
    "CRML_TOPICS__PARTITIONS": "4",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def settings(**more: str) -> Settings:
    return load(None, {"CRML_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", **SMALL, **more})


async def test_nothing_is_connected_and_everything_can_be_asked() -> None:
    service = bootstrap.build(settings())
    status = service.app.status()
    assert (status["ready"], status["started"], status["shards"]) == (False, False, {})
    assert set(status["targets"]) == {"eu", "us"}  # type: ignore[call-overload]
    text = service.telemetry.render().decode()
    assert 'crml_slots_limit{quota="eu/audience-models"}' not in text  # nobody has asked for a slot yet
    assert "crml_jobs" in text
    await service.log.close()
    await service.sessions.close()


class Kafka:
    """A group that gives what it is told to; no partition can ever be opened."""

    def __init__(self, *held: TopicPartition) -> None:
        self.events: list[str] = []
        self.held = frozenset(held)

    async def open(self, _partition: TopicPartition) -> Any:
        await asyncio.Event().wait()

    async def consume(self, assignee: Assignee) -> None:
        self.events.append("joined")
        try:
            await assignee.assigned(self.held)
            await asyncio.Event().wait()
        finally:
            self.events.append("left")

    async def follow(self, _follower: Follower) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.events.append("closed")

    @property
    def membership(self) -> "Kafka":
        return self

    @property
    def incidents(self) -> Incidents:
        return Incidents()

    @property
    def member_id(self) -> str:
        return "member-1"

    async def group(self) -> GroupSnapshot:
        self.events.append("described")
        return GroupSnapshot("Stable", (Replica("other", "member-2", self.held),))


async def test_a_service_answers_probes_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka()
    monkeypatch.setattr(bootstrap, "KafkaLog", lambda *_: kafka)
    service, stop = bootstrap.build(settings()), asyncio.Event()
    where: list[str] = []
    start = service.server.start

    async def noted() -> str:
        where.append(await start())
        return where[0]

    monkeypatch.setattr(service.server, "start", noted)
    task = asyncio.create_task(service.run(stop))
    while not service.app.ready:  # noqa: ASYNC110 - it says nothing when it is
        await asyncio.sleep(0.01)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{where[0]}/readyz") as answer:
            assert answer.status == 200
            assert set((await answer.json())["addresses"]) == {"eu", "us"}
        async with session.get(f"http://{where[0]}/livez") as answer:
            assert "loop" in (await answer.json())["ages"]
        stop.set()
        await task
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://{where[0]}/readyz")
    assert kafka.events == ["joined", "left", "closed"]


async def test_the_fleets_pages_have_a_port_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka is asked for the group when a page is open, and not before."""
    kafka, page = Kafka(), free_port()
    monkeypatch.setattr(bootstrap, "KafkaLog", lambda *_: kafka)
    service = bootstrap.build(settings(CRML_HTTP__PAGE_PORT=str(page), CRML_KAFKA__INSTANCE_ID="crml-3"), "9.8.7")
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    while not service.app.ready:  # noqa: ASYNC110 - it says nothing when it is
        await asyncio.sleep(0.01)
    assert kafka.events == ["joined"]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{page}/api/overview") as answer:
            found = await answer.json()
        identity = found["identity"]
        assert (identity["replica"], identity["version"]) == ("crml-3", "9.8.7")
        assert identity["targets"] == ["eu eu-west-1", "us us-east-1"]
        while not found["replicas"]:
            async with session.get(f"http://127.0.0.1:{page}/api/overview") as answer:
                found = await answer.json()
        assert found["replicas"] == [{"name": "other", "here": False, "partitions": 0}]
        stop.set()
        await task
    assert kafka.events == ["joined", "described", "left", "closed"]


async def test_a_targets_rate_is_split_by_the_partitions_of_commands_held(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [TopicPartition("cleanroomsml.changes", number) for number in range(4)]
    kafka = Kafka(TopicPartition("cleanroomsml.commands", 0), *changes)
    monkeypatch.setattr(bootstrap, "KafkaLog", lambda *_: kafka)
    service = bootstrap.build(settings())

    def rate() -> Any:
        return service.app.status()["targets"]["eu"]["writes_per_second"]  # type: ignore[index]

    assert rate() == pytest.approx(8)
    task = asyncio.create_task(service.run(asyncio.Event()))
    while len(service.app._assignment.shards) < 5:  # noqa: ASYNC110 - it says nothing when it has them
        await asyncio.sleep(0.01)
    assert rate() == pytest.approx(8 / 4)
    assert "crml_rebalances_total 1.0" in service.telemetry.render().decode()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert kafka.events == ["joined", "described", "left", "closed"], "a scrape asks where partitions end"


async def test_a_port_that_is_taken_ends_it_before_it_joins_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka()
    monkeypatch.setattr(bootstrap, "KafkaLog", lambda *_: kafka)
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    with pytest.raises(ListenError, match="is in use by another process"):
        await bootstrap.build(settings(CRML_HTTP__PORT=str(port))).run(asyncio.Event())
    assert kafka.events == ["closed"]
    listener.close()


def test_a_service_with_tenants_can_be_put_together(file: Path) -> None:
    assert bootstrap.build(loaded(file)).app.slots() == {}


_WITHOUT_TRACES = """
import os, sys
os.environ.update({"CRML_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "AWS_REGION": "eu-west-1", **%r})
import asyncio
from service import bootstrap
from service.cli import app
from service.settings import load

async def main():
    service = bootstrap.build(load(None))
    loaded = {name.split(".")[0] for name in sys.modules} & {"opentelemetry", "google", "requests"}
    print(sorted(loaded), service.traces is not None)
    await service.log.close()
    await service.sessions.close()
    if service.traces is not None:
        await service.traces.close(1.0)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "[] False"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "[] False"),
        ({"CRML_TRACING__ENABLED": "true"}, "['google', 'opentelemetry', 'requests'] True"),
    ],
)
def test_without_traces_not_even_their_packages_are_loaded(variables: dict[str, str], said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TRACES % variables], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.stdout.strip() == said, ended.stderr


async def test_traces_that_can_not_be_exported_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert bootstrap.build(settings()).traces is None
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'"):
        bootstrap.build(settings(CRML_TRACING__ENABLED="true"))


async def test_a_value_that_opentelemetry_refuses_is_a_setting_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")  # fewer than are sent at once
    with pytest.raises(SettingsError, match="OpenTelemetry can't be used: max_export_batch_size"):
        bootstrap.build(settings(CRML_TRACING__ENABLED="true"))


def test_so_is_one_that_opentelemetry_refuses_while_it_is_imported() -> None:
    variables = {"CRML_TRACING__ENABLED": "true", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TRACES % variables], capture_output=True, text=True, timeout=100, check=False
    )
    assert "SettingsError: a variable of OpenTelemetry can't be used: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in ended.stderr
