"""What a poller watches, by resource kind: who is due, who waits for a List, and how often Lists are worth their calls.

Nothing here waits or calls.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from schemas.operations import RESOURCES, Resource
from service.core import polling
from service.core.observations import Failure, Observation
from service.core.polling import Cadence

Sink = Callable[[Observation], None]

_LACK: Final = 10
"""Intervals for which a resource that a List lacks is asked for by Gets, until a List is tried again."""


@dataclass(slots=True, eq=False)
class WatchedResource:
    """A resource that is watched for a job.

    Attributes:
        kind: Resource kind.
        resource_id: ARN or stable id.
        status: Last status delivered.
        born: Owner's time since when it is watched; its age sets the pace.
        cadence: How often to poll.
        sink: Where observations go.
        due: Tick of the next poll.
        slot: Where it is in the agenda; the agenda's.
        pace: Current seconds between its polls.
        lacking: Owner's time since when Lists lack it; 0 for none. What only a List shows is never marked so.
        get_pending: Whether a Get is queued or on its way.
        gone: Whether it is watched no more.
        defects: Consecutive polls with an unexpected error.
        removal: True when its deletion was asked for: then absences need not last, and every status is delivered.
        absences: Consecutive polls that did not find it.
        missed: Owner's time of the first of them.
        seen_at: Owner's time of the last poll that showed its status; set by the poller.
        known: The same, of one that showed a status which the table knows.
        blind: Owner's time up to which failed polls were observed, also by a former owner; 0 when none were since it
            was seen. Then the next poll that shows it is delivered, whatever its status.
        shown: Owner's time since when each poll has shown the current status.
        farthest: Rank of the status that is farthest along its life, of those that were shown.
    """

    kind: str
    resource_id: str
    status: str
    born: float
    cadence: Cadence
    sink: Sink
    due: int = 0
    slot: int = 0
    pace: float = 0.0
    lacking: float = 0.0
    get_pending: bool = False
    gone: bool = False
    defects: int = 0
    removal: bool = False
    absences: int = field(default=0)
    missed: float = 0.0
    seen_at: float = 0.0
    known: float = 0.0
    blind: float = 0.0
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


Watches = tuple[WatchedResource, ...]


@dataclass(slots=True)
class WatchedElsewhere:
    """A resource that another replica watches.

    Attributes:
        born: Owner's time since when.
        cadence: How often to poll.
        pace: Seconds between its polls now.
        times: By how many of its jobs.
    """

    born: float
    cadence: Cadence
    pace: float
    times: int = 0


class SharedPage(msgspec.Struct, frozen=True):
    """What a page of another replica's List shows.

    Attributes:
        sender: Who listed.
        target: Name of the target.
        kind: Resource kind.
        interval: Seconds until the next List.
        number: Of the page, from 1.
        last: Whether the List ends here.
        summaries: What it shows of resources that are watched.
    """

    sender: str
    target: str
    kind: str
    interval: float
    number: int
    last: bool
    summaries: list[dict[str, Any]]


class KindWatches:
    """The watched resources of one kind.

    Attributes:
        resource: The kind.
        waiting: Those that are due, and wait for the next List.
        expected: Those that were due when the present List began, and that it has not shown yet.
        failed: Those whose Get fails, and why; a List is to show them.
        interval: Seconds from one List to the next.
        began: Owner's time when the last List began.
        listing: Whether a List is under way.
        moved: Whether the interval has changed since the due resources that wait for a List were determined.
        leads: Whether this replica lists for all of them; always if it is the only one that shares its Lists.
        elsewhere: What other replicas watch, by resource id.

    Args:
        resource: The kind.
        silence: Seconds beyond its interval after which who does not lead lists by itself.
    """

    def __init__(self, resource: Resource, silence: float = 0.0) -> None:
        self.resource = resource
        self.leads = True
        self.elsewhere: dict[str, WatchedElsewhere] = {}
        self._silence = silence
        self._paces_elsewhere: dict[float, int] = {}
        self._missing: dict[WatchedResource, None] = {}
        self._heard_at = self._heard_interval = 0.0
        self._heard_pages = 0
        self._served = False
        self.waiting: dict[WatchedResource, None] = {}
        self.expected: dict[WatchedResource, None] = {}
        self.failed: dict[WatchedResource, Failure] = {}
        self.interval = polling.NEVER
        self.began = 0.0
        self.listing = False
        self.moved = False
        self._watches: dict[str, Watches] = {}
        self._paces: dict[float, int] = {}
        self._pages = 1
        self._unlistable = 0.0

    def of(self, resource_id: str) -> Watches:
        """The watches of one resource."""
        return self._watches.get(resource_id, ())

    def add(self, watch: WatchedResource, now: float) -> None:
        """From now on it is watched."""
        self._watches[watch.resource_id] = (*self.of(watch.resource_id), watch)
        try:
            self.age(watch, now)
        except Exception:
            self.remove(watch)
            raise

    def remove(self, watch: WatchedResource) -> None:
        """From now on it is not."""
        watch.gone = True
        self.unlist(watch)
        self._count(watch, -1)
        if left := tuple(each for each in self.of(watch.resource_id) if each is not watch):
            first, self._watches[watch.resource_id] = self.of(watch.resource_id)[0], left
            self._count(left[0], 1 if first is watch else 0)
        else:
            self._watches.pop(watch.resource_id, None)
        self._plan()

    def unlist(self, watch: WatchedResource) -> None:
        """No List is waited for any more."""
        for group in (self.waiting, self.expected, self.failed, self._missing):
            group.pop(watch, None)

    def age(self, watch: WatchedResource, now: float) -> None:
        """Its pace is that of its age; what Lists have lacked for long is tried in one again."""
        pace = watch.cadence.interval(now - watch.born)
        again = watch.lacking and now - watch.lacking > _LACK * pace
        if again or pace != watch.pace:
            self._change(watch, pace, 0.0 if again else watch.lacking)

    def lacks(self, watch: WatchedResource, now: float) -> None:
        """A List does not show it: it is asked for by itself, for a while."""
        if not watch.lacking:
            self._change(watch, watch.pace, now)

    def shows(self, watch: WatchedResource) -> None:
        """A List shows it: no other poll is needed now."""
        self.unlist(watch)
        if watch.lacking:
            self._change(watch, watch.pace, 0.0)

    def _change(self, watch: WatchedResource, pace: float, lacking: float) -> None:
        self._count(watch, -1)
        watch.pace, watch.lacking = pace, lacking
        self._count(watch, 1)
        self._plan()

    def _count(self, watch: WatchedResource, change: int) -> None:
        """A resource counts once, however many watch it, and while Lists show it."""
        if watch.pace and not watch.lacking and watch is self.of(watch.resource_id)[0]:
            self._paces[watch.pace] = self._paces.get(watch.pace, 0) + change
            if not self._paces[watch.pace]:
                del self._paces[watch.pace]

    def by_list(self, watch: WatchedResource) -> bool:
        """Whether Lists are to show it, in time for its pace."""
        interval = self._heard_interval if self._served else self.interval
        return not self.resource.get_operation or (not watch.lacking and interval <= watch.pace)

    def first_poll(self, watch: WatchedResource, now: float) -> float:
        """Owner's time of a new one's first poll: with the next List if one is to come anyway, else at once."""
        if not self.by_list(watch):
            return now
        last, interval = (self._heard_at, self._heard_interval) if self._served else (self.began, self.interval)
        return max(now, last + interval)

    def listable(self, now: float) -> bool:
        """False for a kind that has no List, and while Lists are refused or do not end."""
        if self._unlistable and now >= self._unlistable:
            self._unlistable = 0.0
            self._plan()
        return bool(self.resource.list_operation) and not self._unlistable

    def unlistable(self, until: float) -> None:
        """Lists are refused, or do not end: Gets only, for a while, where there are any."""
        self._unlistable = until
        self._plan()

    def learn(self, pages: int) -> None:
        """Records the number of pages of a List."""
        self._pages = max(1, pages)
        self._plan()

    def too_long(self, pages: int) -> bool:
        """Whether a List with more pages than this is given up, because Gets are far cheaper."""
        if not self.resource.get_operation or self.failed:
            return False
        return polling.too_long(self._all_paces(), pages, self.interval)

    def list_at(self) -> float | None:
        """Owner's time of the next List; None while none is wanted, or one is under way."""
        refused = self._unlistable and self.resource.get_operation
        first = next(iter(self.failed or self.waiting), None)
        if self.listing or refused:
            return None
        if first is None:
            wanted = self.leads and self.elsewhere and self.interval < polling.NEVER
            return self.began + self.interval if wanted else None
        at = self.began + min(self.interval, first.pace)
        return at if self.leads or self.failed else max(at, first.seen_at + first.pace + self._silence)

    # Other replicas

    def lead(self, leads: bool, now: float) -> None:
        """Whether this replica lists for all; and whether another one is heard that does."""
        served = not leads and now <= self._heard_at + self._heard_interval + self._silence
        if (leads, served) != (self.leads, self._served):
            self.leads, self._served = leads, served
            self.moved = True
            self._plan()

    def hear(self, page: SharedPage, now: float) -> list[WatchedResource]:
        """A page of another replica's List has come, and what it shows is delivered.

        Returns:
            At the end of a List of which every page was heard: what was due at its begin, and is not in it.
        """
        if page.number == 1:
            self._heard_pages, self._missing = 0, dict(self.waiting)
        self._heard_pages += 1
        if page.interval != self._heard_interval:
            self._heard_interval, self.moved = page.interval, True
        self._heard_at = now
        complete = page.last and self._heard_pages == page.number
        missing = list(self._missing) if complete and self.resource.get_operation else []
        self._missing = {} if page.last else self._missing
        return missing

    def add_elsewhere(self, resource_id: str, born: float, cadence: Cadence, now: float) -> None:
        """Another replica watches it."""
        entry = self.elsewhere.setdefault(resource_id, WatchedElsewhere(born, cadence, 0.0))
        entry.times += 1
        self.age_elsewhere(resource_id, now)

    def age_elsewhere(self, resource_id: str, now: float) -> None:
        """Its pace is that of its age."""
        entry = self.elsewhere[resource_id]
        if (pace := entry.cadence.interval(now - entry.born)) != entry.pace:
            self._count_elsewhere(entry.pace, -1)
            self._count_elsewhere(pace, 1)
            entry.pace = pace
            self._plan()

    def remove_elsewhere(self, resource_id: str) -> None:
        """Another replica watches it no more."""
        entry = self.elsewhere[resource_id]
        entry.times -= 1
        if not entry.times:
            del self.elsewhere[resource_id]
            self._count_elsewhere(entry.pace, -1)
            self._plan()

    def _count_elsewhere(self, pace: float, change: int) -> None:
        if pace:
            self._paces_elsewhere[pace] = self._paces_elsewhere.get(pace, 0) + change
            if not self._paces_elsewhere[pace]:
                del self._paces_elsewhere[pace]

    def _all_paces(self) -> dict[float, int]:
        if not self.leads or not self._paces_elsewhere:
            return self._paces
        paces = dict(self._paces)
        for pace, number in self._paces_elsewhere.items():
            paces[pace] = paces.get(pace, 0) + number
        return paces

    def _plan(self) -> None:
        listable, former = not self._unlistable, self.interval
        self.interval = polling.plan(self.resource, self._all_paces(), self._pages, former, listable=listable)
        self.moved = self.moved or self.interval != former
