"""The concurrency slots of all targets, counted over all replicas; the arithmetic is core/quotas.py's.

Shards of this process ask for slots. What the jobs of other replicas have or wait for is read from their changelogs
(see standby.py): a moment late, so that two replicas may take one slot at once. Then AWS's own 402 decides.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Final, NamedTuple

from service.core.job import Job, occupies_slot, wants_slot
from service.core.quotas import Rank, Slots
from service.runtime.ports import TopicPartition

FREE_SLOT_GRACE: Final = 15.0
"""Seconds for which a free slot is kept for a waiting job of another replica, which may just be changing its owner."""


class Claim(NamedTuple):
    """Who wants a slot: a job of a shard."""

    partition: TopicPartition
    key: bytes

    @property
    def tenant(self) -> str:
        """Whose it is: a tenant is a commands topic."""
        return self.partition.topic


class QueuePosition(NamedTuple):
    """Where a claim waits, and who is in front of it.

    Attributes:
        position: From 1.
        waiting: How many wait.
        taken: Slots in use.
        limit: Slots that there are.
        holders: Some of those who have a slot.
    """

    position: int
    waiting: int
    taken: int
    limit: int
    holders: tuple[Claim, ...]


class SlotRegistry:
    """Who has a slot and who waits, by target and quota name.

    Args:
        limits: Slots by target and quota name.
        wake: Called with a waiting claim when a slot may be free for it, of any owner.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        limits: Mapping[str, Mapping[str, int]],
        wake: Callable[[Claim], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._wake = wake
        self._monotonic = monotonic
        self._slots: dict[tuple[str, str], Slots[Claim]] = {}
        self._claims: dict[TopicPartition, dict[Claim, tuple[str, str]]] = {}
        self._running: dict[Claim, tuple[str, str]] = {}
        self._busy: Counter[tuple[str, str]] = Counter()
        self._elsewhere: set[TopicPartition] = set()
        self._left_free: dict[tuple[str, str], float] = {}

    def request(self, target: str, slot: str, claim: Claim, *, priority: int, since: float) -> int:
        """Asks for a slot.

        Returns:
            0 when the claim has one now, otherwise its position in the queue, from 1.
        """
        slot_key = self._slot_key(target, slot, claim)
        self._runs_not(claim)
        slots = self._slots[slot_key]
        granted = slots.request(Rank.of(priority, since, claim, claim.tenant))
        if not granted and self._abandoned(slot_key):
            granted = slots.position_here(claim) <= slots.free
            if granted:
                slots.occupy(claim, claim.tenant)
        self._watch(slot_key)
        return 0 if granted else slots.position(claim)

    def occupy(self, target: str, slot: str, claim: Claim) -> None:
        """Counts what runs already."""
        slot_key = self._slot_key(target, slot, claim)
        self._runs_not(claim)
        self._running[claim] = slot_key
        self._busy[slot_key] += 1
        self._slots[slot_key].occupy(claim, claim.tenant)
        self._watch(slot_key)

    def queue(self, target: str, slot: str, claim: Claim, *, priority: int, since: float) -> None:
        """Waits without asking: AWS refused although we counted a free slot, or a former owner knew that none is."""
        slot_key = self._slot_key(target, slot, claim)
        self._runs_not(claim)
        self._slots[slot_key].full(Rank.of(priority, since, claim, claim.tenant))
        self._watch(slot_key)

    def release(self, claim: Claim) -> None:
        """Gives back the claim's slot or queue position, if any, and wakes those that may try now."""
        claims = self._claims.get(claim.partition, {})
        if (slot_key := claims.pop(claim, None)) is not None:
            self._release(slot_key, [claim])
        if not claims:
            self._claims.pop(claim.partition, None)

    def _release(self, slot_key: tuple[str, str], claims: Collection[Claim]) -> None:
        for claim in claims:
            self._runs_not(claim)
        slots = self._slots[slot_key]
        called = slots.release(*claims)
        for claim in claims:
            slots.forget(claim)
        self._watch(slot_key)
        for waiting in called:
            self._wake(waiting)

    def busy(self, target: str, slot: str) -> int:
        """How many jobs run, or may run, and use the quota; who only calls has not begun."""
        return self._busy[target, slot]

    def _runs_not(self, claim: Claim) -> None:
        if (slot_key := self._running.pop(claim, None)) is not None:
            self._busy[slot_key] -= 1

    def note(self, claim: Claim, job: Job | None) -> None:
        """Counts a job that another process owns, from its changelog; None: it no longer exists."""
        target = job.command.target if job is not None else ""
        if job is None or target not in self._limits:
            self.release(claim)
        elif slot := wants_slot(job):
            self.queue(target, slot, claim, priority=job.command.priority, since=job.accepted_at)
        elif slot := occupies_slot(job):
            self.occupy(target, slot, claim)
        else:
            self.release(claim)

    def keys(self, partition: TopicPartition) -> list[bytes]:
        """Jobs of a partition that have a slot or wait for one."""
        return [claim.key for claim in self._claims.get(partition, ())]

    def position(self, claim: Claim, most: int = 0) -> QueuePosition | None:
        """Where a claim waits, with up to ``most`` of those who have a slot; None when it waits for none."""
        where = self._claims.get(claim.partition, {}).get(claim)
        slots = self._slots[where] if where is not None else None
        if slots is None or not (position := slots.position(claim)):
            return None
        holders = tuple(islice(slots.taken, most))
        return QueuePosition(position, len(slots.ranks), len(slots.taken), slots.limit, holders)

    def entrust(self, partition: TopicPartition) -> None:
        """From now on another process owns the partition; what its jobs have and want still counts."""
        self._elsewhere.add(partition)
        self._set_away(partition, away=True)

    def adopt(self, partition: TopicPartition) -> None:
        """From now on the partition is this process's."""
        self._elsewhere.discard(partition)
        self._set_away(partition, away=False)

    def _set_away(self, partition: TopicPartition, *, away: bool) -> None:
        for claim, slot_key in self._claims.get(partition, {}).items():
            self._slots[slot_key].set_away(claim, away)

    def forget(self, partition: TopicPartition) -> None:
        """Releases everything of a partition, in one pass: there will be no more news of its jobs."""
        gone: dict[tuple[str, str], list[Claim]] = {}
        for claim, slot_key in self._claims.pop(partition, {}).items():
            gone.setdefault(slot_key, []).append(claim)
        for slot_key, claims in gone.items():
            self._release(slot_key, claims)

    def statistics(self) -> dict[str, dict[str, int]]:
        """By ``target/quota``: the limit, and how many are taken and waited for, in all and by this process."""
        return {
            f"{target}/{slot}": {
                "limit": state.limit,
                "taken": len(state.taken),
                "waiting": len(state.ranks),
                "taken_here": state.taken_here,
                "waiting_here": state.waiting_here,
            }
            for (target, slot), state in self._slots.items()
        }

    def oldest(self) -> dict[str, float]:
        """When the longest waiting command here was accepted, epoch seconds, by ``target/quota``; infinity if none."""
        return {f"{target}/{slot}": state.oldest_here for (target, slot), state in self._slots.items()}

    def _slot_key(self, target: str, slot: str, claim: Claim) -> tuple[str, str]:
        """Where a job's claim belongs, which is where it has been if it was known."""
        slot_key = (target, slot)
        self._claims.setdefault(claim.partition, {})[claim] = slot_key
        if slot_key not in self._slots:
            self._slots[slot_key] = Slots(self._limits[target][slot])
        self._slots[slot_key].set_away(claim, claim.partition in self._elsewhere)
        return slot_key

    def _watch(self, slot_key: tuple[str, str]) -> None:
        """Remembers since when a slot has been free without being taken by its next owner elsewhere."""
        slots = self._slots[slot_key]
        first = slots.first(1) if slots.free else ()
        if not first or first[0].partition not in self._elsewhere:
            self._left_free.pop(slot_key, None)
        else:
            self._left_free.setdefault(slot_key, self._monotonic())

    def _abandoned(self, slot_key: tuple[str, str]) -> bool:
        since = self._left_free.get(slot_key)
        return since is not None and self._monotonic() - since > FREE_SLOT_GRACE
