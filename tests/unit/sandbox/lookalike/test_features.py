"""Optional columns and timestamps, condensed to numbers per user."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from sandbox.lookalike import features


def test_numerical_features_average_what_is_known() -> None:
    users, values = np.array([0, 0, 1, 1, 2]), np.array([1.0, 3.0, np.nan, 8.0, np.nan])
    assert features.numerical(users, values, 3).ravel().tolist() == [-1.0, 1.0, 0.0]
    assert features.numerical(users, np.full(5, np.nan), 3).ravel().tolist() == [0.0, 0.0, 0.0]
    wild = features.numerical(np.arange(1000), np.where(np.arange(1000) == 7, 1e9, 1.0), 1000)
    assert wild.max() == features.FARTHEST


def test_categorical_features_are_shares_of_the_most_frequent() -> None:
    shares = features.categorical(np.array([0, 0, 1, 1]), np.array([1, 0, 1, -1]), 3)
    assert shares.shape == (3, 2)
    assert shares[0, 1] > 0 > shares[1, 1]
    assert shares[2].tolist() == [0.0, 0.0]
    assert shares.var(axis=0).sum() == pytest.approx(1)
    assert features.categorical(np.arange(100), np.arange(100), 100).shape == (100, features.MOST_CATEGORIES)
    assert features.categorical(np.array([0]), np.array([-1]), 1).shape == (1, 0)


def test_cohorts_are_parts_of_the_time_in_which_users_come() -> None:
    users, moments = np.arange(160), np.arange(160.0)
    found = features.cohort(np.append(users, 0), np.append(moments, 9e9), 161)
    assert found is not None
    assert found.shape == (161, features.COHORTS)
    assert found[0].argmax() == 0, "a later record does not count"
    assert found[80].argmax() in {7, 8}
    assert found[159].argmax() == features.COHORTS - 1
    assert found[160].tolist() == [0.0] * features.COHORTS
    assert found.var(axis=0).sum() == pytest.approx(1)
    wrong = features.cohort(np.append(users, 160), np.append(moments, -9e9), 161)
    assert wrong is not None
    assert wrong[80].argmax() == found[80].argmax(), "one wrong clock moves nobody else"


@pytest.mark.parametrize("moments", [np.zeros(0), np.full(50, 7.0)], ids=["nobody", "all at once"])
def test_without_a_difference_there_are_no_cohorts(moments: npt.NDArray[np.float64]) -> None:
    assert features.cohort(np.arange(len(moments)), moments, 50) is None


def test_the_most_frequent_categories_are_kept_and_rare_ones_are_dropped() -> None:
    """Categories 0..31 occur twice, 32 and 33 once: the rare two get no column, and their user is as if unknown."""
    codes = np.append(np.repeat(np.arange(features.MOST_CATEGORIES), 2), [32, 33])
    found = features.categorical(np.arange(len(codes)), codes, len(codes))
    assert found.shape[1] == features.MOST_CATEGORIES
    assert (found[:-2].argmax(axis=1) == codes[:-2]).all()
    assert (found[-2:] < 0).all(), "less of every kept category than the average user"


def test_equally_frequent_categories_rank_by_number() -> None:
    found = features.categorical(np.array([0, 1, 2, 3]), np.array([1, 1, 0, 0]), 4)
    np.testing.assert_allclose(found[:, 0], np.array([-1, -1, 1, 1]) / np.sqrt(2), rtol=1e-12)


def test_one_category_for_all_says_nothing() -> None:
    assert features.categorical(np.arange(5), np.zeros(5, dtype=np.int64), 5).tolist() == [[0.0]] * 5


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e6])
def test_the_unit_of_a_number_does_not_matter(unit: float) -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = features.numerical(np.arange(4), unit * values, 4).ravel()
    np.testing.assert_allclose(found, (values - values.mean()) / values.std(), rtol=1e-9)


def test_means_of_users_without_values_are_zero_and_flagged() -> None:
    found, known = features.means(np.array([2, 0, 2]), np.array([5.0, 1.0, 8.0]), 4)
    assert found.tolist() == [1.0, 0.0, 6.5, 0.0]
    assert known.tolist() == [True, False, True, False]


def test_the_order_of_records_leaves_no_trace_in_the_means() -> None:
    """Sums of 0.1s and 1e16s depend on their order; sorted first, they do not."""
    rng = np.random.default_rng(0)
    users, values = rng.integers(0, 3, 200), rng.choice([0.1, 1e16, -1e16, 0.7], 200)
    order = rng.permutation(200)
    assert features.means(users, values, 3)[0].tobytes() == features.means(users[order], values[order], 3)[0].tobytes()
