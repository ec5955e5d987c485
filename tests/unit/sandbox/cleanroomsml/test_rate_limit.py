"""Token buckets, by a clock of the test."""

import pytest

from sandbox.cleanroomsml.errors import Throttled
from sandbox.cleanroomsml.rate_limit import RateLimit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def passed(limit: RateLimit, times: int, account: str = "a", region: str = "r", *, read: bool = True) -> int:
    """How many of so many requests pass."""
    count = 0
    for _ in range(times):
        try:
            limit.admit(account, region, read=read)
        except Throttled:
            continue
        count += 1
    return count


def test_no_rate_is_no_limit() -> None:
    limit = RateLimit(0, 0, Clock())
    assert passed(limit, 1000) == passed(limit, 1000, read=False) == 1000


def test_a_second_full_of_requests_passes_and_then_as_many_as_time_brings() -> None:
    clock = Clock()
    limit = RateLimit(4, 0, clock)
    assert passed(limit, 10) == 4
    clock.now += 0.25
    assert passed(limit, 10) == 1
    clock.now += 0.5
    assert passed(limit, 10) == 2
    clock.now += 3600
    assert passed(limit, 10) == 4, "an idle hour saves no more than a second's tokens"


def test_a_refused_request_costs_nothing() -> None:
    clock = Clock()
    limit = RateLimit(1, 0, clock)
    assert passed(limit, 1) == 1
    for _ in range(9):
        clock.now += 0.125
        passed(limit, 1)
    assert clock.now == 101.125
    assert passed(limit, 1) == 0, "the token of the first second was taken in the loop"
    clock.now += 0.875
    assert passed(limit, 1) == 1


@pytest.mark.parametrize("rate", [0.5, 0.1])
def test_below_one_a_second_one_request_passes_at_first(rate: float) -> None:
    clock = Clock()
    limit = RateLimit(rate, 0, clock)
    assert passed(limit, 3) == 1
    clock.now += 0.9 / rate
    assert passed(limit, 3) == 0
    clock.now += 0.2 / rate
    assert passed(limit, 3) == 1


def test_accounts_regions_reads_and_writes_are_apart() -> None:
    limit = RateLimit(1, 2, Clock())
    assert passed(limit, 5) == 1
    assert passed(limit, 5, read=False) == 2
    assert passed(limit, 5, account="b") == 1
    assert passed(limit, 5, region="s") == 1


def test_the_error_is_throttling() -> None:
    limit = RateLimit(1, 1, Clock())
    limit.admit("a", "r", read=False)
    with pytest.raises(Throttled, match="Rate exceeded") as error:
        limit.admit("a", "r", read=False)
    assert error.value.status == 429
