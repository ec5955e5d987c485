"""For every room."""

import asyncio

import pytest

from tests.acceptance.kafka_fixture import kafka

__all__ = ["kafka"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The room that only computes comes first, beside those that mostly wait: at the end it would run alone."""
    items.sort(key=lambda item: "tests/simulation/" not in item.path.as_posix())


@pytest.fixture(scope="session", autouse=True)
def no_stray_loop() -> None:
    """Keep looptime's pytest plugin from making, and leaking, an event loop: it asks the policy before every test."""
    asyncio.set_event_loop(None)
