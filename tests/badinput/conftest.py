"""A Kafka, a sandbox with quick jobs and one service for the whole room."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from sandbox.cleanroomsml.options import Options, Timing
from sandbox.embedded import running_sandbox
from sandbox.kafka.broker import Broker
from tests.acceptance.kafka_fixture import running_kafka
from tests.badinput.stage import Stage, opened
from tests.support.sandbox_account import World

SLOW_START = Options(port=0, timing=Timing(pending=2.0, floor=0.05), jobs_module="tests.support.quick_jobs")
"""Jobs wait for two seconds, in which they are unfinished."""


@pytest.fixture(scope="package")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka of its own: clients that live as long as the room must not meet another room's frozen broker."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    with running_sandbox(SLOW_START) as url:
        world = World(url, "123456789012")
        yield world
        world.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stage(kafka: Broker, world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with opened(kafka, world, tmp_path_factory.mktemp("service")) as stage:
        yield stage
