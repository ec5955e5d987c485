"""A real Kafka and a real sandbox for the session; topics, group and account of its own for each test."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sandbox.cleanroomsml.options import Options
from sandbox.datasets import movielens
from sandbox.embedded import running_sandbox
from sandbox.jobs.worker import Storage
from sandbox.kafka.broker import Broker
from schemas.docs import examples
from service import topology
from service.adapters.kafka.topics import ensure
from service.settings import load
from tests.acceptance.harness import QUICK, Client, ServiceProcess
from tests.support.sandbox_account import World

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The sandbox, which really trains."""
    with running_sandbox(Options()) as url:
        yield url


@pytest.fixture
def number() -> int:
    """Tells tests apart."""
    return next(_numbers)


@pytest.fixture
def world(sandbox_url: str, number: int) -> Iterator[World]:
    """An empty AWS account."""
    world = World(sandbox_url, f"{200_000_000_000 + number}")
    yield world
    world.clear_faults()
    world.close()


@pytest.fixture
def examples_world(sandbox_url: str) -> Iterator[World]:
    """The account that the contract's examples name, with the data that they name."""
    world = World(sandbox_url, examples.ACCOUNT, examples.REGION)
    movielens.catalogue(Storage(world.url, world.region, world.account), movielens.seed_for())
    yield world
    world.close()


async def prepared(kafka: Broker, world: World, prefix: str, log: Path) -> ServiceProcess:
    """A service that is not started yet, with a group of its own; its topics exist."""
    environment = {
        "CRML_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CRML_KAFKA__GROUP_ID": f"service-{prefix}",
        "CRML_TOPICS__PREFIX": prefix,
        "AWS_ENDPOINT_URL": world.url,
        "AWS_REGION": world.region,
        "AWS_ACCESS_KEY_ID": world.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        **{f"CRML_{name}": value for name, value in QUICK.items()},
    }
    settings = load(environ=environment)
    await ensure(topology.kafka_settings(settings), topology.topic_specs(settings), replication=1)
    return ServiceProcess(environment, log)


@pytest.fixture
async def service(kafka: Broker, world: World, number: int, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    """A service that is not started yet; its topics exist."""
    process = await prepared(kafka, world, f"t{number}", tmp_path / "service.log")
    yield process
    if process.process is not None and process.process.poll() is None:
        process.kill()


@pytest.fixture
async def running(service: ServiceProcess) -> ServiceProcess:
    """The same, serving."""
    service.start()
    await service.ready()
    return service


@pytest.fixture
def another(service: ServiceProcess, tmp_path: Path) -> Iterator[ServiceProcess]:
    """A second replica of it, not started yet."""
    process = ServiceProcess(service.environment, tmp_path / "another.log")
    yield process
    if process.process is not None and process.process.poll() is None:
        process.kill()


@pytest.fixture
async def client(kafka: Broker, service: ServiceProcess, number: int) -> AsyncIterator[Client]:
    """Another team's service."""
    async with Client(kafka.bootstrap, f"t{number}") as client:
        yield client
