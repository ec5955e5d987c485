"""The metrics of a live service: Prometheus' own linter, and the parsers of both formats."""

import asyncio
import urllib.request
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from tests.acceptance.conftest import client, number, running, sandbox_url, service, world
from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess
from tests.chart import tools as chart_tools
from tests.others import tools
from tests.others.verdict import settle
from tests.support.sandbox_account import World

__all__ = ["client", "number", "running", "sandbox_url", "service", "world"]

pytestmark = [pytest.mark.others, pytest.mark.timeout(300)]

EXPLAINED: Final[dict[str, str]] = {}

ASKED: Final = {
    "text": "text/plain;version=0.0.4",
    "OpenMetrics": "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4",
}


def fetched(service: ServiceProcess, accept: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{service.port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return str(answer.read().decode())


async def test_a_live_service(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    await films.dataset_made(client)
    await client.send("CreateAudienceModel", {"name": ""}, command_id="bad")
    await client.terminal("bad")
    text = await asyncio.to_thread(fetched, running, ASKED["text"])
    openmetrics = await asyncio.to_thread(fetched, running, ASKED["OpenMetrics"])
    families = {each.name: each for each in text_families(text)}
    strict = {each.name: each for each in openmetrics_families(openmetrics)}  # type: ignore[no-untyped-call]
    package = f"prometheus_client {version('prometheus_client')}"
    results = dict.fromkeys(strict, "")
    results |= {name: "is missing" for name in families if not _known(name, strict)}
    settle("OpenMetrics parser", package, "metrics of a live service", results)
    settle("promtool check metrics", promtool(), "metrics of a live service", linted(text, families), EXPLAINED)


def _known(name: str, strict: Mapping[str, Any]) -> bool:
    """In the text format, the times of creation are metrics of their own."""
    return name in strict or name.removesuffix("_created") in strict


def linted(text: str, families: Mapping[str, Any]) -> dict[str, str]:
    """Metric -> what the linter says of it."""
    done = tools.run(chart_tools.promtool(), "check", "metrics", text=text, ok=False)
    said = [line for line in done.stderr.splitlines() if line.strip()]
    results = dict.fromkeys(families, "")
    for line in said:
        name, _, problem = line.partition(" ")
        results[name.removesuffix("_total")] = problem
    return results


def promtool() -> str:
    return tools.run(chart_tools.promtool(), "--version").stdout.split()[2]
