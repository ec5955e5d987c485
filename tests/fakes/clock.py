"""Clocks for tests: one follows the event loop (and so looptime's virtual time), one is moved by hand."""

import asyncio

EPOCH = 1_760_000_000.0
"""Where wall time begins in tests."""


class LoopClock:
    """Time of the running event loop; under looptime it is virtual."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self._epoch = epoch
        self.skew = 0.0

    def wall(self) -> float:
        return self._epoch + self.skew + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class ManualClock:
    """Stands still until told."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self.now = 0.0
        self._epoch = epoch

    def wall(self) -> float:
        return self._epoch + self.now

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds
