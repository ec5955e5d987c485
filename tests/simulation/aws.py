"""What others do in the account, and what AWS refuses for longer."""

import asyncio

from schemas.operations import OPERATIONS, Kind
from schemas.records import Phase
from tests.simulation.day import DELETES, Day, action
from tests.simulation.families import Family


@action(2)
async def storm(day: Day) -> None:
    day.faults.storm = True
    await asyncio.sleep(day.random.uniform(0.5, 10.0))
    day.faults.storm = False


@action(3)
async def meddle(day: Day) -> None:
    """Somebody else deletes what was made, or uses up the quotas."""
    api = day.rig.api
    if day.random.random() < 0.5:
        api.quotas = {"audience-models": day.random.choice((0, 1, 2))}
        return
    # Who deletes what we have not found yet leaves us no way to know that it was ever made.
    known = [job.resource_id for job in day.monitor.jobs().values() if job.phase in (Phase.RUNNING, Phase.SUCCEEDED)]
    kept = {arn for names in day.names.values() for arn in names.values()}
    ours = [
        (target, key)
        for target, world in api.worlds.items()
        for key in known
        if key not in kept and (item := world.items.get(key)) and item.exists(day.loop.time())
    ]
    if ours:
        target, key = day.random.choice(ours)
        api.remove(key, target)
        day.monitor.counters["foreign deletes"] += 1


@action(1)
async def fail_jobs(day: Day) -> None:
    day.rig.api.fail_jobs ^= {day.random.choice(("audience-model", "audience-generation-job"))}


@action(4, Family.DENIED)
async def deny(day: Day) -> None:
    """A role loses the right to one operation, or a quota is full; for a while, until the world heals, or for good."""
    lists = [row.resource.list_operation for row in OPERATIONS.values() if row.creates]
    others = [row.name for row in OPERATIONS.values() if row.kind is not Kind.READ]
    reads = [row.name for row in OPERATIONS.values() if row.kind is Kind.READ]
    operation = day.random.choice(day.random.choice((lists, others, reads)))
    if day.random.random() < 0.3:
        operation = day.random.choice([name for name in others if name not in DELETES])
        day.faults.full.add(operation)
        day.send(operation)
    day.faults.denied.add(operation)
    day.monitor.promises.denied.add(operation)
    if day.random.random() < 0.3:
        day.later(day.random.uniform(1.0, 60.0), day.faults.denied.discard, operation)
    elif day.random.random() < 0.5:
        day.faults.denied_for_good.add(operation)


@action(12, Family.PAGES)
async def come_and_go(day: Day) -> None:
    """Others make and delete what stands before ours in every List, so that its pages shift."""
    api, dataset = day.rig.api, day.names["default"]["trainingDatasetArn"]
    operation = day.random.choice(("CreateTrainingDataset", "CreateAudienceModel"))
    theirs = [api.by_hand(operation, name=f"brief-{number}", trainingDatasetArn=dataset) for number in range(3)]
    for key in theirs:
        day.later(day.random.uniform(0.0, 60.0), api.remove, key)
