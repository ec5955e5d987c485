"""What a job costs does not grow with the number of jobs; counted in calls, bytes and objects, not in seconds."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from benchmarks import population
from benchmarks.population import COMMANDS, Entry, Replica
from schemas.records import Job, decode, encode
from service.core.job import replace
from service.runtime.dispatch import Dispatch
from service.runtime.ports import TopicPartition
from service.runtime.shard import Shard, State
from service.runtime.store import Store
from tests.support import costs

FEW, MANY = 1_000, 10_000
FIRST = TopicPartition(COMMANDS, 0)
Make = Callable[[int], Any]


def held(size: int) -> list[Entry]:
    """Jobs of a target that this process does not know."""
    found = []
    for key, value in population.running(size):
        job = decode(value)
        assert isinstance(job, Job)
        found.append((key, encode(replace(job, command=replace(job.command, target="removed"), held="UnknownTarget"))))
    return found


async def serve(shard: Shard) -> None:
    """Restores a shard, up to the commit of the last of its observations; no poller runs."""
    serving = asyncio.create_task(shard.run())
    while shard.state is not State.RUNNING or shard.waiting:  # noqa: ASYNC110 - nothing says when
        await asyncio.sleep(0)
    serving.cancel()
    await asyncio.wait([serving])


async def restored(changelog: Sequence[Entry]) -> int:
    """Calls that a restore takes."""
    shard = Replica([changelog], max_batch=50).shard(FIRST)
    with costs.calls() as counted:
        await serve(shard)
    return counted.count


@pytest.mark.parametrize("make", [population.running, population.ended, population.resources, held])
async def test_a_restore_takes_as_much_for_each_record_however_many_there_are(make: Make) -> None:
    few, many = [await restored(list(make(size))) for size in (FEW, MANY)]
    assert many / few < 1.2 * MANY / FEW


@pytest.mark.parametrize("make", [population.running, population.ended, held])
async def test_a_probe_takes_as_much_however_many_jobs_there_are(make: Make) -> None:
    taken = []
    for size in (FEW, MANY):
        async with Replica([list(make(size))]).serving() as replica:
            assert sum(replica.app.jobs().values()) == size
            with costs.calls() as counted:
                replica.app.readiness()
                replica.app.jobs()
                replica.app.held()
                replica.app.oldest_running()
            taken.append(counted.count)
    assert abs(taken[0] - taken[1]) < 20


async def test_which_targets_are_slow_is_not_asked_at_each_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand targets it takes as long as the commit."""
    asked: list[Dispatch] = []

    def slow(dispatch: Dispatch) -> frozenset[tuple[str, str]]:
        asked.append(dispatch)
        return frozenset()

    monkeypatch.setattr(Dispatch, "slow", slow)
    shard = Replica([list(population.running(FEW))], max_batch=10).shard(FIRST)
    await serve(shard)
    assert 0 < len(asked) < 10


def test_a_job_that_runs_is_kept_in_little_memory_and_nothing_that_a_collection_visits() -> None:
    """The record's bytes, its key, and what counts of it."""
    with costs.memory() as kept:
        store = Store()
        for key, value in population.running(MANY):
            store.load(key, value)
    assert store.going_on == MANY
    assert kept.bytes / MANY < 1_000
    assert kept.visited < 100


async def test_a_job_that_is_followed_takes_little_memory() -> None:
    """All included: its record and key, what counts of it, its slot and its watch."""
    async with Replica([[]]).serving():
        pass  # what is made at the first use does not count
    with costs.memory() as kept:
        replica = Replica([list(population.running(MANY))])
        serving = replica.serving()
        await serving.__aenter__()
        assert replica.app.jobs() == {"running": MANY}
    await serving.__aexit__(None, None, None)
    assert kept.bytes / MANY < 2_050
    assert kept.visited / MANY < 4


def test_a_command_that_has_ended_is_kept_as_little_more_than_its_record() -> None:
    """Beside its reply less than a kilobyte, and nothing that a collection visits."""
    changelog = list(population.ended(MANY))
    reply = len(json.dumps(json.loads(changelog[0][1])["reply"], separators=(",", ":")))
    with costs.memory() as kept:
        store = Store()
        for key, value in changelog:
            store.load(bytes(bytearray(key)), bytes(bytearray(value)))
    assert len(store) == MANY
    assert kept.bytes / MANY - reply < 1_000
    assert kept.visited < 100
