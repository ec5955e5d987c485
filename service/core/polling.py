"""How often to List a kind of resource, so that all watched ones are seen in time with the fewest calls.

A List page shows up to 100 statuses for the price of one call, but finished resources fill pages too (there is no
status filter), so the price of a List is that of everything ever made. One List serves every watched resource of its
kind, whenever its own poll is due. So rates are compared: Lists at an interval ``s`` cost pages/s calls a second, and
each resource that must be polled more often than that costs a Get at its own pace.
"""

import math
from collections.abc import Mapping
from typing import Final

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
