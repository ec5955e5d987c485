"""Clocks for tests: one follows the event loop (and so looptime's virtual time), one is moved by hand."""

import asyncio

EPOCH = 1_760_000_000.0
"""Where wall time begins in tests."""


class LoopClock:
    """Time of the running event loop; under looptime it is virtual."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self._epoch = epoch
        self._anchor: float | None = None
        self.skew = 0.0
        """Seconds by which the wall clock is ahead; what it is when the time is first asked for, the process starts
        with, and any change after that is a step.
        """

    def now(self) -> float:
        if self._anchor is None:
            self._anchor = self._epoch + self.skew
        return self._anchor + self.monotonic()

    def wall(self) -> float:
        return self._epoch + self.skew + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class ManualClock:
    """Stands still until told."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self._passed = 0.0
        self._epoch = epoch

    def now(self) -> float:
        return self.wall()

    def wall(self) -> float:
        return self._epoch + self._passed

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        assert seconds >= 0
        self._passed += seconds
