"""A local Clean Rooms ML that really trains, and a local Kafka."""

import traceback
from typing import Final

SECRET: Final = "sandbox"  # noqa: S105 - known to everybody, and checked only on request
"""The secret access key of every access key that has been given no other."""


def described(error: BaseException) -> str:
    """What was not foreseen and where, without its message: a library's words may quote people's data."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}; this is a defect of the sandbox, please report it"
