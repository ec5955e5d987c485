"""The alerts' rules, as promtool sees them, and their runbooks."""

import re
import subprocess
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml

from service import gauges
from service.adapters.telemetry import PrometheusTelemetry
from service.runtime.app import App
from tests.alerts.prometheus import RULES, rules
from tests.chart import tools

ROOT = Path(__file__).parents[2]
UNIT = Path(__file__).with_name("unit.yaml")


def promtool(*words: str) -> None:
    done = subprocess.run([str(tools.promtool()), *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.chart
def test_promtool_reads_them() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


@pytest.mark.chart
def test_unit_tests(tmp_path: Path) -> None:
    file = tmp_path / "unit.yaml"
    file.write_text(UNIT.read_text().replace("[RULES]", f"[{RULES}]"))
    promtool("test", "rules", str(file))


def test_each_alert_is_unit_tested_both_ways() -> None:
    """It fires in one place and does not in another."""
    cases = [case for test in yaml.safe_load(UNIT.read_text())["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == {rule["alert"] for rule in rules()}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    assert silent == {rule["alert"] for rule in rules()} - {"CleanRoomsMLPartitionHalted"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_has_a_runbook(rule: dict[str, dict[str, str]]) -> None:
    page = ROOT / rule["annotations"]["runbook_url"]
    text = page.read_text()
    assert text.startswith(f"# {rule['alert']}\n\n**Is it urgent?** ")
    assert "\n\n**What happens if I sleep?** " in text.partition("## ")[0]
    assert (
        f"[{rule['alert']}]({rule['alert']}.md) | {rule['labels']['severity']} |"
        in (page.parent / "README.md").read_text()
    )
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## What it means",
        "## How to see it",
        "## What to do",
    ]


def test_no_runbook_without_an_alert() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in rules()}


OTHERS = {"up", "process_start_time_seconds", "kube_pod_container_status_restarts_total"}
"""Metrics of Prometheus, of its client and of kube-state-metrics that the rules use."""


def own_metrics() -> set[str]:
    """Every metric of a service, as in queries."""
    text = PrometheusTelemetry(["default"]).render().decode()
    known = {name for name in re.findall(r"^# TYPE (crml_\w+)", text, re.MULTILINE) if not name.endswith("_created")}
    known |= {f"crml_{name}" for name, *_ in gauges.gauges(Mock(App), Mock(), dict)}
    known |= {f"crml_{name}" for name, *_ in gauges.process_gauges("", Mock(), Mock())}
    return known | {"crml_kafka_incidents_total"}


def test_metrics_in_rules_and_runbooks_exist() -> None:
    sources = [RULES, *(ROOT / "docs" / "runbooks").glob("*.md")]
    named = {name for file in sources for name in re.findall(r"\bcrml_[a-z_]+", file.read_text())}
    assert named <= own_metrics(), named - own_metrics()


def test_rules_use_no_other_metrics_but_those_that_are_named_here() -> None:
    used = {name for rule in rules() for name in re.findall(r"\b([a-z_]+_[a-z_]+|up)\b(?=[{\[ )])", rule["expr"])}
    functions = {"max_over_time", "last_over_time"}
    assert {name for name in used - functions if not name.startswith("crml_")} == OTHERS


def test_the_guide_lists_every_metric_and_no_other() -> None:
    guide = (ROOT / "docs" / "howto" / "operate.md").read_text()
    table = guide.partition("## Metrics")[2].partition("## Logs")[0]
    listed = {
        name for row in re.findall(r"^\| (`crml_.*?) \|", table, re.MULTILINE) for name in re.findall(r"crml_\w+", row)
    }
    assert listed == own_metrics()
