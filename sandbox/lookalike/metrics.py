"""How good is a ranking of users? Figures for the API's metrics, the benchmark and the tests. Pure.

`held_out_recall` is the sandbox's ``recallMetric``. AWS publishes only its idea (the share of a training sample's
most similar 20 % which is covered; a value near the largest bin's percentage equals random); the method is the
sandbox's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

TOP_SHARE = 0.2
PARTS = 10
"""Number of parts of the seed; one is held out at a time."""
ENOUGH_HELD_OUT = 200
"""Held-out seeds, over all parts, after which no further part is tried."""


def auc(scores: Floats, positive: Flags) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties counting half."""
    values, indices, counts = np.unique(scores, return_inverse=True, return_counts=True)
    del values
    ranks = np.cumsum(counts) - (counts - 1) / 2
    hits = int(positive.sum())
    misses = len(positive) - hits
    if not hits or not misses:
        raise ValueError("AUC needs at least one positive and one negative")
    return float((ranks[indices][positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def recall_at(scores: Floats, positive: Flags, share: float = TOP_SHARE) -> float:
    """Share of the positives among the best ``share`` (0..1) of everyone."""
    return float(positive[_top(scores, max(1, round(share * len(scores))))].sum() / positive.sum())


def precision_at(scores: Floats, positive: Flags, rows: int) -> float:
    """Share of positives among the best ``rows``."""
    return float(positive[_top(scores, rows)].mean())


def lift_at(scores: Floats, positive: Flags, share: float) -> float:
    """How many times more positives the best ``share`` (0..1) holds than a random choice of equal size."""
    return precision_at(scores, positive, max(1, round(share * len(scores)))) / float(positive.mean())


def held_out_recall(
    score: Callable[[Indices], Floats], user_count: int, seed: Indices, random_seed: int, splits: int | None = None
) -> float:
    """Estimate, from the seed alone, how much of an unseen part of it the model finds.

    A tenth of the seed is held out and the rest fitted; the metric is the share of the held-out seeds that belong to
    the best 20 % of all users outside the seed, averaged over as many tenths as give a steady figure (all ten of small
    seeds, one of large ones). Held-out users do not count among the 20 %: those outside the seed hold as many of its
    kind already as an audience would meet.

    Args:
        score: seed indices -> scores of all users (user_count,).
        user_count: number of users.
        seed: user indices, at least two.
        random_seed: chooses the tenths.
        splits: how many tenths to average; None chooses by the seed's size.
    """
    others = np.setdiff1d(np.arange(user_count), seed)
    shuffled = np.random.default_rng(random_seed).permutation(np.sort(seed))
    parts = np.array_split(shuffled, min(PARTS, len(shuffled)))
    times = splits or math.ceil(ENOUGH_HELD_OUT / len(parts[0]))
    found = []
    for number, held in enumerate(parts[:times]):
        scores = score(np.concatenate([part for index, part in enumerate(parts) if index != number]))
        found.append(_share_above(scores[others], scores[held]))
    return float(np.mean(found))


def _share_above(others: Floats, held: Floats) -> float:
    """Share of ``held`` among the best 20 % of ``others``; of those tied with the last one, the part that has room."""
    if not len(others):
        return 1.0
    room = max(1, round(TOP_SHARE * len(others)))
    bound = np.partition(others, len(others) - room)[len(others) - room]
    tied = (room - (others > bound).sum()) / (others == bound).sum()
    return float(((held > bound) + tied * (held == bound)).mean())


def _top(scores: Floats, rows: int) -> Indices:
    return np.argsort(-scores, kind="stable")[:rows]
