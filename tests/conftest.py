"""For every room."""

import asyncio

import pytest

from tests.acceptance.kafka_fixture import kafka

__all__ = ["kafka"]


@pytest.fixture(scope="session", autouse=True)
def no_stray_loop() -> None:
    """Keep looptime's pytest plugin from making, and leaking, an event loop: it asks the policy before every test."""
    asyncio.set_event_loop(None)
