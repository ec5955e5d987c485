"""Commands for each CPU-second of the process that performs them, the service beside its peers by turns.

`throughput`: all published at once. A creation counts when it has `started`; the service then follows the job, too.
`flood`: TagResource as a flood, and as a closed loop that keeps 400 outstanding, by what the API takes for an answer.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.figures import OURS, Figures, Scale
from benchmarks.stub_api import DATASET, MODEL
from benchmarks.world import PARTITIONS, Peer, Performer, Publisher, Service, World, world
from schemas.records import Job, Phase, decode

OUTSTANDING: Final = 400
TAG: Final = ("TagResource", {"resourceArn": MODEL, "tags": {"team": "films"}})
ROWS: Final[Mapping[str, tuple[str, Mapping[str, Any], str]]] = {
    "get": ("GetAudienceModel", {"audienceModelArn": MODEL}, ""),
    "tag": (*TAG, ""),
    "create": ("CreateAudienceModel", {"name": "model", "trainingDatasetArn": DATASET}, "started"),
}
CONTESTANTS: Final = ("FastStream handler", "FastStream batch", "aiokafka transactions")
CALLED: Final = r'crml_aws_calls_total\{[^}]*outcome="ok"[^}]*\}'
LOOP: Final = f"closed loop of {OUTSTANDING} outstanding"


async def rate(
    performer: Performer, place: World, row: tuple[str, Mapping[str, Any], str], count: int, outstanding: int | None
) -> tuple[float, float]:
    """Commands for each CPU-second, and a second by the clock."""
    async with Publisher(place, performer, *row) as publisher:
        await publisher.perform(max(20, count // 10))
        cpu, began = performer.cpu(), asyncio.get_running_loop().time()
        await publisher.perform(count, outstanding)
        spent, took = performer.cpu() - cpu, asyncio.get_running_loop().time() - began
    return count / spent, count / took


async def _throughput(figures: Figures, scale: Scale, rows: tuple[str, ...]) -> None:
    count = scale.pick(2_000, 100)
    async with world() as place:
        for row in rows:
            for _ in range(scale.pick(3, 1)):
                peers = [Peer(name, place) for name in CONTESTANTS[: scale.pick(3, 3 if row == "get" else 0)]]
                for performer in (Service(place), *peers):
                    await performer.begin()
                    try:
                        by_cpu, by_clock = await rate(performer, place, ROWS[row], count, None)
                    finally:
                        performer.end()
                    figures.add(f"{ROWS[row][0]} per CPU-second", performer.name, "", by_cpu)
                    figures.add(f"{ROWS[row][0]} per second by the clock", performer.name, "", by_clock)


def gets(scale: Scale) -> Figures:
    figures = Figures()
    asyncio.run(_throughput(figures, scale, ("get",)))
    return figures


def writes(scale: Scale) -> Figures:
    figures = Figures()
    asyncio.run(_throughput(figures, scale, ("tag", "create")))
    return figures


async def intents(place: World, service: Service) -> int:
    """How many commits have permitted a call: records of jobs that are to call at once."""
    found = 0
    partitions = [TopicPartition(service.changelog, number) for number in range(PARTITIONS)]
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=place.bootstrap, isolation_level="read_committed")
    async with consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(each) < end for each, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += sum(_permits(record.value) for record in records)
    return found


def _permits(value: bytes | None) -> bool:
    job = decode(value) if value else None
    return isinstance(job, Job) and job.phase is Phase.INTENDED and not job.due


async def _flood(figures: Figures, count: int, seconds: float, rounds: int) -> None:
    async with world(seconds) as place:
        for _ in range(rounds):
            for who, outstanding in ((OURS, None), (LOOP, OUTSTANDING)):
                service = Service(place)
                await service.begin()
                try:
                    by_cpu, _ = await rate(service, place, (*TAG, ""), count, outstanding)
                    called = service.replica.metric(CALLED)
                finally:
                    service.end()
                figures.add(f"API takes {seconds:g} s: TagResource per CPU-second", who, "", by_cpu)
                permitted = await intents(place, service)
                figures.add(f"API takes {seconds:g} s: intents for each call", who, "", permitted / called)


async def _hang(figures: Figures, count: int, seconds: float) -> None:
    """What a target commits that never answers."""
    async with world() as place:
        service = Service(place, {"TARGETS__DEFAULT__ENDPOINT_URL": f"{place.api}/hang/"})
        await service.begin()
        try:
            async with Publisher(place, service, *TAG) as publisher:
                await publisher.send(count)
                await asyncio.sleep(seconds)
        finally:
            service.end()
        permitted = await intents(place, service)
        figures.add(f"API hangs for {seconds:g} s: intents of {count:,} commands, 50 connections", OURS, "", permitted)


def flood(scale: Scale) -> Figures:
    figures = Figures()
    answers = scale.pick(((4_000, 0.0, 3), (3_000, 0.05, 1), (800, 1.0, 1)), ((100, 0.0, 1),))
    for count, seconds, rounds in answers:
        asyncio.run(_flood(figures, count, seconds, rounds))
    if not scale.quick:
        asyncio.run(_hang(figures, 2_000, 20.0))
    return figures
