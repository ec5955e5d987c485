"""Prometheus metrics and log events of the runtime.

Implements :class:`service.runtime.ports.Telemetry`, and adds a few metrics that other parts record. The gauges of a
partition disappear when its shard is closed.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics

from schemas.records import Job, Phase
from service.adapters.telemetry.callback_gauge import CallbackMetric, Values
from service.adapters.telemetry.labels import (
    COMMAND_OUTCOMES,
    DEAD_LETTER_REASONS,
    OPERATION_NAMES,
    OTHER,
    OUTCOMES,
    PHASES,
    REFUSALS,
    REPLY_KINDS,
    RESOURCE_KINDS,
    STATUSES,
    known_or_other,
    observation_label,
)
from service.adapters.telemetry.logs import PARTITION, LineLimit
from service.core.command_state import ENDED, CommandState, logged_message, next_step, state_of
from service.core.job import GIVEN_BACK, performs, request_of
from service.runtime.ports import SpanReport
from service.runtime.problems import PROBLEMS, Problem

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

_log = structlog.stdlib.get_logger("service.jobs")
_ENABLED: Final = logging.getLogger("service.jobs")
"""Asked before a line is made, which costs more than most of what it is about."""


class SpanMaker(Protocol):
    """Makes spans of what is reported, if traces are on: :class:`service.adapters.telemetry.traces.Traces`."""

    def spans(self, report: SpanReport) -> None:
        """Makes what a committed step has ended."""
        ...

    def restored(self, partition: str, records: int, seconds: float, copied: int) -> None:
        """Makes the span of a restore."""
        ...


class PrometheusTelemetry:
    """Counts, measures and logs events. Not thread-safe: use it on the event loop only.

    Args:
        targets: Known values of the label.
        registry: Of the metrics.
        traces: Makes spans; None: nothing does.
    """

    def __init__(
        self,
        targets: Iterable[str] = (),
        registry: CollectorRegistry | None = None,
        traces: SpanMaker | None = None,
    ) -> None:
        self._tracer = traces
        self.registry = registry or CollectorRegistry()
        self._targets = frozenset(targets)
        self._letters = LineLimit(lines=10, seconds=60.0)
        self._retries = LineLimit(lines=1, seconds=300.0)
        self._make_counters()
        self._make_gauges()
        self._make_histograms()
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"crml_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"crml_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"crml_{name}", text, labels, buckets=buckets, registry=self.registry)

    def _make_counters(self) -> None:
        self._commands = self._counter(
            "commands", "Records read from the commands topics, by outcome", "operation", "outcome"
        )
        self._traces = self._counter("trace_contexts_dropped", "Malformed trace contexts dropped", "attribute")
        self._replies = self._counter("replies", "Replies published, by kind", "kind")
        self._events = self._counter("events", "Status changes published", "resource_kind", "status")
        self._dead = self._counter("dead_letters", "Records published to a dead-letters topic, by reason", "reason")
        self._transitions = self._counter("transitions", "Jobs that entered a phase", "phase")
        self._calls = self._counter("aws_calls", "Requests to AWS, by outcome", "target", "operation", "outcome")
        self._refused = self._counter(
            "aws_refused",
            "Calls refused because of who calls, or that nothing could sign",
            "target",
            "outcome",
        )
        self._polls = self._counter("polls", "Get and List requests made to poll resources", "target", "method")
        self._ignored = self._counter(
            "observations_ignored", "Observations that came too late to matter", "phase", "observation"
        )
        self._rebalances = self._counter("rebalances", "Assignments received from the consumer group")
        self._commits = self._counter("commits", "Transactions committed", "partition")
        self._problems = self._counter("problems", "Problems, by name; see docs/howto/operate.md", "problem")
        # Start at 0: rate() never sees the first increase of a series that appears with it.
        for reason in (*DEAD_LETTER_REASONS, OTHER):
            self._dead.labels(reason)
        for problem in (*PROBLEMS, OTHER):
            self._problems.labels(problem)
        for kind in REPLY_KINDS:
            self._replies.labels(kind)
        for target in self._targets:
            for outcome in REFUSALS:
                self._refused.labels(target, outcome)

    def _make_gauges(self) -> None:
        self._watched = self._gauge("watched_resources", "Resources that are polled", "target")
        self._shards = self._gauge("shard_state", "1 for the current state of each shard", "partition", "state")
        self._halted: set[str] = set()
        self._restored = self._gauge("restore_records", "Records read by the last restore", "partition")
        self._lag = self._gauge("event_loop_lag_seconds", "Seconds by which the event loop was last late")

    def _make_histograms(self) -> None:
        self._call_time = self._histogram("aws_call_seconds", "Duration of AWS requests", _FAST, "target", "operation")
        self._commit_time = self._histogram("commit_seconds", "Duration of Kafka transactions", _FAST)
        self._batch = self._histogram("commit_records", "Records in each Kafka transaction", _SIZES)
        self._restore_time = self._histogram("restore_seconds", "Duration of the restore of a partition", _SLOW)
        self._budget_wait = self._histogram("budget_wait_seconds", "Waits for the rate budget", _FAST, "target", "lane")

    def command(self, operation: str, outcome: str) -> None:
        """A command was accepted, rejected or recognised as a duplicate."""
        name = known_or_other(operation, OPERATION_NAMES)
        self._commands.labels(name, known_or_other(outcome, COMMAND_OUTCOMES)).inc()

    def trace_dropped(self, attribute: str) -> None:
        """A record's ``traceparent`` or ``tracestate`` was malformed and is not carried on."""
        self._traces.labels(attribute).inc()

    def reply(self, kind: str) -> None:
        """A reply was committed."""
        self._replies.labels(kind).inc()

    def waiting(self, command_id: str, target: str, reason: str, position: int) -> None:
        """A command waits, for a new reason."""
        _log.info("waiting", command_id=command_id, target=target, reason=reason, position=position)

    def event(self, resource_kind: str, status: str) -> None:
        """A status change was committed."""
        self._events.labels(known_or_other(resource_kind, RESOURCE_KINDS), known_or_other(status, STATUSES)).inc()

    def dead_letter(self, reason: str, partition: str, offset: int) -> None:
        """A dead letter was committed; ``reason`` is an error code of the service."""
        known = known_or_other(reason, DEAD_LETTER_REASONS)
        self._dead.labels(known).inc()
        if (omitted := self._letters.take(partition, time.monotonic())) is not None:
            more = {"omitted": omitted} if omitted else {}
            _log.warning("record is a dead letter", partition=partition, offset=offset, reason=known, **more)

    def within(self, partition: str) -> None:
        """What the current task and its children log from now on concerns this partition."""
        PARTITION.set(partition)

    def transition(self, before: Job | None, after: Job) -> None:
        """A job's state was committed."""
        changed = before is None or before.phase is not after.phase
        if changed:
            self._transitions.labels(after.phase.value).inc()
        if changed and after.phase is Phase.QUEUED and before is not None and before.reason == after.reason:
            self._note_retry(after)
        level = _level(after)
        if _ENABLED.isEnabledFor(level):
            state, former = state_of(after), state_of(before) if before else None
            news = "job updated" if state is former else f"job {state.value}"
            _log.log(level, news, **_described(before, after, state, former))

    def _note_retry(self, job: Job) -> None:
        """A job that waits for a slot has asked for one in vain: a line now and then says of how many that is so."""
        target = known_or_other(job.command.target, self._targets)
        if (omitted := self._retries.take(target, time.monotonic())) is not None:
            _log.info("quota is still full", target=target, reason=job.reason, tries=omitted + 1)

    def spans(self, report: SpanReport) -> None:
        """Phases of a command have ended, and that is committed."""
        if self._tracer is not None:
            self._tracer.spans(report)

    def gauge(self, name: str, text: str, labels: Sequence[str], values: Values) -> None:
        """Registers a gauge whose values are asked for at each scrape, by the values of its labels."""
        self.registry.register(CallbackMetric(GaugeMetricFamily, f"crml_{name}", text, labels, values))

    def counter(self, name: str, text: str, labels: Sequence[str], values: Values) -> None:
        """Registers a counter whose values are asked for at each scrape, by the values of its labels."""
        self.registry.register(CallbackMetric(CounterMetricFamily, f"crml_{name}", text, labels, values))

    def commit(self, partition: str, records: int, seconds: float) -> None:
        """A transaction was committed."""
        self._commits.labels(partition).inc()
        self._batch.observe(records)
        self._commit_time.observe(seconds)

    def call(self, target: str, operation: str, outcome: str, seconds: float) -> None:
        """A request to AWS ended: ``ok`` or an error code."""
        label, name = known_or_other(target, self._targets), known_or_other(operation, OPERATION_NAMES)
        self._calls.labels(label, name, known_or_other(outcome, OUTCOMES)).inc()
        self._call_time.labels(label, name).observe(seconds)
        if outcome in REFUSALS:
            self._refused.labels(label, outcome).inc()

    def answers_again(self, target: str, *, tries: int, seconds: float) -> None:
        """AWS answers at a target again."""
        _log.warning("target answers again", target=target, tries=tries, seconds=seconds)

    def poll(self, target: str, *, lists: int, gets: int, watched: int) -> None:
        """One tick of a poller made its requests."""
        label = known_or_other(target, self._targets)
        self._polls.labels(label, "list").inc(lists)
        self._polls.labels(label, "get").inc(gets)
        self._watched.labels(label).set(watched)

    def ignored(self, phase: str, observation: str) -> None:
        """A stale observation changed nothing; ``observation`` is the name of its class."""
        self._ignored.labels(known_or_other(phase, PHASES), observation_label(observation)).inc()

    def shard(self, partition: str, state: str) -> None:
        """A shard entered a state; one that was halted counts as halted, too, until it runs or is closed."""
        self._forget(self._shards, partition)
        if state in ("running", "closed"):
            self._halted.discard(partition)
        elif state == "halted":
            self._halted.add(partition)
        elif partition in self._halted:
            self._shards.labels(partition, "halted").set(1)
        if state == "closed":
            self._forget(self._restored, partition)
        else:
            self._shards.labels(partition, state).set(1)
        _log.info(f"shard {state}", partition=partition)

    def restored(self, partition: str, records: int, seconds: float, *, copied: int) -> None:
        """A shard has read its changelog."""
        self._restored.labels(partition).set(records)
        self._restore_time.observe(seconds)
        _log.info("shard restored", partition=partition, records=records, copied=copied, seconds=round(seconds, 3))
        if self._tracer is not None:
            self._tracer.restored(partition, records, seconds, copied)

    def problem(self, problem: Problem, **details: str | int | float) -> None:
        """Counts the problem by its name, and logs its sentence with the name and the details."""
        self._problems.labels(known_or_other(problem, frozenset(PROBLEMS))).inc()
        _log.warning(PROBLEMS.get(problem, problem), problem=problem, **details)

    @staticmethod
    def _forget(gauge: Gauge, partition: str) -> None:
        for metric in list(gauge.collect()):
            for sample in metric.samples:
                if sample.labels.get("partition") == partition:
                    gauge.remove(*sample.labels.values())

    def rebalance(self) -> None:
        """The consumer group has sent a new assignment."""
        self._rebalances.inc()

    def waited(self, target: str, lane: str, seconds: float) -> None:
        """A call was granted its token of the rate budget after a wait, possibly of 0 s."""
        self._budget_wait.labels(known_or_other(target, self._targets), lane).observe(seconds)

    def lag(self, seconds: float) -> None:
        """Records by how many seconds the event loop was late."""
        self._lag.set(seconds)

    def render(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)

    def render_openmetrics(self) -> bytes:
        """All metrics in the OpenMetrics format."""
        rendered: bytes = openmetrics.generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return rendered


def _level(job: Job) -> int:
    """A parked job needs an operator and a failed one its publisher; steps to a call concern their command only."""
    if job.phase in (Phase.PARKED, Phase.FAILED):
        return logging.WARNING
    return logging.DEBUG if job.phase in (Phase.INTENDED, Phase.QUEUED) else logging.INFO


def _described(before: Job | None, after: Job, state: CommandState, former: CommandState | None) -> dict[str, Any]:
    """The fields of a job that are safe to log: names, codes and AWS's message, no content from the publisher."""
    command = after.command
    optional = {
        "before": former.value if former not in (None, state) else "",
        "next": "" if state in ENDED else next_step(after)[0].value,
        "correlation_id": command.correlation_id,
        "resource": after.resource_id,
        "status": after.status,
        "reason": after.reason,
        "due": _moment(after.due) if after.due > GIVEN_BACK else "",
        "attempt": after.attempt if after.attempt > 1 else 0,
    }
    return {
        "state": state.value,
        "command_id": command.id,
        "command_source": command.source,
        "operation": performs(command),
        "target": command.target,
    } | {name: value for name, value in (optional | _fault(before, after)).items() if value}


def _fault(before: Job | None, after: Job) -> dict[str, Any]:
    """What went wrong; of an end its message too, without texts of the request, which ``before`` may still have."""
    if after.fault is None:
        return {}
    fault = after.fault
    if after.phase not in (Phase.FAILED, Phase.PARKED):
        return {"fault": fault.code}
    params = request_of(after.command) or (request_of(before.command) if before else {})
    return {"fault": fault.code, "http_status": fault.http_status, "message": logged_message(fault, params)}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
