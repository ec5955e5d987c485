"""The shard's jobs and resources, materialised from the changelog.

Memory only: a shard that closes dirty drops its store, because the changelog is the truth.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from schemas import records
from schemas.records import CorruptRecord, Job, Phase, Position, Record, ResourceState
from service.core import chains
from service.core.age_order import AgeOrder
from service.core.capacity import Census, Ends
from service.core.command_state import ENDED, CommandState, waiting_reason, waits_since
from service.core.job import ended
from service.core.outcomes import lasting
from service.runtime.errors import location

End = tuple[bytes, float, bool]
"""Of an ended job: its key, when it ended, and whether it must be remembered for the whole retention."""


class Store:
    """Jobs by changelog key, resources by kind and id.

    Most jobs have ended or run for hours, and most resources do not change. Of these only the bytes of the record are
    kept, a fraction of what the objects take, and nothing that the garbage collector has to visit. Each is decoded
    when it is asked for, which takes about a microsecond.

    Attributes:
        position: How far the partition has been consumed; None when the changelog does not say.
        replayed: Changelog records replayed, tombstones included.
        census: What the open jobs wait for.
        ends: How much is remembered of the jobs that have ended.
        ages: The jobs that have not ended, and those that are parked, by the time of their acceptance.
    """

    def __init__(self) -> None:
        self.position: Position | None = None
        self.replayed = 0
        self._jobs: dict[bytes, Job] = {}
        self._running: dict[bytes, bytes] = {}
        self._ended: dict[bytes, bytes] = {}
        self._resources: dict[bytes, bytes] = {}
        self._awaiting: dict[bytes, dict[bytes, None]] = {}
        self._noted: list[End] | None = None
        self._corrupt: dict[bytes, str] = {}
        self._phases: Counter[str] = Counter()
        self._last_turn = 0
        self._parked: dict[bytes, None] = {}
        self._waiting: dict[str, AgeOrder] = {}
        self.census = Census()
        self.ends = Ends()
        self.ages = AgeOrder()

    @property
    def going_on(self) -> int:
        """How many jobs have not ended."""
        return len(self._jobs) + len(self._running)

    @property
    def next_turn(self) -> int:
        """The number of the next job that joins a line: above those of all jobs that are known."""
        return self._last_turn + 1

    def load(self, key: bytes, value: bytes | None) -> None:
        """Replays one changelog record; a tombstone forgets.

        What can't be read counts only if nothing follows under its key: compaction would have removed it else.
        """
        self.replayed += 1
        if self._corrupt:
            self._corrupt.pop(key, None)
        try:
            self.put(key, records.decode(value) if value is not None else None, value)
        except CorruptRecord as error:
            self.put(key, None)
            self._corrupt[key] = str(error)
        except Exception as error:  # a defect of the service costs this partition at most, and says which record it is
            self._corrupt[key] = location(error)

    def require_sound(self) -> None:
        """Ends a replay.

        Raises:
            CorruptRecord: The last value of some key can't be read.
        """
        for key, why in self._corrupt.items():
            others = f" (and {len(self._corrupt) - 1} more)" if len(self._corrupt) > 1 else ""
            raise CorruptRecord(f"key {key.decode(errors='backslashreplace')!a}: {why}{others}")

    def put(self, key: bytes, record: Record | None, value: bytes | None = None) -> None:
        """Sets what a key means from now on; ``value`` are the bytes of its record, where they are known."""
        if value is None:
            value = records.encode(record) if record is not None else b""
        if isinstance(record, ResourceState):
            self._resources[key] = value
        elif isinstance(record, Job):
            self.census.count(key, record, len(value))
            self._forget(key)
            self._keep(key, record, value)
        elif isinstance(record, Position):
            self.position = record
        elif key == records.POSITION_KEY:
            self.position = None
        else:
            self.census.count(key, None)
            self._forget(key)
            self._resources.pop(key, None)

    def _keep(self, key: bytes, job: Job, value: bytes) -> None:
        self._phases[job.phase.value] += 1
        if job.turn > self._last_turn:
            self._last_turn = job.turn
        for other in chains.awaited(job):
            self._awaiting.setdefault(other, {})[key] = None
        if not ended(job) or job.phase is Phase.PARKED:
            self.ages.add((job.accepted_at, key))
        if job.phase is Phase.PARKED:
            self._parked[key] = None
        if ended(job):
            self._ended[key] = value
            for_long = self.ends.count(job, len(key) + len(value), 1)
            if self._noted is not None:
                self._noted.append((key, job.finished_at, for_long))
        elif job.phase is Phase.RUNNING:
            self._running[key] = value
        else:
            self._jobs[key] = job
            if reason := waiting_reason(job):
                self._waiting.setdefault(reason, AgeOrder()).add((waits_since(job), key))

    def _forget(self, key: bytes) -> None:
        job = self.job(key)
        if job is None:
            return
        self._phases[job.phase.value] -= 1
        for other in chains.awaited(job):
            self._await_no_longer(key, other)
        if not ended(job) or job.phase is Phase.PARKED:
            self.ages.remove((job.accepted_at, key))
            self._parked.pop(key, None)
        if key in self._jobs and (reason := waiting_reason(job)):
            self._waiting[reason].remove((waits_since(job), key))
            if not self._waiting[reason]:
                del self._waiting[reason]
        if self._jobs.pop(key, None) is None and self._running.pop(key, None) is None:
            self.ends.count(job, len(key) + len(self._ended.pop(key)), -1)

    def job(self, key: bytes) -> Job | None:
        """The job of a key, if there is one."""
        if (known := self._jobs.get(key)) is not None:
            return known
        value = self._running.get(key) or self._ended.get(key)
        return records.decode_job(value) if value is not None else None

    def resource(self, key: bytes) -> ResourceState | None:
        """The resource of a key, if there is one."""
        value = self._resources.get(key)
        return records.decode_resource(value) if value is not None else None

    def record(self, key: bytes) -> Record | None:
        """What a key means now."""
        return self.job(key) or self.resource(key)

    def jobs(self) -> Iterator[tuple[bytes, Job]]:
        """Every job with its key."""
        yield from self.going()
        yield from self.past()

    def going(self) -> Iterator[tuple[bytes, Job]]:
        """Every job that has not ended, with its key."""
        for key, value in self._running.items():
            yield key, records.decode_job(value)
        yield from self.others()

    def running(self) -> Iterable[bytes]:
        """Keys of the jobs whose resource is known and on its way."""
        return self._running.keys()

    def others(self) -> Iterable[tuple[bytes, Job]]:
        """Every other job that has not ended, with its key."""
        return self._jobs.items()

    def past(self) -> Iterator[tuple[bytes, Job]]:
        """Every job that has ended, with its key."""
        for key, value in self._ended.items():
            yield key, records.decode_job(value)

    def parked(self) -> Iterable[bytes]:
        """Keys of the jobs that wait for a person's decision."""
        return self._parked.keys()

    def latest_ends(self, most: int) -> list[bytes]:
        """Keys of the jobs that have ended last, the latest first, parked ones among them."""
        return list(islice(reversed(self._ended), most))

    def ends_in_order(self) -> list[bytes]:
        """Keys of all jobs that have ended, in the order of their ends; quick, since nothing is decoded."""
        return list(self._ended)

    def written(self, key: bytes) -> bytes:
        """The record of a job as it is written; empty if there is none."""
        value = self._running.get(key) or self._ended.get(key)
        if value is None and (job := self._jobs.get(key)) is not None:
            return records.encode(job)
        return value or b""

    def latest_resources(self, most: int) -> list[tuple[bytes, bytes]]:
        """Key and written record of the resources that became known last, the latest first."""
        return list(islice(reversed(self._resources.items()), most))

    def note_ends(self) -> None:
        """Takes note of what has ended, and of what is put from now on, so that nothing is decoded again for it."""
        self._noted = [(key, job.finished_at, lasting(job)) for key, job in self.past()]

    def noted_ends(self) -> list[End]:
        """What was noted, as far as it is still remembered, and takes note no longer; some may have ended again."""
        noted, self._noted = self._noted or [], None
        return [each for each in noted if each[0] in self._ended]

    def resources(self) -> Iterator[tuple[bytes, ResourceState]]:
        """Every resource with its key."""
        for key, value in self._resources.items():
            yield key, records.decode_resource(value)

    def phases(self) -> dict[str, int]:
        """How many jobs stand in each phase."""
        return {phase: count for phase, count in self._phases.items() if count}

    def states(self) -> dict[str, int]:
        """How many jobs there are in each state, in the words of replies."""
        ended: dict[str, int] = {state: self._phases[state.value] for state in ENDED}
        waiting = sum(len(order) for order in self._waiting.values())
        return {
            CommandState.ACCEPTED: len(self._jobs) - waiting,
            CommandState.WAITING: waiting,
            CommandState.STARTED: len(self._running),
            CommandState.PARKED: len(self._parked),
            **ended,
        }

    def waiting(self) -> dict[str, tuple[int, float]]:
        """Of the jobs that wait, by reason: how many, and since when the first of them could have been called."""
        return {reason: (len(order), order.after(None, 1)[0][0]) for reason, order in self._waiting.items()}

    def awaiting(self, key: bytes) -> list[bytes]:
        """Keys of the jobs that wait for the end of this one."""
        return list(self._awaiting.get(key, ())) if self._awaiting else []

    def _await_no_longer(self, key: bytes, other: bytes) -> None:
        """Keeps the index of who waits for whom, without anything of jobs that wait no longer or are forgotten."""
        waiting = self._awaiting[other]
        waiting.pop(key, None)
        if not waiting:
            del self._awaiting[other]

    def open(self) -> list[bytes]:
        """Keys of the jobs that have not ended."""
        return [*self._running, *self._jobs]

    def __len__(self) -> int:
        return len(self._jobs) + len(self._running) + len(self._ended) + len(self._resources)
