"""A Kafka for a row: one of its own, or the one that all rows of a quick run share."""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sandbox.kafka.broker import Broker, free_port

SHARED: Final = "BENCHMARK_KAFKA"
"""Of the environment: its address."""


@asynccontextmanager
async def kafka() -> AsyncIterator[str]:
    """The address of a Kafka."""
    if address := os.environ.get(SHARED):
        yield address
        return
    with tempfile.TemporaryDirectory() as folder:
        config = {"num.partitions": "12", "group.initial.rebalance.delay.ms": "0"}
        async with Broker(free_port(), Path(folder), config=config) as broker:
            yield broker.bootstrap
