"""What the lookalike model has to beat: rankers of all users, made from a task's records."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.tasks import Task
from sandbox.lookalike import als, svd, user_views
from sandbox.lookalike import model as lookalike

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Ranker = Callable[[Indices], Floats]

OURS = "lookalike"
RATED = "lookalike + rating"


def rankers(task: Task, peer: bool = False) -> dict[str, Ranker]:
    """Name -> seed indices -> scores of all users; the baselines first."""
    data = task.plain
    met = user_views.strengths(data.users, data.items, (data.user_count, data.item_count))
    activity = np.log1p(np.bincount(data.users, minlength=data.user_count))
    noise = np.random.default_rng(5)
    unit = _tf_idf(met)
    found: dict[str, Ranker] = {
        "random": lambda _: noise.random(data.user_count),
        "activity": lambda _: activity,
        "cosine TF-IDF": lambda seed: unit @ np.asarray(unit[seed].mean(axis=0)).ravel(),
        "cosine ALS-32": _cosine(als.factorise(met, als.Settings(), 0)[0]),
    }
    if peer:
        found["cosine implicit ALS-32"] = _cosine(_peer(met))
    vectors = user_views.standardised(svd.leading_rows(unit, 32, 0))
    view = user_views.View(
        np.hstack([vectors, user_views.standardised(activity[:, None])]), user_views.EMBEDDING_PENALTY
    )
    found["logistic SVD-32"] = lambda seed: view.design.fit(_labels(seed, data.user_count)).margins(view.rows)
    for name, records in ((OURS, task.plain), (RATED, task.rated)):
        found[name] = _ours(lookalike.learn(records, random_seed=0))
    return found


def _ours(model: lookalike.Model) -> Ranker:
    return lambda seed: lookalike.score(model, seed)


def _cosine(users: npt.NDArray[np.float32]) -> Ranker:
    lengths = np.linalg.norm(users, axis=1, keepdims=True)
    unit = users / np.where(lengths > 0, lengths, 1)
    return lambda seed: (unit @ unit[seed].mean(axis=0)).astype(np.float64)


def _tf_idf(met: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows of unit length in which an item weighs log(users / users who met it) + 1."""
    seen_by = np.bincount(met.indices, minlength=met.shape[1])
    weighted = met.copy()
    weighted.data = weighted.data * (np.log((1 + met.shape[0]) / (1 + seen_by)) + 1).astype(np.float32)[met.indices]
    return user_views.unit_rows(weighted, 0.0)


def _labels(seed: Indices, users: int) -> Floats:
    labels = np.zeros(users)
    labels[seed] = 1.0
    return labels


def _peer(met: sparse.csr_matrix) -> npt.NDArray[np.float32]:
    """User factors by the `implicit` library, which is in no lock file: ``pip install implicit``."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=32, regularization=0.05, alpha=3.0, random_state=0, num_threads=1)
    model.fit(met, show_progress=False)
    return np.asarray(model.user_factors, dtype=np.float32)
