"""How long AWS usually takes for each operation: the median of what was seen, in bounded memory."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

KEPT: Final = 101
"""The latest durations of each operation that count."""

FEWEST: Final = 3
"""Durations that must be known before a median says something."""


@dataclass(frozen=True, slots=True)
class UsualDuration:
    """The median of an operation.

    Attributes:
        seconds: Of the median.
        of: How many durations it is made of.
    """

    seconds: float
    of: int


class Durations:
    """Durations by operation, the latest ones."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}

    def add(self, operation: str, seconds: float) -> None:
        """One more has ended."""
        self._seen.setdefault(operation, deque(maxlen=KEPT)).append(seconds)

    def fill(self, operation: str, seconds: Iterable[float]) -> None:
        """Earlier ones, the latest first, behind which those that were added are newer."""
        seen = self._seen.setdefault(operation, deque(maxlen=KEPT))
        for each in seconds:
            if len(seen) == KEPT:
                return
            seen.appendleft(each)

    def usual(self, operation: str) -> UsualDuration | None:
        """The median; None as long as too few are known."""
        seen = self._seen.get(operation, ())
        return UsualDuration(median(seen), len(seen)) if len(seen) >= FEWEST else None
