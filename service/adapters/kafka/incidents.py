"""What the Kafka client survives, counted for the metrics."""

from collections import Counter
from enum import StrEnum


class Incident(StrEnum):
    """A failure that is handled, and that an operator wants to see when it comes often."""

    SESSION_LOST = "session_lost"
    """The membership broke and was built again."""
    REJOIN = "rejoin"
    """A new assignment was asked for, because a shard could not go on with its own."""
    FENCED = "fenced"
    """A transaction failed because another owner had taken over."""
    COMMIT_UNKNOWN = "commit_unknown"
    """A transaction failed, or its outcome is unknown."""
    OFFSET_GAP = "offset_gap"
    """A delivery skipped offsets that hold only aborted records or markers."""


Incidents = Counter[Incident]
