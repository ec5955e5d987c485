"""The Grafana dashboard, from a list of panels: each query is evaluated in a test against a real Prometheus."""

import json
from dataclasses import dataclass
from typing import Any, Final

_WHERE: Final = 'namespace=~"$namespace",job=~"$job"'
_COLUMNS: Final = 3
_WIDTH: Final = 8
_HEIGHT: Final = 7


@dataclass(frozen=True)
class Panel:
    """One graph: title, unit, and queries by legend; `#` in a query stands for the labels that are selected."""

    title: str
    unit: str
    queries: dict[str, str]
    description: str
    kind: str = "timeseries"


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{#}}[$__rate_interval]))"


def _quantile(quantile: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({metric}_bucket{{#}}[$__rate_interval])))"


ROWS: Final[dict[str, list[Panel]]] = {
    "Commands and results": [
        Panel(
            "Commands read",
            "ops",
            {"{{outcome}}": _rate("crml_commands_total", "outcome")},
            "Records read from the commands topics, by outcome.",
        ),
        Panel("Replies", "ops", {"{{kind}}": _rate("crml_replies_total", "kind")}, "Replies committed."),
        Panel(
            "Status changes",
            "ops",
            {"{{resource_kind}} {{status}}": _rate("crml_events_total", "resource_kind, status")},
            "Events committed.",
        ),
        Panel(
            "Jobs by phase",
            "short",
            {"{{phase}}": "sum by (phase) (crml_jobs{#})"},
            "Ended jobs are kept until the retention has passed.",
        ),
        Panel(
            "Parked",
            "short",
            {"parked": 'sum(crml_jobs{#,phase="parked"}) or vector(0)'},
            "An operator must decide.",
            "stat",
        ),
        Panel(
            "Dead letters",
            "short",
            {"{{reason}}": "sum by (reason) (increase(crml_dead_letters_total{#}[$__rate_interval]))"},
            "Records published to a dead-letters topic.",
        ),
    ],
    "AWS": [
        Panel(
            "Calls",
            "ops",
            {"{{target}} {{outcome}}": _rate("crml_aws_calls_total", "target, outcome")},
            "Requests by outcome.",
        ),
        Panel(
            "Duration of calls, p95",
            "s",
            {"{{operation}}": _quantile(0.95, "crml_aws_call_seconds", "operation")},
            "As measured by the service.",
        ),
        Panel(
            "Polls of running jobs",
            "ops",
            {"{{target}} {{method}}": _rate("crml_polls_total", "target, method")},
            "One List serves many jobs.",
        ),
        Panel(
            "Rate budget",
            "ops",
            {
                "{{target}} {{calls}}": "sum by (target, calls) (crml_budget_rate{#})",
                "{{target}} {{calls}}, limit": "sum by (target, calls) (crml_budget_limit{#})",
            },
            "Below its limit after AWS has throttled; over all replicas.",
        ),
        Panel(
            "Waits for the budget",
            "s",
            {
                "{{target}} {{calls}}": "max by (target, calls) (crml_budget_oldest_wait_seconds{#})",
                "p95 {{lane}}": _quantile(0.95, "crml_budget_wait_seconds", "lane"),
            },
            "Age of the oldest waiting call, and the waits of calls that were sent.",
        ),
        Panel(
            "Poll lag",
            "s",
            {"{{target}}": "max by (target) (crml_poll_lag_seconds{#})"},
            "Delay of the most overdue poll; status changes are published that much later.",
        ),
        Panel(
            "Slots taken",
            "short",
            {
                "{{quota}}": "sum by (quota) (crml_slots_taken{#})",
                "{{quota}}, limit": "max by (quota) (crml_slots_limit{#})",
            },
            "Use of AWS's concurrency quotas.",
        ),
        Panel(
            "Commands waiting for a slot",
            "short",
            {"{{quota}}": "sum by (quota) (crml_slots_waiting{#})"},
            "They start when another job ends.",
        ),
        Panel(
            "Longest wait for a slot",
            "s",
            {"{{quota}}": "max by (quota) (crml_slots_oldest_wait_seconds{#})"},
            "Since the command was accepted.",
        ),
    ],
    "Kafka and the process": [
        Panel("Ready", "short", {"{{instance}}": "crml_ready{#}"}, "1 when all that can be served is served."),
        Panel(
            "Shards by state",
            "short",
            {"{{state}}": "sum by (state) (crml_shard_state{#})"},
            "All of them should be running.",
        ),
        Panel(
            "Transactions",
            "ops",
            {"{{instance}}": _rate("crml_commits_total", "instance")},
            "Group commits; under load each takes more records.",
        ),
        Panel(
            "Duration of transactions",
            "s",
            {"p50": _quantile(0.5, "crml_commit_seconds"), "p99": _quantile(0.99, "crml_commit_seconds")},
            "Over all replicas.",
        ),
        Panel(
            "Records per transaction, p95",
            "short",
            {"p95": _quantile(0.95, "crml_commit_records")},
            "Grows with the load.",
        ),
        Panel(
            "Inboxes",
            "short",
            {"{{partition}}": "max by (partition) (crml_inbox_length{#})"},
            "Entries waiting; delivery pauses when an inbox is long.",
        ),
        Panel(
            "Restores",
            "s",
            {"{{instance}}": "sum by (instance) (increase(crml_restore_seconds_sum{#}[$__rate_interval]))"},
            "Time spent reading changelogs.",
        ),
        Panel(
            "Rebalances and problems",
            "short",
            {
                "rebalances": "sum(increase(crml_rebalances_total{#}[$__rate_interval]))",
                "{{problem}}": "sum by (problem) (increase(crml_problems_total{#}[$__rate_interval])) > 0 or vector(0)",
            },
            "docs/howto/operate.md explains the problems.",
        ),
        Panel(
            "Stale observations",
            "ops",
            {
                "{{phase}} {{observation}}": _rate("crml_observations_ignored_total", "phase, observation")
                + " or vector(0)"
            },
            "Came too late to matter.",
        ),
        Panel(
            "Event loop",
            "s",
            {"{{instance}}": "crml_event_loop_lag_seconds{#}"},
            "Delay of its last heartbeat.",
        ),
        Panel(
            "Memory",
            "bytes",
            {"{{instance}}": "process_resident_memory_bytes{#}"},
            "Resident set of each replica.",
        ),
        Panel(
            "CPU",
            "percentunit",
            {"{{instance}}": _rate("process_cpu_seconds_total", "instance")},
            "Of one core.",
        ),
    ],
}


def query(text: str) -> str:
    """A panel's query with the labels that the dashboard selects by."""
    return text.replace("#", _WHERE)


def dashboard() -> str:
    """The whole document."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append({"type": "row", "title": title, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}, "panels": []})
        for index, panel in enumerate(row):
            place = (index % _COLUMNS * _WIDTH, top + 1 + index // _COLUMNS * _HEIGHT)
            panels.append(_panel(panel, *place))
        top += 1 + (len(row) + _COLUMNS - 1) // _COLUMNS * _HEIGHT
    for number, each in enumerate(panels, 1):
        each["id"] = number
    document = {
        "uid": "cleanrooms-ml-service",
        "title": "Clean Rooms ML service",
        "tags": ["cleanrooms-ml-service", "kafka", "aws"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource(), _variable("namespace"), _variable("job")]},
        "panels": panels,
    }
    return json.dumps(document, indent=2) + "\n"


def _panel(panel: Panel, x: int, y: int) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + number), "expr": query(text), "legendFormat": legend, "datasource": _SOURCE}
        for number, (legend, text) in enumerate(panel.queries.items())
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _variable(label: str) -> dict[str, Any]:
    question = f"label_values(crml_ready, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": question, "refId": label},
        "definition": question,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        # Where there is no such label, `.*` matches its absence.
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
