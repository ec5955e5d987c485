"""Concurrency slots per account and region: who may start next.

AWS allows few long jobs at a time (2 pending models, 10 generation jobs, 20 exports by default) and answers 402 beyond.
A command that finds no slot waits: within its tenant by priority, then by arrival; between tenants, the one with the
fewest slots in use comes first, so that no tenant's commands keep others out.

A tenant's n-th waiting command would start when the tenant has n - 1 slots more than now. That number is its *level*,
and the queue is the order of levels, then ranks: no two commands of a tenant share a level.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count, islice
from math import inf
from types import MappingProxyType
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

_SLACK: Final = 64
"""Entries of who waits no longer that are kept beside as many as wait."""


@dataclass(frozen=True, slots=True, order=True)
class Rank(Generic[Key]):
    """A waiting command's position among its tenant's: higher priority first, then earlier arrival."""

    urgency: int
    since: float
    key: Key
    tenant: str = ""

    @classmethod
    def of(cls, priority: int, since: float, key: Key, tenant: str = "") -> "Rank[Key]":
        """The position of a tenant's command with this priority (0 to 9) that arrived at ``since``."""
        return cls(-priority, since, key, tenant)


class Slots(Generic[Key]):
    """The slots of one kind in one account and region, kept up to date by each change.

    Each change and each question costs about the same however many wait: thousands are made in one go when a copy is
    dropped. Who is *away* has and wants what it does, and is passed over where that is asked for.

    Attributes:
        limit: How many there are.
        taken: Who has one, with the tenant; more than ``limit`` is possible after a restart or beside other users of
            the account.
        ranks: The rank of each that waits.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: dict[Key, str] = {}
        self._used: Counter[str] = Counter()
        self._queues: dict[str, list[Rank[Key]]] = {}
        self._ranks: dict[Key, Rank[Key]] = {}
        self._away: set[Key] = set()
        self._present: dict[str, list[Rank[Key]]] = {}
        self._waiting_here = self._taken_here = 0
        self._arrivals: list[tuple[float, int, Rank[Key]]] = []
        self._numbers = count()
        self.taken: Mapping[Key, str] = MappingProxyType(self._taken)
        self.ranks: Mapping[Key, Rank[Key]] = MappingProxyType(self._ranks)

    @property
    def free(self) -> int:
        """Free slots."""
        return max(0, self.limit - len(self._taken))

    @property
    def waiting(self) -> tuple[Key, ...]:
        """Who waits, in the order of the queue."""
        return self.first(len(self._ranks))

    def first(self, number: int) -> tuple[Key, ...]:
        """The first entries of the queue."""
        levels = sorted(
            (level, rank)
            for tenant, queue in self._queues.items()
            for level, rank in enumerate(islice(queue, number), self._used[tenant])
        )
        return tuple(rank.key for _, rank in levels[:number])

    def position(self, key: Key) -> int:
        """Position in the queue from 1; 0 when not waiting."""
        rank = self._ranks.get(key)
        return 1 + _ahead(rank, self._queues, self._used) if rank is not None else 0

    def position_here(self, key: Key) -> int:
        """The same, without waiting claims that are away: one that does not answer must not delay the others."""
        rank = self._ranks.get(key)
        return 1 + _ahead(rank, self._present, self._used) if rank is not None else 0

    @property
    def taken_here(self) -> int:
        """How many have a slot and are not away."""
        return self._taken_here

    @property
    def waiting_here(self) -> int:
        """How many wait and are not away."""
        return self._waiting_here

    @property
    def oldest_here(self) -> float:
        """Since when the one waits that waits longest and is not away; infinity if none does."""
        heap = self._arrivals
        while heap and not self._is_here(heap[0][2]):
            heappop(heap)
        return heap[0][0] if heap else inf

    def set_away(self, key: Key, away: bool) -> None:
        """Says whether someone comes when called, from now on and whatever it asks for."""
        if away == (key in self._away):
            return
        rank, taken = self._ranks.get(key), key in self._taken
        if away:
            self._miss(rank, taken)
            self._away.add(key)
        else:
            self._away.discard(key)
            self._meet(rank, taken)

    def request(self, rank: Rank[Key]) -> bool:
        """Takes a slot if one is free and no waiting command comes first; otherwise joins the queue."""
        if rank.key in self._taken:
            return True
        if self._ranks.get(rank.key) != rank:
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
        if key not in self._away:
            self._meet(None, True)

    def full(self, rank: Rank[Key]) -> None:
        """Joins the queue, and has no slot: AWS says that the quota is used up although we counted a free one."""
        self._leave(rank.key)
        insort(self._queues.setdefault(rank.tenant, []), rank)
        self._ranks[rank.key] = rank
        if rank.key not in self._away:
            self._meet(rank, False)

    def release(self, *keys: Key) -> tuple[Key, ...]:
        """Gives slots back, or leaves the queue.

        Returns:
            Who may try now: as many as there are free slots.
        """
        for key in keys:
            self._leave(key)
        return self.first(self.free)

    def forget(self, key: Key) -> None:
        """Someone who has given back everything will not ask again under this key."""
        self._away.discard(key)

    def _leave(self, key: Key) -> None:
        rank, tenant = self._ranks.pop(key, None), self._taken.pop(key, None)
        if tenant is not None:
            self._used[tenant] -= 1
        if rank is not None:
            _remove(self._queues, rank)
        if key not in self._away:
            self._miss(rank, tenant is not None)

    def _meet(self, rank: Rank[Key] | None, taken: bool) -> None:
        """Counts one that is not away, with what it has and where it waits."""
        self._taken_here += taken
        if rank is None:
            return
        self._waiting_here += 1
        insort(self._present.setdefault(rank.tenant, []), rank)
        heappush(self._arrivals, (rank.since, next(self._numbers), rank))
        if len(self._arrivals) > 2 * self._waiting_here + _SLACK:
            self._arrivals = [each for each in self._arrivals if self._is_here(each[2])]
            heapify(self._arrivals)

    def _miss(self, rank: Rank[Key] | None, taken: bool) -> None:
        """Counts it no longer."""
        self._taken_here -= taken
        if rank is not None:
            self._waiting_here -= 1
            _remove(self._present, rank)

    def _is_here(self, rank: Rank[Key]) -> bool:
        return self._ranks.get(rank.key) is rank and rank.key not in self._away


def _remove(queues: dict[str, list[Rank[Key]]], rank: Rank[Key]) -> None:
    queue = queues[rank.tenant]
    del queue[bisect_left(queue, rank)]
    if not queue:
        del queues[rank.tenant]


def _ahead(rank: Rank[Key], queues: Mapping[str, list[Rank[Key]]], used: Mapping[str, int]) -> int:
    """How many of all queues come before a rank, which may be in one of them."""
    level = used[rank.tenant] + bisect_left(queues.get(rank.tenant, []), rank)
    return sum(_before(level, rank, queue, used[tenant]) for tenant, queue in queues.items())


def _before(level: int, rank: Rank[Key], queue: list[Rank[Key]], used: int) -> int:
    depth = max(0, level - used)
    tied = level >= used and depth < len(queue) and queue[depth] < rank
    return min(depth, len(queue)) + tied
