"""Whether the process still works: each vital part shows now and then that it does."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from service.runtime.ports import Clock

LOOP: Final = "loop"
_INTERVAL = 0.5


class Liveness:
    """Ages of the last sign of life, by part."""

    def __init__(self, clock: Clock, limits: Mapping[str, float], lag: Callable[[float], None] | None = None) -> None:
        """Nothing is measured before :meth:`watch` runs.

        Args:
            clock: Measures.
            limits: Seconds for which each part can be silent.
            lag: Hears by how many seconds the event loop was late.
        """
        self._clock = clock
        self._limits = limits
        self._lag = lag
        self._last: dict[str, float] = {}

    def beat(self, part: str) -> None:
        """The part lives."""
        self._last[part] = self._clock.monotonic()

    def ages(self) -> dict[str, float]:
        """Seconds since each part's last beat."""
        now = self._clock.monotonic()
        return {part: now - last for part, last in self._last.items()}

    def silent(self) -> list[str]:
        """Parts that have been silent for too long."""
        return sorted(part for part, age in self.ages().items() if age > self._limits[part])

    async def watch(self) -> None:
        """Beats for the event loop until cancelled, and measures by how much it is late."""
        while True:
            self.beat(LOOP)
            asleep = self._clock.monotonic()
            await asyncio.sleep(_INTERVAL)
            if self._lag is not None:
                self._lag(max(0.0, self._clock.monotonic() - asleep - _INTERVAL))
