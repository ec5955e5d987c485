"""One process lists for all: through copies, the group and a lossy topic, with processes that die."""

import asyncio

import pytest

from service.runtime.ports import Failure
from tests.support import api as fake
from tests.support.cluster import Rig

pytestmark = pytest.mark.looptime

DATASET, MODEL = "CreateTrainingDataset", "CreateAudienceModel"
DENIED = fake.Fault(Failure("AccessDeniedException", "not authorized", http_status=403))


def made(rig: Rig) -> int:
    counts = rig.api.counts()
    return counts["ListAudienceModels"] + counts["GetAudienceModel"]


async def looks(processes: int, *, share: bool) -> int:
    """How many calls look at forty jobs in two minutes."""
    async with Rig(partitions=4, quotas={"audience-models": 100}, share=share) as rig:
        for _ in range(processes):
            await rig.start()
        dataset = await rig.made(DATASET)
        rig.api.pending, rig.api.working = 5.0, 300.0
        jobs = [rig.send(MODEL, {"name": f"m{n}", "trainingDatasetArn": dataset}) for n in range(40)]
        await rig.until(lambda: all(rig.phase(job) == "running" for job in jobs))
        await asyncio.sleep(120.0)
        before = made(rig)
        await asyncio.sleep(120.0)
        after = made(rig)
        await rig.until(lambda: set(jobs) <= rig.ended(), 600.0)
        assert {rig.phase(job) for job in jobs} == {"succeeded"}
        rig.audit()
    return after - before


async def test_three_processes_look_as_often_as_one() -> None:
    one = await looks(1, share=True)
    assert await looks(3, share=True) <= 1.1 * one
    assert await looks(3, share=False) >= 2.5 * one


async def test_every_job_ends_though_processes_die_and_pages_are_lost() -> None:
    async with Rig(partitions=4, quotas={"audience-models": 100}, share=True) as rig:
        lost = iter([False, True, False] * 10_000)
        rig.broker.loses = lambda: next(lost)
        nodes = [await rig.start() for _ in range(3)]
        dataset = await rig.made(DATASET)
        rig.api.pending, rig.api.working = 5.0, 200.0
        jobs = [rig.send(MODEL, {"name": f"m{n}", "trainingDatasetArn": dataset}) for n in range(30)]
        await rig.until(lambda: all(rig.phase(job) == "running" for job in jobs))
        for node in nodes[:2]:
            await asyncio.sleep(40.0)
            await node.crash()
        await rig.until(lambda: set(jobs) <= rig.ended(), 600.0)
        assert {rig.phase(job) for job in jobs} == {"succeeded"}
        rig.audit()


async def test_an_end_that_no_get_describes_is_described_by_an_own_list() -> None:
    """What is shared of a resource that has a Get is its status alone, which describes no end."""
    async with Rig(partitions=4, quotas={"audience-models": 100}, share=True) as rig:
        for _ in range(3):
            await rig.start()
        dataset = await rig.made(DATASET)
        rig.api.pending, rig.api.working = 5.0, 60.0
        rig.api.always("GetAudienceModel", DENIED)
        jobs = []
        for number in range(40):
            jobs.append(rig.send(MODEL, {"name": f"m{number}", "trainingDatasetArn": dataset}))
            await asyncio.sleep(1.0)
        await rig.until(lambda: set(jobs) <= rig.ended(), 600.0, step=1.0)
        await rig.numbered()
        for job in jobs:
            assert "trainingDatasetArn" in rig.ending(job).data["result"]  # type: ignore[union-attr]
        models = [event for event in rig.events() if event.status == "ACTIVE" and "audience-model" in event.subject]
        assert len(models) == len(jobs)
        assert all("trainingDatasetArn" in event.data["resource"] for event in models)
        rig.audit()
