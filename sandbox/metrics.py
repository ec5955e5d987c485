"""How good is a ranking of users? Figures for the API's metrics, the benchmark and the tests. Pure.

`held_out_recall` is the sandbox's ``recallMetric``. AWS publishes only its idea (the share of a training sample's
most similar 20 % which is covered; a value near the largest bin's percentage equals random); the recipe is ours.
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
HELD_OUT_SHARE = 0.2
SAMPLE = 500
MOST_HELD_OUT = 100
"""Held-out seeds ranked per split: at most a fifth of the sample, so that a perfect model can reach a recall of 1."""
ENOUGH_HELD_OUT = 300
MOST_SPLITS = 10


def auc(scores: Floats, positive: Flags) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties counting half."""
    values, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    del values
    ranks = np.cumsum(counts) - (counts - 1) / 2
    hits = int(positive.sum())
    misses = len(positive) - hits
    if not hits or not misses:
        raise ValueError("AUC needs at least one positive and one negative")
    return float((ranks[place][positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


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

    A fifth of the seed is held out and the rest fitted; the metric is the share of the held-out seeds in the best 20 %
    of them and up to 500 random non-seeds together, averaged over as many splits as give a steady figure
    (10 for small seeds, 1 for large ones).

    Args:
        score: seed indices -> scores of all users (user_count,).
        user_count: number of users.
        seed: user indices, at least two.
        random_seed: chooses the splits and the sample.
        splits: how many splits to average; None chooses by the seed's size.
    """
    rng = np.random.default_rng(random_seed)
    others = np.setdiff1d(np.arange(user_count), seed)
    held_count = max(1, round(HELD_OUT_SHARE * len(seed)))
    ranked_count = min(held_count, MOST_HELD_OUT)
    times = splits or min(MOST_SPLITS, max(1, math.ceil(ENOUGH_HELD_OUT / held_count)))
    found = []
    for _ in range(times):
        shuffled = rng.permutation(np.sort(seed))
        sample = rng.choice(others, min(SAMPLE, len(others)), replace=False)
        pool = np.concatenate([shuffled[:ranked_count], sample])
        scores = score(shuffled[held_count:])[pool]
        found.append(recall_at(scores, np.arange(len(pool)) < ranked_count))
    return float(np.mean(found))


def _top(scores: Floats, rows: int) -> Indices:
    return np.argsort(-scores, kind="stable")[:rows]
