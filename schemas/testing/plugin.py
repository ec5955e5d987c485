"""A pytest plugin: ``pytest_plugins = ["cleanroomsml.testing.plugin"]`` in your ``conftest.py``.

(``schemas.testing.plugin`` within this repository.)

Fixtures:

- ``cleanroomsml_twin``: a fresh :class:`schemas.testing.Twin` for each test.
- ``cleanroomsml_client``: a :class:`schemas.client.Client` that talks to that twin.
- ``cleanroomsml_service``: a :class:`RunningService` for the session, which is the real service on a real Kafka with a
  local Clean Rooms ML. Tests that ask for it are skipped where the sandbox is not installed.
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from ..client import Client
from .twin import Twin

_START_SECONDS: Final = 180.0
_STOP_SECONDS: Final = 30.0
_READY: Final = "Ctrl-C stops everything"
_EXPORT: Final = "export "


class StartError(RuntimeError):
    """A part did not start; the message has its last words."""


@dataclass(frozen=True, slots=True)
class RunningService:
    """The real service.

    Attributes:
        bootstrap: Kafka's address.
        prefix: First part of the topics' names.
        endpoint_url: Address of the local Clean Rooms ML, S3 and Glue.
        environment: Variables with which boto3 and the service find all that.
    """

    bootstrap: str
    prefix: str
    endpoint_url: str
    environment: Mapping[str, str]

    def topic(self, name: str) -> str:
        """The name of a topic: ``commands``, ``replies``, ``events`` or ``dead-letters``."""
        return f"{self.prefix}.{name}"


@pytest.fixture
def cleanroomsml_twin() -> Twin:
    """The service's contract in memory."""
    return Twin()


@pytest.fixture
def cleanroomsml_client(cleanroomsml_twin: Twin) -> Client:
    """A client, not open yet, that talks to the test's twin: ``async with cleanroomsml_client as client``."""
    return cleanroomsml_twin.client()


@pytest.fixture(scope="session")
def cleanroomsml_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The real service on a real Kafka, with the sandbox as AWS."""
    missing = [name for name in ("sandbox", "service") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with running_service(tmp_path_factory.mktemp("cleanroomsml")) as service:
        yield service


@contextmanager
def running_service(folder: Path, **settings: str) -> Iterator[RunningService]:
    """Runs the sandbox and the service as processes for the block.

    Args:
        folder: Where their logs go.
        settings: Further variables for the service, such as ``CRML_POLLING__TICK="0.1"``.

    Raises:
        StartError: One of them did not start.
    """
    python, kafka, port, http = sys.executable, *(str(_free_port()) for _ in range(3))
    with ExitStack() as stack:
        ports = ["--kafka-port", kafka, "--port", port]
        up = [python, "-m", "sandbox", "up", *ports]
        sandbox = stack.enter_context(_process(up, {}, folder / "sandbox.log"))
        _wait("the sandbox", sandbox, folder / "sandbox.log", lambda log: _READY in log)
        with _process([python, "-m", "sandbox", "env", *ports], {}, folder / "env.log") as asked:
            if asked.wait(_START_SECONDS):
                raise StartError(f"the sandbox's variables: {(folder / 'env.log').read_text('utf-8')}")
        found = _exported((folder / "env.log").read_text("utf-8"))
        environment = found | {"CRML_HTTP__PORT": http, "CRML_HTTP__HOST": "127.0.0.1"} | settings
        with _process([python, "-m", "service", "topics"], environment, folder / "topics.log") as topics:
            if topics.wait(_START_SECONDS):
                raise StartError(f"topics: {(folder / 'topics.log').read_text('utf-8')}")
        service = stack.enter_context(_process([python, "-m", "service", "run"], environment, folder / "service.log"))
        _wait("the service", service, folder / "service.log", lambda _: _is_ready(f"http://127.0.0.1:{http}/readyz"))
        prefix = environment.get("CRML_TOPICS__PREFIX", "cleanroomsml")
        yield RunningService(found["CRML_KAFKA__BOOTSTRAP_SERVERS"], prefix, found["AWS_ENDPOINT_URL"], environment)


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process for the block; asked to stop at its end, and made to if it does not."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CRML_", "AWS_"))}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=kept | dict(environment), stdout=out, stderr=out)  # noqa: S603
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(what: str, process: "subprocess.Popen[bytes]", log: Path, ready: Callable[[str], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready(log.read_text("utf-8")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartError(f"{what} did not start; its last words:\n{log.read_text('utf-8')[-4_000:]}")
        time.sleep(0.1)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _exported(text: str) -> dict[str, str]:
    """The variables that the sandbox prints."""
    lines = [line.strip() for line in text.splitlines()]
    pairs: Any = (line.removeprefix(_EXPORT).partition("=") for line in lines if line.startswith(_EXPORT))
    return {name: value.strip("'") for name, _, value in pairs}


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
