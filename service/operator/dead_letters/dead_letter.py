"""A dead letter as it lies in its topic: whose record it was, why it was set aside, and what was sent originally."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from schemas import cloudevents
from schemas.cloudevents import Headers, timestamp

PREFIX: Final = "dlq_"
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class DeadLetter:
    """A record of the dead-letters topic.

    Attributes:
        partition: Partition of the dead letter.
        offset: Offset of the dead letter.
        written: When, in epoch seconds, as Kafka has it.
        key: The original's key.
        value: The original's value.
        headers: The original's headers, and behind them ours.
    """

    partition: int
    offset: int
    written: float
    key: bytes | None
    value: bytes | None
    headers: Headers

    @cached_property
    def dlq_headers(self) -> dict[str, str]:
        """The ``dlq_`` headers without their prefix; if it was a dead letter before, the last ones count."""
        ours = [(name, value) for name, value in self.headers if name.startswith(PREFIX)]
        return {name.removeprefix(PREFIX): (value or b"").decode(errors="replace") for name, value in ours}

    @property
    def original_headers(self) -> Headers:
        """What the publisher sent."""
        return tuple((name, value) for name, value in self.headers if not name.startswith(PREFIX))

    @property
    def reason(self) -> str:
        """Why it was set aside: a code."""
        return self.dlq_headers.get("reason", "")

    @property
    def topic(self) -> str:
        """Where the original was."""
        return self.dlq_headers.get("topic", "")

    @property
    def source_partition(self) -> int | None:
        """Where the original was; None when the header is absent or no number."""
        number = self.dlq_headers.get("partition", "")
        return int(number) if number.isdecimal() and len(number) < 10 else None

    @property
    def time(self) -> float:
        """When it was set aside, in epoch seconds."""
        return timestamp(self.dlq_headers.get("time", "")) or self.written

    @cached_property
    def command_id(self) -> str:
        """The command that it names, or nothing."""
        return cloudevents.decode(self.key, self.value, self.original_headers).id

    @property
    def size(self) -> int:
        """Bytes of the original value."""
        return len(self.value or b"")


@dataclass(frozen=True, slots=True)
class Selection:
    """Selection of dead letters; an empty member or None selects all.

    Attributes:
        reasons: Codes, in any case.
        since: Epoch seconds; set aside then or later.
        until: Epoch seconds; set aside before.
        key: The original's key.
        topics: Where the original was.
    """

    reasons: frozenset[str] = field(default_factory=frozenset)
    since: float | None = None
    until: float | None = None
    key: str | None = None
    topics: frozenset[str] = field(default_factory=frozenset)

    def has(self, letter: DeadLetter) -> bool:
        """True when the dead letter is selected."""
        return (
            (not self.reasons or letter.reason.lower() in self.reasons)
            and (self.since is None or letter.time >= self.since)
            and (self.until is None or letter.time < self.until)
            and (self.key is None or letter.key == self.key.encode("utf-8", "surrogateescape"))
            and (not self.topics or letter.topic in self.topics)
        )


def selection(
    *, reason: Sequence[str], since: str | None, until: str | None, key: str | None, topic: Sequence[str], now: float
) -> Selection:
    """The selection that an operator described.

    Raises:
        ValueError: A time is neither a timestamp nor a duration.
    """
    return Selection(
        frozenset(each.lower() for each in reason),
        None if since is None else moment(since, now),
        None if until is None else moment(until, now),
        key,
        frozenset(topic),
    )


def moment(text: str, now: float) -> float:
    """Epoch seconds of a timestamp, or of a duration before now such as ``90s``, ``30m``, ``2h`` or ``7d``.

    Raises:
        ValueError: It is neither.
    """
    if ago := _DURATION.fullmatch(text):
        return now - int(ago[1]) * _SECONDS[ago[2]]
    instant = timestamp(text)
    if instant is None:
        raise ValueError(f"{text!r} is no time; write 2025-01-31T12:00:00Z, or how long ago it was: 90s, 30m, 2h or 7d")
    return instant
