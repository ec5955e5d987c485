"""Concurrency slots per account and region: who may start next.

AWS allows few long jobs at a time (2 pending models, 10 generation jobs, 20 exports by default) and answers 402 beyond.
A command that finds no slot waits: within its tenant by priority, then by arrival; between tenants, the one with the
fewest slots in use comes first, so that nobody's crowd keeps others out.

A tenant's n-th waiting command would start when the tenant has n - 1 slots more than now. That number is its *level*,
and the queue is the order of levels, then ranks: no two commands of a tenant share a level.
"""

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, order=True)
class Rank(Generic[Key]):
    """A waiting command's place among its tenant's: higher priority first, then earlier arrival."""

    urgency: int
    since: float
    key: Key
    tenant: str = ""

    @classmethod
    def of(cls, priority: int, since: float, key: Key, tenant: str = "") -> "Rank[Key]":
        """The place of a tenant's command with this priority (0 to 9) that arrived at ``since``."""
        return cls(-priority, since, key, tenant)


@dataclass(frozen=True, slots=True)
class Slots(Generic[Key]):
    """The slots of one kind in one account and region.

    Attributes:
        limit: How many there are.
        taken: Who has one, with the tenant; more than ``limit`` is possible after a restart or beside other users of
            the account.
        queues: Who wants one, in order, by tenant; no queue is empty.
        places: Where each one waits.
    """

    limit: int
    taken: Mapping[Key, str] = field(default_factory=dict)
    queues: Mapping[str, tuple[Rank[Key], ...]] = field(default_factory=dict)
    places: Mapping[Key, Rank[Key]] = field(default_factory=dict)

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return max(0, self.limit - len(self.taken))

    @property
    def waiting(self) -> tuple[Key, ...]:
        """Who waits, in the order of the queue."""
        return self.first(len(self.places))

    def first(self, count: int) -> tuple[Key, ...]:
        """The first so many of the queue."""
        levels = sorted(
            (level, rank)
            for tenant, queue in self.queues.items()
            for level, rank in enumerate(islice(queue, count), self._used(tenant))
        )
        return tuple(rank.key for _, rank in levels[:count])

    def position(self, key: Key) -> int:
        """Place in the queue from 1; 0 when not waiting."""
        rank = self.places.get(key)
        if rank is None:
            return 0
        level = self._used(rank.tenant) + bisect_left(self.queues[rank.tenant], rank)
        return 1 + sum(self._ahead(level, rank))

    def _ahead(self, level: int, rank: Rank[Key]) -> Iterator[int]:
        """How many of each tenant's queue come before this level and rank."""
        for tenant, queue in self.queues.items():
            depth = max(0, level - self._used(tenant))
            yield min(depth, len(queue))
            if level >= self._used(tenant) and depth < len(queue) and queue[depth] < rank:
                yield 1

    def _used(self, tenant: str) -> int:
        return sum(1 for other in self.taken.values() if other == tenant)


def occupy(slots: Slots[Key], key: Key, tenant: str = "") -> Slots[Key]:
    """Takes a slot without asking: what runs, runs."""
    queues, places = _without(slots, key)
    return Slots(slots.limit, {**slots.taken, key: tenant}, queues, places)


def request(slots: Slots[Key], rank: Rank[Key]) -> tuple[Slots[Key], bool]:
    """Takes a slot if one is free and nobody waiting comes first; otherwise joins the queue."""
    if rank.key in slots.taken:
        return slots, True
    waiting = slots if slots.places.get(rank.key) == rank else _join(slots, rank)
    if waiting.free and waiting.free >= waiting.position(rank.key):
        return occupy(waiting, rank.key, rank.tenant), True
    return waiting, False


def full(slots: Slots[Key], rank: Rank[Key]) -> Slots[Key]:
    """AWS says the quota is used up although we counted a free slot: others use the account too."""
    return _join(slots, rank)


def passing_over(slots: Slots[Key], absent: Iterable[Key]) -> Slots[Key]:
    """The slots as if some of those who wait did not: who does not come when called must not hold the others up."""
    for key in absent:
        slots = Slots(slots.limit, slots.taken, *_without(slots, key))
    return slots


def release(slots: Slots[Key], key: Key) -> tuple[Slots[Key], tuple[Key, ...]]:
    """Gives a slot back, or leaves the queue.

    Returns:
        The slots, and who may try now: as many as there are free slots.
    """
    taken = {other: tenant for other, tenant in slots.taken.items() if other != key}
    left = Slots(slots.limit, taken, *_without(slots, key))
    return left, left.first(left.free)


def _join(slots: Slots[Key], rank: Rank[Key]) -> Slots[Key]:
    """Waits, and has no slot."""
    taken = {other: tenant for other, tenant in slots.taken.items() if other != rank.key}
    queues, places = _without(slots, rank.key)
    queue = queues.get(rank.tenant, ())
    place = bisect_left(queue, rank)
    return Slots(
        slots.limit,
        taken,
        {**queues, rank.tenant: (*queue[:place], rank, *queue[place:])},
        {**places, rank.key: rank},
    )


def _without(slots: Slots[Key], key: Key) -> tuple[Mapping[str, tuple[Rank[Key], ...]], Mapping[Key, Rank[Key]]]:
    """The queues and places that are left when one no longer waits."""
    rank = slots.places.get(key)
    if rank is None:
        return slots.queues, slots.places
    queue = slots.queues[rank.tenant]
    place = bisect_left(queue, rank)
    left = (*queue[:place], *queue[place + 1 :])
    queues = {tenant: other for tenant, other in slots.queues.items() if tenant != rank.tenant}
    return (
        {**queues, rank.tenant: left} if left else queues,
        {other: there for other, there in slots.places.items() if other != key},
    )
