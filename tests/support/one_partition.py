"""One partition of commands with its changelog, as the operator's commands read them from Kafka."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import TopicRecord
from service.runtime.ports import TopicPartition

COMMANDS: Final = "cleanroomsml.commands"
JOBS: Final = "cleanroomsml.jobs"
PLACE: Final = TopicPartition(COMMANDS, 0)
LOG: Final = TopicPartition(JOBS, 0)


class OnePartition:
    """Stands in for the reader of topics and for that of offsets.

    Attributes:
        records: Of the changelog.
        span: Offsets of the commands: the first one, and the one behind the last.
    """

    def __init__(self) -> None:
        self.records: list[TopicRecord] = []
        self.span = (5, 20)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Appends to the changelog."""
        self.records.append(TopicRecord(LOG, len(self.records), 0.0, key, value, ()))

    @asynccontextmanager
    async def reader(self, _settings: KafkaSettings, _role: str) -> AsyncIterator[Self]:
        yield self

    async def ranges(self, topics: Collection[str]) -> dict[TopicPartition, tuple[int, int]]:
        known = {PLACE: self.span, LOG: (0, len(self.records))}
        return {place: known[place] for place in known if place.topic in topics}

    async def read(self, ranges: Mapping[TopicPartition, Any]) -> AsyncIterator[TopicRecord]:
        for each in self.records if LOG in ranges else ():
            yield each

    async def topic_id(self, topic: str) -> str:
        return f"id-{topic}"

    async def close(self) -> None:
        return
