"""What a poll shows to those who watch a resource: a status, an absence, or that nothing can be seen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from schemas.operations import RESOURCES, Resource
from schemas.records import Fault
from service.core import faults, outcomes
from service.core.observations import Broken, Failure, Seen, Unseen, Vanished
from service.core.polling import tick_of
from service.runtime.dispatch import ENDLESS
from service.runtime.errors import DEFECT, location
from service.runtime.ports import Clock, Telemetry
from service.runtime.watches import WatchedResource

ABSENCES: Final = 3
"""Minimum number of consecutive polls that do not find a resource until it counts as gone."""

DEFECTS: Final = 3
"""Number of consecutive unexpected errors until they are delivered to the watch."""

_NAMED: Final = 3
"""Resources that one line of the log names."""


def lasting(failure: Failure) -> bool:
    """Whether the same request would fail again."""
    return failure.code == ENDLESS or faults.fault_class(failure) is faults.FaultClass.REFUSED


class PollResults:
    """Delivers what polls show of the resources of one target.

    Args:
        target: The target's name.
        tick: Seconds of a tick, in which due times are counted.
        clock: Time.
        telemetry: Receives what fails.
        settle: See :class:`service.runtime.poller.Poller`.
        blindness: The same.

    Attributes:
        late: What was due and has not been seen since, in the order in which it became due.
    """

    def __init__(
        self, target: str, tick: float, clock: Clock, telemetry: Telemetry, settle: float, blindness: float
    ) -> None:
        self.late: dict[WatchedResource, None] = {}
        self._target = target
        self._tick = tick
        self._clock = clock
        self._telemetry = telemetry
        self._settle = settle
        self._blindness = blindness

    def problem(self, error: Exception) -> None:
        """A defect that is no resource's."""
        self._telemetry.problem("poll_error", target=self._target, error=location(error))

    def broke(self, watches: Iterable[WatchedResource], error: Exception) -> None:
        """Repeated unexpected errors are delivered to those who watch the resource."""
        broken = list(watches)
        names = ", ".join(watch.resource_id for watch in broken[:_NAMED])
        self._telemetry.problem("poll_error", target=self._target, resource=names, error=location(error))
        for watch in broken:
            watch.defects += 1
            if watch.defects >= DEFECTS:
                self._deliver_defect(watch)

    def _deliver_defect(self, watch: WatchedResource) -> None:
        try:
            watch.sink(Broken(DEFECT))
        except Exception as error:  # others watch the same resource, and its next poll is still to be planned
            self._telemetry.problem("poll_error", target=self._target, error=location(error))

    def stuck(self, failure: Failure, watches: Iterable[WatchedResource]) -> bool:
        """Whether to poll in the other way too: the failure does not pass by itself, or has not passed for long."""
        now = self._clock.now()
        return lasting(failure) or any(now - max(each.seen_at, each.blind) >= self._blindness for each in watches)

    def absent(self, watches: Iterable[WatchedResource]) -> None:
        """An eventually consistent read may miss what is there, so an absence is confirmed, by polls that were due.

        For what is being deleted a few polls are enough. What is old is polled so rarely that the next poll comes
        sooner than usual.
        """
        now = self._clock.now()
        for watch in watches:
            if watch.due > tick_of(now, self._tick):
                continue
            self.late.pop(watch, None)
            watch.seen_at = now
            watch.missed = watch.missed if watch.absences else now
            watch.absences += 1
            if watch.absences >= ABSENCES and self._lasting(watch, now) <= 0.0:
                watch.sink(Vanished())

    def confirming(self, watch: WatchedResource, now: float) -> float:
        """Seconds until what is absent is polled again; half a tick more, since a poll just before is for nothing."""
        polls, seconds = ABSENCES - watch.absences, self._lasting(watch, now) + self._tick / 2
        return min(watch.pace, watch.cadence.confirming(now - watch.born, polls, seconds))

    def _lasting(self, watch: WatchedResource, now: float) -> float:
        """Seconds for which an absence has yet to last; a deletion that has failed explains no absence."""
        resource = RESOURCES[watch.kind]
        explained = watch.status in resource.leaving or (watch.removal and watch.status not in resource.undeleted)
        return 0.0 if explained else watch.missed + self._settle - now

    def deliver(self, watches: Iterable[WatchedResource], description: Mapping[str, Any]) -> None:
        """A poll has described the resource."""
        now = self._clock.now()
        for watch in watches:
            self.late.pop(watch, None)
            watch.seen_at = now
            watch.absences = 0
            try:
                self.deliver_one(watch, description)
            except Exception as error:  # others watch the same resource
                self.broke([watch], error)

    def deliver_one(self, watch: WatchedResource, description: Mapping[str, Any]) -> None:
        """A status that was left behind is delivered at each poll, with the time since it is shown."""
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
        """Informs the watch at intervals that no poll shows the status of the resource."""
        now = self._clock.now()
        seconds = now - max(watch.known, watch.blind)
        if seconds >= self._blindness:
            watch.blind = now
            watch.sink(Unseen(fault, seconds, operation))

    def unseen(self, resource: Resource, watches: Sequence[WatchedResource], failure: Failure, operation: str) -> None:
        """A poll has failed, and shows nothing of the resource."""
        if not watches:
            return
        for watch in watches:
            self._blind(watch, faults.fault(failure, retryable=True), operation)
        self._telemetry.problem("poll_failed", target=self._target, resource_kind=resource.kind, code=failure.code)
