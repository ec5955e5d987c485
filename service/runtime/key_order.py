"""Commands with equal Kafka keys reach the API in the order of their turns: one call at a time for each key.

A line is a function of the durable jobs (``keeps_line`` and ``Job.turn``), so a new owner has the same lines.
"""

from collections import deque


class KeyOrder:
    """Jobs that stand in line, by the digest of their command's Kafka key."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[bytes]] = {}
        self._orders: dict[bytes, str] = {}

    def join(self, order: str, key: bytes) -> None:
        """Stands at the end of the line, once; without an order there is none."""
        if order and key not in self._orders:
            self._orders[key] = order
            self._lines.setdefault(order, deque()).append(key)

    def first(self, key: bytes) -> bool:
        """True when it is the job's turn; it always is outside of a line."""
        order = self._orders.get(key)
        return order is None or self._lines[order][0] == key

    def leave(self, key: bytes) -> bytes | None:
        """Leaves the line.

        Returns:
            Whose turn it is now, if that has changed.
        """
        order = self._orders.pop(key, None)
        if order is None:
            return None
        line = self._lines[order]
        first = line[0] == key
        line.remove(key)
        if not line:
            del self._lines[order]
            return None
        return line[0] if first else None

    def __len__(self) -> int:
        return len(self._orders)
