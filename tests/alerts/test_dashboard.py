"""Every query of the dashboard gives numbers, from a real Prometheus that has scraped a service at work."""

import asyncio
import json
import math

import pytest

from helm.documents import CHART
from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess
from tests.alerts.prometheus import Prometheus
from tests.support.sandbox_account import World

pytestmark = [pytest.mark.chart, pytest.mark.timeout(150)]

DASHBOARD = json.loads((CHART / "dashboards" / "cleanrooms-ml-service.json").read_text())
QUERIES = {
    f"{panel['title']} / {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
}


async def test_every_query_gives_numbers(
    prometheus: Prometheus, service: ServiceProcess, client: Client, world: World
) -> None:
    service.start()
    prometheus.scrape(client.prefix, service.port)  # before it is ready: rates need a sample from before the work
    await service.ready()
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    missing = dict(QUERIES)
    for number in range(25):
        await client.perform(
            "CreateAudienceModel", films.model(dataset, f"m{number}"), command_id=f"m{number}", seconds=60
        )
        await client.send_raw(b"hello", {})
        missing = {name: text for name, text in missing.items() if not _numbers(prometheus, text, client.prefix)}
        if not missing:
            break
    assert missing == {}


def _numbers(prometheus: Prometheus, expression: str, job: str) -> bool:
    text = expression.replace("$__rate_interval", "20s").replace("$namespace", ".*").replace("$job", job)
    assert "$" not in text
    return any(math.isfinite(float(one["value"][1])) for one in prometheus.query(text))


async def test_a_query_that_prometheus_does_not_understand_is_noticed(prometheus: Prometheus) -> None:
    with pytest.raises(AssertionError, match="parse error"):
        await asyncio.to_thread(prometheus.query, "sum by (")


def test_every_metric_of_the_service_that_is_shown_exists_once() -> None:
    assert len(QUERIES) >= 30
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
