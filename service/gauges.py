"""Gauges that are read from the running service at each scrape: readiness, and the age of what waits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from schemas.operations import ENDING
from service.adapters.telemetry import PrometheusTelemetry
from service.adapters.telemetry.callback_gauge import Values
from service.runtime.app import App
from service.runtime.ports import Clock

Gauge = tuple[str, str, Sequence[str], Values]
"""Name, help, names of the labels, and what gives the values of now."""

_BUDGET: Final = {
    "rate": ("budget_rate", "Calls per second currently granted to this replica; halved when AWS throttles"),
    "limit": ("budget_limit", "Calls per second granted to this replica when AWS does not throttle"),
    "waiting": ("budget_waiting", "Calls waiting for the rate budget"),
    "oldest": ("budget_oldest_wait_seconds", "Age of the oldest call waiting for the rate budget"),
}
_SLOTS: Final = {
    "taken_here": ("slots_taken", "Concurrency slots used by jobs of this replica"),
    "waiting_here": ("slots_waiting", "Commands of this replica waiting for a concurrency slot"),
    "limit": ("slots_limit", "Concurrency slots granted by AWS, over all replicas"),
}


def register(
    telemetry: PrometheusTelemetry,
    app: App,
    clock: Clock,
    skews: Callable[[], Mapping[str, float]] = dict[str, float],
    limits: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Adds the gauges of a service."""
    for name, text, labels, values in gauges(app, clock, skews, limits):
        telemetry.gauge(name, text, labels, values)


def gauges(
    app: App,
    clock: Clock,
    skews: Callable[[], Mapping[str, float]],
    limits: Mapping[str, float] = MappingProxyType({}),
) -> Iterator[Gauge]:
    """Every gauge of a service.

    Args:
        app: What runs.
        clock: Time of the process.
        skews: Seconds by which the local clock is ahead of AWS's, by target.
        limits: Age from which a running job counts as overdue, by resource kind.
    """
    ready = "1 when every assigned partition is served or halted, and not all of them are halted"
    yield "ready", ready, (), lambda: {(): float(app.ready)}
    yield "superseded", "1 while another process uses the same instance id", (), lambda: {(): bool(app.superseded)}
    yield "jobs", "Jobs in the memory of this replica, by phase", ("phase",), _labelled(app.jobs)
    yield "inbox_length", "Entries waiting in an inbox", ("partition",), _labelled(app.inboxes)
    text = "Seconds by which the local clock is ahead of AWS's, from its last response; AWS refuses calls from 300 on"
    yield "aws_clock_skew_seconds", text, ("target",), _labelled(skews)
    text = "1 when the standby copy of a partition is up to date, 0 while it catches up"
    yield "standby_current", text, ("partition",), _labelled(app.copies)
    text = "Jobs on hold because they use a name that this replica does not know, by reason"
    yield "jobs_held", text, ("reason",), _labelled(app.held)
    for member, (name, text) in _BUDGET.items():
        yield name, text, ("target", "calls"), _budgets(app, member)
    for member, (name, text) in _SLOTS.items():
        yield name, text, ("quota",), _slots(app, member)
    text = "Age of the oldest command waiting for a concurrency slot"
    yield "slots_oldest_wait_seconds", text, ("quota",), _waits(app, clock)
    text = "Seconds by which the most overdue poll is late"
    yield "poll_lag_seconds", text, ("target",), _labelled(app.lags)
    text = "Seconds for which AWS has given no answer at a target; 0 while it answers"
    yield "target_unanswered_seconds", text, ("target",), _labelled(app.unanswered)
    text = "Age of the oldest running job of each resource kind; 0 without one"
    yield "running_oldest_seconds", text, ("kind",), _running(app, clock)
    text = "Age from which a running job counts as overdue, by resource kind; see timing.running_limit"
    yield "running_limit_seconds", text, ("kind",), lambda: {(kind,): limit for kind, limit in limits.items()}


def _labelled(numbers: Callable[[], Mapping[str, float]]) -> Values:
    return lambda: {(label,): number for label, number in numbers().items()}


def _budgets(app: App, member: str) -> Values:
    return lambda: {labels: getattr(budget, member) for labels, budget in app.budgets().items()}


def _slots(app: App, member: str) -> Values:
    return lambda: {(quota,): numbers[member] for quota, numbers in app.slots().items()}


def _waits(app: App, clock: Clock) -> Values:
    return lambda: {(quota,): max(0.0, clock.now() - since) for quota, since in app.oldest_waiting().items()}


def _running(app: App, clock: Clock) -> Values:
    def values() -> dict[tuple[str, ...], float]:
        oldest = app.oldest_running()
        return {(kind,): max(0.0, clock.now() - oldest[kind]) if kind in oldest else 0.0 for kind in ENDING}

    return values
