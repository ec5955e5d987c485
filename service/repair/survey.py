"""Asks AWS what there is: a complete List of every kind that has one, on every target."""

import asyncio
from collections.abc import Mapping

from schemas.operations import RESOURCES
from service.adapters.aws.api import AwsApi
from service.adapters.aws.sessions import Sessions
from service.adapters.clock import SystemClock
from service.adapters.telemetry import Telemetry
from service.core.budget import Lane
from service.core.observations import Failure
from service.core.reconciliation import list_request
from service.repair.differences import Listing, Survey
from service.runtime.dispatch import Caller, Deadlines
from service.runtime.limiter import Limiter
from service.settings import Settings


async def survey(settings: Settings) -> Survey:
    """Lists everything, within each target's budget of reads; what can't be listed is told as such."""
    clock, sessions = SystemClock(), Sessions(settings.targets)
    limiters: Mapping[str, Limiter] = {
        name: Limiter(clock, reads_per_second=target.rate.reads_per_second, writes_per_second=1.0)
        for name, target in settings.targets.items()
    }
    deadlines = Deadlines(write=settings.timing.call_timeout, read=settings.timing.read_timeout)
    caller = Caller(AwsApi(sessions), limiters, clock, Telemetry(settings.targets), deadlines)
    kinds = [resource.kind for resource in RESOURCES.values() if resource.list_operation]
    wanted = [(target, kind) for target in settings.targets for kind in kinds]
    try:
        listings = await asyncio.gather(*(_list(caller, target, kind) for target, kind in wanted))
    finally:
        await sessions.close()
    return dict(zip(wanted, listings, strict=True))


async def _list(caller: Caller, target: str, kind: str) -> Listing:
    outcome = await caller.read(target, list_request(RESOURCES[kind]), Lane.READ)
    if isinstance(outcome, Failure):
        return f"{outcome.code}: {outcome.message}"
    summaries: Listing = outcome.result[RESOURCES[kind].summaries]
    return summaries
