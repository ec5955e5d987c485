"""When to poll, and how: the fewest calls that show the status of every watched resource in time.

A List page shows up to 100 statuses for the price of one call, but finished resources fill pages too (there is no
status filter), so the price of a List is that of everything ever made. One List serves every watched resource of its
kind, whenever its own poll is due. So rates are compared: Lists at an interval ``s`` cost pages/s calls a second, and
each resource that must be polled more often than that costs a Get at its own pace.
"""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from schemas.operations import Resource

NEVER: Final = math.inf
"""The interval of a kind that is not listed: a Get for each resource."""

HYSTERESIS: Final = 1.25
"""By how much the present way must cost more than the cheapest one before it is left.

Lists that cost as much as a Get for each resource are given up at once.
"""

_WASTE: Final = 2
"""A List is given up when it has cost this many times the Gets that it saves; so far, and with more pages to come."""


def plan(resource: Resource, paces: Mapping[float, int], pages: int, present: float, *, listable: bool) -> float:
    """The interval at which to List a kind; NEVER for Gets only. On a tie Gets, because they show details as well.

    Args:
        resource: The kind.
        paces: How many watched resources, which a List shows, want a poll at each interval.
        pages: How many pages the last List had.
        present: The interval as it is now.
        listable: False while Lists of this kind fail.
    """
    if not resource.get_operation:
        return min(paces, default=NEVER)
    if not resource.list_operation or not listable:
        return NEVER
    costs = {interval: _calls(paces, pages, interval) for interval in (NEVER, *sorted(paces, reverse=True))}
    best = min(costs, key=lambda interval: costs[interval])
    cost = costs.get(present, math.inf)
    kept = cost <= HYSTERESIS * costs[best] and (present == NEVER or cost < costs[NEVER])
    return present if kept else best


def _calls(paces: Mapping[float, int], pages: int, interval: float) -> float:
    """Calls a second."""
    return pages / interval + sum(number / pace for pace, number in paces.items() if pace < interval)


def too_long(paces: Mapping[float, int], pages: int, interval: float) -> bool:
    """Whether a List with this number of pages has cost far more than the Gets that it should save."""
    saved = sum(number * interval / pace for pace, number in paces.items() if pace >= interval)
    return pages >= max(_WASTE, math.ceil(_WASTE * saved))


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a resource is polled.

    Attributes:
        first: Interval while the resource is young, seconds.
        later: Interval afterwards, seconds.
        young_for: Age up to which it is young, seconds.
    """

    first: float
    later: float
    young_for: float

    def interval(self, age: float) -> float:
        """The interval at this age."""
        return self.first if age < self.young_for else self.later

    def confirming(self, age: float, absences: int, seconds: float) -> float:
        """The interval after a poll that did not find the resource, never longer than the usual one.

        An absence is confirmed as soon as it can be, and with no more polls than that takes: while an absence has yet
        to last, polls in between would decide nothing.

        Args:
            age: The resource's age.
            absences: Number of further consecutive absences that are needed.
            seconds: How much longer they have to last.
        """
        usual = self.interval(age)
        soon = min(self.first, usual)
        return soon if absences > 1 else min(usual, max(soon, seconds))


def tick_of(seconds: float, tick: float) -> int:
    """The tick that has begun at a time."""
    return math.floor(seconds / tick)


class Appointment(Protocol):
    """What an agenda keeps.

    Attributes:
        due: Tick at which it is due.
        slot: Tick at which the agenda has it, its own matter; 0 when it has not.
    """

    due: int
    slot: int


Item = TypeVar("Item", bound=Appointment)


class Agenda(Generic[Item]):
    """What is due at which tick.

    An item whose due tick moves to later stays where it is until its former tick has come: so a move costs nothing, and
    every item costs one step in each of its intervals, however many there are.
    """

    def __init__(self) -> None:
        self._slots: dict[int, list[Item]] = {}
        self._ticks: list[int] = []

    def put(self, item: Item) -> None:
        """Enters an item at its due tick, unless it is in the agenda at an earlier one."""
        if item.slot and item.slot <= item.due:
            return
        item.slot = item.due
        if item.slot not in self._slots:
            self._slots[item.slot] = []
            heapq.heappush(self._ticks, item.slot)
        self._slots[item.slot].append(item)

    def first(self) -> int | None:
        """The tick at which something may be due; None for an empty agenda."""
        return self._ticks[0] if self._ticks else None

    def due(self, tick: int, most: int) -> list[Item]:
        """Takes out what is due, in limited steps; there is more while :meth:`first` is not after the tick."""
        due: list[Item] = []
        for _ in range(most):
            if not self._ticks or self._ticks[0] > tick:
                break
            at = self._ticks[0]
            item = self._slots[at].pop()
            if not self._slots[at]:
                del self._slots[at]
                heapq.heappop(self._ticks)
            if item.slot != at:
                continue  # it was taken out, or entered again for earlier
            item.slot = 0
            if item.due > tick:
                self.put(item)
            else:
                due.append(item)
        return due

    def remove(self, item: Item) -> None:
        """Takes an item out, whenever it is due."""
        item.slot = 0

    def clear(self) -> None:
        """Forgets everything."""
        self._slots.clear()
        self._ticks.clear()
