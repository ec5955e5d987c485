"""What the measurements share: a fresh process for each round, medians and ranges."""

import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from service.adapters.telemetry import configure_logging

Result = TypeVar("Result")


def apart(work: Callable[..., Result], *args: object) -> Result:
    """Does it in a process of its own, so that neither memory nor warm caches of an earlier round count."""
    with multiprocessing.get_context("spawn").Pool(1, configure_logging, ("error",)) as pool:
        return pool.apply(work, args)


def shown(name: str, values: Sequence[float], unit: str, decimals: int = 1) -> str:
    """A line: the median and the range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"  {name:<44}{middle:>12,.{decimals}f} {unit}   ({low:,.{decimals}f} to {high:,.{decimals}f})"


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
