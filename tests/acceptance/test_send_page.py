"""The page about sending commands is run as it is: every block, in its order, in one shell."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.datasets import movielens
from sandbox.jobs.worker import Storage
from sandbox.kafka.broker import Broker
from schemas.docs import examples
from service import topology
from service.adapters.kafka.topics import ensure
from service.settings import load
from tests.acceptance.harness import QUICK, ServiceProcess
from tests.support.sandbox_account import World

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "send-commands.md"


def blocks() -> list[str]:
    """What a reader pastes: the blocks that are no example of an output."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in fences if not language]


@pytest.fixture
def world(sandbox_url: str) -> World:
    world = World(sandbox_url, examples.ACCOUNT, examples.REGION)
    movielens.catalogue(Storage(world.url, world.region, world.account), movielens.seed_for())
    return world


@pytest.fixture
async def service(kafka: Broker, world: World, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    environment = {
        "CRML_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CRML_KAFKA__GROUP_ID": "send-page",
        "CRML_TOPICS__PREFIX": "send-page",
        "AWS_ENDPOINT_URL": world.url,
        "AWS_REGION": world.region,
        "AWS_ACCESS_KEY_ID": world.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        **{f"CRML_{name}": value for name, value in QUICK.items()},
    }
    settings = load(environ=environment)
    await ensure(topology.kafka_settings(settings), topology.topic_specs(settings), replication=1)
    process = ServiceProcess(environment, tmp_path / "service.log")
    yield process
    if process.process is not None and process.process.poll() is None:
        process.kill()
    world.close()


async def test_every_block_runs_as_it_is(running: ServiceProcess, tmp_path: Path) -> None:
    found = blocks()
    assert len(found) >= 7
    script = "set -eu\n" + "\n".join(found)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **running.environment, "PATH": path, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        "/bin/bash",
        "-c",
        script,
        cwd=tmp_path,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = (text.decode() for text in await asyncio.wait_for(process.communicate(), 500))
    assert process.returncode == 0, out + err
    lines = out.splitlines()
    assert sum("  succeeded  " in line for line in lines) >= 7, out
    assert "nothing was sent" in out
    assert any(line.startswith("later-1 ") and "waiting NotBefore" in line for line in lines), out
    assert "cancelled" in lines
    assert any(line.startswith("marker") for line in lines), out
    assert lines[-1] == "done"
    assert not err, err
