"""Writes ``docs/faults.md`` from stored results."""

import math
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sandbox.child import ROOT
from sandbox.kafka_jars import KAFKA
from tests.faults import report
from tests.faults.matrix import FIGURES, ROWS
from tests.faults.runner import Outcome

_HEAD = """# Faults

What was done to the running service, and what the auditor found: written by `make test-faults`, not by hand.

Each run is two or three replicas of the service, a real Kafka, and the [sandbox](howto/run-locally.md) as AWS, under a
load of commands of all kinds by two tenants in two accounts: creations, jobs, updates, deletions, reads, copies,
misused ids, cancellations, invalid ones. A fault strikes at a moment that the seed chooses. When it is over and every
command has ended, the auditor reads all topics, the broker's files and the sandbox's log and state, and looks for
violations of:

| | |
|---|---|
| I1 | each accepted command has exactly one terminal reply; its copies get that reply again |
| I2 | a command is created at AWS at most once |
| I3 | replies and events are numbered from 1 without gaps, in order; no status goes back |
| I4 | the fold of the changelog agrees with what was published, and that with the sandbox's state |
| I5 | a changelog partition has one committer at a time |
| I6 | every partition answers again within the bound; bounds grow with the machine's load beyond 2 per core |

The auditor imports nothing of the service and is tested by histories that break each promise
(`tests/faults/test_auditor.py`). The most telling faults run in `make test`, with three seeds each.
"""
_LIMITS = """
## What this does not show

- One broker: no failover of partition leaders, and replication factor 1.
- The sandbox is not AWS: how AWS behaves is assumed where its documents say nothing.
- Times are those of a laboratory: settling takes 4 s instead of 6 min, a session 6 s, a request to Kafka 4 s, a
  transaction at most 16 s. Polls come every 0.3 s.
- "Late abort" of the study does not occur: the service never aborts a transaction by itself, it leaves that to the next
  owner's fence.
"""


def write(file: Path, outcomes: Sequence[Outcome], measured: Sequence[Outcome]) -> None:
    """Writes the document; the figures are those of the runs that were made to measure."""
    file.write_text(text(outcomes, measured), encoding="utf-8")


def text(outcomes: Sequence[Outcome], measured: Sequence[Outcome]) -> str:
    """The document."""
    return (
        "\n".join([_HEAD, _setting(outcomes), _table(outcomes), _figures(outcomes, measured), _LIMITS]).rstrip() + "\n"
    )


def _setting(outcomes: Sequence[Outcome]) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    loads = sorted(outcome.load for outcome in outcomes)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}; Kafka {KAFKA.rpartition(':')[2]} (one broker),"
        f" aiokafka {version('aiokafka')}, aiobotocore {version('aiobotocore')}, Python {platform.python_version()},"
        f" {os.cpu_count()} shared cores with a load average of {loads[0]:.1f} to {loads[-1]:.1f}.\n"
        f"{len(outcomes)} runs, {sum(outcome.commands for outcome in outcomes):,} commands,"
        f" {sum(len(outcome.violations) for outcome in outcomes)} violations."
    )


def _table(outcomes: Sequence[Outcome]) -> str:
    lines = [
        "\n## Results\n",
        "Resumed: seconds from the fault, or from its end where the fault is an outage, until every partition has\n"
        "answered a command that was sent after it; median and maximum.\n",
        "| # | fault | how | runs | violations | resumed | bound |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        own = [outcome for outcome in outcomes if outcome.number == row.number]
        if own:
            broken = sum(len(outcome.violations) for outcome in own)
            resumed = (
                row.verdict if row.spoils else report.spread([outcome.resumed for outcome in own]).replace("/", " / ")
            )
            bound = f"{row.bound:g}" if row.bound else "-"
            lines.append(f"| {row.number} | {row.name} | {row.how} | {len(own)} | {broken} | {resumed} | {bound} |")
    return "\n".join(lines)


def _figures(outcomes: Sequence[Outcome], measured: Sequence[Outcome]) -> str:
    loads = sorted(outcome.load for outcome in measured)
    note = (
        "\nMeasured one laboratory at a time where marked *, by probes ten times a second to each partition, and from\n"
        "outside: a subscriber has read the reply. Load average of the machine, other programs' included: "
        f"{loads[0]:.1f} to {loads[-1]:.1f}.\n"
    )
    lines = ["\n## Figures", note, "| figure | wanted | runs | median / maximum, s |", "|---|---|---|---|"]
    for name, numbers, figure, wanted in FIGURES:
        alone = [outcome for outcome in measured if outcome.number in numbers]
        own = alone or [outcome for outcome in outcomes if outcome.number in numbers]
        values = [outcome.figures.get(figure, math.nan) if figure else outcome.resumed for outcome in own]
        if values:
            star = "*" if alone and measured is not outcomes else ""
            lines.append(f"| {name}{star} | {wanted} | {len(values)} | {report.spread(values).replace('/', ' / ')} |")
    return "\n".join(lines)
