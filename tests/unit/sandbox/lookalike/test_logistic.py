"""The penalised logistic regression: it is at the optimum, dense or sparse, and stays finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import optimize, sparse

from sandbox.lookalike.logistic import design


def margins(rows: Any, penalty: float, labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    made = design(rows, penalty)
    return made.fit(labels).margins(made.rows)


def test_logistic_finds_the_penalised_optimum_dense_and_sparse() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 6))
    labels = (rows[:, 0] + rng.normal(size=120) > 0.8).astype(np.float64)
    dense, thin = margins(rows, 2.0, labels), margins(sparse.csr_matrix(rows), 2.0, labels)
    np.testing.assert_allclose(dense, thin, rtol=1e-3, atol=1e-4)
    base = np.log(labels.mean() / (1 - labels.mean()))
    chance = 1 / (1 + np.exp(-(dense + base)))
    assert abs((chance - labels).sum()) < 0.05


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_logistic_survives_labels_which_are_all_the_same(label: float) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    assert np.isfinite(margins(rows, 1.0, np.full(20, label))).all()


def test_logistic_does_not_overshoot_for_a_rare_seed_which_is_far_from_everyone() -> None:
    rows = np.random.default_rng(0).normal(size=(20_000, 3))
    labels = np.zeros(20_000)
    labels[:30] = 1.0
    rows[:30] += 40
    for penalty in (1e-6, 1.0, 100.0):
        found = margins(rows, penalty, labels)
        assert np.isfinite(found).all()
        assert found[:30].min() > found[30:].max()


@pytest.mark.parametrize("penalty", [0.1, 2.0, 50.0])
def test_logistic_is_the_minimum_that_an_independent_optimiser_finds(penalty: float) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(80, 3))
    labels = (rows @ [1.0, -0.5, 0.0] + rng.normal(size=80) > 0.5).astype(np.float64)

    def loss(weights: npt.NDArray[np.float64]) -> float:
        scores = rows @ weights[:3] + weights[3]
        return float(np.logaddexp(0, scores).sum() - labels @ scores + penalty / 2 * weights[:3] @ weights[:3])

    best = optimize.minimize(loss, np.zeros(4), tol=1e-9).x
    found = design(rows, penalty).fit(labels)
    base = np.log(labels.mean() / (1 - labels.mean()))
    np.testing.assert_allclose([*found.weights, found.intercept + base], best, rtol=2e-2, atol=2e-3)


def test_a_feature_that_says_nothing_leaves_the_base_rate() -> None:
    """Log odds are counted from the base rate: a view that knows nothing of the seed moves no score."""
    labels = np.repeat([1.0, 0.0], [5, 45])
    found = design(np.zeros((50, 2)), 1.0).fit(labels)
    assert found.weights.tolist() == [0.0, 0.0]
    assert found.intercept == 0.0
    assert found.margins(np.ones((4, 2), dtype=np.float32)).tolist() == [0.0] * 4


def test_the_intercept_is_free_of_the_penalty() -> None:
    """Under a huge penalty only the intercept is left, and the mean chance is still the share of the seed."""
    rng = np.random.default_rng(2)
    labels = np.repeat([1.0, 0.0], [10, 90])
    found = design(rng.normal(size=(100, 3)), 1e6).fit(labels)
    assert np.abs(found.weights).max() < 1e-3
    assert abs(found.intercept) < 1e-2
