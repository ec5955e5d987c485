"""What numerical columns tell of the records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.lookalike import ratings

USERS = np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("column", "share", "expected"),
    [
        ([1, 2, 3, 4], 0.5, [False, False, True, True]),
        ([1, 2, 3, 4], 0.2, [False, False, False, True]),
        ([0, 0, 1, 0], 0.5, [False, False, True, False]),
        ([5, 1, np.nan, 5], 0.5, [True, False, False, True]),
        ([2, 2, 2, 2], 0.5, None),
        ([np.nan] * 4, 0.5, None),
    ],
    ids=["half", "fifth", "flags", "unknown", "constant", "nothing"],
)
def test_high_values_are_about_the_wanted_share(column: list[float], share: float, expected: list[bool] | None) -> None:
    found = ratings.high(np.array(column, dtype=np.float64), share)
    assert (found if found is None else found.tolist()) == expected


@pytest.mark.parametrize(
    ("column", "expected"), [([1, 9, 1, 9], True), ([1, 1, 9, 9], False), ([2, 2, 2, 2], False), ([np.nan] * 4, False)]
)
def test_a_column_that_is_constant_within_users_tells_nothing_of_records(column: list[float], expected: bool) -> None:
    assert ratings.varies(USERS, np.array(column, dtype=np.float64), 2) is expected


def test_a_surprise_is_what_neither_user_nor_item_explains() -> None:
    """Mild users and strict ones rate alike: nothing surprises but what one of them does otherwise."""
    users, items = np.repeat(np.arange(100), 20), np.tile(np.arange(20), 100)
    rating = np.where(items % 2 == 0, 1.0, -1.0) + 3.0 * (users % 2)
    rating[0] -= 2.0
    found = ratings.surprises(users, items, rating, (100, 20)).toarray()
    assert found[0, 0] == pytest.approx(-2.0, abs=0.2)
    assert np.abs(found).sum() - abs(found[0, 0]) < 0.2 * found.size


def test_repeated_records_count_by_their_mean_and_unknown_ones_not_at_all() -> None:
    once = ratings.surprises(USERS, np.array([0, 1, 0, 1]), np.array([1.0, 5.0, 2.0, 4.0]), (3, 2))
    users, items = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 0, 1, 0])
    again = ratings.surprises(users, items, np.array([1.0, 5.0, 5.0, 2.0, 4.0, np.nan]), (3, 2))
    assert np.sign(once.toarray()).tolist() == np.sign(again.toarray()).tolist()
    assert once[2].nnz == again[2].nnz == 0


@settings(max_examples=50)
@given(st.integers(0, 2**31))
def test_the_order_of_records_leaves_no_trace(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, items, column = rng.integers(0, 9, 60), rng.integers(0, 5, 60), rng.normal(size=60)
    column[rng.random(60) < 0.2] = np.nan
    order = rng.permutation(60)
    first = ratings.surprises(users, items, column, (9, 5))
    second = ratings.surprises(users[order], items[order], column[order], (9, 5))
    assert first.toarray().tobytes() == second.toarray().tobytes()
