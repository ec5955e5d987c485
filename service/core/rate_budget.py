"""Rate budget: token-bucket arithmetic with lanes, halved by a throttle and regrown by successes (AIMD).

One budget belongs to one account and region, split over replicas by the share of partitions they hold. Time is an
argument; :mod:`service.runtime.limiter` does the waiting.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import IntEnum


class Lane(IntEnum):
    """What a call is for, as far as that decides who goes first when tokens are scarce."""

    CREATE = 0
    """Creations and every other write but removals."""
    REMOVE = 1
    SEARCH = 2
    """Reads on which the fate of a call depends."""
    READ = 3
    """Reads that publishers ask for."""
    POLL = 4

    @property
    def writes(self) -> bool:
        """True for calls that change something: they have a bucket of their own."""
        return self <= Lane.REMOVE


def next_lane(waiting: Collection[Lane], last: Lane) -> Lane:
    """Whose turn it is in one bucket, after a call of lane ``last``.

    Lanes take turns, so that none gets less than its share, whatever publishers send: half of the writes, a third of
    the reads, when all lanes of the bucket have calls waiting.
    """
    return min((lane for lane in waiting if lane > last), default=min(waiting))


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket at one moment.

    Attributes:
        limit: Calls per second when nothing is throttled.
        rate: Calls per second now.
        burst: Tokens that may gather.
        tokens: Tokens there are; one call costs one.
        at: Monotonic seconds of this state.
    """

    limit: float
    rate: float
    burst: float
    tokens: float
    at: float


_FLOOR = 0.05  # of the limit: a storm of throttles never stops the calls for good
_REGROWTH = 0.05  # of the limit, a success
_WHOLE = 1.0 - 1e-9  # of a token, as exact as sums of fractions are
_SLOW = 0.25  # of the limit: below it, AWS takes far less than the settings say
SLOW_AFTER = 60.0
"""Seconds for which a bucket must have been slow, with calls waiting, before they no longer count as callable."""


def bucket(limit: float, now: float) -> Bucket:
    """A full bucket for ``limit`` calls per second; a second's worth may gather, at least one."""
    burst = max(1.0, limit)
    return Bucket(limit, limit, burst, burst, now)


def refill(state: Bucket, now: float) -> Bucket:
    """The bucket at a later moment; a clock that went back adds nothing."""
    elapsed = max(0.0, now - state.at)
    return replace(state, tokens=min(state.burst, state.tokens + elapsed * state.rate), at=max(now, state.at))


def take(state: Bucket, now: float) -> tuple[Bucket, float]:
    """Takes a token.

    Returns:
        The bucket and 0 when there was one; else the bucket unchanged but refilled, and the seconds until there is.
    """
    current = refill(state, now)
    if available(current):
        return replace(current, tokens=max(0.0, current.tokens - 1.0)), 0.0
    return current, (1.0 - current.tokens) / current.rate


def available(state: Bucket) -> bool:
    """True when there is a token."""
    return state.tokens >= _WHOLE


def given_back(state: Bucket) -> Bucket:
    """The bucket with one token more, which was taken for a call that was not made."""
    return replace(state, tokens=min(state.burst, state.tokens + 1.0))


def throttled(state: Bucket, now: float) -> Bucket:
    """AWS throttles: half the rate, and no saved tokens."""
    current = refill(state, now)
    return replace(current, rate=max(current.limit * _FLOOR, current.rate / 2), tokens=min(current.tokens, 0.0))


def succeeded(state: Bucket) -> Bucket:
    """A call went through: the rate grows back a step."""
    if state.rate >= state.limit:
        return state
    return replace(state, rate=min(state.limit, state.rate + state.limit * _REGROWTH))


def slow(state: Bucket) -> bool:
    """True while throttles keep the rate below a quarter of the limit."""
    return state.rate < state.limit * _SLOW


def shared(state: Bucket, limit: float, now: float) -> Bucket:
    """The bucket with another limit, as the share of partitions changes; its throttling stays in proportion."""
    current = refill(state, now)
    proportion = current.rate / current.limit
    burst = max(1.0, limit)
    return Bucket(limit, limit * proportion, burst, min(current.tokens, burst), current.at)
