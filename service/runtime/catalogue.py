"""All commands of all replicas, a page at a time: what is served here, and the copies of what others serve.

No question walks all commands on the event loop. Open commands are read in the order of their age from each
partition's index, ended ones from the end of each partition's list; a search reads a limited number of records in
short slices, and says where it stopped.
"""

import asyncio
import base64
import heapq
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from schemas.operations import RESOURCES, resource_of
from schemas.records import ResourceState, job_key, resource_key
from service.core.age_order import Mark
from service.core.command_state import ENDED, OPEN, CommandState, matches, name_of, state_of
from service.core.job import Job, Phase, known_row, performs
from service.runtime.ports import TopicPartition
from service.runtime.store import Store

MOST: Final = 200
"""Commands on a page, at most."""
BUDGET: Final = 200_000
"""Work for one page, at most, in units of about a microsecond."""
COMPARING: Final = 3
"""Units for a record that is compared with a text as it is written, and excluded."""
DECODING: Final = 12
"""Units for a record that is decoded."""
SLICE: Final = 2_000
"""Units after which others have their turn."""
_BATCH: Final = 64
"""Marks that are read from an index at a time."""
_NAMES: Final = 20
"""Resources whose name contains a text that are searched for by their ids."""


class InvalidCursor(ValueError):
    """A cursor was not made by this service."""


class Stores(Protocol):
    """Where the commands are."""

    def stores(self) -> Iterator[tuple[TopicPartition, Store]]:
        """Every partition whose state is known up to now."""
        ...


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: behind this command.

    Attributes:
        ended: Whether that is among the ended ones.
        at: Its time.
        topic: Its partition's topic.
        partition: Its partition.
        key: Its changelog key, as text.
    """

    ended: bool
    at: float
    topic: str = ""
    partition: int = -1
    key: str = ""

    def encode(self) -> str:
        """As text in an address."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Reads one.

        Raises:
            InvalidCursor: It is not one.
        """
        try:
            return _CURSOR.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        except (ValueError, msgspec.DecodeError) as error:
            raise InvalidCursor("the cursor is not one that this service has given; begin without one") from error


class _End(msgspec.Struct, frozen=True, gc=False):
    """What the order of ended commands needs of a record: the rest is skipped, not decoded."""

    finished_at: float = 0.0
    phase: str = ""


_END: Final = msgspec.json.Decoder(_End)
_CURSOR: Final = msgspec.json.Decoder(Cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which commands are asked for.

    Attributes:
        states: Only these; the open ones come before the ended ones.
        text: Only those that contain it in an id, source, name, ARN, correlation id, operation, target or tenant.
        operation: Only this one.
        target: Only this one.
        tenant: Only this one, the empty name for the default tenant; None for all.
        newest: Whether the youngest of the open ones come first; of the ended ones, the latest always do.
        limit: How many.
        cursor: Where an earlier page ended.
    """

    states: frozenset[CommandState] = frozenset(OPEN)
    text: str = ""
    operation: str = ""
    target: str = ""
    tenant: str | None = None
    newest: bool = False
    limit: int = 50
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class FoundCommand:
    """A command, and the partition that has it."""

    partition: TopicPartition
    key: bytes
    job: Job


@dataclass(slots=True)
class FoundPage:
    """A page of commands.

    Attributes:
        commands: In order.
        cursor: Where the next page begins; None at the end.
        searched: Records that were read for it.
        exhausted: Whether the page ends where the work for one page ended, so that more may follow.
    """

    commands: list[FoundCommand] = field(default_factory=list)
    cursor: Cursor | None = None
    searched: int = 0
    exhausted: bool = False


class _Work:
    """Counts what a page has cost, and lets others have their turn."""

    def __init__(self) -> None:
        self.left = BUDGET
        self.records = 0
        self._slice = SLICE

    async def spend(self, units: int) -> None:
        self.left -= units
        self._slice -= units
        self.records += 1
        if self._slice <= 0:
            self._slice = SLICE
            await asyncio.sleep(0)


class Catalogue:
    """Questions about all commands and resources.

    Args:
        stores: Where they are.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def command(self, source: str, command_id: str) -> list[FoundCommand]:
        """A command by its id; in several partitions if its publisher has sent it to several."""
        key = job_key(source, command_id)
        found = ((partition, store.job(key)) for partition, store in self._stores.stores())
        return [FoundCommand(partition, key, job) for partition, job in found if job is not None]

    def resource(self, resource_id: str) -> list[ResourceState]:
        """What is published about a resource, its policy and its tags."""
        keys = [resource_key(kind, resource_id) for kind in RESOURCES]
        found = (store.resource(key) for _, store in self._stores.stores() for key in keys)
        return [state for state in found if state is not None]

    def named(self, job: Job) -> str:
        """The name of what a command makes or is about."""
        operation = known_row(job.command)
        if (name := name_of(job)) or not job.resource_id or operation is None:
            return name
        key = resource_key((resource_of(job.resource_id) or operation.resource).kind, job.resource_id)
        states = (store.resource(key) for _, store in self._stores.stores())
        return next((state.name for state in states if state is not None), "")

    def states(self) -> dict[str, int]:
        """How many commands there are in each state, over all replicas."""
        counts = {state.value: 0 for state in CommandState}
        for _, store in self._stores.stores():
            for state, count in store.states().items():
                counts[state] += count
        return counts

    def parked(self, most: int) -> list[FoundCommand]:
        """Commands that wait for a person, the oldest first, as far as a page shows them."""
        found = [
            FoundCommand(partition, key, job)
            for partition, store in self._stores.stores()
            for key in list(store.parked())[:most]
            if (job := store.job(key)) is not None
        ]
        return sorted(found, key=lambda each: each.job.finished_at)[:most]

    async def latest_succeeded(self, operation: str, most: int) -> list[Job]:
        """Commands of an operation that have succeeded, the latest first, from the latest ends of each partition."""
        work = _Work()
        found: list[Job] = []
        for _, store in list(self._stores.stores()):
            for key in store.latest_ends(most):
                await work.spend(DECODING)
                job = store.job(key)
                if job is not None and job.phase is Phase.SUCCEEDED and job.command.operation == operation:
                    found.append(job)
        return sorted(found, key=lambda job: -job.finished_at)[:most]

    async def page(self, query: Query) -> FoundPage:
        """Commands in order: the open ones by age, then the ended ones, the latest first."""
        page, work = FoundPage(), _Work()
        needle = _Needle(query, await self._ids_named(query.text, work))
        open_states, ended_states = query.states & frozenset(OPEN), query.states & frozenset(ENDED)
        cursor = query.cursor
        if open_states and (cursor is None or not cursor.ended):
            reader = self._open(query, cursor)
            if await self._fill(
                page, reader, needle, open_states, query.limit, work, ended=False, more=bool(ended_states)
            ):
                return page
            cursor = None
        if ended_states:
            reader = self._ended(cursor if cursor is not None and cursor.ended else None)
            await self._fill(page, reader, needle, ended_states, query.limit, work, ended=True)
        return page

    async def _fill(
        self,
        page: FoundPage,
        reader: AsyncIterator["_Entry"],
        needle: "_Needle",
        states: frozenset[CommandState],
        limit: int,
        work: _Work,
        *,
        ended: bool,
        more: bool = False,
    ) -> bool:
        """Reads until the page is full, or has cost enough; whether it is. ``more``: there is another reader."""
        last: _Entry | None = None
        async for entry in reader:
            if last is not None and (len(page.commands) >= limit or work.left <= 0):
                page.exhausted = len(page.commands) < limit
                page.cursor = last.cursor(ended=ended)
                return True
            last = entry
            page.searched += 1
            if needle.excludes(entry):
                await work.spend(COMPARING)
                continue
            await work.spend(DECODING)
            job = entry.store.job(entry.key)
            if job is not None and state_of(job) in states and needle.fits(job, self):
                page.commands.append(FoundCommand(entry.partition, entry.key, job))
        if last is None or ended or len(page.commands) < limit or not more:
            return False
        page.cursor = last.cursor(ended=False)
        return True

    async def _open(self, query: Query, cursor: Cursor | None) -> AsyncIterator["_Entry"]:
        """Open commands of all partitions, merged by age."""
        mark = None if cursor is None else (cursor.at, cursor.key.encode())
        sign = -1.0 if query.newest else 1.0
        heads: list[tuple[float, bytes, int, _Marks]] = []
        for number, (partition, store) in enumerate(sorted(self._stores.stores(), key=lambda each: each[0])):
            marks = _Marks(partition, store, mark, newest=query.newest)
            if (first := marks.pop()) is not None:
                heads.append((sign * first[0], _inverted(first[1]) if query.newest else first[1], number, marks))
        heapq.heapify(heads)
        while heads:
            _, _, number, marks = heads[0]
            yield marks.entry()
            if (following := marks.pop()) is None:
                heapq.heappop(heads)
            else:
                key = _inverted(following[1]) if query.newest else following[1]
                heapq.heapreplace(heads, (sign * following[0], key, number, marks))

    async def _ended(self, cursor: Cursor | None) -> AsyncIterator["_Entry"]:
        """Ended commands of all partitions, merged by their ends, the latest first."""
        heads: list[tuple[float, TopicPartition, _EndedKeys]] = []
        for partition, store in sorted(self._stores.stores(), key=lambda each: each[0]):
            ends = _EndedKeys(partition, store, cursor)
            if ends.advance():
                heads.append((-ends.at, partition, ends))
            await asyncio.sleep(0)
        heapq.heapify(heads)
        while heads:
            _, partition, ends = heads[0]
            yield ends.entry()
            if ends.has_copied:  # a list of all keys was made, which took a while
                ends.has_copied = False
                await asyncio.sleep(0)
            if ends.advance():
                heapq.heapreplace(heads, (-ends.at, partition, ends))
            else:
                heapq.heappop(heads)

    async def _ids_named(self, text: str, work: _Work) -> frozenset[str]:
        """Resources whose name contains a text: what has ended does not repeat the name."""
        found: set[str] = set()
        if not text:
            return frozenset()
        wanted = _written(text)
        for _, store in list(self._stores.stores()):
            for _, value in store.latest_resources(BUDGET // 2):
                if work.left < BUDGET // 2 or len(found) >= _NAMES:
                    return frozenset(found)
                await work.spend(1)
                if wanted is None or wanted in value.lower():
                    state = msgspec.json.decode(value, type=ResourceState)
                    if text.lower() in state.name.lower():
                        found.add(state.id)
        return frozenset(found)


@dataclass(slots=True)
class _Entry:
    """One command in the order of a list."""

    partition: TopicPartition
    store: Store
    key: bytes
    at: float

    def cursor(self, *, ended: bool) -> Cursor:
        return Cursor(ended, self.at, *self.partition, self.key.decode())


class _Needle:
    """What a command must contain: first asked of its written record, which is quick, then of what may be shown."""

    def __init__(self, query: Query, ids: frozenset[str]) -> None:
        self._query = query
        self._text = query.text.lower()
        self._ids = ids
        words = [query.operation, query.target, query.tenant or ""]
        self._written = [part for word in words if word and (part := _written(word)) is not None]
        text = _written(query.text) if query.text else None
        self._any = [text, *(part for each in ids if (part := _written(each)) is not None)] if text else []

    def excludes(self, entry: _Entry) -> bool:
        """Whether its record shows that it can't be meant."""
        if not self._written and not self._any:
            return False
        value = entry.store.written(entry.key).lower()
        if any(part not in value for part in self._written):
            return True
        return bool(self._any) and not any(part in value for part in self._any)

    def fits(self, job: Job, catalogue: Catalogue) -> bool:
        """Whether it is meant."""
        query, command = self._query, job.command
        if query.operation and query.operation not in (performs(command), command.asked):
            return False
        if query.target and query.target != command.target:
            return False
        if query.tenant is not None and query.tenant != command.tenant:
            return False
        if not self._text or job.resource_id in self._ids:
            return True
        shown = (command.id, command.source, command.correlation_id, job.resource_id, performs(command))
        return matches(self._text, (*shown, command.target, command.tenant)) or matches(
            self._text, (catalogue.named(job),)
        )


def _written(text: str) -> bytes | None:
    """A text as a record has it, in lower case; None when case is not a matter of ASCII alone."""
    return msgspec.json.encode(text.lower())[1:-1] if text.isascii() else None


def _inverted(key: bytes) -> bytes:
    """Sorts in the opposite direction."""
    return bytes(255 - byte for byte in key) + b"\xff"


class _Marks:
    """The open commands of a partition, by age, read in batches, so that changes between two batches do no harm."""

    def __init__(self, partition: TopicPartition, store: Store, mark: Mark | None, *, newest: bool) -> None:
        self._partition = partition
        self._store = store
        self._mark = mark
        self._read = store.ages.before if newest else store.ages.after
        self._batch: list[Mark] = []

    def pop(self) -> Mark | None:
        if not self._batch:
            self._batch = self._read(self._mark, _BATCH)[::-1]
            if not self._batch:
                return None
        self._mark = self._batch.pop()
        return self._mark

    def entry(self) -> _Entry:
        at, key = self._mark or (0.0, b"")
        return _Entry(self._partition, self._store, key, at)


class _EndedKeys:
    """The ended commands of a partition, the latest first."""

    def __init__(self, partition: TopicPartition, store: Store, cursor: Cursor | None) -> None:
        self.at = 0.0
        self.has_copied = False
        self._key = b""
        self._partition = partition
        self._store = store
        self._keys: Sequence[bytes] = store.latest_ends(_BATCH)[::-1] if cursor is None else store.ends_in_order()
        self._all = cursor is not None
        self._left = len(self._keys) if cursor is None else self._behind(cursor)

    def advance(self) -> bool:
        """Goes to the next one that is still there; False at the end."""
        while True:
            if not self._left and not self._read_all():
                return False
            self._left -= 1
            self._key = self._keys[self._left]
            end = _END.decode(self._store.written(self._key) or b"{}")
            if end.finished_at and end.phase != Phase.PARKED:
                self.at = end.finished_at
                return True

    def entry(self) -> _Entry:
        return _Entry(self._partition, self._store, self._key, self.at)

    def _read_all(self) -> bool:
        """Most pages end within the first batch; only a longer one reads all keys."""
        if self._all:
            return False
        last, self._all = self._keys[0] if self._keys else None, True
        self._keys = self._store.ends_in_order()
        self.has_copied = True
        latest = range(len(self._keys) - 1, -1, -1)
        self._left = next((index for index in latest if self._keys[index] == last), 0)
        return self._left > 0

    def _behind(self, cursor: Cursor) -> int:
        """How many of the keys lie behind the command at which a page ended."""
        own = TopicPartition(cursor.topic, cursor.partition)
        end = bisect_left(self._keys, cursor.at, key=self._time)
        if self._partition < own:
            return end  # what ended at the same time here was before it
        last = end
        while last < len(self._keys) and self._time(self._keys[last]) <= cursor.at:
            last += 1
        if self._partition == own:
            return self._index(cursor.key.encode(), end, last)
        return last

    def _index(self, key: bytes, end: int, last: int) -> int:
        """Where the key is: among those of its time, or anywhere, since the clocks of two owners may differ."""
        for begin, stop in ((end, last), (0, len(self._keys))):
            with suppress(ValueError):
                return self._keys.index(key, begin, stop)
        return end  # it was forgotten, or has been opened again

    def _time(self, key: bytes) -> float:
        return _END.decode(self._store.written(key) or b"{}").finished_at
