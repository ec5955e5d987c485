"""Whether the process still does something: each vital part beats, and may not fall silent for long."""

import asyncio
from collections.abc import Callable

from service.runtime.ports import Clock

_INTERVAL = 0.5


class Liveness:
    """Ages of the last sign of life, by part."""

    def __init__(self, clock: Clock, limit: float, lag: Callable[[float], None] | None = None) -> None:
        self._clock = clock
        self._limit = limit
        self._lag = lag
        self._last: dict[str, float] = {}

    def beat(self, part: str) -> None:
        """The part lives."""
        self._last[part] = self._clock.monotonic()

    def forget(self, part: str) -> None:
        """The part has ended as it should."""
        self._last.pop(part, None)

    def ages(self) -> dict[str, float]:
        """Seconds since each part's last beat."""
        now = self._clock.monotonic()
        return {part: now - last for part, last in self._last.items()}

    def silent(self) -> list[str]:
        """Parts that have been silent for too long."""
        return sorted(part for part, age in self.ages().items() if age > self._limit)

    async def watch(self) -> None:
        """Beats for the event loop until cancelled, and measures by how much it is late."""
        while True:
            self.beat("loop")
            asleep = self._clock.monotonic()
            await asyncio.sleep(_INTERVAL)
            if self._lag is not None:
                self._lag(max(0.0, self._clock.monotonic() - asleep - _INTERVAL))
