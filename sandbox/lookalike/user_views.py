"""The views of every user which training prepares, once, for all seeds to come.

From the records (users x items):

- *embeddings* by implicit-feedback factorisation (`als`) at two ranks, and by singular vectors (`svd`) at two,
  each with how active the user is. A low rank generalises, a high one shows finer differences. From those records
  whose value in a numerical column is high for that column (a high rating, many minutes), the same again;
- *items*: the user's items themselves, which hold the rare ones that no short embedding can: those met, and by each
  numerical column those with a high value and by how much it surprises (`values`), all in one regression.

From the timestamps, when each user first appears, and from the optional columns, what their values are: *features*.

Pure: arrays in, arrays out; the same input and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sandbox.lookalike import als, svd
from sandbox.lookalike.logistic import Design, design

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

EMBEDDINGS = (
    als.Settings(factors=32, confidence=3.0, penalty=10.0),
    als.Settings(factors=64, iterations=5, confidence=40.0, penalty=100.0),
)
SINGULAR_VECTORS = ((32, 100.0), (64, 200.0))
"""How many, and the penalty of the regression on them."""
RARITY = 0.25
"""Items weigh ``met by ** -RARITY`` before the singular vectors are taken; embeddings by ALS need no such help."""
EMBEDDING_PENALTY = 100.0
ITEMS_PENALTY = 0.5
FEATURES_PENALTY = 10.0
ITEMS_WEIGHT = 3.0
"""The items count as much as three of the four embeddings."""
FEATURES_WEIGHT = 3.0
"""Features count as much as the items; when they say nothing of a seed, their log odds are near 0 anyway."""
ACTIVITY_SCALE = 0.1
"""Activity beside unit rows of items: as strong as an item which is a hundredth of what the user met."""


@dataclass(frozen=True, slots=True)
class View:
    """One description of every user.

    Attributes:
        rows: (users, n), dense or CSR, float32.
        penalty: ridge which suits its scale.
        weight: its part in the mean of all views.
        design: the rows, prepared for fitting.
    """

    rows: Any
    penalty: float
    weight: float = 1.0
    design: Design = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the rows for fitting."""
        object.__setattr__(self, "design", design(self.rows, self.penalty))

    def of(self, users: Indices) -> View:
        """The same view of some users."""
        return View(self.rows[users], self.penalty, self.weight)


Maker = Callable[[], list[View]]


def of_records(strengths: sparse.csr_matrix, activity: Floats, random_seed: int, brief: bool = False) -> list[Maker]:
    """Describe users by short embeddings of what they met.

    Args:
        strengths: (users, items), 0 where the user did not meet the item.
        activity: (users, n) how much they met, logarithmically.
        random_seed: starts the factorisations.
        brief: only the lower ranks.

    Returns:
        What makes the views; in any order, or side by side, they come out the same.
    """
    known = standardised(activity)

    def squares(settings: als.Settings) -> list[View]:
        users, _ = als.factorise(strengths, settings, random_seed)
        return [View(np.hstack([standardised(users), known]), EMBEDDING_PENALTY)]

    def vectors() -> list[View]:
        ranks = SINGULAR_VECTORS[:1] if brief else SINGULAR_VECTORS
        most, _ = ranks[-1]
        rows = standardised(svd.leading_rows(unit_rows(strengths, RARITY), most, random_seed))
        return [View(np.hstack([rows[:, :factors], known]), penalty) for factors, penalty in ranks]

    factorised = EMBEDDINGS[:1] if brief else EMBEDDINGS
    return [*(partial(squares, settings) for settings in factorised), vectors]


def of_items(parts: Sequence[sparse.csr_matrix], activity: Floats) -> View:
    """Describe users by the items themselves: in each part (users, items), rows of length 1."""
    beside = sparse.csr_matrix(np.float32(ACTIVITY_SCALE) * standardised(activity))
    rows = sparse.hstack([*(unit_rows(part, 0.0) for part in parts), beside], format="csr")
    return View(rows, ITEMS_PENALTY * (1 + len(parts)) / 2, ITEMS_WEIGHT)


def of_features(features: Floats) -> View:
    """Describe users by numbers of their own (users, n), which are scaled already (`sandbox.lookalike.features`)."""
    return View(features.astype(np.float32), FEATURES_PENALTY, FEATURES_WEIGHT)


def strengths(users: Indices, items: Indices, shape: tuple[int, int]) -> sparse.csr_matrix:
    """(users, items), float32: 1 + log(times) where the user met the item; the records' order leaves no trace."""
    ones = np.ones(len(users), dtype=np.float32)
    matrix = sparse.csr_matrix((ones, (users, items)), shape=shape)
    matrix.sum_duplicates()
    matrix.sort_indices()
    matrix.data = 1 + np.log(matrix.data)
    return matrix


def unit_rows(matrix: sparse.csr_matrix, rarity: float) -> sparse.csr_matrix:
    """Rows of length 1 (or 0) in which an item weighs the less, the more users met it."""
    met_by = np.bincount(matrix.indices, minlength=matrix.shape[1])
    weights = (np.maximum(met_by, 1) ** -rarity).astype(np.float32)
    scaled = matrix.copy()
    scaled.data = scaled.data * weights[scaled.indices]
    entries = np.diff(scaled.indptr)
    squares = np.bincount(np.repeat(np.arange(len(entries)), entries), scaled.data**2, minlength=len(entries))
    lengths = np.sqrt(np.where(squares > 0, squares, 1.0)).astype(np.float32)
    scaled.data = scaled.data / np.repeat(lengths, entries)
    return scaled


def standardised(columns: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Columns with mean 0 and variance 1; a constant column becomes zeros."""
    wide = columns.astype(np.float64)
    spread = wide.std(axis=0)
    result: npt.NDArray[np.float32] = ((wide - wide.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)).astype(
        np.float32
    )
    return result
