"""Gauges that are read at each scrape: readiness, the age of what waits, and what the process is and has."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from schemas.operations import ENDING
from schemas.shapes import API_VERSION
from service.adapters.expiries import Expiries
from service.adapters.memory import ContainerMemory
from service.adapters.telemetry import PrometheusTelemetry
from service.adapters.telemetry.callback_gauge import Values
from service.adapters.telemetry.labels import WAITING_REASONS, known_or_other
from service.runtime.app import App
from service.runtime.ports import Clock, TopicPartition

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


_REASONS: Final = tuple((reason,) for reason in sorted(WAITING_REASONS))


def register(
    telemetry: PrometheusTelemetry,
    app: App,
    clock: Clock,
    skews: Callable[[], Mapping[str, float]] = dict[str, float],
    limits: Mapping[str, float] = MappingProxyType({}),
    ends: Callable[[], Mapping[TopicPartition, int]] = dict[TopicPartition, int],
) -> None:
    """Adds the gauges of a service."""
    for name, text, labels, values in gauges(app, clock, skews, limits, ends):
        telemetry.gauge(name, text, labels, values)


def register_process(telemetry: PrometheusTelemetry, release: str, expiries: Expiries, memory: ContainerMemory) -> None:
    """Adds the gauges of a process."""
    for name, text, labels, values in process_gauges(release, expiries, memory):
        telemetry.gauge(name, text, labels, values)


def process_gauges(release: str, expiries: Expiries, memory: ContainerMemory) -> Iterator[Gauge]:
    """What the process is, what it has, and when that ends."""
    build: dict[tuple[str, ...], float] = {(release, platform.python_version(), API_VERSION): 1.0}
    yield "build_info", "1; its labels say what runs", ("version", "python", "api_version"), lambda: build
    text = "Epoch seconds at which a credential ends, by what it is and for which target"
    yield "expiry_timestamp_seconds", text, ("credential", "target"), expiries.values
    yield "memory_limit_bytes", "Memory at which the kernel ends this container", (), memory.limit
    yield "memory_used_bytes", "Memory of this container, without what the kernel can drop at once", (), memory.used


def gauges(
    app: App,
    clock: Clock,
    skews: Callable[[], Mapping[str, float]],
    limits: Mapping[str, float] = MappingProxyType({}),
    ends: Callable[[], Mapping[TopicPartition, int]] = dict[TopicPartition, int],
) -> Iterator[Gauge]:
    """Every gauge of a service.

    Args:
        app: What runs.
        clock: Time of the process.
        skews: Seconds by which the local clock is ahead of AWS's, by target.
        limits: Age from which a running job counts as overdue, by resource kind.
        ends: Where each commands partition ends, as far as it is known.
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
    yield "waiting", "Commands that wait, by the reason in their last reply", ("reason",), _waiting(app)
    text = "Age of the oldest command that waits, since it was accepted or, if later, its notbefore; 0 without one"
    yield "waiting_oldest_seconds", text, ("reason",), _longest_waits(app, clock)
    text = "Records of a commands partition that are not consumed yet; Kafka is asked for the end at each scrape"
    yield "commands_lag", text, ("partition",), _lags(app, ends)


def _waiting(app: App) -> Values:
    def values() -> dict[tuple[str, ...], float]:
        counts: dict[tuple[str, ...], float] = dict.fromkeys(_REASONS, 0.0)
        for reason, (count, _) in app.waiting().items():
            label = (known_or_other(reason, WAITING_REASONS),)
            counts[label] = counts.get(label, 0.0) + count
        return counts

    return values


def _longest_waits(app: App, clock: Clock) -> Values:
    def values() -> dict[tuple[str, ...], float]:
        ages: dict[tuple[str, ...], float] = dict.fromkeys(_REASONS, 0.0)
        for reason, (_, since) in app.waiting().items():
            label = (known_or_other(reason, WAITING_REASONS),)
            ages[label] = max(ages.get(label, 0.0), clock.now() - since)
        return ages

    return values


def _lags(app: App, ends: Callable[[], Mapping[TopicPartition, int]]) -> Values:
    return lambda: {(f"{each.topic}-{each.partition}",): float(lag) for each, lag in app.unread(ends()).items()}


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
