"""What the in-memory Kafka stores: partitions, and transactions that hide their records until they end.

A transaction ends at its coordinator; its markers reach the partitions afterwards, so that a reader may see one
partition's part before another's. Until a partition has its marker, nobody with ``read_committed`` reads beyond.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from service.runtime.ports import InRecord, OutRecord


@dataclass(slots=True)
class Entry:
    """An offset of a partition; a control record has no record, an open transaction has not decided yet."""

    record: InRecord | None
    committed: bool | None = None


@dataclass
class Partition:
    """An append-only list; ``start`` is its beginning after deletions."""

    topic: str
    number: int
    entries: list[Entry] = field(default_factory=list)
    start: int = 0
    _decided: int = 0

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        """The last stable offset: nobody with ``read_committed`` reads beyond it."""
        entries, offset = self.entries, max(self._decided, self.start)
        while offset < len(entries) and entries[offset].committed is not None:
            offset += 1
        self._decided = offset
        return offset

    def append(self, record: OutRecord, timestamp: float, transaction: "Transaction | None") -> int:
        offset = self.end
        stored = InRecord(self.topic, self.number, offset, timestamp, record.key, record.value, tuple(record.headers))
        entry = Entry(stored, True if transaction is None else None)
        self.entries.append(entry)
        if transaction is not None:
            transaction.parts.setdefault((self.topic, self.number), (self, []))[1].append(entry)
        return offset

    def committed(self, offset: int, limit: int | None = None) -> list[InRecord]:
        stable = self.entries[max(offset, self.start) : self.stable_end]
        return [entry.record for entry in stable if entry.committed and entry.record][:limit]


@dataclass
class Transaction:
    """Entries that become visible, or never, together at the coordinator and one partition after the other."""

    parts: dict[tuple[str, int], tuple[Partition, list[Entry]]] = field(default_factory=dict)
    settle: Callable[[], None] | None = None
    """What is done when every partition has its marker."""

    def records(self) -> list[InRecord]:
        return [entry.record for _, entries in self.parts.values() for entry in entries if entry.record]

    def mark(self, part: tuple[str, int], *, committed: bool) -> None:
        """Writes one partition's marker; once."""
        partition, entries = self.parts.pop(part, (None, []))
        if partition is None:
            return
        for entry in entries:
            entry.committed = committed
        partition.entries.append(Entry(None, committed=True))
        if not self.parts and self.settle is not None:
            self.settle()

    def end(self, *, committed: bool) -> None:
        """Writes all markers that are missing."""
        for part in list(self.parts):
            self.mark(part, committed=committed)
