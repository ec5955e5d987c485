"""A synthetic table that resembles what people do: for measuring cost, and whether hidden taste is found.

Each user mixes a few of `TASTES` hidden tastes; each item belongs to one. How active users are and how popular items
are both have long tails (log-normal and Zipf). A record's item is drawn from one of the user's tastes, or, a fifth of
the time, from all items by popularity alone. Its value is high when the item suits the user; the user's one category
agrees with their main taste more often than chance. Every user has at least two records.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sandbox.lookalike import features
from sandbox.lookalike.model import Interactions

TASTES = 40
MIXED = 3
"""Tastes a user has, with weights 4, 2 and 1."""
BY_POPULARITY = 0.2
AGREES = 0.3
ITEMS_TAIL = 0.8
ACTIVITY_SPREAD = 1.0

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Table:
    """What was made: the model's input, and each user's main taste (users,), which is in no column."""

    interactions: Interactions
    taste: Indices


def table(users: int, records: int, items: int, random_seed: int = 3) -> Table:
    """Make a table; ``records`` is met exactly, ``items`` is a multiple of `TASTES`."""
    rng = np.random.default_rng(random_seed)
    tastes = rng.integers(0, TASTES, (users, MIXED))
    owners = _owners(rng, users, records)
    slot = rng.choice(MIXED, records, p=np.array([4, 2, 1]) / 7).astype(np.int8)
    own = rng.random(records) >= BY_POPULARITY
    chosen = np.where(own, tastes[owners, slot], rng.integers(0, TASTES, records))
    rank = _long_tail(rng, items // TASTES, records)
    value = np.clip(np.rint(3.2 + 0.8 * own - 0.25 * slot * own + rng.normal(0, 1, records)), 1, 5)
    category = np.where(rng.random(users) < AGREES, tastes[:, 0] % 8, rng.integers(0, 8, users))
    columns = np.hstack(
        [features.categorical(np.arange(users), category, users), features.numerical(owners, value, users)]
    )
    joined = features.cohort(owners, rng.random(records), users)
    made = Interactions(owners, rank * TASTES + chosen, users, items, columns, (value,), joined)
    return Table(made, tastes[:, 0])


def _owners(rng: np.random.Generator, users: int, records: int) -> Indices:
    """Whose each record is: two for everyone, the rest by how active they are."""
    activity = np.cumsum(rng.lognormal(0, ACTIVITY_SPREAD, users))
    rest = np.searchsorted(activity, rng.random(records - 2 * users) * activity[-1])
    return np.concatenate([np.repeat(np.arange(users), 2), rest])


def _long_tail(rng: np.random.Generator, count: int, size: int) -> Indices:
    """Ranks 0..count-1, the chance of a rank falling as its power."""
    mass = np.cumsum(np.arange(1, count + 1) ** -ITEMS_TAIL)
    ranks: Indices = np.searchsorted(mass, rng.random(size) * mass[-1])
    return ranks
