"""Replicas whose settings differ, as during a rolling update or after a rollback."""

import asyncio
import signal

from tests.faults.aws import create_each, unfinished
from tests.faults.lab import Lab
from tests.faults.processes import resumed
from tests.faults.runner import Mark

_TAKEN = 30.0
_OTHER = "CRML_TARGETS__OTHER__"


async def target_missing(lab: Lab, mark: Mark) -> None:
    """A replica that lacks a target takes over the jobs of that target; later it has the target again."""
    usual = lab.workers[0]
    odd = lab.worker(f"o{lab.chance.randrange(10**6)}", CRML_TENANTS__BLUE__TARGETS="main")
    for name in [name for name in odd.environment if name.startswith(_OTHER)]:
        del odd.environment[name]
    usual.send(signal.SIGTERM)
    await usual.ended(20)
    lab.workers[0] = odd
    await lab.start()
    await asyncio.to_thread(lab.fault, "stuck", "CreateAudienceModel", 1, count=2)
    await create_each(lab, 2)
    await asyncio.sleep(2)
    mark.now()
    lab.workers[1].kill()
    await resumed(lab, mark.since, _TAKEN)
    await asyncio.sleep(3)
    if not odd.alive:
        mark.broken("I6", odd.name, f"ended by a job of a target that it does not know: {odd.tail(3)}")
    lab.workers[1].start()
    odd.send(signal.SIGTERM)
    await odd.ended(20)
    lab.workers[0] = usual
    mark.now()
    usual.start()
    await lab.balanced()
    for arn in await unfinished(lab):  # what was stuck has an end
        await asyncio.to_thread(lab.worlds[0].admin, "POST", "remove", {"arn": arn})
