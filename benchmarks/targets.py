"""A thousand configured targets, of which twenty are busy and one hangs.

Memory for each idle target and for each busy one, and reads per CPU-second at the busy ones without and with one
target that never answers. AWS is a stub in the same process. The peer is a session and a client of aiobotocore for each
account.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiobotocore.session import AioSession
from aiohttp import web

from benchmarks.figures import OURS, Figures, Scale, apart, resident
from service import bootstrap
from service.adapters.aws.api import AwsApi
from service.settings import Settings, load

CALLS = 100
"""At each busy target, side by side with the others'."""
PEERS = 5
HUNG = "account-0"
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
REGION = "eu-west-1"


@asynccontextmanager
async def stub() -> AsyncIterator[tuple[str, list[str]]]:
    """An API that answers every List at once, but never one that is asked under ``/hangs``, and what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path.startswith("/hangs"):
            await asyncio.Event().wait()
        return web.json_response({"audienceModels": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


def settings(count: int, url: str) -> Settings:
    """Targets without a role: whose session is asked for is no part of it."""
    targets = {
        f"account-{number}": {
            "region": REGION,
            "account": f"{number:012}",
            "endpoint_url": f"{url}/hangs" if f"account-{number}" == HUNG else url,
        }
        for number in range(count)
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"targets": targets, "default_target": HUNG}, file)
        file.flush()
        return load(Path(file.name), {"CRML_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"})


async def _calls(api: AwsApi, names: list[str]) -> float:
    """Reads by CPU-second of this process, stub included."""
    began = time.process_time()
    for _ in range(CALLS):
        await asyncio.gather(*(api.call(name, "ListAudienceModels", {}, timeout=10.0) for name in names))
    return CALLS * len(names) / (time.process_time() - began)


def ours(count: int, busy: int) -> dict[str, float]:
    """What a thousand targets cost; in a process of its own."""
    os.environ |= {name.upper(): value for name, value in KEYS.items()}

    async def measured() -> dict[str, float]:
        async with stub() as (url, asked):
            bootstrap.build(settings(2, url))
            before = resident()
            service = bootstrap.build(settings(count, url))
            pollers = [asyncio.create_task(poller.run()) for poller in service.app._pollers.values()]
            await asyncio.sleep(0.1)
            idle = (resident() - before) / count
            await asyncio.sleep(2.0)
            lists = len(asked)
            api, names = AwsApi(service.sessions), [f"account-{number}" for number in range(1, busy + 1)]
            before = resident()
            await _calls(api, names)
            each = (resident() - before) / busy
            alone = await _calls(api, names)
            hung = [asyncio.create_task(api.call(HUNG, "ListAudienceModels", {}, timeout=60.0)) for _ in range(100)]
            await asyncio.sleep(0.2)
            beside = await _calls(api, names)
            for task in (*hung, *pollers):
                task.cancel()
            await asyncio.wait([*hung, *pollers])
            await service.sessions.close()
            return {"idle": idle, "busy": each, "alone": alone, "beside": beside, "lists": lists}

    return asyncio.run(measured())


def peer() -> float:
    """Bytes for each session and client that has called once."""

    async def measured() -> float:
        async with stub() as (url, _), AsyncExitStack() as stack:
            await _called(stack, url)
            before = resident()
            for _ in range(PEERS):
                await _called(stack, url)
            return (resident() - before) / PEERS

    return asyncio.run(measured())


async def _called(stack: AsyncExitStack, url: str) -> None:
    making: Any = AioSession().create_client("cleanroomsml", region_name=REGION, endpoint_url=url, **KEYS)
    client = await stack.enter_async_context(making)
    await client.list_audience_models()


def run(scale: Scale) -> Figures:
    """The service and the peer by turns."""
    figures = Figures()
    count, busy = scale.pick((1_000, 20), (50, 5))
    for _ in range(scale.pick(3, 1)):
        found = apart(ours, count, busy)
        figures.add(f"memory of an idle target, of {count:,}", OURS, "KiB", found["idle"] / 1024)
        figures.add("memory of a target that is called", OURS, "KiB", found["busy"] / 1024)
        figures.add("memory of a target that is called", "session and client for each", "KiB", apart(peer) / 1024)
        figures.add(f"reads per CPU-second at {busy}, all answer", OURS, "", found["alone"])
        figures.add(f"reads per CPU-second at {busy}, one target hangs beside", OURS, "", found["beside"])
        figures.add("Lists while nothing is followed", OURS, "", found["lists"])
    return figures
