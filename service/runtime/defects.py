"""Tells of an exception that nobody foresaw without its message, which could quote what a publisher wrote."""

import traceback
from typing import Final

_OURS: Final = ("service.", "schemas.")


def place(error: BaseException) -> str:
    """The exception's type and the innermost line of ours: ``KeyError at service.core.transitions:120``."""
    frames = [
        f"{name}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (name := str(frame.f_globals.get("__name__", ""))).startswith(_OURS)
    ]
    return f"{type(error).__name__} at {frames[-1]}" if frames else type(error).__name__
