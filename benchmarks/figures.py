"""What the rows share: figures, their scale, and rounds in processes of their own."""

import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from service.adapters.telemetry import configure_logging

Result = TypeVar("Result")
OURS = "service"


class Figure(msgspec.Struct, frozen=True):
    """One measure of one contestant.

    Attributes:
        what: What was measured.
        who: Of whom: the service or a peer.
        unit: Of the values.
        values: One for each round.
    """

    what: str
    who: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


class Figures:
    """Figures in the order in which they were first measured; a second value is another round."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], list[float]] = {}

    def add(self, what: str, who: str, unit: str, *values: float) -> None:
        self._found.setdefault((what, who, unit), []).extend(values)

    @property
    def all(self) -> list[Figure]:
        return [Figure(*names, tuple(float(f"{value:.6g}") for value in found)) for names, found in self._found.items()]


@dataclass(frozen=True)
class Scale:
    """How much is measured: all of it, or just enough to see that the row works."""

    quick: bool = False

    def pick(self, full: Result, quick: Result) -> Result:
        return quick if self.quick else full


def apart(work: Callable[..., Result], *args: object) -> Result:
    """Does it in a process of its own, so that neither memory nor warm caches of an earlier round count."""
    with multiprocessing.get_context("spawn").Pool(1, configure_logging, ("error",)) as pool:
        return pool.apply(work, args)


def number(value: float) -> str:
    """Three digits that count."""
    if value and abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def shown(values: Sequence[float]) -> str:
    """The median, and the range of several rounds."""
    low, middle, high = (number(each) for each in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
