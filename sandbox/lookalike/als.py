"""Implicit-feedback matrix factorisation by alternating least squares.

The model is that of Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (ICDM 2008):
every cell of the users x items matrix is a preference of 0 or 1, and an observed cell is trusted more than an absent
one: its confidence is ``1 + confidence * strength``. For one user the minimiser is a small linear system

    (YᵀY + Yᵀ(C - I)Y + penalty I) x = Yᵀ C p

whose first term is shared by everyone and whose second is low-rank: it needs only the user's own items. So no system
is ever written down. A few conjugate-gradient steps, from where the last alternation ended, improve a whole block of
users at once with multiplications by the block's gathered item embeddings (the idea of Takacs, Pilaszy and Tikk,
"Applications of the Conjugate Gradient Method for Implicit Feedback Collaborative Filtering", RecSys 2011). No Python
loop touches a single user, a block fits the processor's cache, and memory beyond the input is one block.

Pure: arrays in, arrays out; the same input and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Matrix = npt.NDArray[np.float32]

BLOCK_RECORDS = 8192
"""Interactions handled at once; their gathered embeddings (1 MB at 32 factors) should fit the processor's cache."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Knobs of the factorisation; `benchmarks/lookalike.py` says on what the defaults were chosen and checked.

    Attributes:
        factors: length of an embedding.
        iterations: alternations (users, then items).
        steps: conjugate-gradient steps per alternation and side.
        confidence: extra trust in an observed interaction of strength 1.
        penalty: ridge on every embedding.
    """

    factors: int = 32
    iterations: int = 8
    steps: int = 3
    confidence: float = 3.0
    penalty: float = 10.0


def factorise(strengths: sparse.csr_matrix, settings: Settings, random_seed: int) -> tuple[Matrix, Matrix]:
    """Learn embeddings of the rows and the columns of an interaction matrix.

    Args:
        strengths: (users, items), non-negative; 0 (absent) means "not observed", never "disliked".
        settings: knobs.
        random_seed: seeds the starting item embeddings.

    Returns:
        User embeddings (users, factors) and item embeddings (items, factors), float32.
    """
    by_user = sparse.csr_matrix(strengths, dtype=np.float32, copy=True)
    by_user.data *= np.float32(settings.confidence)
    by_item = by_user.T.tocsr()
    rng = np.random.default_rng(random_seed)
    items: Matrix = rng.normal(0.0, 0.01, (by_user.shape[1], settings.factors)).astype(np.float32)
    users: Matrix = np.zeros((by_user.shape[0], settings.factors), dtype=np.float32)
    for _ in range(settings.iterations):
        users = _improve(users, by_user, items, settings)
        items = _improve(items, by_item, users, settings)
    return users, items


def _improve(current: Matrix, extra: sparse.csr_matrix, fixed: Matrix, settings: Settings) -> Matrix:
    """Better embeddings of one side (rows, factors) while the other is fixed; ``extra`` is the confidence beyond 1."""
    shared = fixed.T @ fixed + np.float32(settings.penalty) * np.eye(fixed.shape[1], dtype=np.float32)
    improved = np.empty_like(current)
    for first, last in _blocks(extra.indptr):
        part = slice(int(extra.indptr[first]), int(extra.indptr[last]))
        block = _Block(
            near=fixed[extra.indices[part]],
            trust=extra.data[part],
            bounds=extra.indptr[first : last + 1] - extra.indptr[first],
            shared=shared,
        )
        improved[first:last] = block.solve(current[first:last], settings.steps)
    return improved


@dataclass(frozen=True, slots=True)
class _Block:
    """The systems of neighbouring rows; ``bounds`` (rows + 1) says which records are whose."""

    near: Matrix
    trust: npt.NDArray[np.float32]
    bounds: npt.NDArray[np.int32]
    shared: Matrix

    def solve(self, start: Matrix, steps: int) -> Matrix:
        """Conjugate gradients on all rows side by side; a finished row no longer changes."""
        solution = start.copy()
        residual = self._sum_per_row(self.trust + 1) - self._times(solution)
        direction = residual.copy()
        energy = _dots(residual, residual)
        for _ in range(steps):
            bent = self._times(direction)
            length = _ratio(energy, _dots(direction, bent))
            solution += length[:, None] * direction
            residual -= length[:, None] * bent
            following = _dots(residual, residual)
            direction = residual + _ratio(following, energy)[:, None] * direction
            energy = following
        return solution

    def _times(self, rows: Matrix) -> Matrix:
        """Each row's own system times the row."""
        along = _dots(self.near, np.repeat(rows, np.diff(self.bounds), axis=0))
        result: Matrix = rows @ self.shared + self._sum_per_row(self.trust * along)
        return result

    def _sum_per_row(self, weights: npt.NDArray[np.float32]) -> Matrix:
        """Weighted sum of each row's neighbours (rows, factors)."""
        records = np.arange(len(weights), dtype=np.int32)
        shape = (len(self.bounds) - 1, len(weights))
        result: Matrix = sparse.csr_matrix((weights, records, self.bounds), shape=shape) @ self.near
        return result


def _blocks(bounds: npt.NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """Cut rows into runs of about `BLOCK_RECORDS` records; a longer row is a run of its own."""
    first, rows = 0, len(bounds) - 1
    while first < rows:
        fits = int(np.searchsorted(bounds, bounds[first] + BLOCK_RECORDS, side="right")) - 1
        last = min(rows, first + BLOCK_RECORDS, max(first + 1, fits))
        yield first, last
        first = last


def _dots(left: Matrix, right: Matrix) -> npt.NDArray[np.float32]:
    result: npt.NDArray[np.float32] = np.einsum("ij,ij->i", left, right)
    return result


def _ratio(over: npt.NDArray[np.float32], under: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Quotients, 0 where the divisor is 0."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)
