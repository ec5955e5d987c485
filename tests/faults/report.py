"""Results as lines for a screen."""

import math
import statistics
from collections.abc import Iterable, Sequence

from tests.faults.runner import Outcome, Row


def line(row: Row, outcomes: Sequence[Outcome]) -> str:
    """One row's results, and every violation."""
    violations = [violation for outcome in outcomes for violation in outcome.violations]
    figures = " ".join(f"{name} {value}" for name, value in _figures(outcomes).items())
    seconds = max(outcome.seconds for outcome in outcomes)
    head = (
        f"{row.number:>4} {row.name:<46} runs {len(outcomes)} violations {len(violations)}"
        f" resumed {spread([outcome.resumed for outcome in outcomes])} {figures}"
        f" parked {sum(o.parked for o in outcomes)} dirty {sum(o.dirty for o in outcomes)}"
        f" rebalances {sum(o.rebalances for o in outcomes)}"
        f" ({sum(outcome.commands for outcome in outcomes)} commands, {seconds:.0f} s, load {outcomes[-1].load:.1f})"
    )
    return "\n".join([head, *(f"       seed {o.seed}: {v}" for o in outcomes for v in o.violations[:8])])


def spread(values: Iterable[float]) -> str:
    """Median and maximum, in seconds."""
    known = [value for value in values if not math.isnan(value)]
    return f"{statistics.median(known):.2f}/{max(known):.2f}" if known else "-"


def _figures(outcomes: Sequence[Outcome]) -> dict[str, str]:
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.figures)
    return {name: spread([outcome.figures.get(name, math.nan) for outcome in outcomes]) for name in names}
