"""The demo as a client of the service: publishes commands, reads what comes back."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from sandbox.demo.records import COMMANDS, DEAD_LETTERS, EVENTS, REPLIES, Command, Record, decode

_POLL_MILLISECONDS: Final = 200


class Client:
    """One producer and one read_committed consumer, which reads from the beginning."""

    def __init__(self, bootstrap: str, correlation_id: str) -> None:
        self._bootstrap, self._correlation_id = bootstrap, correlation_id
        self._stack = AsyncExitStack()
        self._producer: Any = None
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        """Connect."""
        async with AsyncExitStack() as stack:
            self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, enable_idempotence=True)
            self._consumer = AIOKafkaConsumer(
                *(REPLIES, EVENTS, DEAD_LETTERS),
                bootstrap_servers=self._bootstrap,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
            )
            for each in (self._producer, self._consumer):
                stack.push_async_callback(each.stop)
                await each.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._stack.aclose()

    async def publish(self, command: Command) -> Command:
        """Publish a command; equal keys keep the run's commands in order. Returns it with its time."""
        sent = replace(command, time=time.time())
        headers = sent.headers(self._correlation_id)
        await self._producer.send_and_wait(
            COMMANDS,
            sent.value(),
            key=self._correlation_id.encode(),
            headers=headers,
            timestamp_ms=int(sent.time * 1000),
        )
        return sent

    async def read(self) -> list[Record]:
        """Return what has come, oldest first; after a moment, nothing."""
        batches = await self._consumer.getmany(timeout_ms=_POLL_MILLISECONDS)
        await asyncio.sleep(0)
        found = [
            decode(record.topic, record.timestamp, record.headers, record.value)
            for batch in batches.values()
            for record in batch
        ]
        return sorted(found, key=lambda record: record.time)
