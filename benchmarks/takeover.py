"""How long a partition's restore takes with and without a copy of it, on a real Kafka, by the clock.

The fence comes before either. The CPU time of the copy is measured in the same run.
"""

import asyncio
import time

from benchmarks.figures import OURS, Figures, Scale
from benchmarks.kafka import kafka
from benchmarks.population import ended as ended_jobs
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.log import KafkaLog
from service.adapters.kafka.topics import changelog, ensure, output_topic
from service.adapters.telemetry import PrometheusTelemetry
from service.runtime.ports import OutRecord, TopicPartition
from service.runtime.slots import SlotRegistry
from service.runtime.standby import Standby
from service.runtime.store import Store

COMMANDS, CHANGELOG = "taken.commands", "taken.jobs"
FIRST = TopicPartition(COMMANDS, 0)
BATCH = 2000


async def fill(log: KafkaLog, size: int) -> None:
    owner = await log.open(FIRST)
    records = [OutRecord(CHANGELOG, key, value, (), 0) for key, value in ended_jobs(size)]
    for start in range(0, size, BATCH):
        await owner.commit(records[start : start + BATCH], None)
    await owner.close()


async def follow(log: KafkaLog) -> tuple[Standby, float]:
    """The copy, and what it cost: CPU seconds."""
    standby = Standby(SlotRegistry({}, lambda _: None, time.monotonic), PrometheusTelemetry(), follows=True)
    cpu = time.process_time()
    task = asyncio.create_task(log.follow(standby))
    while not standby.statistics().get(f"{COMMANDS}-0", {}).get("current"):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.02)
    used = time.process_time() - cpu
    task.cancel()
    await asyncio.wait([task])
    return standby, used


async def take_over(log: KafkaLog, store: Store, known: int) -> tuple[float, float]:
    """Seconds for the fence, and for the restore."""
    began = time.perf_counter()
    opened = await log.open(FIRST)
    fenced = time.perf_counter()
    async for batch in opened.restore(known):
        for key, value in batch:
            store.load(key, value)
    await opened.offsets()
    ended = time.perf_counter()
    await opened.close()
    return fenced - began, ended - fenced


async def measure(figures: Figures, bootstrap: str, size: int, rounds: int) -> None:
    settings = KafkaSettings(bootstrap, "group", application="benchmark")
    source = output_topic(COMMANDS, 1, retention=3600, record_bytes=1_000_000)
    await ensure(settings, [source, changelog(CHANGELOG, source, record_bytes=1_000_000)], replication=1)
    log = KafkaLog(settings, {COMMANDS: CHANGELOG})
    await fill(log, size)
    standby, used = await follow(log)
    store, known = standby.take(FIRST)
    assert len(store) == size
    await take_over(log, Store(), 0)
    what = f"{size:,} records in a partition"
    for _ in range(rounds):
        fence, cold = await take_over(log, Store(), 0)
        figures.add(f"{what}: fence", OURS, "s", fence)
        figures.add(f"{what}: restore of all", OURS, "s", cold)
        figures.add(f"{what}: restore from a current copy", OURS, "s", (await take_over(log, store, known))[1])
    figures.add(f"{what}: first read of the copy, CPU", OURS, "s", used)
    await log.close()


def run(scale: Scale) -> Figures:
    figures = Figures()

    async def measured() -> None:
        async with kafka() as bootstrap:
            await measure(figures, bootstrap, scale.pick(100_000, 500), scale.pick(5, 1))

    asyncio.run(measured())
    return figures
