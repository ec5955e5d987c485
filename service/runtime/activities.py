"""Starts what a commit has permitted: calls, searches, watches and rests of one shard's jobs.

A job has at most one call or search under way. What is learnt goes back into the inbox; nothing here changes a job.
"""

import asyncio
import contextvars
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from sys import intern
from typing import Any, Final

import msgspec

from schemas.operations import Kind
from schemas.records import Command, Fault
from service.core import effects, timing, transitions
from service.core.job import Job, Phase, awaits_slot, ended, keeps_line, occupies_slot, row, subject
from service.core.observations import (
    Broken,
    DeadlinePassed,
    Due,
    HandedOver,
    Lost,
    Observation,
    QuotaFull,
    Refused,
    Restored,
    RunningLong,
    SearchFailed,
    StartReached,
    UntilPassed,
    WindowMissed,
)
from service.core.polling import Cadence
from service.runtime.context import Context
from service.runtime.dispatch import Dispatch
from service.runtime.errors import DEFECT, UNUSABLE, RepeatedErrors, location
from service.runtime.inbox import Inbox, Observed
from service.runtime.intent import Intent
from service.runtime.key_order import KeyOrder
from service.runtime.limiter import Turn
from service.runtime.poller import Poller
from service.runtime.ports import TopicPartition
from service.runtime.running_jobs import RunningJobs
from service.runtime.slots import Claim, SlotRegistry
from service.runtime.timers import Deadlines, Timers
from service.runtime.turns import Rested, Turns, release_after, sends
from service.runtime.watches import WatchedResource

NO_SLOT = "ConcurrencyLimit"
"""Reason of a command that waits because our own jobs use up the quota."""
_SAY_AGAIN: Final = 60.0
"""Seconds until it is said again that call windows are missed."""


@dataclass(frozen=True, slots=True)
class ActivityDependencies:
    """What activities are performed with, shared by all shards."""

    dispatch: Dispatch
    pollers: Mapping[str, Poller]
    slots: SlotRegistry


class _Sink(msgspec.Struct, frozen=True, gc=False):
    """Takes what is seen of one job's resource into the inbox. There is one for each watch, so it is small."""

    inbox: Inbox
    key: bytes

    def __call__(self, observation: Observation) -> None:
        self.inbox.put(Observed(self.key, observation))


class Activities:
    """The activities of one shard."""

    def __init__(
        self, partition: TopicPartition, inbox: Inbox, workshop: ActivityDependencies, context: Context
    ) -> None:
        self._partition = partition
        self._inbox = inbox
        self._workshop = workshop
        self._context = context
        self._timers = Timers(context.clock.now, self._fire)
        self._starts = Timers(context.clock.wall, self._fire)
        self._deadlines = Deadlines(context.clock, lambda key: self._fire(key, DeadlinePassed()))
        self._untils = Timers(context.clock.wall, self._fire)
        self._missed_at = -math.inf
        self._intents: dict[bytes, Intent] = {}
        self._turns = Turns(inbox, workshop.dispatch, self._spawn)
        self._waits = (
            self._timers.cancel,
            self._starts.cancel,
            self._untils.cancel,
            self._deadlines.cancel,
            self._turns.drop,
        )
        self._lines = KeyOrder()
        self._standing: dict[bytes, tuple[Job, float]] = {}
        self._searching: set[bytes] = set()
        self._watched: dict[bytes, Poller] = {}
        self._running = RunningJobs(context.clock.now, self._watched, lambda key: self._fire(key, RunningLong()))
        self._put_off: list[tuple[bytes, object]] = []
        self._held: dict[bytes, str] = {}
        self._reasons: Counter[str] = Counter()
        self._defects = RepeatedErrors()
        self._unsearchable = RepeatedErrors()
        self._again: dict[bytes, asyncio.TimerHandle] = {}
        self._holding = False
        self._group: asyncio.TaskGroup | None = None
        self._variables = contextvars.Context()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def calling(self) -> int:
        """How many calls are under way."""
        return sum(not intent.over for intent in self._intents.values())

    @property
    def held(self) -> Counter[str]:
        """How many jobs are held, by reason."""
        return +self._reasons

    def statistics(self) -> dict[str, object]:
        """What is going on, in numbers."""
        return {
            "calls": self.calling,
            "unpermitted": len(self._turns),
            "in_line": len(self._standing),
            "searches": len(self._searching),
            "watches": len(self._watched),
            "timers": len(self._timers) + len(self._starts),
            "held": len(self._held),
        }

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Tasks live in this group from now on."""
        self._group = group
        self._variables = contextvars.copy_context()
        for timers in (self._timers, self._starts, self._untils, self._running.timers, *self._deadlines.timers):
            self._spawn(timers.run(), f"timers:{self._label}")

    def end(self) -> None:
        """Stops everything; what was under way is found out by the next owner."""
        for task in self._tasks:
            task.cancel()
        self._turns.end()
        for again in self._again.values():
            again.cancel()
        for key, poller in self._watched.items():
            poller.unwatch(self._claim(key))
        self._watched.clear()

    def hold(self) -> None:
        """Begins nothing new until :meth:`proceed`; a permitted call is said, durably, not to have been sent.

        That holds for calls too which still wait for their turn: they are stopped before they leave.
        """
        self._holding = True
        self._put_off.extend(self._turns.hold())
        for key, intent in self._intents.items():
            if not intent.over and intent.revoke():
                self._inbox.put(Observed(key, HandedOver()))
        for key, (job, _) in self._standing.items():
            if job.due:
                self._put_off.append((key, Rested(job)))
            else:
                self._inbox.put(Observed(key, HandedOver()))
        self._standing.clear()

    def proceed(self) -> None:
        """Begins what became due meanwhile."""
        self._holding = False
        put_off, self._put_off = self._put_off, []
        for key, what in put_off:
            self._fire(key, what)

    def revoke(self, key: bytes) -> bool:
        """Stops a job's call before it leaves; False when it may have left. True where none was begun."""
        return self._intents[key].revoke() if key in self._intents else True

    def permits(self, key: bytes, command: Command) -> bool:
        """Whether a new command may be permitted to call as it is accepted, which takes a turn for it.

        Others are accepted first, and permitted when they have a turn: an intent would grow old while they wait.
        """
        return not self._holding and self._turns.take_at_once(key, command)

    def planned(self) -> None:
        """A commit was planned: turns of those that it has not permitted to call after all are given back."""
        self._turns.give_back_unused()

    def line_up(self, jobs: Iterable[tuple[bytes, Job]]) -> None:
        """Puts jobs in the lines of their keys, in order of their turns; comes before any of them is planned."""
        for key, job in sorted(jobs, key=lambda each: (each[1].turn, each[1].accepted_at)):
            try:
                if keeps_line(job):
                    self._lines.join(job.command.order, key)
            except Exception as error:  # others stand in their lines all the same
                self._unforeseen(key, job.command.id, error, None)

    def plan(self, key: bytes, job: Job | None, committed_at: float) -> None:
        """Begins the activity of a job as it was just committed (``committed_at`` in monotonic seconds).

        What raises is tried again a few times; then the job ends or is parked. An ended one leaves its line anyway.
        """
        if again := self._again.pop(key, None):
            again.cancel()
        try:
            self._plan(key, job, committed_at)
            self._defects.clear(key)
        except Exception as error:
            name = job.command.id if job is not None else key.decode(errors="replace")
            going_on = job is not None and not ended(job)
            self._unforeseen(key, name, error, partial(self.plan, key, job, committed_at) if going_on else None)
            if not going_on:
                self._drop(key, *self._waits, self.unwatch, self._free_slot, self._leave_line)

    def keep(self, key: bytes) -> None:
        """Nothing can be done with a job, not even end it: it is held until a process that can."""
        self._drop(key, *self._waits, self.unwatch)
        self._set_held(key, UNUSABLE)

    def keeps(self, key: bytes) -> bool:
        """True for a job with which nothing can be done here."""
        return self._held.get(key) == UNUSABLE

    def _set_held(self, key: bytes, why: str) -> None:
        """Why a job is held, or that it is not."""
        if before := self._held.pop(key, ""):
            self._reasons[before] -= 1
        if why:
            self._held[key] = why
            self._reasons[why] += 1

    def _drop(self, key: bytes, *leaving: Callable[[bytes], None]) -> None:
        """Each is left, whatever one of them raises."""
        for leave in leaving:
            try:
                leave(key)
            except Exception as error:
                self._unforeseen(key, key.decode(errors="replace"), error, None)

    def _unforeseen(self, key: bytes, command_id: str, error: Exception, again: Callable[[], None] | None) -> None:
        """Reports a defect in planning, and tries again in a while; once too often, the job is to end."""
        self._context.telemetry.problem(
            "planning_error", partition=self._label, command_id=command_id, error=location(error)
        )
        if again is None:
            return
        delay = self._defects.delay(key)
        if delay is not None:
            self._again[key] = asyncio.get_running_loop().call_later(delay, again)
        else:
            self._inbox.put(Observed(key, Broken(DEFECT, unsent=self.revoke(key))))

    def _plan(self, key: bytes, job: Job | None, committed_at: float) -> None:
        activity = transitions.activity(job, self._context.policy) if job else None
        self._stop_obsolete(key, job, activity, committed_at)
        if job is None or (not isinstance(activity, effects.Hold) and self._overdue(key, job)):
            return
        self._limit(key, job, activity)
        match activity:
            case effects.Call():
                self._call(key, job, committed_at)
            case effects.Search(at):
                self._occupy(self._claim(key), job)
                self._timers.set(key, at, job)
            case effects.Watch():
                claim = self._claim(key)
                self._occupy(claim, job)
                self._watch(claim, job)
            case effects.Rest() if ended(job):
                pass  # the shard forgets it, by two clocks
            case effects.Rest(until, wall):
                self._queue(key, job)
                (self._starts if wall else self._timers).set(key, until, Rested(job, wall))
            case effects.Await() | effects.Decide():
                pass  # the shard hears of the other job's end, and decides in the same step
            case effects.Hold(why):
                self._hold(key, job, why)

    def _stop_obsolete(
        self, key: bytes, job: Job | None, activity: effects.Activity | None, committed_at: float
    ) -> None:
        """Ends what the job no longer wants: timers, watches, calls, its slot and its position in the key order."""
        self._timers.cancel(key)
        self._starts.cancel(key)
        self._untils.cancel(key)
        if job is None or not timing.may_expire(job):
            self._deadlines.cancel(key)
        if not isinstance(activity, effects.Watch):
            self.unwatch(key)
        if not isinstance(activity, effects.Call):
            self._standing.pop(key, None)
            self._settle(key, committed_at)
            if not (isinstance(activity, effects.Rest) and job is not None and sends(job)):
                self._turns.drop(key)
        if job is None or not occupies_slot(job):
            self._leave_slot(key, job)
        if not isinstance(activity, effects.Hold):
            self._set_held(key, "")
        if job is None or not keeps_line(job):
            self._leave_line(key)

    def _fire(self, key: bytes, what: object) -> None:
        try:
            self._fired(key, what)
        except Exception as error:
            name = what.command.id if isinstance(what, Job) else key.decode(errors="replace")
            self._unforeseen(key, name, error, partial(self._fire, key, what))

    def _fired(self, key: bytes, what: object) -> None:
        if self._holding:
            self._put_off.append((key, what))
        elif isinstance(what, Job):
            self._searching.add(key)
            self._spawn(self._search(key, what), f"search:{what.command.id}")
        elif isinstance(what, DeadlinePassed):
            self._expire(key)
        elif isinstance(what, UntilPassed | RunningLong):
            self._inbox.put(Observed(key, what))
        elif isinstance(what, Rested):
            self._rested(key, what)

    def wake(self, key: bytes, job: Job) -> None:
        """A slot may be free for a job that waits for one."""
        if awaits_slot(job):
            self._fire(key, Rested(job))

    def _rested(self, key: bytes, what: Rested) -> None:
        """A wait is over. Before a call is permitted it is first in its line and has a turn to be made."""
        if not sends(what.job):
            self._inbox.put(Observed(key, what.over))
        elif self._lines.first(key):
            self._turns.ask(key, what)
        else:
            self._standing[key] = (what.job, 0.0)

    # Deadlines

    def _overdue(self, key: bytes, job: Job) -> bool:
        """Watches the deadline of a call that has not been made; True when it has passed, and the job will end."""
        if not timing.may_expire(job):
            return False
        self._deadlines.watch(key, job.command.deadline)
        return self._deadlines.passed(key) and self._expire(key)

    def _expire(self, key: bytes) -> bool:
        """A deadline has passed: ends who waits for anything, but not whose call may have left."""
        intent = self._intents.get(key)
        if self._holding or (intent is not None and (intent.answer is not None or not intent.expire())):
            return False
        self._inbox.put(Observed(key, DeadlinePassed()))
        return True

    # Limits of what runs

    def _limit(self, key: bytes, job: Job, activity: effects.Activity | None) -> None:
        """Sets the time after which a watch ends, or a running job is reported, as its publisher has named it."""
        if ended(job) or isinstance(activity, effects.Hold):
            return
        if until := timing.until(job):
            self._untils.set(key, until, UntilPassed())

    def oldest_running(self) -> dict[str, float]:
        """Since when the job of each resource kind has been running that began first; owner's time."""
        return self._running.oldest()

    def _hold(self, key: bytes, job: Job, why: str) -> None:
        """It stays in the line of its key, for what follows must not overtake it, and has no slot."""
        self._set_held(key, why)
        self._free_slot(key)
        if job.held != why:
            self._inbox.put(Observed(key, Restored()))  # its publisher hears of it

    # Calls

    def _call(self, key: bytes, job: Job, committed_at: float) -> None:
        intent = self._intents.get(key)
        if intent is not None and (intent.answer is not None or not intent.over):
            intent.committed(committed_at, permitted=True)  # one call at a time, until its outcome is stepped
        elif self._holding:
            self._turns.drop(key)
            self._inbox.put(Observed(key, HandedOver()))
        elif not self._lines.first(key):
            self._turns.drop(key)
            self._standing[key] = (job, committed_at)
        elif (position := self._position(key, job)) > 0:
            self._turns.drop(key)
            fault = Fault(NO_SLOT, "all slots of this quota are used by our own jobs", retryable=True)
            self._inbox.put(Observed(key, QuotaFull(fault, position)))
        else:
            intent = self._intents[key] = self._intent(key, job, committed_at)
            turn = self._turns.pop(key)
            intent.task = self._spawn(self._perform(key, job, intent, turn), f"call:{job.command.id}")
            if turn is not None:
                release_after(intent.task, turn)

    def _intent(self, key: bytes, job: Job, committed_at: float) -> Intent:
        expired = partial(self._deadlines.passed, key)
        read = row(job.command).kind is Kind.READ
        return Intent(key, committed_at, self._inbox, self._context, expired, read=read)

    async def _perform(self, key: bytes, job: Job, intent: Intent, turn: Turn | None) -> None:
        try:
            observation = await self._workshop.dispatch.call(job, intent, turn)
        except Exception as error:
            fault = self._defect(job, error)
            observation = Lost(fault) if intent.sent else Refused(fault)
        finally:
            intent.over = True
        if isinstance(observation, WindowMissed):
            self._say_missed()
        if isinstance(observation, QuotaFull):
            busy = self._workshop.slots.busy(job.command.target, occupies_slot(job))
            observation = replace(observation, busy=busy)
        if observation is not None:
            intent.answer = observation
            self._inbox.put(Observed(key, observation))
        elif self._intents.get(key) is intent:
            del self._intents[key]

    def _say_missed(self) -> None:
        """Now and then, since every waiting call misses its window then."""
        now = self._context.clock.monotonic()
        if now - self._missed_at >= _SAY_AGAIN:
            self._missed_at = now
            self._context.telemetry.problem(
                "call_window_missed",
                partition=self._label,
                call_window=self._context.policy.call_window,
            )

    def stepped(self, key: bytes, observation: Observation) -> None:
        """An observation was taken from the inbox; a call whose outcome it is may be followed by another."""
        if isinstance(observation, Due | StartReached):
            self._turns.note(key)
        intent = self._intents.get(key)
        if intent is not None and intent.answer is observation:
            del self._intents[key]

    def _leave_line(self, key: bytes) -> None:
        self._standing.pop(key, None)
        following = self._lines.leave(key)
        if following is not None and following in self._standing:
            self.plan(following, *self._standing.pop(following))

    def _settle(self, key: bytes, committed_at: float) -> None:
        """A job that ended while its call waited for a new intent will not be called; one that has left goes on."""
        intent = self._intents.get(key)
        if intent is not None:
            intent.committed(committed_at, permitted=False)
            if intent.over and intent.answer is None:
                del self._intents[key]

    def _defect(self, job: Job, error: Exception) -> Fault:
        """An unexpected error during a call: its outcome is unknown, and only this job is affected."""
        self._context.telemetry.problem("call_error", command_id=job.command.id, error=location(error))
        return Fault("ServiceError", f"{type(error).__name__} in the service, please report it", retryable=True)

    # Searches and watches

    async def _search(self, key: bytes, job: Job) -> None:
        try:
            observation: Observation = await self._workshop.dispatch.search(job)
            self._unsearchable.clear(key)
        except Exception as error:
            fault = self._defect(job, error)
            observation = Broken(fault) if self._unsearchable.delay(key) is None else SearchFailed(fault)
        finally:
            self._searching.discard(key)
        self._inbox.put(Observed(key, observation))

    def _watch(self, claim: Claim, job: Job) -> None:
        if claim.key in self._watched:
            return
        resource = subject(job.command)
        poller = self._workshop.pollers[job.command.target]
        now = self._context.clock.now()
        poller.watch(
            claim,
            WatchedResource(
                resource.kind,
                job.resource_id,
                "" if job.status in resource.ends else intern(job.status),  # an end that a former owner did not know
                min(job.accepted_at, now),
                self._cadence(job),
                _Sink(self._inbox, claim.key),
                removal=row(job.command).kind is Kind.REMOVAL,
                blind=now if job.tried else 0.0,
            ),
        )
        self._watched[claim.key] = poller
        if row(job.command).kind is not Kind.TRACK:
            kind = row(job.command).resource.kind
            limit = self._context.policy.running_limit(kind)
            self._running.add(claim.key, kind, job.since, limit, reported=job.overdue)

    def _cadence(self, job: Job) -> Cadence:
        operation = row(job.command)
        if operation.kind is Kind.REMOVAL:
            return self._context.removal_cadence
        return self._context.cadences.get(subject(job.command).kind, self._context.removal_cadence)

    def unwatch(self, key: bytes) -> None:
        """Stops polling a job's resource; if the job is planned again, polling restarts from its own status."""
        poller = self._watched.pop(key, None)
        if poller is not None:
            poller.unwatch(self._claim(key))

    # Slots

    def _position(self, key: bytes, job: Job) -> int:
        slot = occupies_slot(job)
        if not slot:
            return 0
        return self._workshop.slots.request(
            job.command.target, slot, self._claim(key), priority=job.command.priority, since=job.accepted_at
        )

    def _occupy(self, claim: Claim, job: Job) -> None:
        if slot := occupies_slot(job):
            self._workshop.slots.occupy(job.command.target, slot, claim)

    def _queue(self, key: bytes, job: Job) -> None:
        """A new owner learns who waits from the jobs themselves."""
        if slot := awaits_slot(job):
            self._workshop.slots.queue(
                job.command.target,
                slot,
                self._claim(key),
                priority=job.command.priority,
                since=job.accepted_at,
            )

    def _leave_slot(self, key: bytes, job: Job | None) -> None:
        if job is None or job.phase is not Phase.QUEUED:
            self._free_slot(key)

    def _free_slot(self, key: bytes) -> None:
        self._workshop.slots.release(self._claim(key))

    # Tasks

    def _claim(self, key: bytes) -> Claim:
        return Claim(self._partition, key)

    @property
    def _label(self) -> str:
        return f"{self._partition.topic}-{self._partition.partition}"

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        if self._group is None:
            work.close()
            return None
        try:
            # Another shard may be the caller, when it has freed a slot; what its log lines say is not about this one.
            task = self._group.create_task(work, name=name, context=self._variables.copy())
        except RuntimeError:  # the group is ending or has ended, and so does this shard: a timer came too late
            work.close()
            return None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
