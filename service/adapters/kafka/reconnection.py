"""When to connect to Kafka again: soon after a first failure, and less and less often while nothing helps."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

BACKOFF_BASE: Final = 0.2
"""First delay, in seconds, before a broken connection, or a repeated rejoin, is tried again."""
BACKOFF_CAP: Final = 15.0
"""Longest such delay."""
STEADY: Final = 60.0
"""Seconds after which a failure or a rejoin counts as the first again."""


def backoff(attempt: int) -> float:
    """Delay before the attempt, doubling up to the cap; none before attempt 0."""
    return min(BACKOFF_CAP, BACKOFF_BASE * 2 ** min(attempt - 1, 30)) if attempt else 0.0


class Attempts:
    """Counts attempts that ended soon, one after the other."""

    def __init__(self) -> None:
        self._count = 0

    @asynccontextmanager
    async def next(self) -> AsyncIterator[None]:
        """Waits until it is time for the next attempt, which is the block."""
        await asyncio.sleep(backoff(self._count))
        begun = time.monotonic()
        yield
        self._count = 1 if time.monotonic() - begun > STEADY else self._count + 1


class Rejoin:
    """When to ask for a fresh assignment: at once, but with growing pauses when it is asked for again and again."""

    def __init__(self) -> None:
        self._wanted = False
        self._repeats = 0
        self._last = float("-inf")

    def want(self) -> None:
        """Requests a new assignment."""
        self._wanted = True

    def granted(self) -> None:
        """A new assignment has arrived, requested or not."""
        self._wanted = False

    def due(self) -> bool:
        """True once for every time that it should be asked for now."""
        now = time.monotonic()
        if now - self._last > STEADY:
            self._repeats = 0
        if not self._wanted or now - self._last < backoff(self._repeats):
            return False
        self._wanted = False
        self._repeats += 1
        self._last = now
        return True
