"""Timestamps and optional feature columns, one value per record, condensed to numbers per user.

A column's numbers are scaled so that together they vary as much as one standardised number, whatever the column's unit
and however many categories it has: a rare category, standardised by itself, would shout.

Pure: arrays in, arrays out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_CATEGORIES = 32
"""Categories kept per column, the most frequent ones; the rest say little about so few users."""
COHORTS = 16
"""Parts of the time in which users first appear; 16 to 64 were alike, on people."""
FARTHEST = 4.0
"""Number of standard deviations from the mean at which values are clipped: one typing error must not dominate."""


def numerical(users: Indices, values: Floats, user_count: int) -> Floats:
    """Standardised mean value per user (user_count, 1); NaN is "unknown" and counts as average."""
    known = np.isfinite(values)
    centres, counted = means(users[known], values[known], user_count)
    if not counted.any():
        return np.zeros((user_count, 1))
    overall, spread = float(centres[counted].mean()), float(centres[counted].std())
    scaled = np.where(counted, (centres - overall) / (spread if spread > 1e-12 else np.inf), 0.0)
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


def cohort(users: Indices, moments: Floats, user_count: int) -> Floats | None:
    """In which part of the time each user first appears (user_count, 16), softened by half a neighbouring part.

    Who comes at the same time often comes for the same reason. Parts are of equal length between the first and the last
    hundredth of the users, so that one wrong clock does not squeeze everybody else into one of them.

    Args:
        users: (records,) whose they are.
        moments: (records,) when they happened, in any unit.
        user_count: number of users; one without a record is like the average user.

    Returns:
        Numbers scaled as a whole, or None if (nearly) all come at once.
    """
    first = np.full(user_count, np.inf)
    np.minimum.at(first, users, moments)
    seen = np.flatnonzero(np.isfinite(first))
    if not len(seen):
        return None
    start, end = np.quantile(first[seen], (0.01, 0.99), method="nearest")
    if start == end:
        return None
    parts = np.clip(((first[seen] - start) / (end - start) * COHORTS).astype(np.int64), 0, COHORTS - 1)
    padded = np.zeros((user_count, COHORTS + 2))
    for neighbour, weight in ((0, 0.5), (1, 1.0), (2, 0.5)):
        padded[seen, parts + neighbour] = weight
    soft = padded[:, 1:-1]
    centred = np.zeros_like(soft)
    centred[seen] = soft[seen] - soft[seen].mean(axis=0)
    result: Floats = centred / np.sqrt(centred.var(axis=0).sum())
    return result


def means(users: Indices, values: Floats, user_count: int) -> tuple[Floats, Flags]:
    """Mean value per user (user_count,), 0 without any, and who has one; the order of the records leaves no trace."""
    counts = np.bincount(users, minlength=user_count)
    # Records may come in any order; sorting first makes the rounding of the sums the same for each.
    order = np.lexsort((values, users))
    sums = np.bincount(users[order], weights=values[order], minlength=user_count)
    return sums / np.maximum(counts, 1), counts > 0
