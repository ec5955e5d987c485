"""What has ended and is still remembered, in the order in which it will be forgotten.

Two clocks must say that the retention has passed: the owner's time, and Kafka's, which is the broker's timestamp of the
record consumed last. So one wrong clock forgets nothing, and a partition without records forgets nothing either until
its next one arrives.

What can be done again without harm is forgotten earlier when there is too much of it, the oldest first.
"""

import heapq
from collections.abc import Iterable

from service.core import timing
from service.core.timing import Policy

_End = tuple[float, float, bytes]
"""When it counts from, when it was, and the key."""


class Retention:
    """Ends of one shard's jobs and resources.

    Attributes:
        latest: Kafka's time, epoch seconds; 0 until this owner has consumed a record.
    """

    def __init__(self, policy: Policy) -> None:
        self.latest = 0.0
        self._policy = policy
        self._lasting: list[_End] = []
        self._fleeting: list[_End] = []

    def restore(self, ends: Iterable[tuple[bytes, float, bool]], now: float) -> None:
        """Takes over what others have ended: (key, time, lasting) each; an end in our future counts as now."""
        self._lasting, self._fleeting = [], []
        for key, since, lasting in ends:
            (self._lasting if lasting else self._fleeting).append((min(since, now), since, key))
        heapq.heapify(self._lasting)
        heapq.heapify(self._fleeting)

    def keep(self, key: bytes, since: float, *, lasting: bool) -> None:
        """Remembers an end; one that is not ``lasting`` may be forgotten early."""
        heapq.heappush(self._lasting if lasting else self._fleeting, (since, since, key))

    def defer(self, key: bytes, since: float, now: float) -> None:
        """Remembers an end for one more retention, because another command waits for what it says."""
        heapq.heappush(self._lasting, (now, since, key))

    def outlived(self, now: float) -> bool:
        """True when there is something to forget."""
        return any(self._over(ends, now) for ends in (self._lasting, self._fleeting))

    def take(self, now: float, most: int) -> list[tuple[bytes, float]]:
        """Removes up to ``most`` entries that are due to be forgotten.

        Returns:
            Keys, each with the time of the end that was meant: it may have been reopened since.
        """
        taken: list[tuple[bytes, float]] = []
        for ends in (self._lasting, self._fleeting):
            while len(taken) < most and self._over(ends, now):
                taken.append(_pop(ends))
        return taken

    @property
    def has_early(self) -> bool:
        """True when there is an end that may be forgotten before its time."""
        return bool(self._fleeting)

    def take_early(self) -> tuple[bytes, float]:
        """Removes the oldest end that may be forgotten before its time."""
        return _pop(self._fleeting)

    def _over(self, ends: list[_End], now: float) -> bool:
        return bool(ends) and timing.outlived(ends[0][0], now, self.latest, self._policy)

    def __len__(self) -> int:
        return len(self._lasting) + len(self._fleeting)


def _pop(ends: list[_End]) -> tuple[bytes, float]:
    _, since, key = heapq.heappop(ends)
    return key, since
