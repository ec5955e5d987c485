"""What has ended and is still remembered, in the order in which it will be forgotten.

Two clocks must say that the retention has passed: the owner's time, and Kafka's, which is the broker's timestamp of the
record consumed last. So one wrong clock forgets nothing, and a partition without records forgets nothing either until
its next one arrives.
"""

import heapq
from collections.abc import Iterable

from service.core import resting
from service.core.policy import Policy


class Retention:
    """Ends of one shard's jobs and resources.

    Attributes:
        latest: Kafka's time, epoch seconds; 0 until this owner has consumed a record.
    """

    def __init__(self, policy: Policy) -> None:
        self.latest = 0.0
        self._policy = policy
        self._ends: list[tuple[float, float, bytes]] = []

    def restore(self, ends: Iterable[tuple[bytes, float]], now: float) -> None:
        """Takes over what others have ended, (key, time) each; an end in the future, by our time, counts as now."""
        self._ends = [(min(since, now), since, key) for key, since in ends]
        heapq.heapify(self._ends)

    def keep(self, key: bytes, since: float) -> None:
        """Remembers an end."""
        heapq.heappush(self._ends, (since, since, key))

    def outlived(self, now: float) -> bool:
        """True when there is something to forget."""
        return bool(self._ends) and resting.outlived(self._ends[0][0], now, self.latest, self._policy)

    def take(self, now: float, most: int) -> list[tuple[bytes, float]]:
        """Removes up to ``most`` of what is to be forgotten.

        Returns:
            Keys, each with the time of the end that was meant: it may have been reopened since.
        """
        taken: list[tuple[bytes, float]] = []
        while len(taken) < most and self.outlived(now):
            _, since, key = heapq.heappop(self._ends)
            taken.append((key, since))
        return taken

    def __len__(self) -> int:
        return len(self._ends)
