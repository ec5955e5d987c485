"""The alerts, from a list of rules whose limits are values of the chart.

In an expression, `@name@` stands for a limit of `helm.parts.Limits`, and `@pods@` for a pattern of the pods' names.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import yaml

from helm.parts import Limits

PODS: Final = ".*cleanrooms-ml-service.*"
"""The pods' names where the release is not known; the chart uses its own."""

_HEAD: Final = """\
# Alerts of the service, generated from helm/alerts.py by `make render`. For Prometheus itself: name this file under
# `rule_files`. With the operator, the chart makes a PrometheusRule of it, with your limits. Each has a runbook of the
# same name in docs/runbooks. tests/alerts has unit tests for promtool, and raises each one by its cause.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert.

    Attributes:
        alert: Its name, and that of its runbook.
        expr: PromQL.
        severity: `critical` wakes a person; `warning` waits for the morning.
        summary: One sentence, with the numbers.
        description: What it means.
        holds: For how long it must hold.
    """

    alert: str
    expr: str
    severity: Literal["critical", "warning"]
    summary: str
    description: str
    holds: str = ""

    def rendered(self, limits: Limits, pods: str = PODS) -> dict[str, Any]:
        """As Prometheus reads it."""
        values = {"pods": pods} | {name: str(value) for name, value in limits.model_dump(by_alias=True).items()}
        expr = re.sub(r"@(\w+)@", lambda match: values[match[1]], self.expr.strip())
        return {
            "alert": self.alert,
            "expr": expr,
            **({"for": self.holds} if self.holds else {}),
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"docs/runbooks/{self.alert}.md",
            },
        }


RULES: Final = (
    Rule(
        "CleanRoomsMLDown",
        """
absent(crml_ready)
or
(
  count by (namespace, job) (last_over_time(crml_ready[1h]))
  unless on (namespace, job) crml_ready
)
""",
        "critical",
        "No replica of the service answers",
        "It is not running, or Prometheus does not reach it. Commands wait in Kafka.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLReplicaDown",
        "(up == 0) and on (namespace, job) crml_ready",
        "warning",
        "{{ $labels.instance }} does not answer",
        "Other replicas do, and have its partitions. It is not running, or Prometheus does not reach it.",
        "10m",
    ),
    Rule(
        "CleanRoomsMLCrashLoop",
        """
(
  changes(process_start_time_seconds[15m]) >= @restarts@
  and on (namespace, job, instance) last_over_time(crml_ready[15m])
)
or
sum by (namespace, pod) (
  increase(kube_pod_container_status_restarts_total{container="service",pod=~"@pods@"}[15m])
) >= @restarts@
""",
        "critical",
        "{{ $labels.instance }}{{ $labels.pod }} has started {{ $value | humanize }} times in 15 minutes",
        "It ends soon after each start. Partitions move back and forth; nothing is lost.",
    ),
    Rule(
        "CleanRoomsMLParkedJobs",
        'sum by (namespace, job) (crml_jobs{phase="parked"}) > 0',
        "warning",
        "{{ $value }} command(s) are parked: an operator must decide",
        "Their outcome at AWS could not be determined safely. They stay as they are until resolved.",
        "1m",
    ),
    Rule(
        "CleanRoomsMLJobsHeld",
        "sum by (namespace, job, reason) (crml_jobs_held) > 0",
        "warning",
        "{{ $value }} job(s) are held: {{ $labels.reason }}",
        "They use a name that their replica does not know. They continue when a replica that knows it takes over.",
        "10m",
    ),
    Rule(
        "CleanRoomsMLRestoreStuck",
        """
(max_over_time(crml_ready[10m]) == 0)
unless on (namespace, job, instance) (crml_shard_state{state="halted"} == 1)
""",
        "critical",
        "{{ $labels.instance }} has not been ready for 15 minutes",
        "Its partitions are not served. It is restoring, waits for Kafka, or starts over and over.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLPartitionHalted",
        'max by (namespace, job, partition) (crml_shard_state{state="halted"}) == 1',
        "critical",
        "{{ $labels.partition }} is halted until an operator repairs it",
        "A record cannot be read, or offsets, changelog and topic disagree; /readyz says which. Nothing is skipped.",
        "1m",
    ),
    Rule(
        "CleanRoomsMLInternalErrors",
        'sum by (namespace, job, problem) (increase(crml_problems_total{problem=~".+_error"}[15m])) > 0',
        "warning",
        "The service has a defect: {{ $labels.problem }}, {{ $value | humanize }} times in 15 minutes",
        "An exception that no code expects. It has hurt only its own command, record or job.",
    ),
    Rule(
        "CleanRoomsMLCommandsFailing",
        """
(
  100 * sum by (namespace, job) (increase(crml_replies_total{kind="failed"}[1h]))
  / sum by (namespace, job) (increase(crml_replies_total{kind=~"succeeded|failed"}[1h]))
  > @failedPercent@
)
and on (namespace, job)
(sum by (namespace, job) (increase(crml_replies_total{kind="failed"}[1h])) >= @failedAtLeast@)
""",
        "warning",
        "{{ $value | humanize }} % of the commands that ended in the last hour have failed",
        "AWS refused them, their jobs failed, or they were too late. Their replies say why.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLCommandsLag",
        "max by (namespace, job, partition) (crml_commands_lag) > @lagRecords@",
        "warning",
        "{{ $value }} records of {{ $labels.partition }} are not consumed yet",
        "Commands arrive faster than they are accepted, or their partition pauses because much of what it has waits.",
        "10m",
    ),
    Rule(
        "CleanRoomsMLCommandWaiting",
        """
max by (namespace, job, reason) (
  crml_waiting_oldest_seconds{reason!~"Predecessor|CommandUnderWay|CommandParked|ConcurrencyLimit|ServiceQuotaExceededException|TargetUnavailable|CredentialsUnavailable|Unknown.*|TargetChanged|ServiceError"}
) > @waitingSeconds@
""",
        "warning",
        "A command has waited {{ $value | humanizeDuration }}: {{ $labels.reason }}",
        "It was accepted and is not called. Waits for slots, other commands, AWS and repairs have alerts of their own.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLBudgetExhausted",
        "max by (namespace, job, target, calls) (crml_budget_oldest_wait_seconds) > @budgetWaitSeconds@",
        "warning",
        "Calls to {{ $labels.target }} ({{ $labels.calls }}) wait {{ $value | humanizeDuration }} for the rate budget",
        "More calls are wanted than the budget grants, or AWS throttles and the budget was reduced.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLWaitingQueueOld",
        "max by (namespace, job, quota) (crml_slots_oldest_wait_seconds) > @slotWaitSeconds@",
        "warning",
        "A command has waited {{ $value | humanizeDuration }} for a slot of {{ $labels.quota }}",
        "AWS's concurrency quota is full for longer than jobs usually take.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLFencedLoop",
        """
sum by (namespace, job) (
  increase(crml_problems_total{problem="shard_closed_dirty"}[10m])
) > @dirtyCloses@
""",
        "critical",
        "Shards were closed dirty {{ $value | humanize }} times in 10 minutes",
        "Commits fail again and again, or two owners fence each other. Work is repeated, not lost.",
        "2m",
    ),
    Rule(
        "CleanRoomsMLDeadLetters",
        "sum by (namespace, job, reason) (increase(crml_dead_letters_total[15m])) > 0",
        "warning",
        "{{ $value | humanize }} record(s) became dead letters ({{ $labels.reason }})",
        "They are not valid commands, were not allowed, or caused an error in the service.",
    ),
    Rule(
        "CleanRoomsMLPollLag",
        "max by (namespace, job, target) (crml_poll_lag_seconds) > @pollLagSeconds@",
        "warning",
        "Jobs at {{ $labels.target }} are polled {{ $value | humanizeDuration }} too late",
        "Polls fail, or wait behind other calls. Status changes are published late.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLCredentialsFailing",
        """
sum by (namespace, job, target, outcome) (
  increase(crml_aws_refused_total{outcome!="AccessDeniedException"}[5m])
) > 0
""",
        "critical",
        "Calls to {{ $labels.target }} fail: {{ $labels.outcome }}",
        "There are no credentials that AWS accepts. Commands wait.",
        "2m",
    ),
    Rule(
        "CleanRoomsMLAccessDenied",
        """
sum by (namespace, job, target) (
  increase(crml_aws_refused_total{outcome="AccessDeniedException"}[15m])
) > 0
""",
        "warning",
        "AWS has denied {{ $value | humanize }} call(s) to {{ $labels.target }} in 15 minutes",
        "The service's role lacks a permission, or a publisher named a role or a resource that it must not use.",
    ),
    Rule(
        "CleanRoomsMLTargetUnreachable",
        """
(
  max by (namespace, job, target) (crml_target_unanswered_seconds)
  unless on (namespace, job, target)
  (sum by (namespace, job, target) (increase(crml_aws_refused_total{outcome!="AccessDeniedException"}[10m])) > 0)
) > @unansweredSeconds@
""",
        "critical",
        "AWS has not answered at {{ $labels.target }} for {{ $value | humanizeDuration }}",
        "Connections fail, time out or end with a server error. Commands wait, and are called when it answers again.",
        "1m",
    ),
    Rule(
        "CleanRoomsMLJobOverdue",
        "max by (namespace, job, kind) (crml_running_oldest_seconds / crml_running_limit_seconds) > 1",
        "warning",
        "A running {{ $labels.kind }} takes {{ $value | humanize }} times its limit",
        "A job or deletion at AWS runs for longer than timing.running_limit. It is polled on; nothing is called again.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLCertificateExpires",
        """
min by (namespace, job, credential) (crml_expiry_timestamp_seconds{credential="kafka_client_certificate"})
- time() < @certificateDays@ * 86400
""",
        "warning",
        "The client certificate for Kafka ends in {{ $value | humanizeDuration }}",
        "After that Kafka accepts no new connection of this service. A renewed file is used after a restart.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLCredentialsExpire",
        """
(
  min by (namespace, job, credential, target) (crml_expiry_timestamp_seconds{credential=~".+_token.*"} - time())
  < @credentialSeconds@
)
or
(
  (
    min by (namespace, job, credential, target) (crml_expiry_timestamp_seconds{credential="aws_session"} - time())
    < @credentialSeconds@
  )
  and on (namespace, job, target)
  (sum by (namespace, job, target) (increase(crml_aws_calls_total[10m])) > 0)
)
""",
        "critical",
        "{{ $labels.credential }}{{ if $labels.target }} of {{ $labels.target }}{{ end }}"
        " ends in {{ $value | humanizeDuration }} and was not renewed",
        "When it has ended, calls fail, and new connections to Kafka if it is the token for Kafka. Commands wait.",
        "5m",
    ),
    Rule(
        "CleanRoomsMLMemoryHigh",
        "100 * crml_memory_used_bytes / crml_memory_limit_bytes > @memoryPercent@",
        "warning",
        "{{ $labels.instance }} uses {{ $value | humanize }} % of its memory",
        "At the limit the kernel ends it; another replica takes over, and may meet the same end.",
        "5m",
    ),
)


def rules(limits: Limits | None = None) -> list[dict[str, Any]]:
    """All alerts, with these limits or the default ones."""
    return [rule.rendered(limits or Limits()) for rule in RULES]


def document() -> str:
    """The file for Prometheus itself."""
    group = {"name": "cleanrooms-ml-service", "rules": rules()}
    return _HEAD + yaml.dump({"groups": [group]}, Dumper=_Readable, sort_keys=False, width=1000)


def expressions() -> str:
    """What the chart's template fills in: the expressions of the alerts that depend on values, by name."""
    return json.dumps({rule.alert: rule.expr.strip() for rule in RULES if "@" in rule.expr}, indent=2) + "\n"


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)
