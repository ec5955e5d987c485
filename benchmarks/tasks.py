"""MovieLens-100k as questions with known answers: the protocol of `benchmarks.lookalike`.

- *A, films*: 50 films with 80-300 likers (rating 4 or 5). Every record of the 50 leaves the training data; half of a
  film's likers are the seed, the other half are to be found among all users outside the seed.
- *B, people*: 11 groups: the seven occupations of at least 50 users, three age bands, women; and 13 with five bands.
  No column says so.

The films come from a shuffle of all eligible ones. What the model makes of users and items was chosen on the films
`TUNING` of shuffle 1234 and on task B; what it makes of values on `REPORT` and `LAST`, too. Another shuffle, and other
halves, are one option away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sandbox.datasets import movielens
from sandbox.lookalike import features
from sandbox.lookalike.model import Interactions

Indices = npt.NDArray[np.int64]

SHUFFLE = 1234
FILMS = 50
TUNING, REPORT, LAST = (0, 50), (100,), (150,)
"""Places in the shuffle where a task's films begin."""
SPLITS = 5
AGES = ((0, 25), (25, 45), (45, 120))
FINE_AGES = ((0, 20), (20, 30), (30, 40), (40, 50), (50, 120))


@dataclass(frozen=True, slots=True)
class Task:
    """Records to train on and, per group to find, the indices of its users.

    Attributes:
        name: for the table.
        plain: the records: user, item and time.
        rated: the same with the numerical column "rating".
        groups: user indices of each group.
    """

    name: str
    plain: Interactions
    rated: Interactions
    groups: list[Indices]


def films(first: int, shuffle: int = SHUFFLE, count: int = FILMS) -> Task:
    """Task A on ``count`` films from place ``first`` of a shuffle."""
    ratings = movielens.interactions()
    likes = {item: len(ratings.likers(item)) for item in movielens.titles()}
    eligible = np.array(sorted(item for item, number in likes.items() if 80 <= number <= 300))
    chosen = np.random.default_rng(shuffle).permutation(eligible)[first : first + count].tolist()
    groups = [ratings.likers(film) - 1 for film in chosen]
    return _task(f"A films {first}-{first + count - 1} of shuffle {shuffle}", ratings.without(chosen), groups)


def people(bands: tuple[tuple[int, int], ...] = AGES) -> Task:
    """Task B; ``bands`` are ages from (included) and to (excluded)."""
    known = movielens.people()
    ages = np.array([known[user].age for user in sorted(known)])
    jobs = np.array([known[user].occupation for user in sorted(known)])
    sexes = np.array([known[user].sex for user in sorted(known)])
    by_job = [np.flatnonzero(jobs == job) for job in np.unique(jobs) if (jobs == job).sum() >= 50]
    by_age = [np.flatnonzero((ages >= low) & (ages < high)) for low, high in bands]
    groups = [*by_job, *by_age, np.flatnonzero(sexes == "F")]
    return _task(f"B people, {len(bands)} age bands", movielens.interactions(), groups)


def halves(group: Indices, key: int, splits: int = SPLITS, halving: int = 0) -> Iterator[tuple[Indices, Indices]]:
    """Random halves of a group: seed and hidden positives; another ``halving`` gives other halves."""
    for split in range(splits):
        shuffled = np.random.default_rng([key, split, halving]).permutation(group)
        yield shuffled[: len(group) // 2], shuffled[len(group) // 2 :]


def _task(name: str, ratings: movielens.Ratings, groups: list[Indices]) -> Task:
    counts = len(movielens.people()), len(movielens.titles())
    joined = features.cohort(ratings.users - 1, ratings.times.astype(np.float64), counts[0])
    plain = Interactions(ratings.users - 1, ratings.items - 1, *counts, joined=joined)
    rated = replace(plain, values=(ratings.stars.astype(np.float64),))
    return Task(name, plain, rated, groups)
