"""The concurrency slots of all targets, shared by this process's shards; the arithmetic is core/quotas.py's."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from service.core import quotas
from service.core.quotas import Rank, Slots
from service.runtime.ports import TopicPartition


class Claim(NamedTuple):
    """Who wants a slot: a job of a shard."""

    partition: TopicPartition
    key: bytes

    @property
    def tenant(self) -> str:
        """Whose it is: a tenant is a commands topic."""
        return self.partition.topic


class SlotRegistry:
    """Who has a slot and who waits, by target and quota name.

    Args:
        limits: Slots by target and quota name.
        wake: Called with a waiting claim when a slot may be free for it.
    """

    def __init__(self, limits: Mapping[str, Mapping[str, int]], wake: Callable[[Claim], None]) -> None:
        self._limits = limits
        self._wake = wake
        self._slots: dict[tuple[str, str], Slots[Claim]] = {}
        self._places: dict[Claim, tuple[str, str]] = {}

    def request(self, target: str, slot: str, claim: Claim, *, priority: int, since: float) -> int:
        """Asks for a slot.

        Returns:
            0 when the claim has one now, else its place in the queue, from 1.
        """
        place = self._place(target, slot, claim)
        self._slots[place], granted = quotas.request(self._slots[place], Rank.of(priority, since, claim, claim.tenant))
        return 0 if granted else self._slots[place].position(claim)

    def occupy(self, target: str, slot: str, claim: Claim) -> None:
        """Counts what runs already."""
        place = self._place(target, slot, claim)
        self._slots[place] = quotas.occupy(self._slots[place], claim, claim.tenant)

    def queue(self, target: str, slot: str, claim: Claim, *, priority: int, since: float) -> None:
        """Waits without asking: AWS refused although we counted a free slot, or a former owner knew that none is."""
        place = self._place(target, slot, claim)
        self._slots[place] = quotas.full(self._slots[place], Rank.of(priority, since, claim, claim.tenant))

    def release(self, claim: Claim) -> None:
        """Gives back the claim's slot or place, if it has one, and wakes who may try now."""
        place = self._places.pop(claim, None)
        if place is None:
            return
        self._slots[place], called = quotas.release(self._slots[place], claim)
        for waiting in called:
            self._wake(waiting)

    def forget(self, partition: TopicPartition) -> None:
        """Releases everything of a partition that another process will count from now on."""
        for claim in [claim for claim in self._places if claim.partition == partition]:
            self.release(claim)

    def statistics(self) -> dict[str, dict[str, int]]:
        """Taken, waiting and limit by ``target/quota``."""
        return {
            f"{target}/{slot}": {"taken": len(state.taken), "waiting": len(state.places), "limit": state.limit}
            for (target, slot), state in self._slots.items()
        }

    def oldest(self) -> dict[str, float]:
        """When the longest waiting command was accepted, epoch seconds, by ``target/quota``; infinity if none waits."""
        return {
            f"{target}/{slot}": min((rank.since for rank in state.places.values()), default=math.inf)
            for (target, slot), state in self._slots.items()
        }

    def _place(self, target: str, slot: str, claim: Claim) -> tuple[str, str]:
        place = (target, slot)
        self._places[claim] = place
        self._slots.setdefault(place, Slots(self._limits[target][slot]))
        return place
