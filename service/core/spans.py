"""The spans of a command: which of its phases a step has ended, from when to when, by times that its record keeps.

A command outlives processes, so a span is made when its phase ends, by the process that commits the end. When the phase
began, and under which process, is in the record (:class:`schemas.records.SpanTimes`), and only while traces are on.

A permitted call counts as begun only when it is certain that a try was made. Until then its wait goes on: what finds no
slot, is given back or misses its window has called nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.operations import Kind
from schemas.records import Job, Phase, SpanTimes
from service.core import chains, timing
from service.core.job import ended, known_row, replace
from service.core.outcomes import CANCELLED, DEADLINE_EXCEEDED

OUTCOME_UNKNOWN: Final = "OutcomeUnknown"
"""Error of a call whose outcome a new owner has not heard."""


class SpanName(StrEnum):
    """What a span is about: the whole command, or a phase of it."""

    COMMAND = "command"
    SCHEDULED = "scheduled"
    """Waits for its start time."""
    PREDECESSORS = "predecessors"
    """Waits for the commands that it names."""
    QUEUED = "queued"
    """Waits for its turn: the line of its key, the rate budget, the next try, the end of what it cancels."""
    QUOTA = "quota"
    """Waits for a concurrency slot of AWS."""
    CALL = "call"
    SEARCH = "search"
    """What the call has made is searched for."""
    RUNNING = "running"
    """AWS is at work."""
    PARKED = "parked"
    """Waits for a person."""


_WAITS: Final = frozenset({SpanName.SCHEDULED, SpanName.PREDECESSORS, SpanName.QUEUED, SpanName.QUOTA})


@dataclass(frozen=True, slots=True)
class EndedSpan:
    """A span, complete.

    Attributes:
        name: What it is about.
        run: Which one of the command; a person's decision about a parked command begins another one.
        number: Its number among the phases of the run, from 1; 0 for the whole run.
        began: Epoch seconds.
        ended: Epoch seconds, never before it began.
        by: The process under which it began; empty if that is not known.
        reason: Why it waited.
        error: Code of the error with which it ended.
        attempt: Of a call, the number of the try.
    """

    name: SpanName
    run: int
    number: int
    began: float
    ended: float
    by: str
    reason: str = ""
    error: str = ""
    attempt: int = 0


def follow(
    before: Job | None, after: Job, now: float, process: str, error: str = ""
) -> tuple[Job, tuple[EndedSpan, ...]]:
    """The job with the times of the phase that goes on, and the spans that end with this step.

    Args:
        before: The job before the step; None for a new command.
        after: The job after it.
        now: Epoch seconds, by the wall clock.
        process: Under which the step is committed.
        error: Code of the error that the step has heard of.
    """
    times = _opened(now, process) if before is None else _times(before)
    phases = _Phases(times, now, process)
    if before is not None and times.called and _tried(before, after):
        phases.call(before, _outcome(before, after, error))
    elif before is not None and _phase(after, phases.times.phase) != phases.times.phase:
        phases.end(reason=before.reason, error=_failure(after))
    phases.begin(_phase(after, phases.times.phase))
    if ended(after):
        spans = (*phases.spans, _whole(phases.times, after, now))
        return replace(after, trace=_parked(times, now, process) if after.phase is Phase.PARKED else None), spans
    called = phases.times.called if before is not None and not _renewed(before, after) else 0.0
    if permitted(after):
        kept = replace(phases.times, called=called or now, called_by=phases.times.called_by if called else process)
    else:
        kept = replace(phases.times, called=0.0, called_by="")
    return replace(after, trace=kept), tuple(phases.spans)


def permitted(job: Job) -> bool:
    """Whether its call may leave now."""
    operation = known_row(job.command)
    calls = operation is not None and operation.kind not in (Kind.CANCEL, Kind.RESOLVE, Kind.TRACK)
    return calls and job.phase is Phase.INTENDED and not job.due and not chains.waits(job)


def awaited(job: Job) -> Iterator[str]:
    """Ids of predecessors of a waiting command, as far as its record still names them."""
    if chains.waits(job):
        yield from dict.fromkeys((*chains.open_ids(job), *chains.made_ids(job)))


class _Phases:
    """The phases of one step, in order."""

    def __init__(self, times: SpanTimes, now: float, process: str) -> None:
        self.times = times
        self.spans: list[EndedSpan] = []
        self._now = now
        self._process = process

    def end(self, *, reason: str = "", error: str = "", at: float | None = None) -> None:
        """The phase ends, now or when the call was permitted; a wait that took no time is none."""
        times, until = self.times, self._now if at is None else at
        name = SpanName(times.phase)
        if until > times.began or name not in _WAITS:
            self._add(name, times.began, until, times.by, reason=reason, error="" if name in _WAITS else error)
        self.times = replace(self.times, phase="")

    def call(self, before: Job, error: str) -> None:
        """The wait has ended when the call was permitted, and the call now."""
        called, by = self.times.called, self.times.called_by
        self.end(reason=before.reason, at=called)
        self._add(SpanName.CALL, called, self._now, by, error=error, attempt=before.attempt)
        self.times = replace(self.times, called=0.0, called_by="")

    def begin(self, name: str) -> None:
        """A phase begins, unless it is the one that goes on."""
        if name != self.times.phase:
            self.times = replace(self.times, phase=name, began=self._now, by=self._process)

    def _add(
        self,
        name: SpanName,
        began: float,
        until: float,
        by: str,
        *,
        reason: str = "",
        error: str = "",
        attempt: int = 0,
    ) -> None:
        number = self.times.spans + 1
        self.times = replace(self.times, spans=number)
        last = max(began, until)
        self.spans.append(EndedSpan(name, self.times.run, number, began, last, by, reason, error, attempt))


def _opened(now: float, process: str) -> SpanTimes:
    return SpanTimes("", now, process, opened=now, opened_by=process)


def _parked(times: SpanTimes, now: float, process: str) -> SpanTimes:
    """What a person decides is a run of its own, which begins with the wait for it."""
    return SpanTimes(SpanName.PARKED, now, process, opened=now, opened_by=process, run=times.run + 1)


def _times(job: Job) -> SpanTimes:
    """As its record has them; of a step that was made without traces, what it says otherwise, by its owner's time."""
    known = job.trace or SpanTimes("", 0.0, opened=job.accepted_at)
    if known.phase == _phase(job, known.phase):
        return known
    since = job.since or job.accepted_at
    called = since if permitted(job) else 0.0
    return replace(known, phase=_phase(job, ""), began=since, by="", called=called, called_by="")


def _phase(job: Job, present: str) -> str:
    """The phase that a job is in; empty when it has ended."""
    match job.phase:
        case Phase.INTENDED if timing.awaits_start(job):
            return SpanName.SCHEDULED
        case Phase.INTENDED:
            return present if permitted(job) and present in _WAITS else SpanName.QUEUED
        case Phase.QUEUED if chains.waits(job):
            return SpanName.PREDECESSORS
        case Phase.QUEUED:
            return SpanName.QUEUED if job.awaits else SpanName.QUOTA
        case Phase.UNCERTAIN | Phase.ACCEPTED:
            return SpanName.SEARCH
        case Phase.RUNNING:
            return SpanName.RUNNING
        case Phase.PARKED:
            return SpanName.PARKED
        case _:
            return ""


def _tried(before: Job, after: Job) -> bool:
    """Whether the permitted call was tried, as far as the step knows; a call that may have left was."""
    match after.phase:
        case Phase.INTENDED:
            return after.retries > before.retries or after.attempt > before.attempt
        case Phase.QUEUED:
            return after.retries > 0  # counted for AWS's refusals, not for our own count of slots
        case Phase.FAILED:
            return after.fault is None or after.fault.code not in (CANCELLED.code, DEADLINE_EXCEEDED.code)
        case _:
            return True


def _renewed(before: Job, after: Job) -> bool:
    """Whether a call that had not left is permitted again."""
    return permitted(before) and permitted(after) and after.since > before.since


def _outcome(before: Job, after: Job, error: str) -> str:
    """The error of a call; a new owner permits or searches for what may have been called, and has heard no error."""
    unheard = after.phase is Phase.UNCERTAIN or (permitted(after) and after.attempt > before.attempt)
    return error or _failure(after) or (OUTCOME_UNKNOWN if unheard else "")


def _failure(job: Job) -> str:
    """Code of the error with which a job ended."""
    failed = ended(job) and job.phase is not Phase.SUCCEEDED
    return job.fault.code if failed and job.fault is not None else ""


def _whole(times: SpanTimes, job: Job, now: float) -> EndedSpan:
    last = max(times.opened, now)
    return EndedSpan(
        SpanName.COMMAND, times.run, 0, times.opened, last, times.opened_by, error=_failure(job), attempt=job.attempt
    )
