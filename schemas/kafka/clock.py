"""Seconds that never go back."""

import time
from typing import Final

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_MONOTONIC stops on Linux while the machine is suspended, and a call window must not; CLOCK_BOOTTIME goes on."""


def steady() -> float:
    """Seconds that never go back and go on during a suspend."""
    return time.clock_gettime(_STEADY)
