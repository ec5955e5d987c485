"""One Prometheus, one Kafka and one sandbox for all alerts."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from sandbox.kafka.broker import Broker, free_port
from tests.acceptance.conftest import client, number, sandbox_url, service, world
from tests.acceptance.kafka_fixture import outside
from tests.alerts.prometheus import Prometheus

__all__ = ["client", "number", "sandbox_url", "service", "world"]


class Line(NamedTuple):
    """A second way to Kafka, for a proxy: it listens on the first port and passes on to the second."""

    proxy: int
    listener: int


@pytest.fixture(scope="session")
def line() -> Line:
    return Line(free_port(), free_port())


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, line: Line) -> Iterator[Broker]:
    """A Kafka which tells clients of its second listener that it is where the proxy is."""
    plain, controller = free_port(), free_port()
    config = {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},SECOND://127.0.0.1:{line.listener},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SECOND://127.0.0.1:{line.proxy}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "inter.broker.listener.name": "PLAINTEXT",
    }
    broker = Broker(plain, tmp_path_factory.mktemp("kafka"), config=config)
    outside(broker.start())
    yield broker
    outside(broker.stop())


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrapes what tests tell it to."""
    server = Prometheus(tmp_path_factory.mktemp("prometheus"))
    yield server
    server.stop()
