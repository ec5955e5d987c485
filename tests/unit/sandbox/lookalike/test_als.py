"""Factorisation by alternating least squares, against the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sandbox.lookalike import als


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 12))
def test_als_with_enough_steps_reaches_the_least_squares_solution(seed: int, users: int, factors: int) -> None:
    rng = np.random.default_rng(seed)
    strengths = sparse.random(users, 20, density=0.2, random_state=rng, format="csr", dtype=np.float32)
    knobs = als.Settings(factors=factors, iterations=1, steps=3 * factors + 5, confidence=2.0, penalty=5.0)
    found, _ = als.factorise(strengths, knobs, 4)
    start = np.random.default_rng(4).normal(0.0, 0.01, (20, factors)).astype(np.float32).astype(np.float64)
    for row in range(users):
        extra = 2.0 * strengths[[row]].toarray()[0]
        normal = start.T @ start + start.T @ (extra[:, None] * start) + 5.0 * np.eye(factors)
        exact = np.linalg.solve(normal, start.T @ np.where(extra > 0, extra + 1, 0))
        np.testing.assert_allclose(found[row], exact, rtol=1e-3, atol=1e-5)


def test_als_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = sparse.random(300, 40, density=0.1, random_state=np.random.default_rng(2), format="csr", dtype=np.float32)
    whole, _ = als.factorise(matrix, als.Settings(), 0)
    monkeypatch.setattr(als, "BLOCK_RECORDS", 7)
    pieces, _ = als.factorise(matrix, als.Settings(), 0)
    np.testing.assert_allclose(whole, pieces, rtol=1e-3, atol=1e-5)


def test_a_row_without_interactions_gets_the_zero_embedding() -> None:
    strengths = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 0], [0, 3, 0]], dtype=np.float32))
    users, items = als.factorise(strengths, als.Settings(factors=2), 0)
    assert users[1].tolist() == [0.0, 0.0]
    assert users.shape == (3, 2)
    assert items.shape == (3, 2)
    assert users.dtype == items.dtype == np.float32


def test_the_input_is_left_as_it_was() -> None:
    strengths = sparse.csr_matrix(np.array([[1, 0], [0, 2]], dtype=np.float32))
    als.factorise(strengths, als.Settings(factors=2), 0)
    assert strengths.toarray().tolist() == [[1, 0], [0, 2]]


def test_every_alternation_lowers_the_loss_of_the_paper() -> None:
    """Sum over all cells of confidence * (preference - xy)², and the ridge; the paper's equation 3."""
    rng = np.random.default_rng(3)
    strengths = sparse.random(30, 12, density=0.3, random_state=rng, format="csr", dtype=np.float32)
    extra = 2.0 * strengths.toarray().astype(np.float64)

    def loss(iterations: int) -> float:
        knobs = als.Settings(factors=4, iterations=iterations, steps=20, confidence=2.0, penalty=1.0)
        users, items = (side.astype(np.float64) for side in als.factorise(strengths, knobs, 0))
        misses = (1 + extra) * ((extra > 0) - users @ items.T) ** 2
        return float(misses.sum() + (users**2).sum() + (items**2).sum())

    losses = [loss(iterations) for iterations in range(1, 7)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)], ids=["no users", "no items"])
def test_an_empty_side_is_an_empty_embedding(shape: tuple[int, int]) -> None:
    users, items = als.factorise(sparse.csr_matrix(shape, dtype=np.float32), als.Settings(factors=2), 0)
    assert (users.shape, items.shape) == ((shape[0], 2), (shape[1], 2))
    assert not users.any()
