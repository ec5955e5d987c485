"""Jobs that run: who began first, and who runs for long, without a look at all of them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.runtime.running_jobs import RunningJobs
from tests.support import costs

pytestmark = pytest.mark.looptime

LIMIT = 100.0
MODEL, EXPORT = "audience-model", "audience-export-job"


class Bench:
    def __init__(self) -> None:
        self.runs: set[bytes] = set()
        self.long: list[bytes] = []
        self.jobs = RunningJobs(lambda: asyncio.get_running_loop().time(), self.runs, self.long.append)

    def add(self, key: bytes, since: float, kind: str = MODEL, *, reported: bool = False) -> None:
        self.runs.add(key)
        self.jobs.add(key, kind, since, LIMIT, reported=reported)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    running = asyncio.create_task(made.jobs.timers.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


async def test_each_is_reported_once_at_its_limit_in_the_order_of_their_begins(bench: Bench) -> None:
    for key, since in ((b"c", 30.0), (b"a", 10.0), (b"b", 20.0)):
        bench.add(key, since)
    await asyncio.sleep(109.0)
    assert bench.long == []
    await asyncio.sleep(12.0)
    assert bench.long == [b"a", b"b"]
    await asyncio.sleep(1_000.0)
    assert bench.long == [b"a", b"b", b"c"]


async def test_what_has_ended_is_not_reported(bench: Bench) -> None:
    bench.add(b"a", 0.0)
    bench.add(b"b", 50.0)
    bench.runs.discard(b"a")
    await asyncio.sleep(200.0)
    assert bench.long == [b"b"]


async def test_what_was_reported_before_is_not_reported_again(bench: Bench) -> None:
    bench.add(b"a", 0.0, reported=True)
    await asyncio.sleep(200.0)
    bench.add(b"a", 0.0)
    await asyncio.sleep(200.0)
    assert bench.long == []


async def test_the_oldest_of_each_kind_is_known_reported_or_not(bench: Bench) -> None:
    bench.add(b"a", 5.0)
    bench.add(b"b", 7.0)
    bench.add(b"x", 9.0, EXPORT, reported=True)
    assert bench.jobs.oldest() == {MODEL: 5.0, EXPORT: 9.0}
    await asyncio.sleep(106.0)
    assert bench.jobs.oldest() == {MODEL: 5.0, EXPORT: 9.0}
    bench.runs.clear()
    assert bench.jobs.oldest() == {}


async def test_a_question_costs_the_same_however_many_run(bench: Bench) -> None:
    taken = []
    for size in (1_000, 10_000):
        for number in range(size):
            bench.add(f"{size}-{number}".encode(), float(number))
        with costs.calls() as counted:
            bench.jobs.oldest()
        taken.append(counted.count)
    assert abs(taken[0] - taken[1]) < 20


async def test_what_has_ended_behind_one_that_runs_for_days_takes_no_memory(bench: Bench) -> None:
    bench.add(b"first", 0.0)
    for number in range(10_000):
        bench.add(f"{number}".encode(), 1.0)
        bench.runs.discard(f"{number}".encode())
    assert len(bench.jobs._waiting[MODEL]) < 100
