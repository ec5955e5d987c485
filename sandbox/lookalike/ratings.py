"""What a numerical column of the records says about tastes: which values are high, and which are higher than expected.

That a user *liked* an item, or bought much of it, says more than that they met it. Pure: arrays in, arrays out; the
order of the records leaves no trace.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sandbox.lookalike.features import means

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LEAST_WITHIN = 0.05
"""A column which varies less than this within users, in parts of its variance, describes users and not records."""
LEAST_HIGH = 0.05
"""High values are distinguished if at least this share of the records has one, and at least this share has none."""
SHRINKAGE = 5.0
"""Number of additional average records in an item's mean."""


def varies(users: Indices, values: Floats, user_count: int) -> bool:
    """Whether the values (records,), NaN for unknown, differ within users, so that they describe records."""
    known = np.isfinite(values)
    if not known.any():
        return False
    centres, _ = means(users[known], values[known], user_count)
    return float(np.square(values[known] - centres[users[known]]).mean()) > LEAST_WITHIN * float(values[known].var())


def high(values: Floats, share: float) -> Flags | None:
    """Which records (records,) have a high value: as nearly as possible the given share (0..1) of those known.

    None if next to all have one, or next to none.
    """
    known = np.isfinite(values)
    if not known.any():
        return None
    bound = np.quantile(values[known], 1 - share, method="higher")
    either = [known & (values >= bound), known & (values > bound)]
    best = min(either, key=lambda flags: abs(float(flags.mean()) - share))
    return best if LEAST_HIGH <= float(best.mean()) <= 1 - LEAST_HIGH else None


def surprises(users: Indices, items: Indices, values: Floats, shape: tuple[int, int]) -> sparse.csr_matrix:
    """By how much a value exceeds what its user and its item make one expect (users, items), float32.

    Expected is the user's mean and the item's mean difference from its users' means; of several records of a user and
    an item the mean counts.
    """
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.lexsort((values[known], items[known], users[known]))]
    who, what = users[order], items[order]
    centres, _ = means(who, values[order], shape[0])
    beyond = values[order] - centres[who]
    usual = np.bincount(what, beyond, shape[1]) / (np.bincount(what, minlength=shape[1]) + SHRINKAGE)
    sums = sparse.csr_matrix((beyond - usual[what], (who, what)), shape=shape)
    counts = sparse.csr_matrix((np.ones(len(who)), (who, what)), shape=shape)
    for matrix in (sums, counts):
        matrix.sum_duplicates()
    sums.data /= counts.data
    return sums.astype(np.float32)
