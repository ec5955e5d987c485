"""The system's clocks: the owner's time follows no step of the wall clock, and goes on during a suspend."""

import time

import pytest

from service.adapters.clock import SystemClock


def test_the_owners_time_begins_with_the_wall_clock_and_never_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, true = SystemClock(), time.time
    assert abs(clock.now() - true()) < 1.0
    for step in (-86_400.0, 86_400.0):
        monkeypatch.setattr(time, "time", lambda step=step: true() + step)
        assert abs(clock.wall() - true() - step) < 1.0
        assert abs(clock.now() - true()) < 1.0


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux has a clock that counts suspends")
def test_a_suspend_counts() -> None:
    """CLOCK_MONOTONIC stops meanwhile: a call window that was open before would be open afterwards."""
    asked = []
    clock = SystemClock()

    def gettime(which: int) -> float:
        asked.append(which)
        return 7.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "clock_gettime", gettime)
        assert clock.monotonic() == 7.0
    assert asked == [time.CLOCK_BOOTTIME]
