"""One poller per target polls every watched resource with as few requests as possible.

Nothing is lost when a poll fails: the watch stays due and is polled again.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import aclosing
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from schemas.operations import RESOURCES, Resource
from service.core import faults, polling, search
from service.core.marker import identify
from service.core.observations import Failure, Reply
from service.core.polling import Agenda, Cadence, tick_of
from service.core.rate_budget import Lane
from service.runtime.dispatch import RateLimitedApi
from service.runtime.limiter import Turn
from service.runtime.poll_results import PollResults, lasting
from service.runtime.ports import Clock, Telemetry
from service.runtime.timers import LONGEST_SLEEP
from service.runtime.watches import KindWatches, SharedPage, WatchedResource

_ABREAST: Final = 3
"""Gets that ask for a token at a time: as many may come before the next page of a List."""

_AT_ONCE: Final = 1000
"""Watches that are gone through before others have their turn."""


class ListSharing(Protocol):
    """Whose Lists are shared with other replicas; see :mod:`service.runtime.sharing`."""

    def lists(self, target: str, kind: str) -> bool:
        """Whether this replica lists the kind for all."""
        ...

    def publish(
        self,
        target: str,
        resource: Resource,
        page: Iterable[Mapping[str, Any]],
        *,
        interval: float,
        number: int,
        last: bool,
    ) -> None:
        """Says what a page of a List shows of resources that other replicas watch."""
        ...


class _Get(NamedTuple):
    """A Get that waits for its turn.

    Attributes:
        kind: Its kind.
        resource_id: What it is to describe.
        last: Whether a List has failed already, so that there is no other way to poll.
    """

    kind: KindWatches
    resource_id: str
    last: bool = False


class Poller:
    """Watches of one target.

    Args:
        target: The target's name.
        caller: Performs the calls, within the budget.
        tick: Seconds to which due times are rounded, so that polls are combined.
        clock: Time.
        telemetry: Receives every poll.
        settle: Seconds that a read may lag behind, even behind what an earlier one has shown: what was absent for
            longer counts as gone. A resource that is being deleted need not be absent for that time.
        blindness: Seconds of failed polls after which they are observed, repeatedly.
        sharing: Shares Lists with other replicas.
        silence: Seconds beyond its interval after which a replica that hears nothing of a resource lists by itself.
    """

    def __init__(
        self,
        target: str,
        caller: RateLimitedApi,
        tick: float,
        clock: Clock,
        telemetry: Telemetry,
        settle: float = 0.0,
        blindness: float = 3600.0,
        sharing: ListSharing | None = None,
        silence: float = 0.0,
    ) -> None:
        self._target = target
        self._blindness = blindness
        self._results = PollResults(target, tick, clock, telemetry, settle, blindness)
        self._caller = caller
        self._tick = tick
        self._clock = clock
        self._telemetry = telemetry
        self._sharing = sharing
        self._silence = silence
        self._watches: dict[object, WatchedResource] = {}
        self._kinds: dict[str, KindWatches] = {}
        self._agenda: Agenda[WatchedResource] = Agenda()
        self._gets: deque[_Get] = deque()
        self._turns: deque[Turn] = deque()
        self._listing = self._asking = 0
        self._changed = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None

    def watch(self, key: object, watch: WatchedResource) -> None:
        """Starts polling: with the next List if one is due anyway, otherwise at once.

        A key that is watched already goes on as it is.
        """
        if key in self._watches:
            return
        now = self._clock.now()
        watch.seen_at = watch.known = watch.shown = now
        kind = self._kind(watch.kind)
        kind.add(watch, now)
        self._watches[key] = watch
        watch.due = tick_of(kind.first_poll(watch, now), self._tick)
        self._enter(watch)
        self._moved(kind)

    def _kind(self, name: str) -> KindWatches:
        if name not in self._kinds:
            self._kinds[name] = KindWatches(RESOURCES[name], self._silence)
            self._lead(self._kinds[name])
        return self._kinds[name]

    def _lead(self, kind: KindWatches) -> None:
        if self._sharing is not None:
            kind.lead(self._sharing.lists(self._target, kind.resource.kind), self._clock.now())

    def watch_elsewhere(self, kind: str, resource_id: str, born: float, cadence: Cadence) -> None:
        """Another replica watches a resource: if this one lists its kind, it does so for both."""
        entry = self._kind(kind)
        entry.add_elsewhere(resource_id, born, cadence, self._clock.now())
        self._changed.set()

    def unwatch_elsewhere(self, kind: str, resource_id: str) -> None:
        """Another replica watches it no more."""
        self._kinds[kind].remove_elsewhere(resource_id)
        self._moved(self._kinds[kind])

    def heard(self, page: SharedPage) -> None:
        """Another replica has read a page of a List, and shares what it shows."""
        kind, now = self._kinds.get(page.kind), self._clock.now()
        if kind is None:
            return
        try:
            missing = kind.hear(page, now)
            self._page(kind, page.summaries, heard=True)
            for watch in missing:
                if watch in kind.waiting:
                    self._lacking(kind, watch, now)
        except Exception as error:
            self._results.problem(error)
        self._moved(kind)

    def unwatch(self, key: object) -> None:
        """Stops polling."""
        if watch := self._watches.pop(key, None):
            kind = self._kinds[watch.kind]
            kind.remove(watch)
            self._results.late.pop(watch, None)
            self._agenda.remove(watch)
            self._moved(kind)
        if not self._watches:
            self._agenda.clear()

    def __len__(self) -> int:
        return len(self._watches)

    def times(self, key: object) -> tuple[float, float] | None:
        """When a watched resource was seen last, and when the next poll is due, by the owner's time."""
        watch = self._watches.get(key)
        return (watch.seen_at, watch.due * self._tick) if watch is not None else None

    def lag(self) -> float:
        """Seconds by which the most overdue poll is late; failed polls do not count as polls."""
        now = self._clock.now()
        late = (now - watch.seen_at - watch.pace for watch in islice(self._results.late, _AT_ONCE))
        return max(0.0, max(late, default=0.0))

    async def run(self) -> None:
        """Polls until cancelled. A poll that hangs, or a List without an end, delays no other."""
        async with asyncio.TaskGroup() as self._group:
            while True:
                self._changed.clear()
                try:
                    self._begin_due()
                    wait = self._wait()
                except Exception as error:
                    self._results.problem(error)
                    wait = self._tick
                if wait is not None and wait <= 0:
                    await asyncio.sleep(0)
                    continue
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    pass

    def _wait(self) -> float | None:
        """Seconds until something may be due; None while nothing is watched that waits for its time."""
        first = self._agenda.first()
        times = [at for kind in self._kinds.values() if (at := kind.list_at()) is not None]
        if first is not None:
            times.append(first * self._tick)
        if self._sharing is not None and any(kind.elsewhere or kind.waiting for kind in self._kinds.values()):
            times.append(self._clock.now() + max(self._silence, self._tick))  # who lists may have changed, or be silent
        return min(min(times) - self._clock.now(), LONGEST_SLEEP) if times else None

    def _begin_due(self) -> None:
        """Starts the polls that are due, unless one of the same resource is running."""
        now = self._clock.now()
        for watch in self._agenda.due(tick_of(now, self._tick), _AT_ONCE):
            try:
                self._fired(watch, now)
            except Exception as error:
                self._results.broke([watch], error)
                self._again(watch)
        for kind in self._kinds.values():
            self._begin_list(kind, now)

    def _fired(self, watch: WatchedResource, now: float) -> None:
        """A watch is due: it waits for the next List, or for its turn of a Get."""
        self._results.late.setdefault(watch)
        kind = self._kinds[watch.kind]
        if kind.by_list(watch) and not (watch.absences and kind.resource.get_operation):
            kind.waiting[watch] = None
        else:
            self._queue(_Get(kind, watch.resource_id))

    def _begin_list(self, kind: KindWatches, now: float) -> None:
        """Begins a List if one is wanted and may be; who is not served by Lists any more is asked for by itself."""
        self._lead(kind)
        kind.listable(now)
        if kind.moved:
            kind.moved = False
            for watch in [watch for watch in kind.waiting if not kind.by_list(watch)]:
                del kind.waiting[watch]
                self._queue(_Get(kind, watch.resource_id))
        at = kind.list_at()
        if at is not None and at <= now:
            kind.began, kind.listing = now, True
            kind.expected, kind.waiting = kind.waiting, {}
            self._spawn(self._list(kind), kind.resource.kind)

    def _spawn(self, poll: Coroutine[Any, Any, None], name: str) -> None:
        if self._group is None:
            poll.close()
            return
        try:
            self._group.create_task(poll, name=f"poll:{self._target}:{name}")
        except RuntimeError:  # the group is ending, and this poller with it
            poll.close()

    # When to poll

    def _next(self, watch: WatchedResource, now: float) -> int:
        """The tick of the next poll, which is never the current one."""
        wait = self._results.confirming(watch, now) if watch.absences else watch.pace
        return max(round((now + wait) / self._tick), tick_of(now, self._tick) + 1)

    def _enter(self, watch: WatchedResource) -> None:
        first = self._agenda.first()
        self._agenda.put(watch)
        if first is None or watch.due < first:
            self._changed.set()

    def _moved(self, kind: KindWatches) -> None:
        if kind.moved:
            self._changed.set()

    def _again(self, watch: WatchedResource) -> None:
        """The next poll is due an interval later."""
        if watch.gone:
            return
        now, kind = self._clock.now(), self._kinds[watch.kind]
        try:
            kind.age(watch, now)
            watch.due = self._next(watch, now)
        except Exception as error:
            watch.due = tick_of(now, self._tick) + 1
            self._results.broke([watch], error)
        self._enter(watch)
        self._moved(kind)

    # Lists

    async def _list(self, kind: KindWatches) -> None:
        """One List for all: each page is used as it arrives, and what is absent is judged at its end."""
        self._listing += 1
        self._take_turns()
        try:
            ended = await self._pages(kind)
            if isinstance(ended, Failure):
                self._list_failed(kind, ended)
            elif ended:
                self._listed(kind)
        except Exception as error:
            self._results.broke([*kind.expected, *kind.failed], error)
            self._drop_failed(kind)
        finally:
            self._listing -= 1
            kind.listing = False
            kind.waiting |= kind.expected
            kind.expected = {}
            kind.moved = True  # who waits for the next List, or has a Get of its own, is judged again
            self._changed.set()

    async def _pages(self, kind: KindWatches) -> bool | Failure:
        """Reads them; whether to the end, or why not."""
        request, number = search.list_request(kind.resource), 0
        async with aclosing(self._caller.pages(self._target, request, Lane.POLL)) as pages:
            async for page in pages:
                self._telemetry.poll(self._target, lists=1, gets=0, watched=len(self._watches))
                if isinstance(page, Failure):
                    return page
                number += 1
                more = bool(page.result.get("nextToken"))
                self._share(kind, page.result[kind.resource.summaries], number, last=not more)
                self._page(kind, page.result[kind.resource.summaries])
                if more and kind.too_long(number):
                    kind.learn(number + 1)
                    return False
                if more:
                    await asyncio.sleep(0)  # Gets that a page calls for come before the next page
        kind.learn(number)
        return True

    def _share(self, kind: KindWatches, summaries: Iterable[Mapping[str, Any]], number: int, *, last: bool) -> None:
        """Other replicas hear what a page shows of what they watch."""
        if self._sharing is None or not kind.leads or kind.interval == polling.NEVER:
            return
        shown, now = [], self._clock.now()
        for summary in summaries:
            resource_id = identify(kind.resource, summary)
            if resource_id in kind.elsewhere:
                kind.age_elsewhere(resource_id, now)
                shown.append(summary)
        self._sharing.publish(self._target, kind.resource, shown, interval=kind.interval, number=number, last=last)

    def _page(self, kind: KindWatches, summaries: Iterable[Mapping[str, Any]], *, heard: bool = False) -> None:
        for summary in summaries:
            resource_id = identify(kind.resource, summary)
            watches = kind.of(resource_id)
            failed = any(watch in kind.failed for watch in watches)
            if not watches or (failed and heard):  # in place of its Get it needs the whole summary, of an own List
                continue
            for watch in watches:
                kind.shows(watch)
            try:  # one summary breaks no List
                self._listed_one(kind, resource_id, summary, failed=failed)
            except Exception as error:
                self._results.broke(watches, error)
            for watch in watches:
                if not watch.get_pending:
                    self._again(watch)

    def _listed_one(self, kind: KindWatches, resource_id: str, summary: Mapping[str, Any], *, failed: bool) -> None:
        """A summary is enough while a resource is on its way; its end deserves a Get, unless that fails."""
        watches, status = kind.of(resource_id), str(summary.get("status", ""))
        is_news = status in kind.resource.ends and any(each.status != status or each.back(status) for each in watches)
        if any(watch.get_pending for watch in watches):
            return
        if is_news and kind.resource.get_operation and not failed:
            self._queue(_Get(kind, resource_id))
        else:
            self._results.deliver(watches, summary)

    def _listed(self, kind: KindWatches) -> None:
        """A List has ended: what was due and is not in it is asked for by a Get, or is absent."""
        now = self._clock.now()
        missing, kind.expected = kind.expected, {}
        for watch in missing:
            if kind.resource.get_operation:
                self._lacking(kind, watch, now)
            else:
                self._results.absent([watch])
                self._again(watch)
        self._drop_failed(kind)

    def _lacking(self, kind: KindWatches, watch: WatchedResource, now: float) -> None:
        kind.lacks(watch, now)
        kind.unlist(watch)
        self._queue(_Get(kind, watch.resource_id))

    def _list_failed(self, kind: KindWatches, failure: Failure) -> None:
        """Where Lists are stuck, Gets."""
        resource = kind.resource
        if lasting(failure):
            kind.unlistable(self._clock.now() + self._blindness)
        stuck = [watch for watch in kind.expected if resource.get_operation and self._results.stuck(failure, [watch])]
        for watch in stuck:
            kind.expected.pop(watch)
            self._queue(_Get(kind, watch.resource_id, last=True))
        self._results.unseen(resource, list(kind.expected), failure, resource.list_operation)
        self._drop_failed(kind)

    def _drop_failed(self, kind: KindWatches) -> None:
        """A resource that no List has shown either is absent."""
        failed, kind.failed = kind.failed, {}
        for watch, failure in failed.items():
            self._results.unseen(kind.resource, [watch], failure, kind.resource.get_operation)
            self._again(watch)

    # Gets

    def _queue(self, get: _Get) -> None:
        """One Get for all who watch the resource, and not two at a time."""
        watches = get.kind.of(get.resource_id)
        if not any(watch.get_pending for watch in watches):
            for watch in watches:
                watch.get_pending = True
            self._gets.append(get)
            self._take_turns()

    def _take_turns(self) -> None:
        """Only a few Gets ask for their tokens at a time, so that the pages of Lists have their turns among them.

        While a List is read, one token is kept in reserve: the first Get that a page calls for need not wait.
        """
        while self._gets and self._turns:
            get = self._gets.popleft()
            if get.kind.of(get.resource_id):
                self._spawn(self._poll(get, self._turns.popleft()), get.resource_id)
        wanted = len(self._gets) + (1 if self._listing else 0)
        while self._asking < min(_ABREAST, wanted - len(self._turns)):
            self._asking += 1
            self._spawn(self._take_token(), "token")

    async def _take_token(self) -> None:
        try:
            turn = await self._caller.turn(self._target, Lane.POLL)
            turn.keep()
            self._turns.append(turn)
        except Exception as error:
            self._results.problem(error)
            await asyncio.sleep(self._tick)
        finally:
            self._asking -= 1
        self._take_turns()

    async def _poll(self, get: _Get, turn: Turn) -> None:
        """One Get, during which no other of its resource begins."""
        self._telemetry.poll(self._target, lists=0, gets=1, watched=len(self._watches))
        try:
            await turn.connect()
            turn.used = True
            await self._get(get.kind, get.resource_id, last=get.last)
        except Exception as error:
            self._results.broke(get.kind.of(get.resource_id), error)
        finally:
            turn.release()
        for watch in get.kind.of(get.resource_id):
            watch.get_pending = False
            if watch not in get.kind.failed:
                self._again(watch)

    async def _get(self, kind: KindWatches, resource_id: str, *, last: bool) -> None:
        """What a Get shows; if it fails for long, what a List does."""
        resource = kind.resource
        request = search.get_request(resource, resource_id)
        outcome = await self._caller.send(self._target, request.operation, request.params, Lane.POLL, None)
        watches = kind.of(resource_id)
        if isinstance(outcome, Reply):
            self._results.deliver(watches, outcome.result)
        elif faults.absent(outcome):
            self._results.absent(watches)
        elif not last and kind.listable(self._clock.now()) and self._results.stuck(outcome, watches):
            kind.failed.update(dict.fromkeys(watches, outcome))
            self._changed.set()
        else:
            self._results.unseen(resource, watches, outcome, resource.get_operation)
