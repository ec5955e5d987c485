"""A Telemetry that remembers what it was told."""

from collections import Counter
from dataclasses import dataclass, field

from service.adapters.telemetry.metrics import SpanMaker
from service.core.job import Job
from service.runtime.ports import SpanReport


@dataclass
class Story:
    """Everything that was told, by kind."""

    commands: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)
    queued: list[tuple[str, str, str, int]] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)
    transitions: list[tuple[str, str]] = field(default_factory=list)
    reports: list[SpanReport] = field(default_factory=list)
    tracer: SpanMaker | None = None
    stale: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    answering: list[tuple[str, int]] = field(default_factory=list)
    polls: list[tuple[str, int, int, int]] = field(default_factory=list)
    waits: list[tuple[str, str, float]] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    shards: list[tuple[str, str]] = field(default_factory=list)
    restores: list[tuple[str, int]] = field(default_factory=list)
    copied: dict[str, int] = field(default_factory=dict)
    traces_dropped: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, dict[str, str | int | float]]] = field(default_factory=list)

    def command(self, operation: str, outcome: str) -> None:
        self.commands[outcome] += 1

    def trace_dropped(self, attribute: str) -> None:
        self.traces_dropped[attribute] += 1

    def reply(self, kind: str) -> None:
        self.replies[kind] += 1

    def waiting(self, command_id: str, target: str, reason: str, position: int) -> None:
        self.queued.append((command_id, target, reason, position))

    def event(self, resource_kind: str, status: str) -> None:
        self.events.append((resource_kind, status))

    def dead_letter(self, reason: str, partition: str, offset: int) -> None:
        self.dead_letters.append(reason)

    def within(self, partition: str) -> None:
        pass

    def transition(self, before: Job | None, after: Job) -> None:
        self.transitions.append((before.phase.value if before else "", after.phase.value))

    def spans(self, report: SpanReport) -> None:
        self.reports.append(report)
        if self.tracer is not None:
            self.tracer.spans(report)

    def ignored(self, phase: str, observation: str) -> None:
        self.stale[phase, observation] += 1

    def call(self, target: str, operation: str, outcome: str, seconds: float) -> None:
        self.calls.append((target, operation, outcome))

    def answers_again(self, target: str, *, tries: int, seconds: float) -> None:
        self.answering.append((target, tries))

    def poll(self, target: str, *, lists: int, gets: int, watched: int) -> None:
        self.polls.append((target, lists, gets, watched))

    def waited(self, target: str, lane: str, seconds: float) -> None:
        self.waits.append((target, lane, seconds))

    def commit(self, partition: str, records: int, seconds: float) -> None:
        self.commits.append(records)

    def shard(self, partition: str, state: str) -> None:
        self.shards.append((partition, state))

    def restored(self, partition: str, records: int, seconds: float, *, copied: int) -> None:
        self.restores.append((partition, records))
        self.copied[partition] = copied
        if self.tracer is not None:
            self.tracer.restored(partition, records, seconds, copied)

    def problem(self, problem: str, **details: str | int | float) -> None:
        self.problems.append((problem, details))

    def told(self, beginning: str) -> int:
        """How many problems began with these words."""
        return sum(1 for what, _ in self.problems if what.startswith(beginning))
