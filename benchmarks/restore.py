"""How long a shard reads its changelog, from a real Kafka, until its first observations are committed.

One partition for each population: as many ended jobs and as many resources; running jobs. The peer reads the same
records with a bare consumer, decodes them with msgspec, and keeps nothing.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from itertools import chain, islice
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition

from benchmarks import population
from benchmarks.figures import OURS, Figures, Scale, apart
from benchmarks.kafka import kafka
from benchmarks.population import COMMANDS, Entry, ReplayedLog, Replica
from service.adapters.garbage_collection import GarbageCollection
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.log import KafkaLog
from service.adapters.kafka.topics import changelog, ensure, output_topic
from service.runtime.ports import OutRecord, PartitionLog, TopicPartition
from service.runtime.shard import State

CHANGELOG = "jobs"
POPULATIONS = ("ended jobs and as many resources", "running jobs")
CHUNK = 2_000
RECORD_BYTES = 1_000_000

Cost = tuple[float, float]
"""Seconds by the clock, and of CPU."""


def entries(name: str, size: int) -> Iterator[Entry]:
    """The records of a population."""
    if name == POPULATIONS[1]:
        return population.running(size)
    return chain(population.ended(size), population.resources(size))


class _Owned(ReplayedLog):
    """The log of a process that owns everything, without a group."""

    def __init__(self, kafka: KafkaLog) -> None:
        super().__init__({})
        self._kafka = kafka

    async def open(self, partition: TopicPartition) -> PartitionLog:  # type: ignore[override]
        return await self._kafka.open(partition)


def _log(bootstrap: str) -> KafkaLog:
    return KafkaLog(KafkaSettings(bootstrap, "group", application="benchmark"), {COMMANDS: CHANGELOG})


async def _fill(bootstrap: str, size: int) -> None:
    settings = KafkaSettings(bootstrap, "group", application="benchmark")
    source = output_topic(COMMANDS, len(POPULATIONS), retention=3600, record_bytes=RECORD_BYTES)
    await ensure(settings, [source, changelog(CHANGELOG, source, record_bytes=RECORD_BYTES)], replication=1)
    log = _log(bootstrap)
    for number, name in enumerate(POPULATIONS):
        owner = await log.open(TopicPartition(COMMANDS, number))
        left = entries(name, size)
        while chunk := [OutRecord(CHANGELOG, key, value, (), number) for key, value in islice(left, CHUNK)]:
            await owner.commit(chunk, 0)
        await owner.close()
    await log.close()


async def _restore(bootstrap: str, number: int) -> None:
    log = _log(bootstrap)
    replica = Replica([], log=_Owned(log))
    shard = replica.shard(TopicPartition(COMMANDS, number))
    serving = asyncio.create_task(shard.run())
    while shard.state is not State.RUNNING or shard.waiting:
        await asyncio.sleep(0.002)
        if serving.done():
            serving.result()
    serving.cancel()
    await asyncio.wait([serving])
    await log.close()


async def _read(bootstrap: str, number: int) -> None:
    partition, decode = KafkaPartition(CHANGELOG, number), msgspec.json.Decoder().decode
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    await consumer.start()
    consumer.assign([partition])
    consumer.seek(partition, 0)
    [end] = (await consumer.end_offsets([partition])).values()
    while await consumer.position(partition) < end:
        for record in (await consumer.getmany(partition, timeout_ms=50)).get(partition, []):
            if record.value is not None:
                decode(record.value)
    await consumer.stop()


def cost(way: str, bootstrap: str, number: int) -> Cost:
    """Of one restore, or of one plain reading, without the loading of modules."""

    async def measured(work: Coroutine[Any, Any, None]) -> Cost:
        began, used = time.perf_counter(), time.process_time()
        await work
        return time.perf_counter() - began, time.process_time() - used

    if way == "peer":
        return asyncio.run(measured(_read(bootstrap, number)))
    with GarbageCollection().tuned():
        return asyncio.run(measured(_restore(bootstrap, number)))


async def measure(figures: Figures, size: int, rounds: int) -> None:
    async with kafka() as bootstrap:
        await _fill(bootstrap, size)
        for number, name in enumerate(POPULATIONS):
            for _ in range(rounds):
                for who, way in ((OURS, "ours"), ("consume and decode", "peer")):
                    clock, used = await asyncio.to_thread(apart, cost, way, bootstrap, number)
                    figures.add(f"{size:,} {name}, CPU", who, "s", used)
                    figures.add(f"{size:,} {name}, by the clock", who, "s", clock)


def run(scale: Scale) -> Figures:
    figures = Figures()
    for size, rounds in scale.pick([(100_000, 2), (1_000_000, 1)], [(1_000, 1)]):
        asyncio.run(measure(figures, size, rounds))
    return figures
