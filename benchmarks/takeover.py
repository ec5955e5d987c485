"""How long a partition's restore takes with and without a copy of it, on a real Kafka: open (fence) plus restore.

``python -m benchmarks.takeover [RECORDS]`` starts a Kafka of its own, fills a changelog, and prints medians of five
rounds side by side. Memory and CPU time of following are measured in the same run.
"""

import asyncio
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.population import ended as ended_jobs
from sandbox.kafka.broker import Broker, free_port
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.log import KafkaLog
from service.adapters.kafka.topics import changelog, ensure, output_topic
from service.adapters.telemetry import PrometheusTelemetry
from service.runtime.ports import OutRecord, TopicPartition
from service.runtime.slots import SlotRegistry
from service.runtime.standby import Standby
from service.runtime.store import Store

ROUNDS = 5
FIRST = TopicPartition("commands", 0)
BATCH = 2000


async def fill(log: KafkaLog, size: int) -> None:
    owner = await log.open(FIRST)
    records = [OutRecord("jobs", key, value, (), 0) for key, value in ended_jobs(size)]
    for start in range(0, size, BATCH):
        await owner.commit(records[start : start + BATCH], None)
    await owner.close()


async def follow(log: KafkaLog) -> tuple[Standby, float, float, float]:
    """The copy, and what it cost: seconds, CPU seconds, MiB."""
    standby = Standby(SlotRegistry({}, lambda _: None, time.monotonic), PrometheusTelemetry(), follows=True)
    began, cpu, memory = time.perf_counter(), time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    task = asyncio.create_task(log.follow(standby))
    while not standby.statistics().get("commands-0", {}).get("current"):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.02)
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    task.cancel()
    await asyncio.wait([task])
    return standby, seconds, used, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024


async def take_over(log: KafkaLog, store: Store, known: int) -> tuple[float, float]:
    """Seconds for the fence, and for the restore."""
    began = time.perf_counter()
    opened = await log.open(FIRST)
    fenced = time.perf_counter()
    async for batch in opened.restore(known):
        for key, value in batch:
            store.load(key, value)
    await opened.position()
    ended = time.perf_counter()
    await opened.close()
    return fenced - began, ended - fenced


async def measure(broker: Broker, size: int) -> None:
    settings = KafkaSettings(broker.bootstrap, "group", application="benchmark")
    source = output_topic("commands", 1, retention=3600, record_bytes=1_000_000)
    await ensure(settings, [source, changelog("jobs", source, record_bytes=1_000_000)], replication=1)
    log = KafkaLog(settings, {"commands": "jobs"})
    await fill(log, size)
    standby, seconds, used, mebibytes = await follow(log)
    store, known = standby.take(FIRST)
    assert len(store) == size
    await take_over(log, Store(), 0)
    rounds = [(await take_over(log, Store(), 0), await take_over(log, store, known)) for _ in range(ROUNDS)]
    await log.close()
    fences = statistics.median(fence for pair in rounds for fence, _ in pair)
    cold, warm = (statistics.median(restore for _, restore in column) for column in zip(*rounds, strict=True))
    print(f"{size} job records in one partition, medians of {ROUNDS} rounds")
    print(f"  fence                  {fences:8.3f} s")
    print(f"  restore, all           {cold:8.3f} s")
    print(f"  restore from a copy    {warm:8.3f} s")
    print(f"  ratio                  {cold / warm:8.0f}")
    print(f"  first read of the copy {seconds:8.3f} s, {used:.3f} s of CPU, {mebibytes:.0f} MiB")


async def run(size: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with Broker(free_port(), Path(directory)) as broker:
            await measure(broker, size)


def main() -> None:
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000))


if __name__ == "__main__":
    main()
