"""Optional feature columns, one value per record, condensed to numbers per user. Pure: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOST_CATEGORIES = 32
"""Categories kept per column, the most frequent ones; the rest say little about so few users."""


def numerical(users: Indices, values: Floats, user_count: int) -> Floats:
    """Mean value per user (user_count, 1); NaN is "unknown", and a user without values gets the overall mean."""
    known = np.isfinite(values)
    overall = float(values[known].mean()) if known.any() else 0.0
    counts = np.bincount(users[known], minlength=user_count)
    # Records may come in any order; sorting first makes the rounding of the sums the same for each.
    order = np.lexsort((values[known], users[known]))
    sums = np.bincount(users[known][order], weights=values[known][order], minlength=user_count)
    means: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    return means[:, None]


def categorical(users: Indices, values: Sequence[str | None], user_count: int) -> Floats:
    """Share of each user's records per category (user_count, <= 32); None is "unknown" and counts as no category."""
    known = np.array([value is not None for value in values], dtype=bool)
    names, codes, counts = np.unique(
        np.array([value for value in values if value is not None], dtype=np.str_),
        return_inverse=True,
        return_counts=True,
    )
    kept = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    column = np.full(len(names), -1)
    column[kept] = np.arange(len(kept))
    totals = np.maximum(np.bincount(users, minlength=user_count), 1)
    shares: Floats = np.zeros((user_count, len(kept)))
    chosen = column[codes]
    np.add.at(shares, (users[known][chosen >= 0], chosen[chosen >= 0]), 1.0)
    return shares / totals[:, None]
