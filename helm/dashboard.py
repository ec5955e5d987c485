"""The Grafana dashboard, from a list of panels: each query is evaluated in a test against a real Prometheus."""

import json
from dataclasses import dataclass
from typing import Any, Final

from helm.parts import Limits

_WHERE: Final = 'namespace=~"$namespace",job=~"$job"'
_COLUMNS: Final = 3
_WIDTH: Final = 8
_HEIGHT: Final = 7
_GLANCE: Final = (8, 3, 4)
"""Columns, width and height of the numbers in the first row."""

RUNBOOKS: Final = "docs/runbooks"
"""Where runbooks are in the repository."""


@dataclass(frozen=True)
class Panel:
    """One graph: title, unit, and queries by legend; `#` in a query stands for the labels that are selected.

    Attributes:
        limits: From which values on it is yellow, and red; a higher value is worse.
        runbook: The alert whose runbook says what to do.
        instant: Whether only the value of now is asked for.
        shows: What a number panel writes: `value`, `name` or `value_and_name`.
    """

    title: str
    unit: str
    queries: dict[str, str]
    description: str
    kind: str = "timeseries"
    limits: tuple[float | None, float | None] = (None, None)
    runbook: str = ""
    instant: bool = False
    shows: str = "auto"


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{#}}[$__rate_interval]))"


def _quantile(quantile: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({metric}_bucket{{#}}[$__rate_interval])))"


def _number(
    title: str,
    unit: str,
    queries: dict[str, str],
    description: str,
    limits: tuple[float | None, float | None] = (None, None),
    runbook: str = "",
    shows: str = "auto",
) -> Panel:
    return Panel(title, unit, queries, description, "stat", limits, runbook, instant=True, shows=shows)


_LIMITS: Final = Limits()

AT_A_GLANCE: Final = "At a glance"

ROWS: Final[dict[str, list[Panel]]] = {
    AT_A_GLANCE: [
        _number(
            "Ready",
            "short",
            {"ready": "sum(crml_ready{#})", "of": "count(crml_ready{#})"},
            "Replicas that are ready, of all that answer.",
            runbook="CleanRoomsMLRestoreStuck",
            shows="value_and_name",
        ),
        _number(
            "Halted",
            "short",
            {"halted": 'count(crml_shard_state{#,state="halted"} == 1) or vector(0)'},
            "Partitions that an operator must repair.",
            (None, 1),
            "CleanRoomsMLPartitionHalted",
        ),
        _number(
            "Parked",
            "short",
            {"parked": 'sum(crml_jobs{#,phase="parked"}) or vector(0)'},
            "Commands about which an operator must decide.",
            (1, None),
            "CleanRoomsMLParkedJobs",
        ),
        _number(
            "Oldest running",
            "s",
            {"oldest": "max(crml_running_oldest_seconds{#})"},
            "Age of the oldest job or deletion at AWS.",
            runbook="CleanRoomsMLJobOverdue",
        ),
        _number(
            "Oldest waiting",
            "s",
            {"oldest": "max(crml_waiting_oldest_seconds{#})"},
            "Age of the oldest command that waits, whatever for.",
            (_LIMITS.waiting_seconds, _LIMITS.slot_wait_seconds),
            "CleanRoomsMLCommandWaiting",
        ),
        _number(
            "Targets without an answer",
            "short",
            {
                "no answer": "count(max by (target) (crml_target_unanswered_seconds{#})"
                f" > {_LIMITS.unanswered_seconds}) or vector(0)",
                "of": "count(count by (target) (crml_target_unanswered_seconds{#}))",
            },
            "Of all AWS targets.",
            runbook="CleanRoomsMLTargetUnreachable",
            shows="value_and_name",
        ),
        _number(
            "Failed, 1 h",
            "short",
            {"failed": 'sum(increase(crml_replies_total{#,kind="failed"}[1h]))'},
            "Commands that ended as failed.",
            (1, None),
            "CleanRoomsMLCommandsFailing",
        ),
        _number(
            "Version",
            "short",
            {"{{version}}": "count by (version) (crml_build_info{#})"},
            "Of the replicas; two during a rollout.",
            shows="name",
        ),
    ],
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
            "Share of failed commands, 1 h",
            "percent",
            {
                "failed": '100 * sum(increase(crml_replies_total{#,kind="failed"}[1h]))'
                ' / sum(increase(crml_replies_total{#,kind=~"succeeded|failed"}[1h]))'
            },
            "Of the commands that succeeded or failed.",
            limits=(_LIMITS.failed_percent, None),
            runbook="CleanRoomsMLCommandsFailing",
        ),
        Panel(
            "Commands not consumed yet",
            "short",
            {"{{partition}}": "max by (partition) (crml_commands_lag{#})"},
            "Records of the commands topics.",
            limits=(_LIMITS.lag_records, None),
            runbook="CleanRoomsMLCommandsLag",
        ),
        Panel(
            "Waiting, by reason",
            "short",
            {"{{reason}}": "sum by (reason) (crml_waiting{#}) > 0 or vector(0)"},
            "As in their last `waiting` reply.",
            runbook="CleanRoomsMLCommandWaiting",
        ),
        Panel(
            "Longest waits, by reason",
            "s",
            {"{{reason}}": "max by (reason) (crml_waiting_oldest_seconds{#}) > 0 or vector(0)"},
            "Since a command was accepted or, if later, its notbefore.",
            limits=(_LIMITS.waiting_seconds, None),
            runbook="CleanRoomsMLCommandWaiting",
        ),
        Panel(
            "Held jobs",
            "short",
            {"{{reason}}": "sum by (reason) (crml_jobs_held{#})"},
            "They use a name that their replica does not know.",
            limits=(1, None),
            runbook="CleanRoomsMLJobsHeld",
        ),
        Panel(
            "Dead letters",
            "short",
            {"{{reason}}": "sum by (reason) (increase(crml_dead_letters_total{#}[$__rate_interval]))"},
            "Records published to a dead-letters topic.",
            runbook="CleanRoomsMLDeadLetters",
        ),
        Panel(
            "Steps of commands",
            "ops",
            {"{{phase}}": _rate("crml_transitions_total", "phase")},
            "Phases that were entered.",
        ),
        Panel(
            "Malformed trace contexts",
            "ops",
            {"{{attribute}}": _rate("crml_trace_contexts_dropped_total", "attribute") + " or vector(0)"},
            "Dropped; their commands are carried out.",
        ),
    ],
    "AWS": [
        Panel(
            "Without an answer",
            "s",
            {"{{target}}": "max by (target) (crml_target_unanswered_seconds{#})"},
            "For how long a target has given none.",
            limits=(None, _LIMITS.unanswered_seconds),
            runbook="CleanRoomsMLTargetUnreachable",
        ),
        Panel(
            "Refused because of who calls",
            "short",
            {
                "{{target}} {{outcome}}": "sum by (target, outcome)"
                " (increase(crml_aws_refused_total{#}[$__rate_interval])) > 0 or vector(0)"
            },
            "Denied, or without valid credentials.",
            runbook="CleanRoomsMLCredentialsFailing",
        ),
        Panel(
            "Oldest running, part of its limit",
            "percentunit",
            {"{{kind}}": "max by (kind) (crml_running_oldest_seconds{#} / crml_running_limit_seconds{#})"},
            "1 is the age from which a job counts as overdue.",
            limits=(1, None),
            runbook="CleanRoomsMLJobOverdue",
        ),
        Panel(
            "Polled resources",
            "short",
            {"{{target}}": "sum by (target) (crml_watched_resources{#})"},
            "Running jobs, deletions, and what is tracked.",
        ),
        Panel(
            "Calls waiting for the budget",
            "short",
            {"{{target}} {{calls}}": "sum by (target, calls) (crml_budget_waiting{#})"},
            "More are wanted than the budget grants.",
            runbook="CleanRoomsMLBudgetExhausted",
        ),
        Panel(
            "Clock ahead of AWS's",
            "s",
            {"{{target}}": "max by (target) (crml_aws_clock_skew_seconds{#})"},
            "AWS refuses calls from 300 s on.",
            limits=(60, 300),
        ),
        Panel(
            "Left until credentials end",
            "s",
            {"{{credential}} {{target}}": "min by (credential, target) (crml_expiry_timestamp_seconds{#}) - time()"},
            "Certificate, tokens, and sessions, which are renewed when they are used.",
            runbook="CleanRoomsMLCredentialsExpire",
        ),
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
            {
                "{{instance}}": "process_resident_memory_bytes{#}",
                "{{instance}}, container": "crml_memory_used_bytes{#}",
                "{{instance}}, limit": "crml_memory_limit_bytes{#}",
            },
            "Of each replica, and of its container if that has a limit.",
            runbook="CleanRoomsMLMemoryHigh",
        ),
        Panel(
            "Kafka's failures that were survived",
            "short",
            {"{{incident}}": "sum by (incident) (increase(crml_kafka_incidents_total{#}[$__rate_interval]))"},
            "docs/howto/operate.md says what each is.",
        ),
        Panel(
            "Records of the last restore",
            "short",
            {"{{partition}}": "max by (partition) (crml_restore_records{#})"},
            "Read from a changelog.",
        ),
        Panel(
            "Standby copies",
            "short",
            {"{{instance}}": "sum by (instance) (crml_standby_current{#}) or vector(0)"},
            "That are up to date, so that a takeover is quick.",
        ),
        Panel(
            "Superseded",
            "short",
            {"{{instance}}": "crml_superseded{#}"},
            "1 while another process uses the same instance id.",
            limits=(None, 1),
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
        columns, width, height = _GLANCE if title == AT_A_GLANCE else (_COLUMNS, _WIDTH, _HEIGHT)
        for index, panel in enumerate(row):
            place = (index % columns * width, top + 1 + index // columns * height)
            panels.append(_panel(panel, *place, width, height))
        top += 1 + (len(row) + columns - 1) // columns * height
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
        "templating": {"list": [_datasource(), _variable("namespace"), _variable("job"), _runbooks()]},
        "panels": panels,
    }
    return json.dumps(document, indent=2) + "\n"


def _panel(panel: Panel, x: int, y: int, width: int, height: int) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + number),
            "expr": query(text),
            "legendFormat": legend,
            "datasource": _SOURCE,
            **({"instant": True} if panel.instant else {}),
        }
        for number, (legend, text) in enumerate(panel.queries.items())
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, **_thresholds(panel)}, "overrides": []},
        "targets": targets,
        **({"options": _options(panel)} if panel.kind == "stat" else {}),
        **({"links": [_link(panel.runbook)]} if panel.runbook else {}),
    }


def _options(panel: Panel) -> dict[str, Any]:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": panel.shows,
        "colorMode": "background" if any(panel.limits) else "value",
        "graphMode": "none",
    }


def _thresholds(panel: Panel) -> dict[str, Any]:
    """Colours by value; in a graph, lines."""
    if not any(panel.limits):
        return {}
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    steps += [
        {"color": color, "value": limit}
        for color, limit in zip(("yellow", "red"), panel.limits, strict=True)
        if limit is not None
    ]
    lines = {} if panel.kind == "stat" else {"custom": {"thresholdsStyle": {"mode": "line"}}}
    return {"thresholds": {"mode": "absolute", "steps": steps}, **lines}


def _link(alert: str) -> dict[str, Any]:
    return {"title": f"Runbook {alert}", "url": f"${{runbooks}}/{alert}.md", "targetBlank": True}


_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _runbooks() -> dict[str, Any]:
    """Where links to runbooks go; the chart replaces it by `monitoring.prometheusRule.runbookBase`."""
    current = {"text": RUNBOOKS, "value": RUNBOOKS}
    return {"name": "runbooks", "label": "Runbooks at", "type": "textbox", "query": RUNBOOKS, "current": current}


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
