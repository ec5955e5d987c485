"""The alerts' limits: each is used, each follows its value, and what Prometheus reads has no open one."""

import json
import re

import yaml

from helm import alerts
from helm.documents import CHART
from helm.parts import Limits

NAMES = {field.alias for field in Limits.model_fields.values()}


def test_every_limit_is_used_and_every_one_that_is_used_exists() -> None:
    used = {name for rule in alerts.RULES for name in re.findall(r"@(\w+)@", rule.expr)}
    assert used == NAMES | {"pods"}


def test_the_file_for_prometheus_has_the_defaults() -> None:
    [group] = yaml.safe_load((CHART / "alerts" / "cleanrooms-ml-service.yaml").read_text())["groups"]
    assert group["rules"] == alerts.rules()
    assert "@" not in json.dumps([rule["expr"] for rule in group["rules"]])


def test_each_limit_changes_its_alert_and_no_other() -> None:
    before = {rule["alert"]: rule for rule in alerts.rules()}
    for name, field in Limits.model_fields.items():
        limits = Limits.model_validate({field.alias: 77})
        changed = {rule["alert"]: rule["expr"] for rule in alerts.rules(limits) if rule != before[rule["alert"]]}
        assert len(changed) == 1, name
        assert all("77" in expr for expr in changed.values())
        [alert] = changed
        assert (field.description or "").startswith(alert.removeprefix("CleanRoomsML") + ":")


def test_what_the_chart_fills_in_is_what_depends_on_values() -> None:
    given = json.loads(alerts.expressions())
    assert given.keys() == {rule.alert for rule in alerts.RULES if "@" in rule.expr}
