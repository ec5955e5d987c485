"""A running Kafka for tests: the session-scoped fixture `kafka`, and what it is made of for tests that need their own.

Start and stop run in a thread with an event loop of its own, so the fixture is synchronous and a test's loop is free to
be any.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from sandbox.kafka.broker import Broker, free_port

T = TypeVar("T")


def outside(work: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end in another thread, whatever loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@contextlib.contextmanager
def running_kafka(data_dir: Path) -> Iterator[Broker]:
    """Start a Kafka on a free port; stop it at the end, whether or not a test has killed it by then."""
    broker = Broker(free_port(), data_dir)
    outside(broker.start())
    try:
        yield broker
    finally:
        outside(broker.stop())


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One Kafka for the whole session; a test that kills or freezes it brings it back."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
