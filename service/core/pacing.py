"""When to poll again. Pure arithmetic on seconds, and an agenda of what is due when."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


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

    def confirming(self, age: float, looks: int, seconds: float) -> float:
        """The interval after a poll that did not find the resource, never longer than the usual one.

        An absence is confirmed as soon as it can be, and with no more polls than that takes: while an absence has yet
        to last, polls in between would decide nothing.

        Args:
            age: The resource's age.
            looks: Number of further consecutive absences that are needed.
            seconds: How much longer they have to last.
        """
        usual = self.interval(age)
        soon = min(self.first, usual)
        return soon if looks > 1 else min(usual, max(soon, seconds))


def backoff(retries: int, base: float, cap: float, fraction: float) -> float:
    """Capped exponential backoff with full jitter, never less than a tenth of its ceiling.

    Args:
        retries: Refusals so far, from 1.
        base: Ceiling of the first wait, seconds.
        cap: Ceiling of every wait, seconds.
        fraction: Jitter in [0, 1).
    """
    ceiling = min(cap, base * 2.0 ** min(max(retries - 1, 0), 62))
    return ceiling * (0.1 + 0.9 * fraction)


def search_delay(searches: int, delays: Sequence[float]) -> float:
    """The wait before the next search, after this many; the last delay repeats."""
    return delays[min(searches, len(delays) - 1)]


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
