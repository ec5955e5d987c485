"""A local Clean Rooms ML that really trains, and a local Kafka."""

from typing import Final

SECRET: Final = "sandbox"  # noqa: S105 - known to everybody, and checked only on request
"""The secret access key of every access key that has been given no other."""
