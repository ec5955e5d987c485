"""When to look again. Pure arithmetic on seconds."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a resource is looked at.

    Attributes:
        first: Interval while the resource is young, seconds.
        later: Interval afterwards, seconds.
        young_for: Age up to which it is young, seconds.
    """

    first: float
    later: float
    young_for: float

    def interval(self, age: float) -> float:
        """The interval at this age."""
        return self.first if age < self.young_for else self.later

    def confirming(self, age: float, looks: int, seconds: float) -> float:
        """The interval after a look that did not find the resource, never longer than the usual one.

        An absence is confirmed as soon as it can be, and by no more looks than that takes: while an absence has yet
        to last, looks in between would decide nothing.

        Args:
            age: The resource's age.
            looks: How many more absences in a row it takes.
            seconds: How much longer they have to last.
        """
        usual = self.interval(age)
        soon = min(self.first, usual)
        return soon if looks > 1 else min(usual, max(soon, seconds))


def backoff(retries: int, base: float, cap: float, fraction: float) -> float:
    """Capped exponential backoff with full jitter, never less than a tenth of its ceiling.

    Args:
        retries: Refusals so far, from 1.
        base: Ceiling of the first wait, seconds.
        cap: Ceiling of every wait, seconds.
        fraction: Jitter in [0, 1).
    """
    ceiling = min(cap, base * 2.0 ** min(max(retries - 1, 0), 62))
    return ceiling * (0.1 + 0.9 * fraction)


def search_delay(searches: int, delays: Sequence[float]) -> float:
    """The wait before the next search, after this many; the last delay repeats."""
    return delays[min(searches, len(delays) - 1)]
