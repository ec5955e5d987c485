"""Concurrency slots per account and region: who may start next.

AWS allows few long jobs at a time (2 pending models, 10 generation jobs, 20 exports by default) and answers 402 beyond.
A command that finds no slot waits: by priority, then by arrival.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, order=True)
class Rank(Generic[Key]):
    """A waiting command's place: higher priority first, then earlier arrival."""

    urgency: int
    since: float
    key: Key

    @classmethod
    def of(cls, priority: int, since: float, key: Key) -> "Rank[Key]":
        """The place of a command with this priority (0 to 9) that arrived at ``since``."""
        return cls(-priority, since, key)


@dataclass(frozen=True, slots=True)
class Slots(Generic[Key]):
    """The slots of one kind in one account and region.

    Attributes:
        limit: How many there are.
        taken: Who has one; more than ``limit`` is possible after a restart or beside other users of the account.
        waiting: Who wants one, in order.
    """

    limit: int
    taken: frozenset[Key] = frozenset()
    waiting: tuple[Rank[Key], ...] = ()

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return max(0, self.limit - len(self.taken))

    def position(self, key: Key) -> int:
        """Place in the queue from 1; 0 when not waiting."""
        return next((place for place, rank in enumerate(self.waiting, 1) if rank.key == key), 0)


def occupy(slots: Slots[Key], key: Key) -> Slots[Key]:
    """Takes a slot without asking: what runs, runs."""
    return Slots(slots.limit, slots.taken | {key}, _without(slots, key))


def request(slots: Slots[Key], rank: Rank[Key]) -> tuple[Slots[Key], bool]:
    """Takes a slot if one is free and nobody waiting comes first; otherwise joins the queue."""
    if rank.key in slots.taken:
        return slots, True
    ahead = sum(1 for other in slots.waiting if other < rank and other.key != rank.key)
    if slots.free > ahead:
        return occupy(slots, rank.key), True
    return Slots(slots.limit, slots.taken, tuple(sorted((*_without(slots, rank.key), rank)))), False


def full(slots: Slots[Key], rank: Rank[Key]) -> Slots[Key]:
    """AWS says the quota is used up although we counted a free slot: others use the account too."""
    returned = Slots(slots.limit, slots.taken - {rank.key}, _without(slots, rank.key))
    return Slots(returned.limit, returned.taken, tuple(sorted((*returned.waiting, rank))))


def release(slots: Slots[Key], key: Key) -> tuple[Slots[Key], tuple[Key, ...]]:
    """Gives a slot back, or leaves the queue.

    Returns:
        The slots, and who may try now: as many as there are free slots.
    """
    left = Slots(slots.limit, slots.taken - {key}, _without(slots, key))
    return left, tuple(rank.key for rank in left.waiting[: left.free])


def _without(slots: Slots[Key], key: Key) -> tuple[Rank[Key], ...]:
    return tuple(rank for rank in slots.waiting if rank.key != key)
