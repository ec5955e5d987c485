"""One `docker compose up`, and a command from this machine to its reply."""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.films import Films
from tests.acceptance.harness import Client
from tests.compose.conftest import Docker
from tests.support.sandbox_account import World

SERVICES = ("kafka", "sandbox", "topics", "service", "prometheus")
ACCOUNT = "123456789012"
SCRAPE_SECONDS = 60


@pytest.fixture(scope="module")
def up(images: Docker) -> Iterator[Docker]:
    """All but Grafana, for which nothing stands in."""
    try:
        images.compose("up", "--detach", "--wait", "--no-build", "--pull=never", *SERVICES)
        yield images
    except AssertionError as error:
        raise AssertionError(f"{error}\n{images.compose('logs', '--tail=40')}") from error
    finally:
        images.compose("down", "--volumes", "--timeout=20")


def asked(query: str) -> list[Any]:
    """What Prometheus knows."""
    with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/query?query={quote(query)}", timeout=5) as answer:
        return list(json.load(answer)["data"]["result"])


@pytest.mark.timeout(400)
async def test_a_command_to_its_reply(up: Docker) -> None:
    world = World("http://127.0.0.1:4599", ACCOUNT)
    try:
        films = Films.upload(world)
        async with Client("127.0.0.1:9092", "cleanroomsml") as client:
            dataset = await films.dataset_made(client)
            assert dataset.startswith(f"arn:aws:cleanrooms-ml:eu-west-1:{ACCOUNT}:training-dataset/")
    finally:
        world.close()


@pytest.mark.timeout(400)
def test_prometheus_sees_the_service(up: Docker) -> None:
    deadline = time.monotonic() + SCRAPE_SECONDS
    while not (found := asked('up{job="cleanroomsml-service"} == 1')):
        assert time.monotonic() < deadline, asked("up")
        time.sleep(0.5)
    assert found[0]["metric"]["instance"] == "service:8080"


@pytest.mark.timeout(400)
def test_the_service_stops_in_order(up: Docker) -> None:
    up.compose("stop", "--timeout=30", "service")
    told = json.loads(up.compose("ps", "--all", "--format=json", "service"))
    assert (told["State"], told["ExitCode"]) == ("exited", 0), up.compose("logs", "--tail=20", "service")
