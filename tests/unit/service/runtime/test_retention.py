"""Ends are forgotten when two clocks agree, the oldest first, and some of them early."""

from dataclasses import replace

import pytest

from service.runtime.retention import Retention
from tests.support.process import POLICY

NOW = 1_000_000.0
KEPT = 100.0


@pytest.fixture
def retention() -> Retention:
    retention = Retention(replace(POLICY, retention=KEPT))
    retention.latest = NOW
    return retention


def test_nothing_is_forgotten_before_a_record_was_consumed(retention: Retention) -> None:
    retention.latest = 0.0
    retention.keep(b"a", NOW - 10 * KEPT, lasting=True)
    assert not retention.outlived(NOW)
    assert retention.take(NOW, 10) == []


@pytest.mark.parametrize(("now", "latest"), [(NOW, NOW - 1), (NOW - 1, NOW), (NOW - 1, NOW - 1)])
def test_one_clock_alone_forgets_nothing(retention: Retention, now: float, latest: float) -> None:
    retention.keep(b"a", NOW - KEPT, lasting=True)
    retention.latest = latest
    assert not retention.outlived(now)
    retention.latest = NOW
    assert retention.outlived(NOW)


def test_the_oldest_are_taken_first_and_no_more_than_asked_for(retention: Retention) -> None:
    for key, age in ((b"b", 200), (b"c", 150), (b"a", 300), (b"new", 50)):
        retention.keep(key, NOW - age, lasting=True)
    assert retention.take(NOW, 2) == [(b"a", NOW - 300), (b"b", NOW - 200)]
    assert retention.take(NOW, 10) == [(b"c", NOW - 150)]
    assert (len(retention), retention.outlived(NOW)) == (1, False)


def test_both_kinds_are_forgotten_in_their_time(retention: Retention) -> None:
    retention.keep(b"read", NOW - 150, lasting=False)
    retention.keep(b"change", NOW - 120, lasting=True)
    assert {key for key, _ in retention.take(NOW, 10)} == {b"read", b"change"}


def test_only_what_does_no_harm_is_forgotten_early(retention: Retention) -> None:
    retention.keep(b"change", NOW - 50, lasting=True)
    early = [retention.has_early]
    for key, age in ((b"b", 10), (b"a", 20)):
        retention.keep(key, NOW - age, lasting=False)
    early.append(retention.has_early)
    assert [retention.take_early(), retention.take_early()] == [(b"a", NOW - 20), (b"b", NOW - 10)]
    assert [*early, retention.has_early] == [False, True, False]
    assert len(retention) == 1


def test_a_restore_replaces_what_was_known(retention: Retention) -> None:
    retention.keep(b"old", NOW - 500, lasting=True)
    retention.restore([(b"a", NOW - 200, True), (b"b", NOW - 300, False)], NOW)
    assert len(retention) == 2
    assert {key for key, _ in retention.take(NOW, 10)} == {b"a", b"b"}


def test_an_end_in_the_future_counts_from_now_and_keeps_its_own_time(retention: Retention) -> None:
    """Another owner's clock was ahead; the key's end is still named by what it wrote."""
    ahead = NOW + 10 * KEPT
    retention.restore([(b"a", ahead, True)], NOW)
    retention.latest = NOW + 2 * KEPT
    assert not retention.outlived(NOW + KEPT - 1)
    assert retention.take(NOW + KEPT, 10) == [(b"a", ahead)]
