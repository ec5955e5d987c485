"""Concurrency slots: no more grants than there are, fair to tenants, by priority then arrival, and no one is lost."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.core.quotas import Rank, Slots

KEYS = st.integers(0, 11)
TENANTS = ("films", "music", "")
PLACES = {key: Rank.of(key % 2, float(key // 4), key, TENANTS[key % 3]) for key in range(12)}


def queue(wanting: set[int], having: set[int]) -> list[int]:
    """The law, one step at a time: the tenant with the fewest slots, its own first; ties go to the better rank."""
    used = Counter(PLACES[key].tenant for key in having)
    left = {tenant: sorted(PLACES[key] for key in wanting if PLACES[key].tenant == tenant) for tenant in TENANTS}
    order = []
    while any(left.values()):
        tenant = min((one for one in TENANTS if left[one]), key=lambda one: (used[one], left[one][0]))
        order.append(left[tenant].pop(0).key)
        used[tenant] += 1
    return order


class Quotas(RuleBasedStateMachine):
    """Every operation in any order, beside a plain model of who has and who wants a slot."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: Slots[int] = Slots(3)
        self.having: set[int] = set()
        self.wanting: set[int] = set()
        self.gone: set[int] = set()

    @property
    def free(self) -> int:
        return max(0, 3 - len(self.having))

    @rule(key=KEYS)
    def request(self, key: int) -> None:
        had = key in self.having
        expected = had or key in queue(self.wanting | {key}, self.having)[: self.free]
        granted = self.slots.request(PLACES[key])
        assert granted == expected
        (self.having if granted else self.wanting).add(key)
        self.wanting -= self.having
        assert had or not granted or len(self.having) <= 3

    @rule(key=KEYS)
    def occupy(self, key: int) -> None:
        self.slots.occupy(key, PLACES[key].tenant)
        self.having.add(key)
        self.wanting.discard(key)

    @rule(key=KEYS)
    def full(self, key: int) -> None:
        self.slots.full(PLACES[key])
        self.having.discard(key)
        self.wanting.add(key)

    @rule(key=KEYS)
    def release(self, key: int) -> None:
        called = self.slots.release(key)
        self.having.discard(key)
        self.wanting.discard(key)
        assert list(called) == queue(self.wanting, self.having)[: self.free]

    @rule(key=KEYS, away=st.booleans())
    def goes_away(self, key: int, away: bool) -> None:
        self.slots.set_away(key, away)
        (self.gone.add if away else self.gone.discard)(key)

    @rule(key=KEYS)
    def is_no_more(self, key: int) -> None:
        self.release(key)
        self.slots.forget(key)
        self.gone.discard(key)

    @invariant()
    def who_is_away_is_passed_over(self) -> None:
        for key in PLACES:
            there = queue(self.wanting - (self.gone - {key}), self.having)
            assert self.slots.position_here(key) == (there.index(key) + 1 if key in self.wanting else 0)

    @invariant()
    def who_is_not_away_is_counted(self) -> None:
        waiting = self.wanting - self.gone
        assert (self.slots.taken_here, self.slots.waiting_here) == (len(self.having - self.gone), len(waiting))
        assert self.slots.oldest_here == min((PLACES[key].since for key in waiting), default=float("inf"))

    @rule(keys=st.lists(KEYS))
    def leave(self, keys: list[int]) -> None:
        called = self.slots.release(*keys)
        self.having -= set(keys)
        self.wanting -= set(keys)
        assert list(called) == queue(self.wanting, self.having)[: self.free]

    @invariant()
    def no_one_is_lost(self) -> None:
        assert dict(self.slots.taken) == {key: PLACES[key].tenant for key in self.having}
        assert list(self.slots.waiting) == queue(self.wanting, self.having)
        assert self.slots.free == self.free

    @invariant()
    def positions_count_from_one(self) -> None:
        order = queue(self.wanting, self.having)
        assert [self.slots.position(key) for key in order] == list(range(1, len(order) + 1))
        assert {self.slots.position(key) for key in self.having} <= {0}


TestQuotas = Quotas.TestCase
TestQuotas.settings = settings(max_examples=60, stateful_step_count=30)


def test_a_higher_priority_goes_first_then_the_earlier_arrival() -> None:
    ranks = [Rank.of(0, 1.0, "a"), Rank.of(9, 3.0, "b"), Rank.of(9, 2.0, "c"), Rank.of(0, 0.5, "d")]
    assert [rank.key for rank in sorted(ranks)] == ["c", "b", "d", "a"]


def test_a_slot_is_kept_for_who_waits_in_front() -> None:
    slots: Slots[str] = Slots(1)
    slots.occupy("x")
    granted = slots.request(Rank.of(5, 1.0, "a"))
    assert not granted
    called = slots.release("x")
    assert called == ("a",)
    granted = slots.request(Rank.of(0, 0.0, "late"))
    assert not granted
    granted = slots.request(Rank.of(5, 1.0, "a"))
    assert granted
    assert slots.position("late") == 1


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_what_runs_runs_even_beyond_the_limit(limit: int) -> None:
    slots: Slots[int] = Slots(limit)
    for key in range(5):
        slots.occupy(key)
    assert (len(slots.taken), slots.free) == (5, 0)
    called = slots.release(0)
    assert called == ()


def test_a_crowd_of_one_tenant_does_not_keep_another_out() -> None:
    slots: Slots[str] = Slots(2)
    for number in range(50):
        slots.request(Rank.of(9, float(number), f"crowd-{number}", "crowd"))
    granted = slots.request(Rank.of(0, 99.0, "lone", "lone"))
    assert (granted, slots.position("lone")) == (False, 1)
    called = slots.release("crowd-0")
    assert called == ("lone",)


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from(TENANTS), st.integers(0, 9)), max_size=40))
def test_with_all_waiting_no_tenant_is_more_than_one_slot_behind(limit: int, wanted: list[tuple[str, int]]) -> None:
    slots: Slots[int] = Slots(1)
    slots.occupy(-1)
    for key, (tenant, priority) in enumerate(wanted):
        slots.request(Rank.of(priority, float(key), key, tenant))
    slots.limit = limit
    slots.release(-1)
    for key in slots.first(limit):
        granted = slots.request(slots.ranks[key])
        assert granted
    assert len(slots.taken) == min(limit, len(wanted))
    used = Counter(slots.taken.values())
    for tenant in {
        rank.tenant for rank in slots.ranks.values()
    }:  # who still waits has no fewer than the others, but for one
        assert used[tenant] >= max(used.values(), default=0) - 1


class Key(int):
    """A key that counts how often it is looked up."""

    looked_up = 0

    def __hash__(self) -> int:
        Key.looked_up += 1
        return hash(int(self))


class Since(float):
    """A time that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Since.compared += 1
        return float(self) < float(other)

    def __eq__(self, other: object) -> bool:
        Since.compared += 1
        return isinstance(other, float) and float(self) == float(other)

    __hash__ = float.__hash__


def test_a_change_costs_about_the_same_however_many_wait() -> None:
    costs = []
    for count in (500, 2_000):
        Key.looked_up = Since.compared = 0
        slots: Slots[Key] = Slots(2)
        keys = [Key(number) for number in range(count)]
        for key in keys:
            slots.request(Rank.of(0, Since(-key), key, "films"))
        for key in keys:
            slots.release(key)
        costs.append((Key.looked_up + Since.compared) / count)
        assert not slots.ranks
    assert costs[1] < 2 * costs[0] < 200, "one more halving of a queue each, and no copies"
