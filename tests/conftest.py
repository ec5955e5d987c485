"""For every room."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings

from tests.acceptance.kafka_fixture import kafka

__all__ = ["kafka"]

STEADY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast the machine is decides no test."""

settings.register_profile("same", STEADY, derandomize=True)
settings.register_profile("explore", STEADY, print_blob=True)
settings.load_profile("same")  # a commit passes for everybody or for nobody; test-long explores


@pytest.fixture(scope="session", autouse=True)
def no_stray_loop() -> None:
    """Keep looptime's pytest plugin from making, and leaking, an event loop: it asks the policy before every test."""
    asyncio.set_event_loop(None)
