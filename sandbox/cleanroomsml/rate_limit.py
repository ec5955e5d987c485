"""API rates: requests per account and Region and second, reads and writes apart, as token buckets of one second."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.cleanroomsml.errors import Throttled


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """Lets requests pass at a rate; 0 lets all pass."""

    def __init__(self, reads: float, writes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates, self._clock = {True: reads, False: writes}, clock
        self._buckets: dict[tuple[str, str, bool], _Bucket] = {}

    def admit(self, account: str, region: str, *, read: bool) -> None:
        """Take a token.

        Raises:
            Throttled: There is none.
        """
        rate, now = self._rates[read], self._clock()
        if not rate:
            return
        most = max(1.0, rate)
        bucket = self._buckets.setdefault((account, region, read), _Bucket(most, now))
        bucket.tokens, bucket.at = min(most, bucket.tokens + (now - bucket.at) * rate), now
        if bucket.tokens < 1:
            raise Throttled("Rate exceeded")
        bucket.tokens -= 1
