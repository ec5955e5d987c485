"""The pytest plugin, as another team uses it: in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

USERS_TEST = """
import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.client import ListAudienceModels
from schemas.testing import assert_ended, command, parse


def test_with_the_twin(cleanroomsml_twin):
    cleanroomsml_twin.send(command("ListAudienceModels", command_id="1"))
    assert_ended(cleanroomsml_twin.published, "1")


def test_a_publisher(cleanroomsml_client):
    async def run():
        async with cleanroomsml_client as client:
            return await (await client.send(ListAudienceModels())).result(1)

    assert asyncio.run(run()) == {"audienceModels": []}


def test_with_the_service(cleanroomsml_service):
    asyncio.run(_list(cleanroomsml_service))


async def _list(service):
    message = command("ListAudienceModels", command_id="1")
    consumer = AIOKafkaConsumer(
        service.topic("replies"),
        bootstrap_servers=service.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=service.bootstrap)
    topic = service.topic("commands")
    async with consumer, producer, asyncio.timeout(60):
        await producer.send_and_wait(topic, message.value, message.key, headers=[*message.headers])
        published = []
        async for record in consumer:
            published.append(parse(record.value, record.headers, record.key, record.topic))
            if published[-1].is_terminal:
                break
    assert assert_ended(published, "1").data["result"] == {"audienceModels": []}
"""


def _pytest(folder: Path, *words: str) -> str:
    (folder / "conftest.py").write_text('pytest_plugins = ["schemas.testing.plugin"]\n')
    (folder / "test_mine.py").write_text(USERS_TEST)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *words, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.acceptance
def test_the_plugin_gives_the_real_service(tmp_path: Path) -> None:
    assert "3 passed" in _pytest(tmp_path)


def test_without_the_sandbox_the_plugin_skips(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked.py"
    blocked.write_text(
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'sandbox' else found(name, *more)\n"
    )
    told = _pytest(tmp_path, "-p", "blocked")
    assert "2 passed, 1 skipped" in told
    assert "not installed: sandbox" in told


def test_the_kit_needs_neither_service_nor_sandbox() -> None:
    program = (
        "import sys, schemas.testing, schemas.testing.plugin\n"
        "assert not {'service', 'sandbox'} & {name.split('.')[0] for name in sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
