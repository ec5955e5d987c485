"""Reply topics that refuse records: a publisher chose them, so they must not stop other publishers' commands.

The transaction that a topic has refused is spent, and with it the shard. So what is known is kept for the process: the
next owner sends these replies to the tenant's default topic. After a while the topic is tried again; each further
refusal doubles the time, since each trial may cost a shard's restart. A topic may take small records and refuse large
ones, so records that it takes prove nothing: the time is short again only after the longest one without a refusal.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

FIRST: Final = 600.0
"""Seconds until a topic is tried again."""
LONGEST: Final = 6 * 3600.0
"""The longest such time."""


class _Refusal(NamedTuple):
    until: float
    seconds: float


class ReplyRedirects:
    """Topics that are avoided, each until some time (monotonic seconds)."""

    def __init__(self) -> None:
        self._refusals: dict[str, _Refusal] = {}

    def refused(self, topic: str, now: float) -> float:
        """A topic has refused a record; returns the seconds for which it is avoided from now on."""
        before = self._refusals.get(topic)
        again = before is not None and now < before.until + LONGEST
        seconds = min(2 * before.seconds, LONGEST) if before and again else FIRST
        self._refusals[topic] = _Refusal(now + seconds, seconds)
        return seconds

    def avoided(self, topics: Collection[str], now: float) -> set[str]:
        """Those of the topics that are not to be tried yet."""
        return {topic for topic in topics if topic in self._refusals and now < self._refusals[topic].until}
