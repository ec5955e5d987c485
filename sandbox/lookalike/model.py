"""The sandbox's lookalike model: who, of everyone in the training data, resembles this seed?

Training prepares several views of every user (`views`). For a seed, one penalised logistic regression per view
separates it from everyone else (`logistic`), and a user's score is the logistic function of the weighted mean of their
log odds *above the base rate*: 0.5 means "as likely as anyone", 1 "certainly of the seed's kind". Log odds are
averaged, and not ranks, because a view which knows nothing of the seed then gives everyone nearly 0 and is out of the
way. `docs/lookalike.md` has the sources, what was measured, and the limits.

Pure: arrays in, arrays out; no clock, no file, no global random state. BLAS is held to one thread, which sums in one
order on any machine: the same data and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit
from threadpoolctl import ThreadpoolController

from sandbox.lookalike import features, metrics
from sandbox.lookalike import ratings as values
from sandbox.lookalike import user_views as views
from sandbox.lookalike.user_views import View

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOST_VALUE_COLUMNS = 2
"""Numerical columns whose values are used record by record, the first ones; each costs a training."""
HIGH, TOP = 0.5, 0.2
"""Shares of the records whose value is high, and very high."""
SIDE_BY_SIDE = 2
"""Factorisations at once: each holds a copy of the records, and waits for memory much of the time."""
MOST_OTHERS = 200_000
"""Users outside the seed a regression is fitted on; beyond, a random part of them says as much about "everyone"."""
RECALL_OTHERS = 20_000
"""The same while the recall is estimated, which takes up to ten fits."""


@dataclass(frozen=True, slots=True)
class Interactions:
    """What training reads: one entry per record.

    Attributes:
        users: (records,) index of the user, 0..user_count-1.
        items: (records,) index of the item, 0..item_count-1.
        user_count: number of users.
        item_count: number of items.
        features: (users, n) optional numbers per user, scaled as `sandbox.lookalike.features` does; no NaN.
        values: numerical columns, each (records,), NaN where unknown.
        joined: (users, n) optional numbers that say when each user first appears, see `features.cohort`.
    """

    users: Indices
    items: Indices
    user_count: int
    item_count: int
    features: Floats | None = None
    values: tuple[Floats, ...] = ()
    joined: Floats | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model: all views of all users."""

    views: tuple[View, ...]
    user_count: int

    def of(self, users: Indices) -> Model:
        """The same model of some users only."""
        return Model(tuple(view.of(users) for view in self.views), len(users))


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def learn(interactions: Interactions, random_seed: int) -> Model:
    """Train on interactions; the order of the records does not matter, repeats count logarithmically."""
    met, activity = _part(interactions)
    columns = _columns(interactions)
    makers = views.of_records(met, activity, random_seed)
    parts, known = [met], [activity]
    for column in columns:
        makers += views.of_records(column.high, np.hstack([activity, column.often]), random_seed)
        parts += [column.high, column.surprises]
        known += [column.often, column.mean]
        if column.top is not None:
            top, often = column.top
            makers += views.of_records(top, np.hstack([activity, often]), random_seed, brief=True)
            known.append(often)
    makers.append(lambda: [views.of_items(parts, np.hstack(known))])
    for numbers in (interactions.joined, interactions.features):
        if numbers is not None and numbers.shape[1]:
            makers.append(partial(_of_features, numbers))
    with _threads().limit(limits=1, user_api="blas"), ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        made = list(pool.map(lambda make: make(), makers))
    return Model(tuple(view for each in made for view in each), interactions.user_count)


def score(model: Model, seed: Indices, most_others: int = MOST_OTHERS) -> Floats:
    """Score every user (users,) in 0..1 against the seed, which is given as user indices."""
    with _threads().limit(limits=1, user_api="blas"):
        chosen = _sample(model.user_count, seed, most_others, random_seed=0)
        fitted = model if len(chosen) == model.user_count else model.of(chosen)
        labels = np.isin(chosen, seed).astype(np.float64)
        margins = np.zeros(model.user_count)
        for view, known in zip(model.views, fitted.views, strict=True):
            margins += view.weight * known.design.fit(labels).margins(view.rows)
    result: Floats = expit(margins / sum(view.weight for view in model.views))
    return result


def recall(model: Model, seed: Indices, random_seed: int) -> float:
    """Share of an unseen part of the seed which the model would find, estimated from the seed: ``recallMetric``."""
    chosen = _sample(model.user_count, seed, RECALL_OTHERS, random_seed)
    sample = model if len(chosen) == model.user_count else model.of(chosen)
    members = np.searchsorted(chosen, np.unique(seed))
    return metrics.held_out_recall(lambda part: score(sample, part), len(chosen), members, random_seed)


def best_first(scores: Floats, seed: Indices, include_seed: bool) -> Indices:
    """Order users from best to worst: without the seed, or with the seed in front; ties go by user index."""
    order = np.argsort(-scores, kind="stable")
    is_seed = np.zeros(len(scores), dtype=bool)
    is_seed[seed] = True
    others = order[~is_seed[order]]
    return np.concatenate([order[is_seed[order]], others]) if include_seed else others


def audience_rows(size_type: str, size_value: int, user_count: int) -> int:
    """How many users a size asks for: ``ABSOLUTE`` counts users, ``PERCENTAGE`` is of the training data's users."""
    if size_type == "ABSOLUTE":
        return size_value
    if size_type == "PERCENTAGE":
        return max(1, round(user_count * size_value / 100))
    raise ValueError(f"audience size type {size_type!r} is neither ABSOLUTE nor PERCENTAGE")


def relevance(scores: Floats, seed: Indices, rows: Sequence[int]) -> list[float]:
    """Mean score, 0..1, of the best ``rows`` users outside the seed, for each number of rows; it falls with size.

    A size above the number of users means all users. When the seed has all users, none are left, and the relevance is
    0.
    """
    ranked = scores[best_first(scores, seed, include_seed=False)]
    if not len(ranked):
        return [0.0 for _ in rows]
    running = np.minimum.accumulate(np.cumsum(ranked) / np.arange(1, len(ranked) + 1))
    return [float(running[min(max(wanted, 1), len(ranked)) - 1]) for wanted in rows]


def _of_features(numbers: Floats) -> list[View]:
    return [views.of_features(numbers)]


@dataclass(frozen=True, slots=True)
class _Column:
    """What a numerical column says about the records.

    Attributes:
        high: (users, items) strengths of about the upper half; ``often``: (users, 1) how many a user has of them.
        top: the same of about the upper fifth, if that is another part.
        surprises: (users, items), see `values`.
        mean: (users, 1) mean value.
    """

    high: sparse.csr_matrix
    often: Floats
    top: tuple[sparse.csr_matrix, Floats] | None
    surprises: sparse.csr_matrix
    mean: Floats


def _columns(interactions: Interactions) -> list[_Column]:
    """The first numerical columns which vary within users."""
    users, items, count = interactions.users, interactions.items, interactions.user_count
    shape = count, interactions.item_count
    found: list[_Column] = []
    for column in interactions.values:
        high, top = (values.high(column, share) for share in (HIGH, TOP))
        if high is None or len(found) == MOST_VALUE_COLUMNS or not values.varies(users, column, count):
            continue
        apart = top is not None and top.sum() < high.sum()
        surprises = values.surprises(users, items, column, shape)
        mean = features.numerical(users, column, count)
        found.append(_Column(*_part(interactions, high), _part(interactions, top) if apart else None, surprises, mean))
    return found


def _part(interactions: Interactions, flags: npt.NDArray[np.bool_] | None = None) -> tuple[sparse.csr_matrix, Floats]:
    """Of the flagged records, or all: strengths (users, items), and how active each user is (users, 1)."""
    users, items = interactions.users, interactions.items
    if flags is not None:
        users, items = users[flags], items[flags]
    strengths = views.strengths(users, items, (interactions.user_count, interactions.item_count))
    activity: Floats = np.log1p(np.bincount(users, minlength=interactions.user_count))[:, None]
    return strengths, activity


def _sample(user_count: int, seed: Indices, most_others: int, random_seed: int) -> Indices:
    """The seed and at most ``most_others`` others, chosen at random; ascending."""
    others = np.ones(user_count, dtype=bool)
    others[seed] = False
    unlike = np.flatnonzero(others)
    if len(unlike) > most_others:
        unlike = np.random.default_rng(random_seed).choice(unlike, most_others, replace=False)
    return np.sort(np.concatenate([np.unique(seed), unlike]))
