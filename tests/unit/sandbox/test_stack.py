"""`Sandbox`: everything starts, can be used as it says, and leaves nothing behind."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiokafka
import boto3
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox.jobs import storage
from sandbox.processes import Child
from sandbox.stack import Sandbox, StartError, until_answers, until_interrupted
from tests.support.process_groups import group_members, wait_gone


def boto(service: str, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Any:
    """A client that knows nothing but the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return boto3.session.Session().client(service)  # type: ignore[call-overload]


async def test_a_sandbox_from_start_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    async with Sandbox(progress=told.append, serve_options=["--time-scale", "0.1"]) as sandbox:
        folder, groups = sandbox.data_dir, set(sandbox.processes)
        assert len(group_members(groups)) >= 3
        environment = sandbox.environment()

        consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=environment["CRML_KAFKA__BOOTSTRAP_SERVERS"])
        await consumer.start()
        assert await consumer.topics() == set()
        await consumer.stop()

        ml = boto("cleanroomsml", monkeypatch, environment)
        assert ml.list_training_datasets()["trainingDatasets"] == []
        ml.close()
        assert '"operation": "ListTrainingDatasets"' in sandbox.request_log.read_text()

        glue = boto("glue", monkeypatch, environment)
        table = glue.get_table(DatabaseName=sandbox.data.database, Name=sandbox.data.table)["Table"]
        glue.close()
        assert {column["Name"] for column in table["StorageDescriptor"]["Columns"]} >= {"user_id", "item_id"}
        seed = await asyncio.to_thread(storage.read_seed, sandbox.storage, sandbox.data.seed_uri)
        assert set(seed) == set(sandbox.taste.seed)

        watching = asyncio.create_task(sandbox.wait_broken())
        await asyncio.sleep(0.1)
        assert not watching.done()
        sandbox.kafka._running().send(signal.SIGKILL)
        with pytest.raises(StartError, match="Kafka of the sandbox has ended"):
            await asyncio.wait_for(watching, 10)
    assert not folder.exists()
    wait_gone(groups)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


async def test_a_taken_port_is_named_with_the_option_to_change_it(taken: int, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=rf"Port {taken} is taken; choose another one with --port"):
        await Sandbox(port=taken, data_dir=tmp_path).__aenter__()
    with pytest.raises(StartError, match="--kafka-port"):
        await Sandbox(kafka_port=taken, data_dir=tmp_path).__aenter__()


async def test_an_aws_side_that_does_not_start_is_told_and_kafka_stopped(tmp_path: Path) -> None:
    sandbox = Sandbox(data_dir=tmp_path, serve_options=["--no-such-option"])
    with pytest.raises(StartError, match=r"(?s)AWS side of the sandbox ended.*no-such-option"):
        await sandbox.__aenter__()
    with pytest.raises(RuntimeError, match="not started"):
        _ = sandbox.kafka.pid


async def test_work_goes_on_until_a_signal_comes() -> None:
    cleaned = asyncio.Event()

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # a second one does not disturb
            await asyncio.sleep(0.05)
            cleaned.set()

    assert await until_interrupted(work())
    assert cleaned.is_set()


async def test_work_that_ends_or_fails_is_not_interrupted() -> None:
    async def fail() -> None:
        raise StartError("so it is")

    assert not await until_interrupted(asyncio.sleep(0))
    with pytest.raises(StartError, match=re.escape("so it is")):
        await until_interrupted(fail())


async def test_a_server_that_is_not_well_has_not_started(tmp_path: Path) -> None:
    """Half of it answers: that is no start, and in time it is an error."""

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "degraded"})

    app = web.Application()
    app.router.add_get("/health", health)
    async with TestServer(app) as server:
        child = Child([sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log")
        try:
            with pytest.raises(StartError, match="It did not answer"):
                await until_answers(child, str(server.make_url("/health")), 0.3, "It", lambda it: it["status"] == "ok")
        finally:
            await child.stop()
