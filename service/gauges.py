"""What the metrics ask the running service at each scrape: is it ready, and how long has what waits been waiting?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from service.adapters.telemetry import PrometheusTelemetry
from service.adapters.telemetry.callback_gauge import Values
from service.runtime.app import App
from service.runtime.ports import Clock

Gauge = tuple[str, str, Sequence[str], Values]
"""Name, help, names of the labels, and what gives the values of now."""

_BUDGET: Final = {
    "rate": ("budget_rate", "Calls per second that the budget grants this replica now; throttling halves it"),
    "limit": ("budget_limit", "Calls per second that the budget grants this replica when nothing is throttled"),
    "waiting": ("budget_waiting", "Calls that wait for the call budget"),
    "oldest": ("budget_oldest_wait_seconds", "How long the call has waited that waits longest for the budget"),
}
_SLOTS: Final = {
    "taken_here": ("slots_taken", "Concurrency slots that jobs of this replica have"),
    "waiting_here": ("slots_waiting", "Commands of this replica that wait for a concurrency slot"),
    "limit": ("slots_limit", "Concurrency slots that AWS grants"),
}


def register(
    telemetry: PrometheusTelemetry, app: App, clock: Clock, skews: Callable[[], Mapping[str, float]] = dict[str, float]
) -> None:
    """Adds the gauges of a service."""
    for name, text, labels, values in gauges(app, clock, skews):
        telemetry.gauge(name, text, labels, values)


def gauges(app: App, clock: Clock, skews: Callable[[], Mapping[str, float]]) -> Iterator[Gauge]:
    """Every gauge of a service.

    Args:
        app: What runs.
        clock: Tells since when.
        skews: By how many seconds this machine's clock is ahead of AWS's, by target.
    """
    yield "ready", "1 when every partition held is being served", (), lambda: {(): float(app.ready)}
    yield "superseded", "1 while another process has this one's instance id", (), lambda: {(): bool(app.superseded)}
    yield "jobs", "Jobs held by this replica", ("phase",), _labelled(app.jobs)
    yield "inbox_length", "Entries waiting in an inbox", ("partition",), _labelled(app.inboxes)
    text = "Seconds by which this machine's clock is ahead of AWS's last answer; from 300 on AWS refuses calls"
    yield "aws_clock_skew_seconds", text, ("target",), _labelled(skews)
    text = "1 when the copy of another replica's partition is current, 0 while it catches up"
    yield "standby_current", text, ("partition",), _labelled(app.copies)
    text = "Jobs that this replica keeps but can't serve: it does not know what they name"
    yield "jobs_held", text, ("reason",), _labelled(app.held)
    for member, (name, text) in _BUDGET.items():
        yield name, text, ("target", "calls"), _budgets(app, member)
    for member, (name, text) in _SLOTS.items():
        yield name, text, ("quota",), _slots(app, member)
    text = "How long ago the command was accepted that waits longest for a concurrency slot"
    yield "slots_oldest_wait_seconds", text, ("quota",), _waits(app, clock)
    text = "By how much the look at a resource under way is late that is most overdue"
    yield "poll_lag_seconds", text, ("target",), _labelled(app.lags)


def _labelled(numbers: Callable[[], Mapping[str, float]]) -> Values:
    return lambda: {(label,): number for label, number in numbers().items()}


def _budgets(app: App, member: str) -> Values:
    return lambda: {labels: getattr(budget, member) for labels, budget in app.budgets().items()}


def _slots(app: App, member: str) -> Values:
    return lambda: {(quota,): numbers[member] for quota, numbers in app.slots().items()}


def _waits(app: App, clock: Clock) -> Values:
    return lambda: {(quota,): max(0.0, clock.now() - since) for quota, since in app.oldest_waiting().items()}
