"""What the metrics ask the running service at each scrape: is it ready, and how long has what waits been waiting?"""

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter

from service.adapters.telemetry import PrometheusTelemetry
from service.runtime.app import App
from service.runtime.ports import Clock

_BUDGET = {
    "rate": ("budget_rate", "Calls per second that the budget grants this replica now; throttling halves it"),
    "limit": ("budget_limit", "Calls per second that the budget grants this replica when nothing is throttled"),
    "waiting": ("budget_waiting", "Calls that wait for the call budget"),
    "oldest": ("budget_oldest_wait_seconds", "How long the call has waited that waits longest for the budget"),
}


def register(
    telemetry: PrometheusTelemetry, app: App, clock: Clock, skews: Callable[[], Mapping[str, float]] = dict[str, float]
) -> None:
    """Adds the gauges of a service."""
    telemetry.gauge("ready", "1 when every partition held is being served", (), lambda: {(): float(app.ready)})
    telemetry.gauge(
        "aws_clock_skew_seconds",
        "By how much this machine's clock is ahead of AWS's, as its last answer showed; from 300 on AWS refuses calls",
        ("target",),
        lambda: {(target,): skew for target, skew in skews().items()},
    )
    telemetry.gauge(
        "superseded",
        "1 while another process has this one's instance id",
        (),
        lambda: {(): float(bool(app.superseded))},
    )
    telemetry.gauge(
        "standby_current",
        "1 when the copy of another replica's partition is current, 0 while it catches up",
        ("partition",),
        lambda: {(partition,): current for partition, current in app.copies().items()},
    )
    telemetry.gauge(
        "jobs_held",
        "Jobs that this replica keeps but can't serve: it does not know what they name",
        ("reason",),
        lambda: {(reason,): float(count) for reason, count in app.held().items()},
    )
    for member, (name, text) in _BUDGET.items():
        telemetry.gauge(name, text, ("target", "calls"), partial(_budgets, app, attrgetter(member)))
    telemetry.gauge(
        "slots_oldest_wait_seconds",
        "How long ago the command was accepted that waits longest for a concurrency slot",
        ("quota",),
        lambda: {(quota,): max(0.0, clock.now() - since) for quota, since in app.oldest_waiting().items()},
    )
    telemetry.gauge(
        "poll_lag_seconds",
        "By how much the look at a resource under way is late that is most overdue",
        ("target",),
        lambda: {(target,): lag for target, lag in app.lags().items()},
    )


def _budgets(app: App, get: "attrgetter[float]") -> dict[tuple[str, ...], float]:
    return {labels: get(budget) for labels, budget in app.budgets().items()}
