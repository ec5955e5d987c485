"""Unexpected exceptions: how they are reported, and how often the activity is tried again."""

import traceback
from collections.abc import Iterator
from typing import Final

from schemas.records import Fault

DEFECT: Final = Fault("ServiceError", "a defect of the service, please report it", retryable=True)
"""What a publisher hears of it; where in the code it is, the log says."""

UNUSABLE: Final = "ServiceError"
"""Why a job is held for which not even the end could be written."""

_OURS: Final = ("service.", "schemas.")
_DELAYS: Final = (1.0, 5.0, 25.0)
"""Seconds before the same is tried again: most defects are there to stay, but memory may be short for a moment."""


def location(error: BaseException) -> str:
    """The exception's type and the innermost line of the service's code: ``KeyError at service.core.transitions:120``.

    Without its message, which could quote what a publisher wrote.
    """
    frames = [
        f"{name}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (name := str(frame.f_globals.get("__name__", ""))).startswith(_OURS)
    ]
    return f"{type(error).__name__} at {frames[-1]}" if frames else type(error).__name__


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class RepeatedErrors:
    """How often in a row each job has failed."""

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}

    def delay(self, key: bytes) -> float | None:
        """Counts a failure; returns the seconds until the next try, None for no more tries."""
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        return _DELAYS[count] if count < len(_DELAYS) else None

    def clear(self, key: bytes) -> None:
        """It went well."""
        self._counts.pop(key, None)
