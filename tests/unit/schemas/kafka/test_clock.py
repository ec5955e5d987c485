"""Time goes on during a suspend."""

import time

import pytest

from schemas.kafka.clock import steady


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux has a clock that counts suspends")
def test_a_suspend_counts() -> None:
    """CLOCK_MONOTONIC stops meanwhile: a call window that was open before would be open afterwards."""
    asked = []

    def gettime(which: int) -> float:
        asked.append(which)
        return 7.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "clock_gettime", gettime)
        assert steady() == 7.0
    assert asked == [time.CLOCK_BOOTTIME]
