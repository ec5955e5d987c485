"""One poller per target looks at every watched resource, with as few calls as possible.

Nothing is lost when a look fails: the watch stays due and the next tick looks again.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from schemas.operations import RESOURCES, Resource
from schemas.records import Fault
from service.core import faults, outcomes, polling, reconciliation
from service.core.observations import Broken, Failure, Observation, Reply, Seen, Unseen, Vanished
from service.core.pacing import Cadence
from service.core.rate_budget import Lane
from service.runtime.dispatch import ENDLESS, RateLimitedApi
from service.runtime.errors import DEFECT, location
from service.runtime.ports import Clock, Telemetry
from service.runtime.timers import LONGEST_SLEEP

ABSENCES: Final = 3
"""Looks in a row, at least, that do not find a resource until it counts as gone."""

DEFECTS: Final = 3
"""Looks in a row that break the service until whoever watches hears of it."""

_UNLISTABLE: Final = sys.maxsize
"""As many resources as make every Get cheaper than the List; of a kind whose List is refused or does not end."""

_NAMED: Final = 3
"""Resources that one line of the log names."""

Sink = Callable[[Observation], None]


def _lasting(failure: Failure) -> bool:
    """Whether the same request would fail again."""
    return failure.code == ENDLESS or faults.fault_class(failure) is faults.FaultClass.REFUSED


@dataclass(slots=True)
class WatchedResource:
    """A resource that somebody wants to hear of.

    Attributes:
        kind: Resource kind.
        resource_id: ARN or stable id.
        status: Last status delivered.
        born: Owner's time since when it is watched; its age sets the pace.
        cadence: How often to look.
        sink: Where observations go.
        due: Owner's time of the next look.
        defects: Looks in a row that broke the service.
        removal: True when its deletion was asked for: then absences need not last, and every status is delivered.
        absences: Looks in a row that did not find it.
        missed: Owner's time of the first of them.
        looked: Owner's time of the last look that showed how it stands; set by the poller.
        known: The same, of one that showed a status which the table knows.
        blind: Owner's time up to which failed looks were observed, also by a former owner; 0 when none were since it
            was seen. Then the next look that shows it is delivered, whatever its status.
        shown: Owner's time since when each look has shown the present status.
        farthest: Rank of the status that is farthest along its life, of those that were shown.
    """

    kind: str
    resource_id: str
    status: str
    born: float
    cadence: Cadence
    sink: Sink
    due: float = 0.0
    defects: int = 0
    removal: bool = False
    absences: int = field(default=0)
    missed: float = 0.0
    looked: float = 0.0
    known: float = 0.0
    blind: float = 0.0
    looking: bool = False
    shown: float = 0.0
    farthest: int = -1

    def __post_init__(self) -> None:
        """Begins with the status that is known already."""
        self.farthest = self.rank(self.status, -1)

    def rank(self, status: str, unknown: int) -> int:
        """How far along its life a status is."""
        rank = RESOURCES[self.kind].rank(status)
        return unknown if rank is None else rank

    def back(self, status: str) -> bool:
        """True for a status that the resource had left behind: a read that lags, unless it stays."""
        return self.rank(status, self.farthest) < self.farthest


Due = dict[str, dict[str, list[WatchedResource]]]
"""Watches by kind and resource id."""


class Poller:
    """Watches of one target.

    Args:
        target: The target's name.
        caller: Performs the calls, within the budget.
        tick: Seconds to which due times are rounded, so that looks fall together.
        clock: Time.
        telemetry: Is told of every look.
        patience: Seconds that a read may lag behind, even behind what an earlier one has shown: what was absent for
            longer counts as gone. What is being deleted need not be absent for so long.
        blindness: Seconds of failed looks after which they are observed, again and again.
    """

    def __init__(
        self,
        target: str,
        caller: RateLimitedApi,
        tick: float,
        clock: Clock,
        telemetry: Telemetry,
        patience: float = 0.0,
        blindness: float = 3600.0,
    ) -> None:
        self._target = target
        self._patience = patience
        self._blindness = blindness
        self._caller = caller
        self._tick = tick
        self._clock = clock
        self._telemetry = telemetry
        self._watches: dict[object, WatchedResource] = {}
        self._listed: dict[str, int] = {}
        self._unlistable: dict[str, float] = {}
        self._listing: set[str] = set()
        self._changed = asyncio.Event()

    def watch(self, key: object, watch: WatchedResource) -> None:
        """Begins to look, at once; a key that is watched already goes on as it is."""
        if key not in self._watches:
            watch.looked = watch.known = watch.shown = self._clock.now()
            self._watches[key] = watch
            self._changed.set()

    def unwatch(self, key: object) -> None:
        """Looks no longer."""
        self._watches.pop(key, None)

    def __len__(self) -> int:
        return len(self._watches)

    def lag(self) -> float:
        """By how many seconds the look that is most overdue is late; failed looks don't count as looks."""
        now = self._clock.now()
        late = (now - watch.looked - watch.cadence.interval(now - watch.born) for watch in self._watches.values())
        return max(0.0, max(late, default=0.0))

    async def run(self) -> None:
        """Looks until cancelled. A look that hangs, or a List without an end, delays no other."""
        async with asyncio.TaskGroup() as ticks:
            while True:
                self._changed.clear()
                wait = self._wait()
                if wait is None or wait > 0:
                    try:
                        async with asyncio.timeout(wait):
                            await self._changed.wait()
                    except TimeoutError:
                        pass
                    continue
                ticks.create_task(self._look_safely(self._due()), name=f"poll:{self._target}")
                await asyncio.sleep(0)

    async def _look_safely(self, due: Due) -> None:
        try:
            await self._look_at(due)
        except Exception as error:
            self._telemetry.problem("a look broke the service", target=self._target, error=location(error))

    def _wait(self) -> float | None:
        idle = [watch.due for watch in self._watches.values() if self._idle(watch)]
        return min(min(idle) - self._clock.now(), LONGEST_SLEEP) if idle else None

    def _idle(self, watch: WatchedResource) -> bool:
        """False while an answer is on its way that is about it."""
        return not watch.looking and watch.kind not in self._listing

    async def tick(self) -> None:
        """Looks once at everything that is due; Lists and Gets go side by side."""
        await self._look_at(self._due())

    def _due(self) -> Due:
        """What is to be looked at now, by kind and id; its next look is due an interval later."""
        now = self._clock.now()
        due: Due = {}
        for watch in [watch for watch in self._watches.values() if watch.due <= now and self._idle(watch)]:
            try:
                watch.due = self._next(watch, now)
                due.setdefault(watch.kind, {}).setdefault(watch.resource_id, []).append(watch)
            except Exception as error:
                watch.due = now + self._tick
                self._broke([watch], error)
        return due

    async def _look_at(self, due: Due) -> None:
        plan = self._plan(due)
        self._telemetry.poll(self._target, lists=len(plan.lists), gets=len(plan.gets), watched=len(self._watches))
        async with asyncio.TaskGroup() as looks:
            for kind in plan.lists:
                look = partial(self._list, RESOURCES[kind], due[kind])
                watches = [watch for found in due[kind].values() for watch in found]
                looks.create_task(self._look(look, watches, kind), name=f"poll:{self._target}:{kind}")
            for kind in dict(plan.gets):
                look = partial(self._gets, RESOURCES[kind], due[kind])
                watches = [watch for found in due[kind].values() for watch in found]
                looks.create_task(self._guarded(look, watches), name=f"poll:{self._target}:{kind}")

    def _plan(self, due: Mapping[str, Mapping[str, list[WatchedResource]]]) -> polling.Plan:
        """What can't be planned is reported, kind by kind: the others are looked at all the same."""
        listed = {**self._listed, **{kind: _UNLISTABLE for kind in self._unlistable if not self._listable(kind)}}
        lists: list[str] = []
        gets: list[tuple[str, str]] = []
        for kind, found in due.items():
            try:
                plan = polling.plan({kind: found}, listed)
            except Exception as error:
                self._broke([watch for watches in found.values() for watch in watches], error)
            else:
                lists.extend(plan.lists)
                gets.extend(plan.gets)
        return polling.Plan(tuple(lists), tuple(gets))

    def _broke(self, watches: list[WatchedResource], error: Exception) -> None:
        """Whoever watches what breaks the service again and again hears of it."""
        names = ", ".join(watch.resource_id for watch in watches[:_NAMED])
        self._telemetry.problem("a look broke the service", target=self._target, resource=names, error=location(error))
        for watch in watches:
            watch.defects += 1
            if watch.defects >= DEFECTS:
                watch.sink(Broken(DEFECT))

    async def _guarded(self, look: Callable[[], Awaitable[None]], watches: list[WatchedResource]) -> None:
        """A defect of ours in a look is reported, and the next tick looks again."""
        try:
            await look()
        except Exception as error:
            self._broke(watches, error)

    async def _look(
        self, look: Callable[[], Awaitable[None]], watches: list[WatchedResource], listed: str = ""
    ) -> None:
        """One look, during which no other one begins.

        Called here and not before: a task that is cancelled before it begins would leave a coroutine never awaited.
        """
        for watch in watches:
            watch.looking = True
        self._listing |= {listed} - {""}
        try:
            await self._guarded(look, watches)
        finally:
            for watch in watches:
                watch.looking = False
            self._listing.discard(listed)
            self._changed.set()

    def _next(self, watch: WatchedResource, now: float) -> float:
        return self._rounded(now + watch.cadence.interval(now - watch.born))

    def _confirming(self, watch: WatchedResource, lasting: float, now: float) -> float:
        """When to look again at what is absent; half a tick more, since a look just before the time is for nothing."""
        looks, seconds = ABSENCES - watch.absences, lasting + self._tick / 2
        return self._rounded(now + watch.cadence.confirming(now - watch.born, looks, seconds))

    def _rounded(self, at: float) -> float:
        return round(at / self._tick) * self._tick

    def _listable(self, kind: str) -> bool:
        return self._unlistable.get(kind, 0.0) <= self._clock.now()

    def _stuck(self, failure: Failure, watches: list[WatchedResource]) -> bool:
        """Whether to look in the other way too: the failure does not pass by itself, or has not passed for long."""
        now = self._clock.now()
        return _lasting(failure) or any(now - max(each.looked, each.blind) >= self._blindness for each in watches)

    async def _list(self, resource: Resource, due: Mapping[str, list[WatchedResource]]) -> None:
        """One List for all; where it is stuck, Gets."""
        shown = await self._summaries(resource)
        if isinstance(shown, Failure):
            stuck = {each: found for each, found in due.items() if self._stuck(shown, found)}
            failed = await self._got(resource, stuck) if resource.get_operation else {}
            for resource_id, failure in failed.items():
                self._unseen(resource, due[resource_id], failure, resource.get_operation)
            rest = due if not resource.get_operation else {each: due[each] for each in due if each not in stuck}
            self._unseen(resource, [each for found in rest.values() for each in found], shown, resource.list_operation)
            return
        async with asyncio.TaskGroup() as looks:
            for resource_id, watches in due.items():
                look = partial(self._listed_one, resource, resource_id, watches, shown.get(resource_id))
                looks.create_task(self._look(look, watches))

    async def _summaries(self, resource: Resource) -> Mapping[str, Mapping[str, Any]] | Failure:
        """What a List shows, by id."""
        outcome = await self._caller.read(self._target, reconciliation.list_request(resource), Lane.POLL)
        if isinstance(outcome, Failure):
            if _lasting(outcome):
                self._unlistable[resource.kind] = self._clock.now() + self._blindness
            return outcome
        summaries = outcome.result[resource.summaries]
        self._listed[resource.kind] = len(summaries)
        return {reconciliation.identify(resource, summary): summary for summary in summaries}

    async def _gets(self, resource: Resource, due: Mapping[str, list[WatchedResource]]) -> None:
        """A Get for each; where some are stuck, one List."""
        failed = await self._got(resource, due)
        stuck = {each for each, failure in failed.items() if self._stuck(failure, due[each])}
        listed = (
            await self._summaries(resource)
            if stuck and resource.list_operation and self._listable(resource.kind)
            else {}
        )
        for resource_id, failure in failed.items():
            summary = None if isinstance(listed, Failure) or resource_id not in stuck else listed.get(resource_id)
            self._make_do(resource, due[resource_id], failure, summary)

    async def _got(self, resource: Resource, due: Mapping[str, list[WatchedResource]]) -> dict[str, Failure]:
        """Gets side by side; those that failed."""
        failed: dict[str, Failure] = {}

        async def look(resource_id: str, watches: list[WatchedResource]) -> None:
            if failure := await self._get(resource, resource_id, watches):
                failed[resource_id] = failure

        async with asyncio.TaskGroup() as looks:
            for resource_id, watches in due.items():
                one = self._look(partial(look, resource_id, watches), watches)
                looks.create_task(one, name=f"poll:{self._target}:{resource_id}")
        return failed

    async def _listed_one(
        self, resource: Resource, resource_id: str, watches: list[WatchedResource], summary: Mapping[str, Any] | None
    ) -> None:
        """A summary is enough while a resource is on its way; its end, or its absence, deserves a Get."""
        status = summary.get("status", "") if summary else ""
        telling = summary is None or status in resource.done | resource.failed | resource.undeleted
        if (
            telling
            and resource.get_operation
            and any(summary is None or watch.status != status or watch.back(status) for watch in watches)
        ):
            if failure := await self._get(resource, resource_id, watches):
                self._make_do(resource, watches, failure, summary if self._stuck(failure, watches) else None)
        elif summary is None:
            self._absent(resource, watches)
        else:
            self._deliver(watches, summary)

    def _make_do(
        self, resource: Resource, watches: list[WatchedResource], failure: Failure, summary: Mapping[str, Any] | None
    ) -> None:
        """After a Get that failed: what a List shows of the resource, or nothing."""
        if summary is None:
            self._unseen(resource, watches, failure, resource.get_operation)
        else:
            self._deliver(watches, summary)

    def _absent(self, resource: Resource, watches: list[WatchedResource]) -> None:
        """An eventually consistent read may miss what is there, so an absence is confirmed.

        For what is being deleted a few looks are enough. A deletion that has failed explains no absence. What is old
        is looked at so rarely that the next look comes sooner than usual.
        """
        now = self._clock.now()
        for watch in watches:
            watch.looked = now
            watch.missed = watch.missed if watch.absences else now
            watch.absences += 1
            explained = watch.status in resource.leaving or (watch.removal and watch.status not in resource.undeleted)
            lasting = 0.0 if explained else watch.missed + self._patience - now
            watch.due = min(watch.due, self._confirming(watch, lasting, now))
            if watch.absences >= ABSENCES and lasting <= 0.0:
                watch.sink(Vanished())

    async def _get(self, resource: Resource, resource_id: str, watches: list[WatchedResource]) -> Failure | None:
        """One Get; its failure, if it says nothing of the resource."""
        outcome = await self._caller.read(self._target, reconciliation.get_request(resource, resource_id), Lane.POLL)
        if isinstance(outcome, Reply):
            self._deliver(watches, outcome.result)
        elif faults.absent(outcome):
            self._absent(resource, watches)
        else:
            return outcome
        return None

    def _deliver(self, watches: list[WatchedResource], description: Mapping[str, Any]) -> None:
        now = self._clock.now()
        for watch in watches:
            watch.looked = now
            watch.absences = 0
            try:
                self._deliver_one(watch, description)
            except Exception as error:  # others watch the same resource
                self._broke([watch], error)

    def _deliver_one(self, watch: WatchedResource, description: Mapping[str, Any]) -> None:
        """A status that was left behind is told at each look, with the time since it is shown."""
        status, now = str(description.get("status", "")), self._clock.now()
        rank = watch.rank(status, -1)
        if status != watch.status:
            watch.shown = now
        if status != watch.status or watch.removal or watch.back(status) or (watch.blind and rank >= 0):
            watch.sink(Seen(description, now - watch.shown))
            watch.status, watch.farthest = status, max(watch.farthest, rank)
        if rank >= 0:
            watch.known, watch.blind = now, 0.0
        else:
            self._blind(watch, outcomes.unknown_status(status))
        watch.defects = 0

    def _blind(self, watch: WatchedResource, fault: Fault, operation: str = "") -> None:
        """Who watches hears, now and then, that no look shows how the resource stands."""
        now = self._clock.now()
        seconds = now - max(watch.known, watch.blind)
        if seconds >= self._blindness:
            watch.blind = now
            watch.sink(Unseen(fault, seconds, operation))

    def _unseen(self, resource: Resource, watches: list[WatchedResource], failure: Failure, operation: str) -> None:
        if not watches:
            return
        for watch in watches:
            self._blind(watch, faults.fault(failure, retryable=True), operation)
        self._telemetry.problem(
            "poll failed; will look again", target=self._target, resource_kind=resource.kind, code=failure.code
        )
