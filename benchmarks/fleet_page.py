"""What the fleet page costs: CPU for each request, and the longest time for which one holds up the event loop.

``python -m benchmarks.fleet_page [JOBS]`` fills a replica's copies with that many commands (a million), all but 2 % of
them ended, and asks for pages over real requests. ``python -m benchmarks.fleet_page paint [JOBS]`` opens the page in
Chromium with 10,000 commands under way, and prints when it was first painted and when it was live.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from typing import Final

import aiohttp

from benchmarks.figures import shown
from schemas import records
from schemas.records import Command, Job, Phase, job_key
from service.adapters.clock import SystemClock
from service.runtime.ports import TopicPartition
from tests.page.browser import browser, new_tab
from tests.support.fleet_scene import Scene
from tests.support.messages import COMMANDS

PARTITIONS: Final = 8
OPEN: Final = 0.02
ROUNDS: Final = 9
BATCH: Final = 5_000

QUESTIONS: Final = {
    "the page itself": "/",
    "open commands, 50": "/api/commands",
    "open commands, 200": "/api/commands?limit=200",
    "ended commands, 50": "/api/commands?state=ended",
    "one command": "/api/commands/%2Fsource-1/c-1",
    "a search that finds nothing, one page of it": "/api/commands?state=all&q=nowhere",
    "overview": "/api/overview",
    "partitions": "/api/partitions",
}


def job(number: int, now: float, count: int, phase: Phase) -> Job:
    age = float(count - number) / count * 500_000
    ended = phase is Phase.SUCCEEDED
    arn = f"arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/{number:032x}"
    command = Command(
        f"c-{number}",
        f"/source-{number % 20}",
        "CreateAudienceModel",
        "default",
        {} if ended else {"name": f"model {number}", "trainingDatasetArn": arn},
        f"{number:064x}",
    )
    reply = {"attempts": 1, "durationSeconds": 1.5, "result": {"audienceModelArn": arn, "name": f"model {number}"}}
    return Job(
        command,
        phase,
        accepted_at=now - age - 10,
        since=now - age,
        resource_id=arn,
        status="ACTIVE" if ended else "",
        finished_at=now - age if ended else 0.0,
        reply=reply if ended else None,
    )


def entries(count: int, partition: int, now: float, share: float) -> Iterator[tuple[bytes, bytes]]:
    for number in range(partition, count, PARTITIONS):
        running = number % 1000 < 1000 * share
        made = job(number, now, count, Phase.RUNNING if running else Phase.SUCCEEDED)
        yield job_key(made.command.source, made.command.id), records.encode(made)


def filled(count: int, share: float = OPEN) -> Scene:
    scene = Scene(SystemClock(), PARTITIONS)
    now = scene.clock.wall()
    for number in range(PARTITIONS):
        scene.standby.lost(TopicPartition(COMMANDS, number))
        batch: list[tuple[bytes, bytes]] = []
        for entry in entries(count, number, now, share):
            batch.append(entry)
            if len(batch) == BATCH:
                load(scene, number, batch)
                batch = []
        load(scene, number, batch)
    gc.collect()
    gc.freeze()
    return scene


def load(scene: Scene, number: int, batch: list[tuple[bytes, bytes]]) -> None:
    """As history is replayed: the copy is current at the end only."""
    partition = TopicPartition(COMMANDS, number)
    scene.standby.wanted(partition)
    copy = scene.standby._copies[partition]
    for key, value in batch:
        copy.store.load(key, value)
    copy.current = True


DEEP: Final = "ended commands, behind a cursor"


class Watch:
    """How long the loop was held up, at most: in CPU, since other work on the machine holds it up, too."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        while True:
            began = time.process_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.process_time() - began)


async def asked(session: aiohttp.ClientSession, url: str) -> tuple[list[float], list[float], int]:
    """CPU and the longest stop of the loop, both in ms, for each of several requests; and bytes."""
    costs, stops, size = [], [], 0
    for _ in range(ROUNDS):
        began = time.process_time()
        async with session.get(url) as answer:
            size = len(await answer.read())
            assert answer.status == 200, url
        costs.append((time.process_time() - began) * 1000)
        watch = Watch()
        task = asyncio.create_task(watch.run())
        async with session.get(url) as answer:
            await answer.read()
        stops.append(watch.longest * 1000)
        task.cancel()
    return costs, stops, size


async def main(count: int) -> None:
    began = time.process_time()
    scene = filled(count)
    sys.stdout.write(f"{count:,} commands in {time.process_time() - began:.0f} s of CPU\n")
    url = await scene.serve()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/api/commands?state=ended&limit=200") as answer:
            cursor = (await answer.json())["cursor"]
        for name, path in {**QUESTIONS, DEEP: f"/api/commands?state=ended&cursor={cursor}"}.items():
            costs, stops, size = await asked(session, url + path)
            sys.stdout.write(f"{name}: {shown(costs)} ms of CPU, {size:,} bytes\n")
            sys.stdout.write(f"    longest stop of the loop: {shown(stops)} ms of CPU\n")
    await scene.stop()


async def paint(count: int, port: int) -> None:
    scene = filled(count, 1.0)
    url = await scene.serve()
    for _ in range(5):
        async with new_tab(port) as tab:
            began = time.perf_counter()
            await tab.open(url)
            await tab.until("document.getElementById('connection').textContent === 'live'")
            live = time.perf_counter() - began
            painted = await tab.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            sys.stdout.write(f"first paint after {painted:.0f} ms, live after {live * 1000:.0f} ms\n")
    await scene.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["paint"]:
        with browser() as devtools:
            asyncio.run(paint(int(sys.argv[2]) if len(sys.argv) > 2 else 10_000, devtools))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
