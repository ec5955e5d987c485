"""Replicas whose settings differ, as during a rolling update or after a rollback."""

import asyncio
import signal

from tests.faults.aws import create_each
from tests.faults.history import Identity
from tests.faults.lab import PARTITIONS, Lab
from tests.faults.processes import resumed
from tests.faults.runner import Mark
from tests.faults.workers import Worker, haste, until

_TAKEN = 30.0
_OTHER = "CRML_TARGETS__OTHER__"
_JOBS = 2
"""Jobs of the target that the odd replica takes over."""
_MADE = 20.0
_RELEASED = 10.0


async def target_missing(lab: Lab, mark: Mark) -> None:
    """A replica that lacks a target takes over the jobs of that target; later it has the target again."""
    usual, knowing = lab.workers
    odd = lab.worker(f"o{lab.chance.randrange(10**6)}", CRML_TENANTS__BLUE__TARGETS="main")
    for name in [name for name in odd.environment if name.startswith(_OTHER)]:
        del odd.environment[name]
    usual.send(signal.SIGTERM)
    await usual.ended(20)
    lab.workers[0] = odd
    await lab.start()
    jobs = await _jobs(lab, knowing)
    mark.now()
    knowing.kill()
    await resumed(lab, mark.since, _TAKEN)
    await asyncio.sleep(3)
    held = mark.figures["held"] = await _held(odd)
    if not odd.alive:
        mark.broken("I6", odd.name, f"ended by a job of a target that it does not know: {odd.tail(3)}")
    elif held < _JOBS:
        mark.broken("I4", odd.name, f"{held} jobs are held, {_JOBS} are of a target that it does not know")
    knowing.start()
    odd.send(signal.SIGTERM)
    await odd.ended(20)
    lab.workers[0] = usual
    mark.now()
    usual.start()
    await lab.balanced()
    await asyncio.to_thread(lab.release)
    mark.figures["released to ended"] = await until(
        lambda: jobs <= lab.load.ended(), _RELEASED * haste(), "what was held does not go on"
    )


async def _held(worker: Worker) -> int:
    """How many jobs a replica holds."""
    shards = (await worker.status() or {}).get("shards", {})
    return sum(shard["held"] for shard in shards.values())


async def _jobs(lab: Lab, knowing: Worker) -> set[Identity]:
    """Jobs that do not end, at the replica which knows their target: another one would refuse their commands."""
    await asyncio.to_thread(lab.fault, "stuck", "CreateAudienceModel", 1, count=_JOBS)
    blue = lab.load.grounds[1]
    shards = await knowing.shards()
    partition = next(n for n in range(PARTITIONS) if f"{lab.commands['blue']}-{n}" in shards)
    jobs = set()
    for _ in range(_JOBS):
        name = f"held-{lab.chance.randrange(10**12)}"
        data, source = blue.create_model(name), f"{lab.name}-made"
        sent = lab.load.publish(blue, "CreateAudienceModel", data, source=source, name=name, partition=partition)
        jobs.add(sent.identity)
    await create_each(lab, 2)

    async def made() -> bool:
        return len(await asyncio.to_thread(lab.stuck)) == _JOBS

    await until(made, _MADE, "the jobs to be held were not made")
    await asyncio.sleep(1)  # until their status was seen
    return jobs
