"""Quality and speed of the sandbox's lookalike model beside simple baselines.

    python -m benchmarks.lookalike            # MovieLens-100k, about ten seconds
    python -m benchmarks.lookalike --large    # plus a synthetic table of AWS's minimum size

Tasks: A, *films*: 50 films with 80-300 likers, every rating of them removed from training, half of the likers the seed,
the other half to be found; B, *people*: 13 groups by occupation, age and sex, which training never sees. "fresh" are
50 other films, first evaluated when every knob was set; tuning looked at films 0-99 of the shuffle and at the people.
Five random halves per group.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from sandbox import lookalike, metrics, movielens

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Ranker = Callable[[Indices], Floats]

SPLITS = 5
COLUMNS = ("AUC", "p@|H|", "recall@20%", "lift@5%")
GOALS = {"A fresh films": (0.85, 0.0, 0.67, 5.2), "B people": (0.67, 0.0, 0.39, 0.0)}


@dataclass(frozen=True, slots=True)
class Task:
    """Interactions to train on and, per target group, the indices of its users."""

    name: str
    interactions: lookalike.Interactions
    groups: list[Indices]


def as_interactions(ratings: movielens.Ratings) -> lookalike.Interactions:
    """Ratings as model input; ids start at 1."""
    count, items = len(movielens.people()), len(movielens.titles())
    return lookalike.Interactions(ratings.users - 1, ratings.items - 1, count, items)


def taste_task(name: str, first: int) -> Task:
    """Task A on the films ``first`` .. ``first + 50`` of a fixed shuffle."""
    ratings = movielens.interactions()
    likes = {item: len(ratings.likers(item)) for item in movielens.titles()}
    eligible = np.array(sorted(item for item, number in likes.items() if 80 <= number <= 300))
    films = np.random.default_rng(1234).permutation(eligible)[first : first + 50].tolist()
    return Task(name, as_interactions(ratings.without(films)), [ratings.likers(film) - 1 for film in films])


def people_task() -> Task:
    """Task B: occupations of at least 50 users, age bands, women."""
    people = movielens.people()
    ages = np.array([people[user].age for user in sorted(people)])
    jobs = np.array([people[user].occupation for user in sorted(people)])
    sexes = np.array([people[user].sex for user in sorted(people)])
    by_job = [np.flatnonzero(jobs == job) for job in np.unique(jobs) if (jobs == job).sum() >= 50]
    bands = ((0, 20), (20, 30), (30, 40), (40, 50), (50, 120))
    by_age = [np.flatnonzero((ages >= low) & (ages < high)) for low, high in bands]
    return Task("B people", as_interactions(movielens.interactions()), [*by_job, *by_age, np.flatnonzero(sexes == "F")])


def rankers(model: lookalike.Model, interactions: lookalike.Interactions) -> dict[str, Ranker]:
    """The model and the baselines it has to beat."""
    activity = np.bincount(interactions.users, minlength=interactions.user_count).astype(np.float64)
    noise = np.random.default_rng(5)
    return {
        "random": lambda _: noise.random(interactions.user_count),
        "activity": lambda _: activity,
        "cosine TF-IDF": lambda seed: model.items @ np.asarray(model.items[seed].mean(axis=0)).ravel(),
        "lookalike": lambda seed: lookalike.score(model, seed),
    }


def halves(group: Indices, key: int, splits: int = SPLITS) -> Iterator[tuple[Indices, Indices]]:
    """Random halves of a group: seed and hidden positives."""
    for split in range(splits):
        shuffled = np.random.default_rng([key, split]).permutation(group)
        yield shuffled[: len(group) // 2], shuffled[len(group) // 2 :]


def quality(ranker: Ranker, seed: Indices, hidden: Indices, user_count: int) -> tuple[float, float, float, float]:
    """The four figures of one split; candidates are all users outside the seed."""
    candidates = np.setdiff1d(np.arange(user_count), seed)
    scores, positive = ranker(seed)[candidates], np.isin(candidates, hidden)
    return (
        metrics.auc(scores, positive),
        metrics.precision_at(scores, positive, len(hidden)),
        metrics.recall_at(scores, positive),
        metrics.lift_at(scores, positive, 0.05),
    )


def evaluate(task: Task, splits: int = SPLITS) -> dict[str, Floats]:
    """Mean of the four figures per ranker, over groups and splits."""
    model = lookalike.learn(task.interactions, random_seed=0)
    contenders = rankers(model, task.interactions)
    figures: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in contenders}
    for key, group in enumerate(task.groups):
        for seed, hidden in halves(group, key, splits):
            for name, ranker in contenders.items():
                figures[name].append(quality(ranker, seed, hidden, model.user_count))
    return {name: np.mean(rows, axis=0) for name, rows in figures.items()}


def metric_error(task: Task, splits: int = 3) -> tuple[float, float]:
    """Mean recallMetric, computed from the seed alone, and mean true recall@20 % of the model."""
    model = lookalike.learn(task.interactions, random_seed=0)
    count = model.user_count
    pairs = []
    for key, group in enumerate(task.groups):
        for seed, hidden in halves(group, key, splits):
            claimed = metrics.held_out_recall(lambda part: lookalike.score(model, part), count, seed, key)
            pairs.append((claimed, quality(lambda part: lookalike.score(model, part), seed, hidden, count)[2]))
    claimed_mean, true_mean = np.mean(pairs, axis=0)
    return float(claimed_mean), float(true_mean)


def report(task: Task) -> None:
    """Print one task's table: figures, then ratios of the model to each baseline."""
    began = time.perf_counter()
    table = evaluate(task)
    print(f"\n{task.name}: {len(task.groups)} groups x {SPLITS} splits ({time.perf_counter() - began:.1f} s)")
    print(f"  {'':16}" + "".join(f"{column:>12}" for column in COLUMNS) + "   model / baseline")
    for name, row in table.items():
        ratios = "  ".join(f"{ratio:4.2f}" for ratio in table["lookalike"] / row)
        print(f"  {name:16}" + "".join(f"{value:12.3f}" for value in row) + f"   {ratios}")
    if task.name in GOALS:
        met = all(table["lookalike"] >= np.array(GOALS[task.name]))
        print(f"  goals {GOALS[task.name]}: {'met' if met else 'MISSED'}")
    claimed, true = metric_error(task)
    print(f"  recallMetric {claimed:.3f}, true recall@20% {true:.3f}, difference {claimed - true:+.3f}")


def synthetic(users: int = 100_000, records: int = 1_100_000, items: int = 10_000) -> lookalike.Interactions:
    """Twenty hidden tastes over popularity-skewed items; every user has at least two records."""
    rng = np.random.default_rng(3)
    who = np.concatenate([np.repeat(np.arange(users), 2), rng.choice(users, records - 2 * users)])
    popular = np.minimum(rng.zipf(1.3, records) - 1, items - 1)
    own = (who % 20) * (items // 20) + rng.integers(0, items // 20, records)
    return lookalike.Interactions(who, np.where(rng.random(records) < 0.4, own, popular), users, items)


def timing(name: str, interactions: lookalike.Interactions, seed: Indices) -> None:
    """Print how long training and one generation (scores, relevance, recall) take, and the process's peak memory."""
    began = time.perf_counter()
    model = lookalike.learn(interactions, random_seed=0)
    learnt = time.perf_counter()
    scores = lookalike.score(model, seed)
    lookalike.relevance(scores, seed, [10, 100])
    recall = metrics.held_out_recall(lambda part: lookalike.score(model, part), model.user_count, seed, 0)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{name}: train {learnt - began:.2f} s, generate {done - learnt:.2f} s, recall {recall:.3f}, {peak:.0f} MB")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also time 100,000 users x 1.1 million records")
    large = parser.parse_args().large
    with threadpool_limits(1):
        timing("MovieLens-100k", as_interactions(movielens.interactions()), np.arange(0, 943, 10))
        if large:
            timing("100,000 users x 1.1 M records", synthetic(), np.arange(0, 40_000, 20))
        for task in (taste_task("A films", 0), taste_task("A fresh films", 100), people_task()):
            report(task)


if __name__ == "__main__":
    main()
