"""Concurrency slots: never more grants than there are, by priority then arrival, and no one is lost."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.core import quotas
from service.core.quotas import Rank, Slots

KEYS = st.integers(0, 7)
PLACES = {key: Rank.of(key % 3, float(key // 2), key) for key in range(8)}


class Quotas(RuleBasedStateMachine):
    """Every operation in any order, beside a plain model of who has and who wants a slot."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: Slots[int] = Slots(2)
        self.having: set[int] = set()
        self.wanting: set[int] = set()

    @rule(key=KEYS)
    def request(self, key: int) -> None:
        had = key in self.having
        ahead = {other for other in self.wanting - {key} if PLACES[other] < PLACES[key]}
        free = max(0, 2 - len(self.having))
        self.slots, granted = quotas.request(self.slots, PLACES[key])
        assert granted == (had or free > len(ahead))
        (self.having if granted else self.wanting).add(key)
        self.wanting -= self.having
        assert had or not granted or len(self.having) <= 2

    @rule(key=KEYS)
    def occupy(self, key: int) -> None:
        self.slots = quotas.occupy(self.slots, key)
        self.having.add(key)
        self.wanting.discard(key)

    @rule(key=KEYS)
    def full(self, key: int) -> None:
        self.slots = quotas.full(self.slots, PLACES[key])
        self.having.discard(key)
        self.wanting.add(key)

    @rule(key=KEYS)
    def release(self, key: int) -> None:
        had = key in self.having
        self.slots, called = quotas.release(self.slots, key)
        self.having.discard(key)
        self.wanting.discard(key)
        if had:
            assert list(called) == self.queue()[: max(0, 2 - len(self.having))]
        else:
            assert set(called) <= self.wanting

    @invariant()
    def no_one_is_lost(self) -> None:
        assert set(self.slots.taken) == self.having
        assert [rank.key for rank in self.slots.waiting] == self.queue()
        assert self.slots.free == max(0, 2 - len(self.having))

    @invariant()
    def positions_count_from_one(self) -> None:
        assert [self.slots.position(key) for key in self.queue()] == list(range(1, len(self.wanting) + 1))
        assert {self.slots.position(key) for key in self.having} <= {0}

    def queue(self) -> list[int]:
        return sorted(self.wanting, key=PLACES.__getitem__)


TestQuotas = Quotas.TestCase
TestQuotas.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_higher_priority_goes_first_then_the_earlier_arrival() -> None:
    ranks = [Rank.of(0, 1.0, "a"), Rank.of(9, 3.0, "b"), Rank.of(9, 2.0, "c"), Rank.of(0, 0.5, "d")]
    assert [rank.key for rank in sorted(ranks)] == ["c", "b", "d", "a"]


def test_a_slot_is_kept_for_who_waits_in_front() -> None:
    slots, granted = quotas.request(quotas.occupy(Slots(1), "x"), Rank.of(5, 1.0, "a"))
    assert not granted
    slots, called = quotas.release(slots, "x")
    assert called == ("a",)
    slots, granted = quotas.request(slots, Rank.of(0, 0.0, "late"))
    assert not granted
    slots, granted = quotas.request(slots, Rank.of(5, 1.0, "a"))
    assert granted
    assert slots.position("late") == 1


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_what_runs_runs_even_beyond_the_limit(limit: int) -> None:
    slots: Slots[int] = Slots(limit)
    for key in range(5):
        slots = quotas.occupy(slots, key)
    assert (len(slots.taken), slots.free) == (5, 0)
    slots, called = quotas.release(slots, 0)
    assert called == ()
