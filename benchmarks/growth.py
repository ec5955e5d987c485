"""What a replica takes as the jobs that it follows grow in number: the real process, from a changelog in a real Kafka.

The jobs are there from the beginning, each is due every 30 s, and the read budget does not bind. It measures the
restore (start to ready), memory, the share of a core, and seconds from a job's end at AWS to its event on Kafka.
"""

import asyncio
import statistics
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import Any

from aiokafka import AIOKafkaConsumer

from benchmarks import population
from benchmarks.figures import OURS, Figure, Figures, Scale, apart
from benchmarks.following import EVERY, interval
from benchmarks.world import PARTITIONS, Service, World, world
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.log import KafkaLog
from service.runtime.ports import OutRecord, TopicPartition

CHUNK = 2_000
ENDS = 20
BOUND = 60.0
"""Seconds for which an event is waited for."""


async def fill(place: World, service: Service, number: int) -> None:
    """Writes as many running jobs, evenly over the partitions."""
    settings = KafkaSettings(place.bootstrap, service.group, application="benchmark")
    log = KafkaLog(settings, {service.topic: service.changelog})
    chunks: list[list[OutRecord]] = [[] for _ in range(PARTITIONS)]
    owners = [await log.open(TopicPartition(service.topic, each)) for each in range(PARTITIONS)]
    for count, (key, value) in enumerate(population.running(number)):
        partition = count % PARTITIONS
        chunks[partition].append(OutRecord(service.changelog, key, value, (), partition))
        if len(chunks[partition]) == CHUNK:
            await owners[partition].commit(chunks[partition], 0)
            chunks[partition] = []
    for owner, chunk in zip(owners, chunks, strict=True):
        await owner.commit(chunk, 0)
        await owner.close()
    await log.close()


async def end(place: World, service: Service, number: int, seconds: float) -> list[float]:
    """Ends some jobs evenly over a time, and measures how long each takes to its event."""
    loop, ended, found = asyncio.get_running_loop(), dict[str, float](), list[float]()
    consumer: Any = AIOKafkaConsumer(
        service.events,
        bootstrap_servers=place.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="latest",
    )
    async with consumer:
        await consumer.seek_to_end()
        began = loop.time()
        for count in range(ENDS):
            await asyncio.sleep(began + count * seconds / ENDS - loop.time())
            job = count * (number // ENDS)
            await asyncio.to_thread(urllib.request.urlopen, f"{place.api}/_end/{job}", b"", 30)
            ended[f"{job:08x}-0000-4000-8000-000000000000"] = loop.time()
        bound = loop.time() + BOUND
        while ended and loop.time() < bound:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    for name in [each for each in ended if each.encode() in record.value]:
                        found.append(loop.time() - ended.pop(name))
    return found


async def one(figures: Figures, number: int, seconds: float, every: float) -> None:
    named = f"{number:,} jobs followed"
    async with world(jobs=number) as place:
        service = Service(place, interval(every))
        await asyncio.to_thread(service.replica.topics)
        await fill(place, service, number)
        figures.add(f"{named}: start to ready", OURS, "s", await asyncio.to_thread(service.replica.start))
        try:
            figures.add(f"{named}: CPU from the start until ready", OURS, "s", service.cpu())
            await asyncio.sleep(seconds)
            cpu, began = service.cpu(), asyncio.get_running_loop().time()
            late = await end(place, service, number, seconds)
            spent, took = service.cpu() - cpu, asyncio.get_running_loop().time() - began
            figures.add(f"{named}: share of a core", OURS, "%", 100 * spent / took)
            figures.add(f"{named}: memory of the process", OURS, "MiB", service.memory() / 2**20)
            figures.add(f"{named}: ends without an event after {BOUND:g} s", OURS, "%", 100 * (1 - len(late) / ENDS))
            if late:
                figures.add(f"{named}: end to event, mean", OURS, "s", statistics.mean(late))
                figures.add(f"{named}: end to event, longest", OURS, "s", max(late))
        finally:
            service.end()


def measured(sizes: Sequence[tuple[int, float]], every: float) -> list[Figure]:
    """Of some numbers of jobs, one after the other."""
    figures = Figures()
    for number, seconds in sizes:
        asyncio.run(one(figures, number, seconds, every))
    return figures.all


def run(scale: Scale) -> Figures:
    """A million jobs take as long as all others, and are measured beside them."""
    figures = Figures()
    small, large = ((1_000, 20.0), (10_000, 20.0), (100_000, 20.0)), ((1_000_000, 20.0),)
    groups: tuple[tuple[tuple[int, float], ...], ...] = scale.pick((small, large), (((100, 2.0),),))
    with ThreadPoolExecutor() as beside:
        for found in beside.map(partial(apart, measured), groups, repeat(scale.pick(EVERY, 2.0))):
            for figure in found:
                figures.add(figure.what, figure.who, figure.unit, *figure.values)
    return figures
