"""The shard's jobs and resources, materialised from the changelog.

Memory only: a shard that closes dirty drops its store, because the changelog is the truth.
"""

from collections import Counter
from collections.abc import Iterator

from schemas import records
from schemas.records import CorruptRecord, Job, Position, Record, ResourceState
from service.core.capacity import Census, Ends
from service.core.job import ended
from service.runtime.errors import location


class Store:
    """Jobs by changelog key, resources by kind and id.

    Attributes:
        position: How far the partition has been consumed; None when the changelog does not say.
        replayed: Changelog records replayed, tombstones included.
        census: What the open jobs wait for.
        ends: How much is remembered of the jobs that have ended.
    """

    def __init__(self) -> None:
        self.position: Position | None = None
        self.replayed = 0
        self._jobs: dict[bytes, Job] = {}
        self._ended: dict[bytes, bytes] = {}
        self._resources: dict[bytes, ResourceState] = {}
        self._awaiting: dict[bytes, set[bytes]] = {}
        self._corrupt: dict[bytes, str] = {}
        self._phases: Counter[str] = Counter()
        self._last_turn = 0
        self.census = Census()
        self.ends = Ends()

    @property
    def going_on(self) -> int:
        """How many jobs have not ended."""
        return len(self._jobs)

    @property
    def next_turn(self) -> int:
        """The number of the next job that joins a line: above those of all jobs that are known."""
        return self._last_turn + 1

    def load(self, key: bytes, value: bytes | None) -> None:
        """Replays one changelog record; a tombstone forgets.

        What can't be read counts only if nothing follows under its key: compaction would have removed it else.
        """
        self.replayed += 1
        self._corrupt.pop(key, None)
        try:
            self.put(key, records.decode(value) if value is not None else None, value)
        except CorruptRecord as error:
            self.put(key, None)
            self._corrupt[key] = str(error)
        except Exception as error:  # a defect of ours costs this partition at most, and says which record it is
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
        job = record if isinstance(record, Job) else None
        value = records.encode(record) if record is not None and value is None else value or b""
        self.census.count(key, job, len(value))
        before = self.job(key)
        self._note(key, before.awaits if before is not None else "", job.awaits if job is not None else "")
        if before is not None:
            self._forget(key, before)
        if job is not None:
            self._keep(key, job, value)
        elif isinstance(record, ResourceState):
            self._resources[key] = record
        elif isinstance(record, Position):
            self.position = record
        elif key == records.POSITION_KEY:
            self.position = None
        else:
            self._resources.pop(key, None)

    def _keep(self, key: bytes, job: Job, value: bytes) -> None:
        """Of an ended job only the bytes are kept, a fraction of what the objects take: most jobs have ended."""
        self._phases[job.phase.value] += 1
        self._last_turn = max(self._last_turn, job.turn)
        if ended(job):
            self._ended[key] = value
            self.ends.count(job, len(key) + len(value), 1)
        else:
            self._jobs[key] = job

    def _forget(self, key: bytes, job: Job) -> None:
        self._phases[job.phase.value] -= 1
        if self._jobs.pop(key, None) is None:
            self.ends.count(job, len(key) + len(self._ended.pop(key)), -1)

    def job(self, key: bytes) -> Job | None:
        """The job of a key, if there is one."""
        if (value := self._ended.get(key)) is None:
            return self._jobs.get(key)
        job = records.decode(value)
        return job if isinstance(job, Job) else None

    def resource(self, key: bytes) -> ResourceState | None:
        """The resource of a key, if there is one."""
        return self._resources.get(key)

    def record(self, key: bytes) -> Record | None:
        """What a key means now."""
        return self.job(key) or self._resources.get(key)

    def jobs(self) -> Iterator[tuple[bytes, Job]]:
        """Every job with its key."""
        yield from self._jobs.items()
        for key in self._ended:
            if (job := self.job(key)) is not None:
                yield key, job

    def resources(self) -> Iterator[tuple[bytes, ResourceState]]:
        """Every resource with its key."""
        return iter(self._resources.items())

    def phases(self) -> dict[str, int]:
        """How many jobs stand in each phase."""
        return {phase: count for phase, count in self._phases.items() if count}

    def awaiting(self, key: bytes) -> list[bytes]:
        """Keys of the jobs that wait for the end of this one."""
        return list(self._awaiting.get(key, ()))

    def _note(self, key: bytes, before: str, after: str) -> None:
        """Keeps the index of who waits for whom, without anything of jobs that wait no longer or are forgotten."""
        if before and before != after:
            waiting = self._awaiting[before.encode()]
            waiting.discard(key)
            if not waiting:
                del self._awaiting[before.encode()]
        if after:
            self._awaiting.setdefault(after.encode(), set()).add(key)

    def open(self) -> list[bytes]:
        """Keys of the jobs that have not ended."""
        return list(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs) + len(self._ended) + len(self._resources)
