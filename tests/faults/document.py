"""Writes ``docs/faults.md`` from stored results."""

import math
import os
import platform
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from sandbox.kafka.jars import KAFKA
from tests.faults import report
from tests.faults.matrix import FIGURES, ROWS
from tests.faults.runner import Outcome
from tests.faults.store import Campaign

_HEAD = """# Faults

What was done to the running service, and what the auditor found: written by `make test-faults`, not by hand.

Each run is two or three replicas of the service, a real Kafka, and the [sandbox](howto/run-locally.md) as AWS, under a
load of commands of all kinds by two tenants in two accounts: creations, jobs, updates, deletions, reads, copies,
misused ids, cancellations, invalid ones; more than a third of them in campaigns of seven commands that are sent at once
and name each other, some of them with a predecessor that fails, is cancelled, is unknown or goes to a target that is
out. A fault strikes at a moment that the seed chooses. When it is over and every
command has ended, the auditor reads all topics, the broker's files and the sandbox's log and state, and searches for
violations of:

| | |
|---|---|
| I1 | each accepted command has exactly one terminal reply; its copies get that reply again |
| I2 | a command is created at AWS at most once |
| I3 | replies and events are numbered from 1 without gaps, in order; no status goes back |
| I4 | the fold of the changelog agrees with what was published, and that with the sandbox's state |
| I5 | a changelog partition has one committer at a time |
| I6 | every partition answers again within the bound; bounds grow with the machine's load beyond 2 per core |
| I7 | a command that names others is called once they have succeeded, as the account has it, and with what they have \
made; if one has not, it is not called and fails with `PredecessorFailed` |

The auditor imports nothing of the service and is tested by histories that break each promise
(`tests/faults/test_auditor.py`). The most revealing faults run in `make test`, with three seeds each.
What happens when a guard of the service is missing is described by [sabotage](sabotage.md).
"""
_LIMITS = """
## What this does not show

- One broker: no failover of partition leaders, and replication factor 1.
- The sandbox is not AWS: how AWS behaves is assumed where its documents say nothing.
- Times are those of a laboratory: settling takes 4 s instead of 6 min, a session 6 s, a request to Kafka 4 s, a
  transaction at most 16 s. Polls come every 0.3 s.
- A late abort of a transaction does not occur: the service never aborts one by itself, it leaves that to the
  next owner's fence.
"""


def write(file: Path, campaign: Campaign) -> None:
    """Writes the document."""
    file.write_text(text(campaign), encoding="utf-8")


def text(campaign: Campaign) -> str:
    """The document; its figures are those of the runs that were made to measure, where there are some."""
    measured = [outcome for outcome in campaign.outcomes if outcome.alone]
    usual = [outcome for outcome in campaign.outcomes if not outcome.alone]
    parts = [_HEAD, _setting(campaign), _table(usual), _figures(usual, measured), _broken(campaign), _LIMITS]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _setting(campaign: Campaign) -> str:
    outcomes = campaign.outcomes
    alone, broken = sum(each.alone for each in outcomes), sum(len(each.violations) for each in outcomes)
    pieces = "in one piece" if len(campaign.begun) == 1 else f"in {len(campaign.begun)} pieces"
    return (
        f"One campaign, {pieces}: {_moment(campaign.begun[0])} to {_moment(campaign.ended)} UTC, commit"
        f" {campaign.commit}; Kafka {KAFKA.rpartition(':')[2]} (one broker), aiokafka {version('aiokafka')},"
        f" aiobotocore {version('aiobotocore')}, Python {platform.python_version()}, {os.cpu_count()} cores.\n"
        f"{len(outcomes)} runs, {alone} of them alone to measure and {len(outcomes) - alone} side by side;"
        f" {sum(each.commands for each in outcomes):,} commands, {broken} violations. Load average of the machine,"
        f" other programs' included: {_loads(outcomes)}."
    )


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}" if text else "-"


def _loads(outcomes: Sequence[Outcome]) -> str:
    loads = sorted(outcome.load for outcome in outcomes)
    return f"{loads[0]:.1f} to {loads[-1]:.1f}" if loads else "-"


def _table(outcomes: Sequence[Outcome]) -> str:
    lines = [
        "\n## Results\n",
        "Resumed: seconds from the fault, or from its end where the fault is an outage, until every partition has\n"
        "answered a command that was sent after it; median and maximum. Parked: commands that ended so. Dirty: shards\n"
        "closed because a commit failed. Rebalances: assignments that living replicas received. Sums of all runs.\n\n"
        "How: a *point* is a line of the service's code where the process is killed or stopped; *switch* is a fault\n"
        "switch of the sandbox; names of Kafka requests (*EndTxn*, *Produce*, *request*, *answer*) are what the proxy\n"
        "before Kafka drops or delays; *raw produce* writes records past the service; *golden records* are those of\n"
        "former releases; *own STS* and *clock port* replace what the service asks for credentials and the time.\n",
        "| # | fault | how | runs | violations | resumed | bound | parked | dirty | rebalances |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        own = [outcome for outcome in outcomes if outcome.number == row.number]
        if own:
            broken = sum(len(outcome.violations) for outcome in own)
            resumed = row.verdict if row.spoils else report.spread([outcome.resumed for outcome in own])
            bound = f"{row.bound:g}" if row.bound else "-"
            shown = resumed.replace("/", " / ")
            counts = (sum(getattr(each, name) for each in own) for name in ("parked", "dirty", "rebalances"))
            cells = [row.number, row.name, row.how, len(own), broken, shown, bound, *counts]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _figures(usual: Sequence[Outcome], measured: Sequence[Outcome]) -> str:
    note = (
        "\nMeasured one laboratory at a time where marked *, by probes ten times a second to each partition, and from\n"
        f"outside: a subscriber has read the reply. Load average meanwhile: {_loads(measured or usual)}.\n"
    )
    lines = ["\n## Figures", note, "| figure | wanted | runs | median / maximum, s |", "|---|---|---|---|"]
    for name, numbers, figure, wanted in FIGURES:
        alone = [outcome for outcome in measured if outcome.number in numbers]
        own = alone or [outcome for outcome in usual if outcome.number in numbers]
        values = [outcome.figures.get(figure, math.nan) if figure else outcome.resumed for outcome in own]
        if values:
            star = "*" if alone else ""
            lines.append(f"| {name}{star} | {wanted} | {len(values)} | {report.spread(values).replace('/', ' / ')} |")
    return "\n".join(lines)


def _broken(campaign: Campaign) -> str:
    """Every violation, as the auditor or the runner has told it."""
    broken = [(outcome, violation) for outcome in campaign.outcomes for violation in outcome.violations]
    told = [
        f"- {outcome.number}, seed {outcome.seed}{', alone' if outcome.alone else ''} (load {outcome.load:.1f}):"
        f" {' '.join(str(violation).split())[:400]}"
        for outcome, violation in broken
    ]
    return "\n".join(["\n## Violations\n", *told]) if told else ""
