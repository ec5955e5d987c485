"""Another team's subscriber: reads everything that is committed, from the first record on, and never gives up."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tests.faults.history import Told
from tests.faults.workers import until


class Subscriber:
    """Reads some topics as they lie; ``async with``."""

    def __init__(self, bootstrap: str, topics: Sequence[str], partitions: int) -> None:
        self.told: dict[str, list[Told]] = {topic: [] for topic in topics}
        self._bootstrap = bootstrap
        self._wanted = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        self._positions: dict[TopicPartition, int] = dict.fromkeys(self._wanted, 0)
        self._consumer: Any = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Subscriber":
        self._reading = asyncio.create_task(self._read_for_ever(), name="subscriber")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def caught_up(self, seconds: float = 20.0) -> None:
        """Waits until everything that is committed now has been read."""
        ends: dict[TopicPartition, int] = {}

        async def asked() -> bool:
            if self._consumer is None:
                return False
            with suppress(KafkaError, TimeoutError):
                ends.update(await asyncio.wait_for(self._consumer.end_offsets(self._wanted), 5))
            return bool(ends)

        await until(asked, seconds, "the subscriber can't read the end offsets")
        await until(
            lambda: all(self._positions[each] >= end for each, end in ends.items()),
            seconds,
            f"the subscriber does not reach {ends}",
        )

    async def _read_for_ever(self) -> None:
        while True:
            with suppress(KafkaError, OSError):
                await self._read()
            await asyncio.sleep(0.2)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="none",
            enable_auto_commit=False,
            request_timeout_ms=5000,
        )
        try:
            await consumer.start()
            consumer.assign(self._wanted)
            for partition, position in self._positions.items():
                consumer.seek(partition, position)
            self._consumer = consumer
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                    self._take(partition, records)
                for partition in self._wanted:
                    self._positions[partition] = await consumer.position(partition)
        finally:
            self._consumer = None
            with suppress(Exception):
                await asyncio.wait_for(consumer.stop(), 5)

    def _take(self, partition: TopicPartition, records: Sequence[Any]) -> None:
        now = time.monotonic()
        for record in records:
            headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
            key = (record.key or b"").decode(errors="replace")
            told = Told(partition.topic, partition.partition, record.offset, key, headers, _json(record.value), now)
            self.told[partition.topic].append(told)


def _json(value: bytes | None) -> Any:
    try:
        return json.loads(value) if value is not None else None
    except ValueError:
        return (value or b"").decode(errors="replace")
