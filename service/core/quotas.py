"""Concurrency slots per account and region: who may start next.

AWS allows few long jobs at a time (2 pending models, 10 generation jobs, 20 exports by default) and answers 402 beyond.
A command that finds no slot waits: within its tenant by priority, then by arrival; between tenants, the one with the
fewest slots in use comes first, so that nobody's crowd keeps others out.

A tenant's n-th waiting command would start when the tenant has n - 1 slots more than now. That number is its *level*,
and the queue is the order of levels, then ranks: no two commands of a tenant share a level.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
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


class Slots(Generic[Key]):
    """The slots of one kind in one account and region, kept up to date by each change.

    Each change costs about the same however many wait: thousands of them are made in one go when a copy is dropped.

    Attributes:
        limit: How many there are.
        taken: Who has one, with the tenant; more than ``limit`` is possible after a restart or beside other users of
            the account.
        places: Where each one waits.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: dict[Key, str] = {}
        self._used: Counter[str] = Counter()
        self._queues: dict[str, list[Rank[Key]]] = {}
        self._places: dict[Key, Rank[Key]] = {}
        self.taken: Mapping[Key, str] = MappingProxyType(self._taken)
        self.places: Mapping[Key, Rank[Key]] = MappingProxyType(self._places)

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return max(0, self.limit - len(self._taken))

    @property
    def waiting(self) -> tuple[Key, ...]:
        """Who waits, in the order of the queue."""
        return self.first(len(self._places))

    def first(self, count: int) -> tuple[Key, ...]:
        """The first so many of the queue."""
        levels = sorted(
            (level, rank)
            for tenant, queue in self._queues.items()
            for level, rank in enumerate(islice(queue, count), self._used[tenant])
        )
        return tuple(rank.key for _, rank in levels[:count])

    def position(self, key: Key) -> int:
        """Place in the queue from 1; 0 when not waiting."""
        rank = self._places.get(key)
        return 1 + _ahead(rank, self._queues, self._used) if rank is not None else 0

    def position_without(self, key: Key, absent: Collection[Key]) -> int:
        """The same, if some of those who wait did not: who does not come when called must not hold the others up."""
        rank = self._places.get(key)
        if rank is None:
            return 0
        there = {
            tenant: [each for each in queue if each.key == key or each.key not in absent]
            for tenant, queue in self._queues.items()
        }
        return 1 + _ahead(rank, there, self._used)

    def request(self, rank: Rank[Key]) -> bool:
        """Takes a slot if one is free and nobody waiting comes first; otherwise joins the queue."""
        if rank.key in self._taken:
            return True
        if self._places.get(rank.key) != rank:
            self.full(rank)
        if not self.free or self.free < self.position(rank.key):
            return False
        self.occupy(rank.key, rank.tenant)
        return True

    def occupy(self, key: Key, tenant: str = "") -> None:
        """Takes a slot without asking: what runs, runs."""
        self._leave(key)
        self._taken[key] = tenant
        self._used[tenant] += 1

    def full(self, rank: Rank[Key]) -> None:
        """Joins the queue, and has no slot: AWS says that the quota is used up although we counted a free one."""
        self._leave(rank.key)
        insort(self._queues.setdefault(rank.tenant, []), rank)
        self._places[rank.key] = rank

    def release(self, *keys: Key) -> tuple[Key, ...]:
        """Gives slots back, or leaves the queue.

        Returns:
            Who may try now: as many as there are free slots.
        """
        for key in keys:
            self._leave(key)
        return self.first(self.free)

    def _leave(self, key: Key) -> None:
        if key in self._taken:
            self._used[self._taken.pop(key)] -= 1
        if (rank := self._places.pop(key, None)) is not None:
            queue = self._queues[rank.tenant]
            del queue[bisect_left(queue, rank)]
            if not queue:
                del self._queues[rank.tenant]


def _ahead(rank: Rank[Key], queues: Mapping[str, list[Rank[Key]]], used: Mapping[str, int]) -> int:
    """How many of all queues come before a rank, which is in one of them."""
    level = used[rank.tenant] + bisect_left(queues[rank.tenant], rank)
    return sum(_before(level, rank, queue, used[tenant]) for tenant, queue in queues.items())


def _before(level: int, rank: Rank[Key], queue: list[Rank[Key]], used: int) -> int:
    depth = max(0, level - used)
    tied = level >= used and depth < len(queue) and queue[depth] < rank
    return min(depth, len(queue)) + tied
