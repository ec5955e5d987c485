"""Attempts and rejoins come in growing pauses until all is well for a while."""

import asyncio
from itertools import pairwise
from types import SimpleNamespace

import pytest

from service.adapters.kafka import reconnection
from service.adapters.kafka.reconnection import BACKOFF_BASE, BACKOFF_CAP, STEADY, Attempts, Rejoin, backoff
from tests.support.clock import ManualClock

pytestmark = pytest.mark.looptime


def test_delays_double_up_to_the_cap() -> None:
    delays = [backoff(attempt) for attempt in range(12)]
    assert delays[:3] == [0.0, BACKOFF_BASE, 2 * BACKOFF_BASE]
    assert all(one <= other for one, other in pairwise(delays))
    assert delays[-1] == backoff(10**9) == BACKOFF_CAP


@pytest.mark.parametrize(("lasted", "wait"), [(STEADY - 1.0, 0.8), (STEADY + 1.0, 0.2)])
async def test_an_attempt_that_lasted_makes_the_next_failure_the_first_again(
    monkeypatch: pytest.MonkeyPatch, lasted: float, wait: float
) -> None:
    now = asyncio.get_running_loop().time
    monkeypatch.setattr(reconnection, "time", SimpleNamespace(monotonic=now))
    attempts, begun = Attempts(), []
    for seconds in (0.0, 0.0, lasted, 0.0):
        asked = now()
        async with attempts.next():
            begun.append(round(now() - asked, 3))
            await asyncio.sleep(seconds)
    assert begun == [0.0, 0.2, 0.4, wait]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(reconnection, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


async def test_a_rejoin_is_due_once_for_each_time_that_it_is_wanted(clock: ManualClock) -> None:
    rejoin = Rejoin()
    assert not rejoin.due()
    rejoin.want()
    assert [rejoin.due(), rejoin.due()] == [True, False]


async def test_an_assignment_that_came_meanwhile_serves_as_well(clock: ManualClock) -> None:
    rejoin = Rejoin()
    rejoin.want()
    rejoin.granted()
    assert not rejoin.due()


async def test_rejoins_come_in_growing_pauses_until_all_is_well_for_a_while(clock: ManualClock) -> None:
    rejoin, pauses = Rejoin(), []
    for _ in range(6):
        rejoin.want()
        waited = 0.0
        while not rejoin.due():
            clock.advance(0.1)
            waited += 0.1
        pauses.append(waited)
    assert pauses == sorted(pauses)
    assert pauses[0] == 0
    assert pauses[-1] >= 16 * BACKOFF_BASE - 0.2
    clock.advance(STEADY + 1)
    rejoin.want()
    assert rejoin.due()
