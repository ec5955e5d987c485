"""The ``Clock`` port on the system's clocks."""

import time


class SystemClock:
    """Where time comes from outside tests."""

    def wall(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
