"""Reads the dead-letters topic from its beginning, or from a time, to where it ends when the reading starts."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import Ranges, Reader, reader
from service.operator.dead_letters.dead_letter import DeadLetter, Selection
from service.runtime.ports import TopicPartition

_ROLE = "dlq"


async def read(settings: KafkaSettings, topic: str, selection: Selection) -> AsyncGenerator[DeadLetter, None]:
    """Yields the selected dead letters; in order within a partition.

    Raises:
        LogError: Kafka failed or made no progress, or there is no such topic.
    """
    async with reader(settings, _ROLE) as source:
        # A dead letter is written after it was set aside, so none of those before this time can be meant.
        ranges = await source.committed_ranges([topic], selection.since)
        async with aclosing(_letters(source, ranges)) as letters:
            async for letter in letters:
                if selection.has(letter):
                    yield letter


async def read_one(settings: KafkaSettings, topic: str, partition: int, offset: int) -> DeadLetter | str:
    """The dead letter at a position; in words, why there is none.

    Raises:
        LogError: Kafka failed or made no progress, or there is no such topic.
    """
    async with reader(settings, _ROLE) as source:
        wanted = TopicPartition(topic, partition)
        ranges = await source.committed_ranges([topic])
        if wanted not in ranges:
            known = ", ".join(str(each.partition) for each in ranges)
            return f"it has no partition {partition}; its partitions are {known}"
        start, end = ranges[wanted]
        async with aclosing(_letters(source, {wanted: (max(start, offset), end)})) as letters:
            async for letter in letters:
                expired = "it has expired; " if offset < start else ""
                return letter if letter.offset == offset else f"{expired}the next one is {partition} {letter.offset}"
    return "it has expired" if offset < start else "none is there or behind"


async def _letters(source: Reader, ranges: Ranges) -> AsyncGenerator[DeadLetter, None]:
    async with aclosing(source.read(ranges)) as records:
        async for record in records:
            yield DeadLetter(
                record.topic_partition.partition, record.offset, record.time, record.key, record.value, record.headers
            )
