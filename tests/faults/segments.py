"""Reads record batches as they lie in a broker's files: who wrote what, which no client is told."""

import struct
from collections.abc import Iterator
from pathlib import Path

from tests.faults.history import Batch

_HEADER = struct.Struct(">qiibIhiqqqhii")
"""Offset, length, leader epoch, magic, CRC, attributes, last delta, two times, producer, epoch, sequence, count."""
_LENGTH_FROM = 12
_TRANSACTIONAL, _CONTROL = 0x10, 0x20


def read(data: Path, topic: str, partitions: int) -> tuple[Batch, ...]:
    """The batches of a topic in the order of their offsets."""
    return tuple(
        batch
        for partition in range(partitions)
        for segment in sorted((data / f"{topic}-{partition}").glob("*.log"))
        for batch in _batches(segment.read_bytes(), partition)
    )


def _batches(content: bytes, partition: int) -> Iterator[Batch]:
    at = 0
    while at + _HEADER.size <= len(content):
        offset, length, _, magic, _, attributes, _, _, _, producer, epoch, _, _ = _HEADER.unpack_from(content, at)
        if length <= 0 or magic != 2:
            return
        yield Batch(partition, offset, producer, epoch, bool(attributes & _TRANSACTIONAL), bool(attributes & _CONTROL))
        at += _LENGTH_FROM + length
