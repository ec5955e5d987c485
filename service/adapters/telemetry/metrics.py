"""The metrics and the one class that the runtime reports to.

Every method takes strings and numbers only, so that the runtime can describe it by a Protocol of its own. A gauge per
partition disappears with :meth:`Telemetry.released`.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from service.adapters.telemetry.labels import (
    METHODS,
    OPERATION_NAMES,
    OUTCOMES,
    PHASES,
    RESOURCE_KINDS,
    STATUSES,
    closed,
)

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

_log = structlog.stdlib.get_logger("service.jobs")


class Telemetry:
    """Counts, measures and logs what happens. Not safe for threads; the event loop's own."""

    def __init__(self, targets: Iterable[str] = (), registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._targets = frozenset(targets)
        self._jobs: dict[str, Mapping[str, int]] = {}
        self._phases_shown: set[str] = set()
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
        self._commands = self._counter("commands", "Commands, by what became of them", "operation", "outcome")
        self._replies = self._counter("replies", "Replies published", "kind")
        self._events = self._counter("events", "Status changes published", "resource_kind", "status")
        self._dead = self._counter("dead_letters", "Records that can't be a command", "reason")
        self._transitions = self._counter("transitions", "Steps of jobs into a phase", "phase")
        self._calls = self._counter("aws_calls", "Calls to AWS", "target", "operation", "outcome")
        self._polls = self._counter("polls", "Looks at resources under way", "method")
        self._ignored = self._counter("observations_ignored", "Stale observations", "phase", "observation")
        self._rebalances = self._counter("rebalances", "Rebalances of the consumer group")
        self._commit_failures = self._counter("commit_failures", "Transactions that failed", "reason")

    def _make_gauges(self) -> None:
        self._job_gauge = self._gauge("jobs", "Jobs held by this replica", "phase")
        self._shards = self._gauge("shard_state", "1 for the state that a shard is in", "partition", "state")
        self._inbox = self._gauge("inbox_length", "Entries waiting in a shard's inbox", "partition")
        self._restored = self._gauge("restore_records", "Records of the last restore", "partition")
        self._lag = self._gauge("event_loop_lag_seconds", "By how much the event loop was last late")

    def _make_histograms(self) -> None:
        self._call_time = self._histogram("aws_call_seconds", "Duration of calls", _FAST, "target", "operation")
        self._commit_time = self._histogram("commit_seconds", "Duration of transactions", _FAST)
        self._batch = self._histogram("commit_entries", "Inbox entries per transaction", _SIZES)
        self._restore_time = self._histogram("restore_seconds", "Duration of restores", _SLOW)
        self._budget_wait = self._histogram("budget_wait_seconds", "Waits for the call budget", _FAST, "target", "lane")

    def command(self, operation: str, outcome: str) -> None:
        """A command was accepted, rejected or recognised as a duplicate."""
        self._commands.labels(closed(operation, OPERATION_NAMES), outcome).inc()

    def reply(self, kind: str) -> None:
        """A reply was committed."""
        self._replies.labels(kind).inc()

    def event(self, resource_kind: str, status: str) -> None:
        """A status change was committed."""
        self._events.labels(closed(resource_kind, RESOURCE_KINDS), closed(status, STATUSES)).inc()

    def dead_letter(self, reason: str) -> None:
        """A record went to the dead letters; ``reason`` is one of our codes."""
        self._dead.labels(reason).inc()

    def transition(
        self,
        before: str,
        after: str,
        *,
        command_id: str,
        operation: str,
        target: str,
        correlation_id: str = "",
        resource: str = "",
        status: str = "",
        fault: str = "",
    ) -> None:
        """A job stepped from one phase to another."""
        self._transitions.labels(closed(after, PHASES)).inc()
        optional = {"correlation_id": correlation_id, "resource": resource, "status": status, "fault": fault}
        _log.info(
            "job",
            phase=after,
            before=before,
            command_id=command_id,
            operation=operation,
            target=target,
            **{name: value for name, value in optional.items() if value},
        )

    def jobs(self, partition: str, phases: Mapping[str, int]) -> None:
        """How many jobs a shard holds, by phase."""
        self._jobs[partition] = dict(phases)
        self._show_jobs()

    def _show_jobs(self) -> None:
        totals = Tally[str]()
        for phases in self._jobs.values():
            totals.update(phases)
        self._phases_shown |= set(totals)
        for phase in self._phases_shown:
            self._job_gauge.labels(closed(phase, PHASES)).set(totals[phase])

    def commit(self, entries: int, seconds: float) -> None:
        """A transaction was committed."""
        self._batch.observe(entries)
        self._commit_time.observe(seconds)

    def commit_failed(self, reason: str) -> None:
        """A transaction was not, or not certainly, committed; ``reason`` is an exception's name."""
        self._commit_failures.labels(reason).inc()

    def call(self, target: str, operation: str, outcome: str, seconds: float) -> None:
        """A call to AWS ended; fits ``AwsApi(observe=...)``."""
        place, name = closed(target, self._targets), closed(operation, OPERATION_NAMES)
        self._calls.labels(place, name, closed(outcome, OUTCOMES)).inc()
        self._call_time.labels(place, name).observe(seconds)

    def poll(self, method: str, resources: int = 1) -> None:
        """The poller looked at resources by one ``list`` page or one ``get``."""
        self._polls.labels(closed(method, METHODS)).inc(resources)

    def ignored(self, phase: str, observation: str) -> None:
        """A stale observation changed nothing; ``observation`` is a class's name."""
        self._ignored.labels(closed(phase, PHASES), observation).inc()

    def shard(self, partition: str, state: str) -> None:
        """A shard entered a state."""
        self._forget(self._shards, partition)
        self._shards.labels(partition, state).set(1)

    def restored(self, partition: str, records: int, seconds: float) -> None:
        """A shard has read its changelog."""
        self._restored.labels(partition).set(records)
        self._restore_time.observe(seconds)

    def inbox(self, partition: str, length: int) -> None:
        """Entries waiting in a shard's inbox."""
        self._inbox.labels(partition).set(length)

    def released(self, partition: str) -> None:
        """The shard is closed: its gauges go."""
        for gauge in (self._shards, self._inbox, self._restored):
            self._forget(gauge, partition)
        self._jobs.pop(partition, None)
        self._show_jobs()

    @staticmethod
    def _forget(gauge: Gauge, partition: str) -> None:
        for metric in list(gauge.collect()):
            for sample in metric.samples:
                if sample.labels.get("partition") == partition:
                    gauge.remove(*sample.labels.values())

    def rebalance(self) -> None:
        """The group has assigned partitions anew."""
        self._rebalances.inc()

    def waited(self, target: str, lane: str, seconds: float) -> None:
        """A call waited for the budget."""
        self._budget_wait.labels(closed(target, self._targets), lane).observe(seconds)

    def lag(self, seconds: float) -> None:
        """The event loop was late by so much."""
        self._lag.set(seconds)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
