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
