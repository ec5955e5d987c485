"""`python -m sandbox up` and `env`, as people call them."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import up
from sandbox.demo.service import QUICK, environment
from sandbox.kafka.broker import free_port
from sandbox.processes import ROOT
from sandbox.up import env_command, shell_lines
from tests.support.process_groups import group_members, wait_gone


@contextmanager
def running(*options: str, errors: int | None = None) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """The command in a process of its own; it is killed at the end if a test has not stopped it."""
    command = [sys.executable, "-m", "sandbox", "up", "--port", "0", "--kafka-port", "0", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        try:
            yield process, iter(process.stdout.readline, "")
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGINT)
                process.wait(60)


def until_instructed(lines: Iterator[str]) -> str:
    shown = ""
    for line in lines:
        shown += line
        if line.startswith("Logs are in"):
            return shown
    raise AssertionError(f"it ended with:\n{shown}")


def test_the_command_serves_until_ctrl_c(tmp_path: Path) -> None:
    with running("--data-dir", str(tmp_path)) as (process, lines):
        shown = until_instructed(lines)
        assert shown.startswith("starting Kafka and Clean Rooms ML\n")
        assert shown.count(" env --kafka-port ") == 1
        assert "export " not in shown, "env has all variables, so that both ways lead to the same service"
        assert "-m service topics" in shown
        assert "s3://clean-rooms-ml-demo/seed/seed.jsonl" in shown
        children = subprocess.run(["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True)
        groups = {int(pid) for pid in children.stdout.split()}
        assert len(groups) == 2
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(15) == 0
        assert list(lines) == ["stopping\n"]
    wait_gone(groups)
    assert (tmp_path / "kafka" / "kafka.log").exists()


def test_it_runs_the_service_too_and_ends_with_it(tmp_path: Path) -> None:
    page = free_port()
    with running("--data-dir", str(tmp_path), "--service", "--page-port", str(page), errors=subprocess.STDOUT) as (
        process,
        lines,
    ):
        shown = until_instructed(lines)
        assert f"http://127.0.0.1:{page}/\n" in shown
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/readyz") as answer:
            assert answer.status == 200
        [line] = [each.strip() for each in shown.splitlines() if "eval" in each]
        printed = subprocess.run(
            shlex.split(line.removeprefix('eval "$(').removesuffix(')"')), check=True, capture_output=True, text=True
        )
        bootstrap = shown.partition("Kafka is on ")[2].partition(";")[0]
        assert f"export CRML_KAFKA__BOOTSTRAP_SERVERS={bootstrap}\n" in printed.stdout
        children = subprocess.run(["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True)
        groups = {int(pid) for pid in children.stdout.split()}
        assert len(groups) == 3
        assert group_members(groups)
        service = subprocess.run(
            ["pgrep", "-P", str(process.pid), "-f", "service run"], check=True, capture_output=True, text=True
        )
        os.kill(int(service.stdout), signal.SIGKILL)
        assert process.wait(60) == 1, "the service has ended, and so does all"
        said = "".join(lines)
        assert said.startswith("The service ended with exit code "), "the reason comes first, and to stop takes time"
        assert said.index("start again: make up") < said.index("stopping\n")
        assert said.count("The service ended") == 1
    wait_gone(groups)


def test_a_taken_port_of_the_page_is_said_before_the_service_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running("--data-dir", str(tmp_path), "--service", "--page-port", port, errors=subprocess.STDOUT) as (
            process,
            lines,
        ):
            said = "".join(lines)
            assert process.wait(60) == 1
    assert said.endswith(f"Port {port} is taken; choose another one with --page-port, or stop what listens there\n")
    assert "starting the service" not in said


def test_the_variables_are_those_of_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    env_command(kafka_port=1, port=2)
    printed = dict(
        line.removeprefix("export ").split("=", 1)
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("export ")
    )
    served = environment({**printed, **{name: shlex.split(value)[0] for name, value in printed.items()}}, 8080)
    assert {name: value for name, value in served.items() if name in QUICK} == dict(QUICK)
    assert printed["CRML_TARGETS__DEFAULT__ENDPOINT_URL"] == "http://127.0.0.1:2"


def test_what_would_override_a_variable_is_unset() -> None:
    assert shell_lines({"A": "x y"}, {"AWS_PROFILE": "mine"}) == ["export A='x y'", "unset AWS_PROFILE"]


def test_other_ports_are_named() -> None:
    class Elsewhere:
        kafka_port, port = 1, up.AWS_PORT

    assert up._ports(Elsewhere()) == " --kafka-port 1"  # type: ignore[arg-type]
