"""Faults of AWS, by the sandbox's switches: what it does, what it says, and what it shows."""

import asyncio
import time
from contextlib import suppress
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.ground import Ground
from tests.faults.lab import CALL_TIMEOUT, Lab
from tests.faults.runner import Inject, Mark
from tests.faults.workers import haste

CREATIONS = ("CreateAudienceModel", "CreateTrainingDataset", "StartAudience*", "Create*")


def switches(*faults: str, operations: tuple[str, ...] = CREATIONS, count: int = 2, **more: float) -> Inject:
    """Each of the faults strikes some requests in both accounts, while commands that make something come in."""

    async def inject(lab: Lab, mark: Mark) -> None:
        for tenant in range(len(lab.worlds)):
            for fault in faults:
                for operation in operations:
                    await asyncio.to_thread(lab.fault, fault, operation, tenant, count=count, **more)
        await create_each(lab, len(faults) * 2)
        mark.now()
        await asyncio.sleep(2)

    return inject


async def create_each(lab: Lab, each: int) -> None:
    """Commands that make something of each kind."""
    kinds = {
        "CreateTrainingDataset": Ground.create_dataset,
        "CreateAudienceModel": Ground.create_model,
        "CreateConfiguredAudienceModel": Ground.create_configured,
        "StartAudienceGenerationJob": Ground.start_generation,
        "StartAudienceExportJob": Ground.start_export,
    }
    for ground in lab.load.grounds:
        for operation, make in kinds.items():
            for _ in range(each):
                name = f"made-{lab.chance.randrange(10**12)}"
                partition = lab.chance.randrange(2)
                lab.load.publish(
                    ground, operation, make(ground, name), source=f"{lab.name}-made", name=name, partition=partition
                )


def storm(seconds: float) -> Inject:
    """Every request is answered by 429."""

    async def inject(lab: Lab, mark: Mark) -> None:
        for tenant in range(len(lab.worlds)):
            await asyncio.to_thread(lab.fault, "throttle", "*", tenant, count=None)
        before = await _requests(lab)
        await asyncio.sleep(seconds)
        mark.figures["calls a second"] = (await _requests(lab) - before) / seconds
        await asyncio.to_thread(lab.clear_faults)
        mark.now()

    return inject


async def _requests(lab: Lab) -> int:
    return len(await lab.listed("requests"))


async def stale_lists(lab: Lab, mark: Mark) -> None:
    """Lists hide what is younger than three seconds, while answers are lost: below the settling time of four."""
    for tenant in range(len(lab.worlds)):
        await asyncio.to_thread(lab.fault, "list_lag", "List*", tenant, count=None, seconds=3)
        for operation in CREATIONS:
            await asyncio.to_thread(lab.fault, "close_after_effect", operation, tenant, count=2)
    await create_each(lab, 2)
    mark.now()
    await asyncio.sleep(8)


async def paging(lab: Lab, mark: Mark) -> None:
    """Pages of three that overlap, and tokens that expire, while lost answers are searched for."""
    for tenant in range(len(lab.worlds)):
        await asyncio.to_thread(lab.fault, "overlap", "List*", tenant, count=None)
        await asyncio.to_thread(lab.fault, "expired_token", "List*", tenant, count=3, skip=2)
        for operation in CREATIONS:
            await asyncio.to_thread(lab.fault, "close_after_effect", operation, tenant, count=2)
    await create_each(lab, 2)
    mark.now()
    await asyncio.sleep(4)


async def foreign_deletion(lab: Lab, mark: Mark) -> None:
    """What we are waiting for never ends, and is deleted by somebody else."""
    for tenant in range(len(lab.worlds)):
        await asyncio.to_thread(lab.fault, "stuck", "CreateAudienceModel", tenant, count=1)
        await asyncio.to_thread(lab.fault, "stuck", "StartAudienceGenerationJob", tenant, count=1)
    await create_each(lab, 1)
    mark.now()
    await asyncio.sleep(3.5)  # until their status was seen
    mark.figures["stuck"] = len(await asyncio.to_thread(lab.release))
    if not mark.figures["stuck"]:
        mark.broken("I6", "laboratory", "nothing was removed: the switches have struck no creation")


async def foreign_policy(lab: Lab, mark: Mark) -> None:
    """Somebody else writes the policy that we write, while our answers are lost."""
    for tenant, ground in enumerate(lab.load.grounds):
        for _ in range(4):
            await asyncio.to_thread(lab.fault, "close_after_effect", "Put*", tenant, count=1)
            name = f"policy-{lab.chance.randrange(10**12)}"
            data, source = ground.put_policy(name), f"{lab.name}-made"
            lab.load.publish(ground, "PutConfiguredAudienceModelPolicy", data, source=source, name=name, partition=0)
            put = partial(ground.world.ml.put_configured_audience_model_policy, **ground.put_policy("foreign"))
            with suppress(BotoCoreError, ClientError):  # the fault may strike it instead
                await asyncio.to_thread(put)
    mark.now()


async def hung_account(lab: Lab, mark: Mark) -> None:
    """One account answers nothing; the other one's commands do not notice."""
    await asyncio.to_thread(lab.fault, "hang", "*", 1, count=None, seconds=3 * CALL_TIMEOUT)
    began = time.monotonic()
    await asyncio.sleep(10)
    waits = lab.load.waits(began, tenant="", ended=True)
    p99 = mark.figures["p99 of the other account"] = waits[int(len(waits) * 0.99)]
    if p99 > 2 * haste():
        mark.broken("I6", "isolation", f"the other account's commands took up to {waits[-1]:.2f} s")
    await asyncio.to_thread(lab.clear_faults)
    mark.now()
