"""One sandbox for the whole room; tests are told apart by account, so each begins with an empty one."""

import itertools
from collections.abc import Iterator

import pytest

from sandbox.cleanroomsml.options import Options, Timing
from sandbox.embedded import running_sandbox
from tests.support.sandbox_account import World

FAST = Options(port=0, timing=Timing(pending=0.02, floor=0.02), jobs_module="tests.support.quick_jobs")
_accounts = itertools.count(100_000_000_001)


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """A running sandbox with quick jobs."""
    with running_sandbox(FAST) as url:
        yield url


@pytest.fixture
def world(sandbox_url: str) -> Iterator[World]:
    """A fresh account in the running sandbox; leaves no fault armed."""
    world = World(sandbox_url, str(next(_accounts)))
    yield world
    world.clear_faults()
    world.close()
