"""The leading left singular vectors of a sparse matrix, by randomised subspace iteration.

The method is algorithm 4.4 of Halko, Martinsson and Tropp, "Finding Structure with Randomness" (SIAM Review 53, 2011):
a random block is multiplied by the matrix and its transpose in turn, orthonormalised in between, until it spans the
leading directions. It needs two passes over the entries per step and cannot fail to converge, unlike Lanczos methods
on matrices with many equal singular values, which small tables have.

Pure: the same input and seed give the same bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

Matrix = npt.NDArray[np.float32]

SPARE = 10
"""Extra columns which are carried along and dropped at the end; they make the kept ones accurate."""
PASSES = 2


def leading_rows(matrix: sparse.csr_matrix, factors: int, random_seed: int) -> Matrix:
    """Left singular vectors (rows, <= factors) of the largest singular values, orthonormal, float32."""
    width = min(factors + SPARE, *matrix.shape)
    turned = matrix.T.tocsr()
    start = np.random.default_rng(random_seed).normal(size=(matrix.shape[1], width)).astype(np.float32)
    basis = _orthonormal(matrix @ start)
    for _ in range(PASSES):
        basis = _orthonormal(matrix @ _orthonormal(turned @ basis))
    left, _, _ = np.linalg.svd((turned @ basis).T.astype(np.float64), full_matrices=False)
    result: Matrix = basis @ left[:, : min(factors, width)].astype(np.float32)
    return result


def _orthonormal(block: Matrix) -> Matrix:
    result: Matrix = np.linalg.qr(block)[0]
    return result
