"""Asks AWS what there is: a complete List of every kind that has one, on every target; or one resource."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager

from schemas.operations import MARKER_MEMBER, RESOURCES
from service.adapters.aws.api import AwsApi
from service.adapters.aws.clients import Clients
from service.adapters.clock import SystemClock
from service.adapters.telemetry import PrometheusTelemetry
from service.core.job import Job, marker, row
from service.core.marker import carried
from service.core.observations import Failure
from service.core.rate_budget import Lane
from service.core.search import get_request, list_request
from service.operator.repair.drift import Inventory, Listing
from service.runtime.dispatch import CallTimeouts, RateLimitedApi
from service.runtime.limiter import Limiter
from service.settings import Settings


async def inventory(settings: Settings, only: Collection[tuple[str, str]] | None = None) -> Inventory:
    """Lists everything, within each target's budget of reads; what can't be listed is reported.

    Args:
        settings: Name the targets.
        only: Targets and kinds; all if not given.
    """
    kinds = [resource.kind for resource in RESOURCES.values() if resource.list_operation]
    every = [(target, kind) for target in settings.targets for kind in kinds]
    wanted = every if only is None else [each for each in every if each in only]
    if not wanted:
        return {}
    async with _calling(settings) as caller:
        listings = await asyncio.gather(*(_list(caller, target, kind) for target, kind in wanted))
    return dict(zip(wanted, listings, strict=True))


async def adoption_problem(settings: Settings, job: Job, resource_id: str) -> str:
    """Why a resource can't be what a command has made, as far as AWS knows; empty when it may be.

    What changes or deletes a resource has made none: that one carries the marker of another command, or is gone.
    """
    operation = row(job.command)
    resource = operation.resource
    if job.command.target not in settings.targets:
        return f"target {job.command.target} is not in the settings: put it back, so that AWS can be asked there"
    if not operation.creates or not resource.get_operation:
        return ""
    async with _calling(settings) as caller:
        outcome = await caller.read(job.command.target, get_request(resource, resource_id), Lane.READ)
    if isinstance(outcome, Failure):
        return f"AWS does not describe {resource_id}: {outcome.code}: {outcome.message}"
    if carried(outcome.result.get(MARKER_MEMBER)) != marker(job.command):
        return f"{resource_id} does not carry the command's marker [crml:{marker(job.command)}] in its description"
    return ""


@asynccontextmanager
async def _calling(settings: Settings) -> AsyncIterator[RateLimitedApi]:
    clock, sessions = SystemClock(), Clients(settings.targets)
    limiters: Mapping[str, Limiter] = {
        name: Limiter(clock, reads_per_second=target.rate.reads_per_second, writes_per_second=1.0)
        for name, target in settings.targets.items()
    }
    deadlines = CallTimeouts(write=settings.timing.call_timeout, read=settings.timing.read_timeout)
    caller = RateLimitedApi(AwsApi(sessions), limiters, clock, PrometheusTelemetry(settings.targets), deadlines)
    try:
        yield caller
    finally:
        await sessions.close()


async def _list(caller: RateLimitedApi, target: str, kind: str) -> Listing:
    resource, found = RESOURCES[kind], []
    async with aclosing(caller.pages(target, list_request(resource), Lane.READ)) as pages:
        async for page in pages:
            if isinstance(page, Failure):
                return f"{page.code}: {page.message}"
            found += page.result[resource.summaries]
    return found
