"""The largest record that each topic takes.

A producer has one limit, and every topic of the service is verified to accept as much. Should a broker refuse a record
all the same, because a topic's ``max.message.bytes`` was lowered, the topic gets a lower limit for as long as this
process runs. So what was refused is written shorter the next time, and not read again for ever.
"""

from typing import Final

from schemas import sizes

FLOOR: Final = 16 * 1024
"""Bytes; a topic that refuses records of this size is misconfigured."""


class RecordLimits:
    """Bytes of the largest record, by topic.

    Args:
        largest: The producer's limit.
    """

    def __init__(self, largest: int = sizes.largest_record()) -> None:
        self._largest = largest
        self._lowered: dict[str, int] = {}

    def of(self, topic: str, present: int = 0) -> int:
        """The limit of a topic.

        Args:
            topic: Which.
            present: Bytes of what the topic holds of the same key. The limit follows from a setting that may have been
                lowered since, and a job that is known must be able to end all the same. A broker's refusal counts.
        """
        return self._lowered.get(topic, max(self._largest, sizes.largest_command(present) if present else 0))

    def lower(self, topic: str, refused: int, limit: int = 0) -> bool:
        """A broker has refused a record of this size; False when nothing of use would fit below it.

        Args:
            topic: Whose broker.
            refused: Bytes of the record.
            limit: What the topic takes, if it is known; otherwise the limit is halved.
        """
        if refused <= FLOOR:
            return False
        known = 0 < limit < refused
        self._lowered[topic] = max(FLOOR, limit if known else min(refused, self.of(topic)) // 2)
        return True
