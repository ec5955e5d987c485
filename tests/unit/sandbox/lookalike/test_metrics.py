"""Figures of merit, against their definitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.lookalike import metrics


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_the_chance_that_a_positive_outranks_a_negative(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in pairs])
    positive = np.array([flag for _, flag in pairs])
    if positive.all() or not positive.any():
        with pytest.raises(ValueError, match="at least one"):
            metrics.auc(scores, positive)
        return
    duels = scores[positive][:, None] - scores[~positive][None, :]
    assert metrics.auc(scores, positive) == pytest.approx(float(((duels > 0) + 0.5 * (duels == 0)).mean()))


@pytest.mark.parametrize("size", [30, 400, 2000])
def test_held_out_recall_of_an_oracle_and_of_noise(size: int) -> None:
    seed, noise = np.arange(size), np.random.default_rng(0)
    oracle = metrics.held_out_recall(lambda _: (np.arange(5000) < size).astype(np.float64), 5000, seed, 1)
    random = metrics.held_out_recall(lambda _: noise.random(5000), 5000, seed, 1, splits=10)
    blind = metrics.held_out_recall(lambda _: np.zeros(5000), 5000, seed, 1)
    assert oracle == 1.0
    assert 0.05 < random < 0.35
    assert blind == pytest.approx(0.2), "who tells nobody apart finds a fifth in a fifth"


def test_each_of_a_small_seed_is_held_out_once_and_nobody_of_a_seed_of_everybody_is_missed() -> None:
    asked: list[int] = []

    def score(part: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        asked.extend(set(range(37)) - set(part.tolist()))
        return np.arange(100.0)

    metrics.held_out_recall(score, 100, np.arange(37), 5)
    assert sorted(asked) == list(range(37))
    assert metrics.held_out_recall(lambda _: np.zeros(8), 8, np.arange(8), 5) == 1.0


SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
POSITIVE = np.isin(np.arange(10), [0, 2, 9])


@pytest.mark.parametrize(("share", "expected"), [(0.1, 1 / 3), (0.2, 1 / 3), (0.3, 2 / 3), (1.0, 1.0), (0.001, 1 / 3)])
def test_recall_counts_the_positives_among_the_best(share: float, expected: float) -> None:
    assert metrics.recall_at(SCORES, POSITIVE, share) == pytest.approx(expected)


@pytest.mark.parametrize(("rows", "expected"), [(1, 1.0), (2, 0.5), (3, 2 / 3), (10, 0.3), (99, 0.3)])
def test_precision_counts_positives_per_row(rows: int, expected: float) -> None:
    assert metrics.precision_at(SCORES, POSITIVE, rows) == pytest.approx(expected)


@pytest.mark.parametrize(("share", "expected"), [(0.1, 1 / 0.3), (0.2, 0.5 / 0.3), (1.0, 1.0)])
def test_lift_is_precision_above_that_of_chance(share: float, expected: float) -> None:
    assert metrics.lift_at(SCORES, POSITIVE, share) == pytest.approx(expected)


def test_ties_go_by_position() -> None:
    tied = np.zeros(4)
    assert metrics.precision_at(tied, np.array([True, False, False, False]), 1) == 1.0
    assert metrics.precision_at(tied, np.array([False, False, False, True]), 1) == 0.0


def test_held_out_users_do_not_count_among_the_others() -> None:
    """Seeds score exactly as the best fifth's last user: each is found with the part of the tie that has room."""
    scores = np.concatenate([np.full(10, 0.5), np.full(4, 0.5), np.full(6, 0.1)])
    assert metrics.held_out_recall(lambda _: scores, 20, np.arange(10), 0) == pytest.approx(2 / 4)
