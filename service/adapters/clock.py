"""The ``Clock`` port on the system's clocks."""

import time

from schemas.kafka.clock import steady

__all__ = ["SystemClock", "steady"]


class SystemClock:
    """Real time; made once, when the process starts."""

    def __init__(self) -> None:
        self._anchor = self.wall() - self.monotonic()

    def now(self) -> float:
        """See :class:`service.runtime.ports.Clock`."""
        return self._anchor + self.monotonic()

    def wall(self) -> float:
        """See :class:`service.runtime.ports.Clock`."""
        return time.time()

    def monotonic(self) -> float:
        """See :class:`service.runtime.ports.Clock`."""
        return steady()
