"""What the adapter counts, and how old its last signs of life are."""

from types import SimpleNamespace

import pytest

from service.adapters.kafka import statistics as module
from service.adapters.kafka.statistics import Counters
from tests.support.clock import ManualClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def test_commits_add_up(clock: ManualClock) -> None:
    counters = Counters()
    for records in (3, 5):
        begun = clock.monotonic()
        clock.advance(0.25)
        counters.committed(records, begun)
    found = counters.snapshot()
    assert (found.transactions, found.records_out, found.transaction_seconds) == (2, 8, 0.5)


def test_a_fence_is_no_unknown_outcome() -> None:
    counters = Counters()
    for fenced in (True, False, False):
        counters.failed(fenced=fenced)
    found = counters.snapshot()
    assert (found.fenced, found.unknown, found.transactions) == (1, 2, 0)


def test_what_has_not_happened_has_no_age(clock: ManualClock) -> None:
    counters = Counters()
    assert (counters.snapshot().last_commit_age, counters.snapshot().last_poll_age) == (None, None)
    counters.last_poll = clock.monotonic()
    counters.committed(1, clock.monotonic())
    clock.advance(3)
    assert (counters.snapshot().last_commit_age, counters.snapshot().last_poll_age) == (3, 3)


def test_a_snapshot_does_not_change() -> None:
    counters = Counters(halted={"commands-0": "offset 7: bad"})
    found = counters.snapshot()
    counters.halted.clear()
    counters.records_in += 1
    assert (found.halted, found.records_in) == ({"commands-0": "offset 7: bad"}, 0)
