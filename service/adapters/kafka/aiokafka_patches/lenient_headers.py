"""Reads records whose header names are not UTF-8, at which aiokafka gives up a whole partition.

Kafka does not check header names, so a hostile or broken producer can store such a record, and no producer must be able
to stop a partition. aiokafka decodes batches in C and raises in mid-batch; here the rest of that one batch is read
again by its Python twin, with the undecodable bytes escaped. Batches without such a record take the usual way.

``install`` replaces a name in aiokafka's fetcher; the contract tests read such a record through a real broker.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


def install() -> None:
    """Makes all consumers of this process read tolerantly. Idempotent."""
    fetcher.MemoryRecords = LenientRecords


class LenientRecords:
    """Batches of a fetched partition."""

    def __init__(self, data: bytes) -> None:
        self._records = _MemoryRecordsPy(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def next_batch(self) -> Any:
        """The next batch, None after the last."""
        content = self._records._next_slice
        batch = self._records.next_batch()
        return batch if batch is None or content is None else _LenientBatch(batch, content)


class _LenientBatch:
    """A batch that is read again, tolerantly, from the record on that aiokafka can't read."""

    def __init__(self, batch: Any, content: memoryview) -> None:
        self._batch = batch
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                read += 1
                yield record
        except UnicodeDecodeError:
            yield from islice(self._escaped(), read, None)

    def _escaped(self) -> Iterator[Any]:
        batch = _DefaultRecordBatchPy(self._content)
        batch._maybe_uncompress()
        batch._buffer = _Escaping(batch._buffer)
        return iter(batch)


class _Escaping(bytearray):
    """Bytes whose undecodable ones are escaped; its slices are alike."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Escaping(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        """The text, whatever the bytes."""
        return super().decode(encoding, "backslashreplace")
