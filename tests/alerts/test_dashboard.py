"""Every query of the dashboard gives numbers, from a real Prometheus that has scraped a service at work."""

import asyncio
import base64
import json
import math
import re

import pytest

from helm.documents import CHART
from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess
from tests.alerts.prometheus import Prometheus, rules
from tests.alerts.test_rules import own_metrics
from tests.support.sandbox_account import World

pytestmark = [pytest.mark.chart, pytest.mark.timeout(150)]

DASHBOARD = json.loads((CHART / "dashboards" / "cleanrooms-ml-service.json").read_text())
QUERIES = {
    f"{panel['title']} / {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
}

NEED_A_LIMIT = {"Memory / B", "Memory / C"}
"""Queries about a cgroup with a limit; `test_causes` makes one where it can."""


async def test_every_query_gives_numbers(
    prometheus: Prometheus, service: ServiceProcess, client: Client, world: World
) -> None:
    claims = base64.urlsafe_b64encode(b'{"exp": 4000000000}').decode().rstrip("=")
    (service.log.parent / "token").write_text(f"e30.{claims}.c2ln")
    own = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(service.log.parent / "token")}
    service.environment = {**service.environment, **own}
    service.start()
    prometheus.scrape(client.prefix, service.port)  # before it is ready: rates need a sample from before the work
    await service.ready()
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    missing = {name: text for name, text in QUERIES.items() if name not in NEED_A_LIMIT}
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


NOT_SHOWN: dict[str, str] = {}
"""Metrics without a panel, and why."""


def shown() -> set[str]:
    """Metrics that queries name, without the suffixes of counters and histograms."""
    named = {name for text in QUERIES.values() for name in re.findall(r"\bcrml_\w+", text)}
    histograms = {name for name in own_metrics() if name.endswith(("_seconds", "_records"))}
    plain = {name.removesuffix(end) for name in named for end in ("_bucket", "_sum", "_count")}
    return (named & own_metrics()) | (plain & histograms) | {name for name in named if not _of_a_histogram(name)}


def _of_a_histogram(name: str) -> bool:
    return any(name.removesuffix(end) in own_metrics() for end in ("_bucket", "_sum", "_count") if name.endswith(end))


def test_every_metric_that_is_shown_exists_and_every_one_is_shown_or_excepted() -> None:
    """The guide lists the same ones: `test_rules` compares it with what a service exports."""
    assert shown() <= own_metrics(), shown() - own_metrics()
    assert own_metrics() - shown() == NOT_SHOWN.keys()


def test_the_first_row_says_how_it_is() -> None:
    first, *others = DASHBOARD["panels"]
    row = others[: next(index for index, panel in enumerate(others) if panel["type"] == "row")]
    assert (first["type"], first["title"]) == ("row", "At a glance")
    assert [panel["title"] for panel in row] == [
        "Ready",
        "Halted",
        "Parked",
        "Oldest running",
        "Oldest waiting",
        "Targets without an answer",
        "Failed, 1 h",
        "Version",
    ]
    assert sum(panel["gridPos"]["w"] for panel in row) == 24
    assert {panel["gridPos"]["y"] for panel in row} == {1}
    assert all(panel["type"] == "stat" and panel["targets"][0]["instant"] for panel in row)


def test_links_lead_to_runbooks_that_exist() -> None:
    links = [link["url"] for panel in DASHBOARD["panels"] for link in panel.get("links", [])]
    assert len(links) >= 15
    alerts = {f"${{runbooks}}/{rule['alert']}.md" for rule in rules()}
    assert set(links) <= alerts


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells


def test_every_query_is_of_the_selected_service() -> None:
    assert len(QUERIES) >= 60
    for name, text in QUERIES.items():
        metrics = re.findall(r"\b(?:crml|process)_\w+", text)
        assert metrics, name
        assert text.count('namespace=~"$namespace",job=~"$job"') == len(metrics), name
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
