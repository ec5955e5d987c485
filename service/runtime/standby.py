"""Copies of the partitions that other replicas own, read from their changelogs all the time.

They serve three ends. A replica that takes over a partition continues from its copy and reads only later records: a
restore does not grow with the changelog. The concurrency slots of an account are counted over all replicas. And a
command that arrives in a second partition is recognised, unless both arrive before either copy shows the other.

A copy is never written from: the changelog is the truth, and only the partition's owner adds to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from service.core.job import Job
from service.runtime.context import Changed, unheard
from service.runtime.errors import location
from service.runtime.ports import Telemetry, TopicPartition
from service.runtime.sharing import Fleet
from service.runtime.slots import Claim, SlotRegistry
from service.runtime.store import Store


def report_twice(telemetry: Telemetry, command_id: str, here: str, there: str) -> None:
    """Which of the two is the repeat is not known, so both partitions are named."""
    telemetry.problem(
        "command_on_two_partitions",
        command_id=command_id,
        partition=here,
        other=there,
    )


@dataclass(slots=True)
class Copy:
    """A partition's state at an offset of its changelog.

    Attributes:
        store: Jobs and resources.
        position: Every committed record before this offset is in it; -1 before anything was read.
        current: Whether the end of the changelog has been reached once.
    """

    store: Store = field(default_factory=Store)
    position: int = -1
    current: bool = False


class Standby:
    """The copies; implements :class:`service.runtime.ports.Follower`.

    Args:
        slots: Receives other replicas' jobs.
        telemetry: Receives metrics and problems.
        follows: Whether changelogs are read for it; otherwise it holds nothing, and every restore reads all.
        serves: Whether this process knows what a job speaks of; one that is held has no slot here.
        fleet: Receives what other replicas watch.
        changed: Hears of each change that a current copy shows.
    """

    def __init__(
        self,
        slots: SlotRegistry,
        telemetry: Telemetry,
        *,
        follows: bool,
        serves: Callable[[Job], bool] = lambda _: True,
        fleet: Fleet | None = None,
        changed: Changed = unheard,
    ) -> None:
        self._changed = changed
        self.follows = follows
        self._telemetry = telemetry
        self._serves = serves
        self._slots = slots
        self._fleet = fleet
        self._copies: dict[TopicPartition, Copy] = {}
        self._owned: set[TopicPartition] = set()
        self._served: dict[TopicPartition, Store] = {}

    def wanted(self, partition: TopicPartition) -> int | None:
        """See :class:`service.runtime.ports.Follower`."""
        if partition in self._owned:
            return None
        if partition not in self._copies:
            self._copies[partition] = Copy()
            self._slots.entrust(partition)
        return self._copies[partition].position

    def replicated(
        self,
        partition: TopicPartition,
        records: Sequence[tuple[bytes, bytes | None]],
        position: int,
        *,
        current: bool,
    ) -> None:
        """See :class:`service.runtime.ports.Follower`."""
        copy = self._copies.get(partition)
        if copy is None:  # it was taken over while the records were on their way
            return
        before = {key: copy.store.job(key) for key, _ in records} if copy.current else {}
        fresh = [key for key, job in before.items() if job is None]
        for key, value in records:
            copy.store.load(key, value)
        for key, job in before.items():
            self._hear(key, job, copy.store.job(key))
        copy.position = position
        self._report_twice(partition, fresh, copy.store)
        if copy.current:
            self._note_jobs(partition, {key for key, _ in records}, copy.store, self._fleet)
        elif current:
            # Only now: while history is replayed, jobs that ended long ago would take slots and give them back.
            copy.current = True
            self._note_jobs(partition, {*copy.store.open(), *self._slots.keys(partition)}, copy.store, self._fleet)

    def _hear(self, key: bytes, before: Job | None, after: Job | None) -> None:
        try:
            self._changed(key, before, after)
        except Exception as error:  # costs one line of a history, and no copy
            self._telemetry.problem("telemetry_error", error=location(error))

    def lost(self, partition: TopicPartition) -> None:
        """See :class:`service.runtime.ports.Follower`."""
        if self._copies.pop(partition, None) is not None:
            self._slots.forget(partition)
            self._watch_no_more(partition)

    def take(self, partition: TopicPartition) -> tuple[Store, int]:
        """What is known of a partition that this process owns from now on, and the offset from which to read on."""
        self._owned.add(partition)
        self._watch_no_more(partition)
        copy = self._copies.pop(partition, None) or Copy()
        return copy.store, copy.position

    def restored(self, partition: TopicPartition, store: Store) -> None:
        """The shard has read the rest: what had a slot in the copy may have ended since."""
        self._served[partition] = store
        self._slots.adopt(partition)
        self._note_jobs(partition, set(self._slots.keys(partition)), store)

    def give_back(self, partition: TopicPartition) -> None:
        """The shard is closed: another replica continues with the partition."""
        self._owned.discard(partition)
        self._served.pop(partition, None)
        if self.follows:
            self._slots.entrust(partition)
        else:
            self._slots.forget(partition)

    def elsewhere(self, partition: TopicPartition, key: bytes) -> str:
        """Name of another partition of the same topic that has a job under this key; empty if none is known."""
        for other, store in self.stores():
            if other.topic == partition.topic and other != partition and store.job(key) is not None:
                return f"{other.topic}-{other.partition}"
        return ""

    def stores(self) -> Iterator[tuple[TopicPartition, Store]]:
        """What is served here, and the copies that are current: one that catches up shows jobs long forgotten."""
        yield from self._served.items()
        yield from ((partition, copy.store) for partition, copy in self._copies.items() if copy.current)

    def _report_twice(self, partition: TopicPartition, keys: Sequence[bytes], store: Store) -> None:
        """Jobs that are new in a copy, and known in a partition that is served here: both were accepted at once."""
        for key in keys:
            job = store.job(key)
            for own, served in self._served.items():
                if job is not None and own.topic == partition.topic and served.job(key) is not None:
                    here, there = (f"{each.topic}-{each.partition}" for each in (own, partition))
                    report_twice(self._telemetry, job.command.id, here, there)

    def copies(self) -> Mapping[TopicPartition, Copy]:
        """The copies by their partition."""
        return self._copies

    def statistics(self) -> dict[str, dict[str, object]]:
        """Of each copy: entries, position in the changelog, and whether it has caught up."""
        return {
            f"{partition.topic}-{partition.partition}": {
                "entries": len(copy.store),
                "position": copy.position,
                "current": copy.current,
            }
            for partition, copy in sorted(self._copies.items())
        }

    def _watch_no_more(self, partition: TopicPartition) -> None:
        if self._fleet is not None:
            self._fleet.forget(partition)

    def _note_jobs(self, partition: TopicPartition, keys: set[bytes], store: Store, fleet: Fleet | None = None) -> None:
        for key in sorted(keys):
            claim, job = Claim(partition, key), store.job(key)
            try:
                served = job if job is not None and self._serves(job) else None
                self._slots.note(claim, served)
                if fleet is not None:
                    fleet.note(claim, served)
            except Exception as error:  # costs the count of one slot, and no copy
                self._telemetry.problem(
                    "standby_error", command_id=job.command.id if job else "", error=location(error)
                )
