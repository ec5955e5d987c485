"""Pages about sending commands are run as they are: every block, in its order, in one shell, beside a running demo."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.demo.service import running_service
from sandbox.kafka.broker import free_port
from sandbox.stack import Sandbox, until_answers

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).parents[2]
HOWTO = ROOT / "docs" / "howto"
EXAMPLE_OF_OUTPUT = "text"
PAGES = {"send-commands": (8, 12), "chain-commands": (3, 6)}
"""Blocks that a reader pastes, and lines that say that something has succeeded: at least so many."""


def blocks(page: str) -> list[str]:
    """What a reader pastes, as one shell takes it: a program goes to Python."""
    text = (HOWTO / f"{page}.md").read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert {language for language, _ in fences} <= {"", "python", EXAMPLE_OF_OUTPUT}
    return [
        f"python -W error - <<'PROGRAM'\n{block}PROGRAM\n" if language else block
        for language, block in fences
        if language != EXAMPLE_OF_OUTPUT
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo() -> AsyncIterator[Sandbox]:
    """What `make up` starts, on free ports."""
    port = free_port()
    async with Sandbox() as sandbox, running_service(sandbox.environment(), sandbox.data_dir, port) as service:
        ready = f"http://127.0.0.1:{port}/readyz"
        await until_answers(service, ready, 60, "The service", lambda found: bool(found["ready"]))
        yield sandbox


@pytest.mark.parametrize("page", PAGES)
async def test_every_block_runs_as_it_is(page: str, demo: Sandbox, tmp_path: Path) -> None:
    found, (most_blocks, successes) = blocks(page), PAGES[page]
    assert len(found) >= most_blocks
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    variables = f'eval "$(python -m sandbox env --kafka-port {demo.kafka_port} --port {demo.port})"'
    script = "\n".join(["set -eu", variables, *found])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "/bin/bash",
        "-c",
        script,
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "KAFKA": demo.bootstrap},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = (text.decode() for text in await asyncio.wait_for(process.communicate(), 500))
    assert process.returncode == 0, out + err
    assert len(re.findall(r"  succeeded(?:  |$)", out, re.MULTILINE)) >= successes, out
