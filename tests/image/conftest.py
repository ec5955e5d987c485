"""A real Kafka, and the sandbox from its own image."""

import itertools
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.kafka.broker import Broker, free_port
from tests.image.containers import SANDBOX, Container, started
from tests.support.sandbox_account import World

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this room needs the images."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.image)


@pytest.fixture(scope="session", autouse=True)
def podman_is_here() -> None:
    assert shutil.which("podman"), "podman is not installed; `make test-image` says what is needed"


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - of ours
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait(condition: Callable[[], bool], container: Container, seconds: float) -> None:
    """Wait until something holds; a container that has ended says why."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s; its log:\n{container.logs}"
        time.sleep(0.005)


@pytest.fixture(scope="session")
def sandbox_container() -> Iterator[tuple[Container, str]]:
    """The sandbox from its image: root is read-only, but for a temporary folder."""
    port = free_port()
    words = ("serve", "--host", "127.0.0.1", "--port", str(port))
    with started(SANDBOX, *words, options=("--tmpfs=/tmp",)) as container:
        url = f"http://127.0.0.1:{port}"
        wait(lambda: answers(f"{url}/_sandbox/health"), container, 60)
        yield container, url


@pytest.fixture
def world(sandbox_container: tuple[Container, str]) -> Iterator[World]:
    """An AWS account."""
    world = World(sandbox_container[1], f"{300_000_000_000 + next(_numbers)}")
    yield world
    world.close()


@pytest.fixture
def environment(kafka: Broker, world: World) -> dict[str, str]:
    """How a service finds both; topics and group are a test's own, everything else is as by default."""
    prefix = f"image{world.account}"
    return {
        "CRML_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CRML_KAFKA__GROUP_ID": f"service-{prefix}",
        "CRML_KAFKA__REPLICATION_FACTOR": "1",
        "CRML_TOPICS__PREFIX": prefix,
        "CRML_HTTP__HOST": "127.0.0.1",
        "CRML_HTTP__PORT": str(free_port()),
        "AWS_ENDPOINT_URL": world.url,
        "AWS_REGION": world.region,
        "AWS_ACCESS_KEY_ID": world.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
    }


@pytest.fixture(scope="session")
def measured() -> Iterator[dict[str, str]]:
    """Figures, printed at the end."""
    figures: dict[str, str] = {}
    yield figures
    Path(".cache/image").mkdir(parents=True, exist_ok=True)
    text = "".join(f"{name:42} {value}\n" for name, value in figures.items())
    Path(".cache/image/measured.txt").write_text(text)
