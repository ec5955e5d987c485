"""The one queue through which anything may change a shard's store."""

import asyncio
from collections import deque
from dataclasses import dataclass

from schemas import sizes
from service.core.observations import Observation
from service.runtime.ports import InRecord


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record of the commands topic."""

    record: InRecord


@dataclass(frozen=True, slots=True)
class Observed:
    """Something was learnt about a job."""

    key: bytes
    observation: Observation


@dataclass(frozen=True, slots=True)
class Resumed:
    """A new assignment has left the partition here; a commit shows whether it had another owner in between."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Everything before this offset is consumed; what lies behind the last record is nothing to receive."""

    offset: int


@dataclass(frozen=True, slots=True)
class Outdated:
    """There is more to forget than fits in one transaction."""


Item = Arrived | Observed | Resumed | Passed | Outdated


class Inbox:
    """Unbounded, because observations must never be refused; delivery of records is paused by its owner instead."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Size of the records that wait."""
        return self._bytes

    def put(self, item: Item) -> None:
        """Adds an item; after closing it is dropped, since it would not be committed."""
        if not self._closed:
            self._items.append(item)
            self._bytes += _weight(item)
            self._changed.set()

    async def take(self, most: int) -> list[Item]:
        """Waits for items and takes up to ``most``; none means closed and empty."""
        while not self._items and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self._bytes -= sum(map(_weight, taken))
        return taken

    def close(self) -> None:
        """Takes nothing more; what is there can still be taken."""
        self._closed = True
        self._changed.set()

    def __len__(self) -> int:
        return len(self._items)


def _weight(item: Item) -> int:
    if not isinstance(item, Arrived):
        return 0
    record = item.record
    return sizes.record_size(record.key, record.value, record.headers)
