"""`python -m sandbox serve` as a process: ready line, clean stop, nothing left behind."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process_groups import group_members, wait_gone
from tests.support.sandbox_account import World


@contextlib.contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "sandbox", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"sandbox ready on (http://127\.0\.0\.1:\d+)", line)
        assert found, line
        try:
            yield process, found.group(1)
        finally:
            process.kill()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_serves_and_stops_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    log = tmp_path / "requests.jsonl"
    with served("--request-log", str(log), "--profile", "aws") as (process, url):
        world = World(url, "123456789012")
        assert world.admin("GET", "health")["profile"] == "aws"
        world.dataset()
        world.bucket()
        world.close()
        assert any("moto/process.py" in each for each in group_members({process.pid}))
        os.kill(process.pid, ending)
        assert process.wait(10) == 0
        wait_gone({process.pid})
    [entry] = [json.loads(line) for line in log.read_text().splitlines()]
    assert entry["operation"] == "CreateTrainingDataset"


def test_children_do_not_outlive_a_killed_sandbox(tmp_path: Path) -> None:
    with served("--data-dir", str(tmp_path)) as (process, url):
        world = World(url, "123456789012")
        deadline = time.monotonic() + 30
        while not world.admin("GET", "health")["workers_warm"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(group_members({process.pid})) >= 3
        process.kill()
        process.wait(10)
        wait_gone({process.pid})


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "sandbox", "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("is taken; choose another one with --port, or stop what listens there\n")
    assert "Traceback" not in done.stderr
