"""Leading singular vectors, against the exact decomposition of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from sandbox.lookalike import svd


def test_singular_vectors_are_those_of_the_exact_decomposition() -> None:
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(200, 5)) @ np.diag([9, 7, 5, 3, 2]) @ rng.normal(size=(5, 40))
    found = svd.leading_rows(sparse.csr_matrix(exact.astype(np.float32)), 5, 1)
    left = np.linalg.svd(exact, full_matrices=False)[0][:, :5]
    np.testing.assert_allclose(np.abs(np.einsum("ij,ij->j", left, found)), 1, atol=1e-3)
    assert svd.leading_rows(sparse.csr_matrix(np.eye(3, dtype=np.float32)), 64, 1).shape == (3, 3)


def test_singular_vectors_are_orthonormal_and_ordered_by_size() -> None:
    rng = np.random.default_rng(4)
    exact = np.linalg.qr(rng.normal(size=(50, 4)))[0] @ np.diag([8, 4, 2, 1])
    found = svd.leading_rows(sparse.csr_matrix(exact.astype(np.float32)), 3, 1).astype(np.float64)
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.T @ exact, axis=1), [8, 4, 2], rtol=1e-3)


@pytest.mark.parametrize(("shape", "width"), [((3, 9), 3), ((9, 3), 3), ((40, 40), 7)])
def test_there_are_never_more_vectors_than_the_matrix_has(shape: tuple[int, int], width: int) -> None:
    matrix = sparse.csr_matrix(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    found = svd.leading_rows(matrix, 7, 1)
    assert found.shape == (shape[0], width)
    assert found.dtype == np.float32


def test_equal_singular_values_and_an_empty_matrix_are_no_obstacle() -> None:
    same = svd.leading_rows(sparse.eye(40, format="csr", dtype=np.float32), 5, 1).astype(np.float64)
    np.testing.assert_allclose(same.T @ same, np.eye(5), atol=1e-5)
    assert np.isfinite(svd.leading_rows(sparse.csr_matrix((6, 4), dtype=np.float32), 2, 1)).all()


def test_the_random_seed_decides_the_bytes() -> None:
    matrix = sparse.random(60, 30, density=0.2, random_state=np.random.default_rng(0), format="csr", dtype=np.float32)
    first, again, other = (svd.leading_rows(matrix, 4, seed).tobytes() for seed in (1, 1, 2))
    assert first == again
    assert first != other
