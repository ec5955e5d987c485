"""Keys in the order of a time, so that a page of them costs the same however many there are.

A sorted list in chunks: a change moves the entries of one chunk, and a question finds its chunk by bisection.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Final

Mark = tuple[float, bytes]
"""A time and a key: an entry, and what a reader has read up to."""

_CHUNK: Final = 512
"""Entries in a chunk at which it is divided."""


class AgeOrder:
    """Marks in ascending order."""

    def __init__(self) -> None:
        self._chunks: list[list[Mark]] = []
        self._last: list[Mark] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, mark: Mark) -> None:
        """Enters a mark that is not in it."""
        self._count += 1
        if not self._chunks:
            self._chunks.append([mark])
            self._last.append(mark)
            return
        index = min(bisect_left(self._last, mark), len(self._chunks) - 1)
        chunk = self._chunks[index]
        insort(chunk, mark)
        if len(chunk) > _CHUNK:
            half = len(chunk) // 2
            self._chunks.insert(index + 1, chunk[half:])
            del chunk[half:]
            self._last.insert(index, chunk[-1])
        self._last[index] = chunk[-1]
        if index + 1 < len(self._chunks):
            self._last[index + 1] = self._chunks[index + 1][-1]

    def remove(self, mark: Mark) -> None:
        """Takes a mark out; does nothing if it is not there."""
        index = bisect_left(self._last, mark)
        if index == len(self._chunks):
            return
        chunk = self._chunks[index]
        at = bisect_left(chunk, mark)
        if at == len(chunk) or chunk[at] != mark:
            return
        self._count -= 1
        del chunk[at]
        if chunk:
            self._last[index] = chunk[-1]
        else:
            del self._chunks[index], self._last[index]

    def after(self, mark: Mark | None, most: int) -> list[Mark]:
        """The first entries behind a mark, in ascending order; from the beginning without one."""
        found: list[Mark] = []
        index = bisect_right(self._last, mark) if mark is not None else 0
        for chunk in self._chunks[index : index + most + 1]:
            begin = bisect_right(chunk, mark) if mark is not None else 0
            found += chunk[begin : begin + most - len(found)]
            if len(found) >= most:
                break
        return found

    def before(self, mark: Mark | None, most: int) -> list[Mark]:
        """The last entries in front of a mark, in descending order; from the end without one."""
        found: list[Mark] = []
        index = bisect_left(self._last, mark) if mark is not None else len(self._chunks) - 1
        for at in range(min(index, len(self._chunks) - 1), -1, -1):
            chunk = self._chunks[at]
            end = bisect_left(chunk, mark) if mark is not None else len(chunk)
            found += chunk[max(0, end - most + len(found)) : end][::-1]
            if len(found) >= most:
                break
        return found

    def __iter__(self) -> Iterator[Mark]:
        for chunk in self._chunks:
            yield from chunk
