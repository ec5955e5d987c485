"""Whether AWS answers at a target, and when a failure is worth a line in the log. Values; no clock, no logging."""

from dataclasses import dataclass, replace
from typing import Final

_WARNINGS: Final = (0.0, 60.0, 300.0, 900.0, 3600.0)
"""Seconds without an answer at which a warning is logged; after the last one, each time that the time has doubled."""
_CALM: Final = 60.0
"""Seconds after a warning within which a new failure is not reported: a target that answers every other call."""
_FORGOTTEN: Final = 3600.0
"""Seconds after the last try from which on it is not known whether the target answers."""


@dataclass(frozen=True, slots=True)
class Reachability:
    """What the calls of this process to one target have shown; times are seconds of one clock that never steps.

    Attributes:
        tries: Calls in a row without an answer.
        since: When the first of them failed.
        last: When the last of them failed.
        code: The last one's error code.
        warnings: Warnings since then.
        warned: When the last warning was; of an earlier row, too.
    """

    tries: int = 0
    since: float = 0.0
    last: float = 0.0
    code: str = ""
    warnings: int = 0
    warned: float = float("-inf")

    def failed(self, code: str, now: float) -> tuple["Reachability", bool]:
        """One more call without an answer, and whether it is worth a warning."""
        since = self.since if self.tries else now
        after = replace(self, tries=self.tries + 1, since=since, last=now, code=code)
        calm = not self.warnings and now - self.warned < _CALM
        if calm or now - since < _threshold(self.warnings):
            return after, False
        warnings = self.warnings + 1
        while _threshold(warnings) <= now - since:  # a pause has skipped some
            warnings += 1
        return replace(after, warnings=warnings, warned=now), True

    def answered(self) -> tuple["Reachability", bool]:
        """AWS has answered, and whether that is news to a reader of the log."""
        return (Reachability(warned=self.warned), self.warnings > 0) if self.tries else (self, False)

    def silent(self, now: float) -> float:
        """Seconds without an answer; 0 while AWS answers, or when it was not called for long."""
        return max(0.0, now - self.since) if self.tries and now - self.last <= _FORGOTTEN else 0.0

    def words(self, now: float) -> str:
        """For a person: since when there is no answer, and why."""
        if not self.tries or now - self.last > _FORGOTTEN:
            return ""
        tries = "1 try" if self.tries == 1 else f"{self.tries} tries"
        return f"no answer for {_duration(self.silent(now))} ({self.code}, {tries})"


def _threshold(warnings: int) -> float:
    """Seconds without an answer at which the next warning is due, after this many."""
    if warnings < len(_WARNINGS):
        return _WARNINGS[warnings]
    return float(_WARNINGS[-1] * 2 ** (warnings - len(_WARNINGS) + 1))


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
