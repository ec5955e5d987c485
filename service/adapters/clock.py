"""The ``Clock`` port on the system's clocks."""

import time
from typing import Final

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_MONOTONIC stops on Linux while the machine is suspended, and a call window must not; CLOCK_BOOTTIME goes on."""


def steady() -> float:
    """Seconds that never go back and go on during a suspend."""
    return time.clock_gettime(_STEADY)


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
