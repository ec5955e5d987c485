"""Optional feature columns, one value per record, condensed to numbers per user. Pure: arrays in, arrays out.

A column's numbers are scaled so that together they vary as much as one standardised number, whatever the column's unit
and however many categories it has: a rare category, standardised by itself, would shout.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_CATEGORIES = 32
"""Categories kept per column, the most frequent ones; the rest say little about so few users."""
FARTHEST = 4.0
"""A user further from the mean than so many standard deviations is moved there: one typing error must not rule."""
LEAST_WITHIN = 0.05
"""A column which varies less than this within users, in parts of its variance, tells of users and not of records."""
LEAST_HIGH = 0.05
"""High values are told apart if at least this share of the records has one, and at least this share has none."""


def numerical(users: Indices, values: Floats, user_count: int) -> Floats:
    """Standardised mean value per user (user_count, 1); NaN is "unknown" and counts as average."""
    known = np.isfinite(values)
    means, counted = _means(users[known], values[known], user_count)
    if not counted.any():
        return np.zeros((user_count, 1))
    overall, spread = float(means[counted].mean()), float(means[counted].std())
    scaled = np.where(counted, (means - overall) / (spread if spread > 1e-12 else np.inf), 0.0)
    result: Floats = np.clip(scaled, -FARTHEST, FARTHEST)[:, None]
    return result


def categorical(users: Indices, codes: Indices, user_count: int) -> Floats:
    """Share of each user's values per category, less the average user's (user_count, <= 32), scaled as a whole.

    Args:
        users: (values,) whose they are.
        codes: (values,) number of the category, -1 for "unknown"; equally frequent categories rank by number.
        user_count: number of users.
    """
    known = codes >= 0
    counts = np.bincount(codes[known])
    kept = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    column = np.full(len(counts) + 1, -1)
    column[kept] = np.arange(len(kept))
    chosen = column[codes]
    cells = (users * len(kept) + chosen)[chosen >= 0]
    totals = np.bincount(users[known], minlength=user_count)
    shares = np.bincount(cells, minlength=user_count * len(kept)).reshape(user_count, len(kept))
    centred = shares / np.maximum(totals, 1)[:, None]
    if totals.any():
        centred = np.where((totals > 0)[:, None], centred - centred[totals > 0].mean(axis=0), 0.0)
    spread = float(np.sqrt(centred.var(axis=0).sum()))
    result: Floats = centred / (spread if spread > 1e-12 else np.inf)
    return result


def high(users: Indices, values: Floats, user_count: int) -> Flags | None:
    """Which records (records,) have a high value: about the upper half of the column.

    None if that would tell nothing of the records: the column is (nearly) constant, or constant within every user.
    """
    known = np.isfinite(values)
    if not known.any():
        return None
    means, _ = _means(users[known], values[known], user_count)
    total = float(values[known].var())
    if float(np.square(values[known] - means[users[known]]).mean()) <= LEAST_WITHIN * total:
        return None
    middle = np.median(values[known])
    halves = [known & (values >= middle), known & (values > middle)]
    best = min(halves, key=lambda flags: abs(float(flags.mean()) - 0.5))
    return best if LEAST_HIGH <= float(best.mean()) <= 1 - LEAST_HIGH else None


def _means(users: Indices, values: Floats, user_count: int) -> tuple[Floats, Flags]:
    """Mean value per user (user_count,), 0 without any, and who has one."""
    counts = np.bincount(users, minlength=user_count)
    # Records may come in any order; sorting first makes the rounding of the sums the same for each.
    order = np.lexsort((values, users))
    sums = np.bincount(users[order], weights=values[order], minlength=user_count)
    return sums / np.maximum(counts, 1), counts > 0
