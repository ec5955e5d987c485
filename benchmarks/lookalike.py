"""Quality of the sandbox's lookalike model beside simple baselines, on MovieLens-100k, in one run.

    python -m benchmarks.lookalike                      # films, and people; half a minute
    python -m benchmarks.lookalike --tuning             # also the films it was tuned on
    python -m benchmarks.lookalike --shuffle 8 --halving 1    # 50 films and halves which nobody has looked at
    python -m benchmarks.lookalike --peer               # beside `implicit`, if that is installed
    python -m benchmarks.lookalike --plots docs/images  # and draw the figures of docs/lookalike.md

`benchmarks.tasks` says what is asked, `benchmarks.methods` who answers, `benchmarks.scaling` what it costs.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from benchmarks import plots, tasks
from benchmarks.methods import OURS, RATED, rankers
from benchmarks.tasks import SPLITS, Task, halves
from sandbox.lookalike import metrics
from sandbox.lookalike import model as lookalike

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

COLUMNS = ("AUC", "recall@20%", "lift@5%")
GOALS = {"A": (0.875, 0.71, 5.8), "B": (0.70, 0.43, 0.0)}
BASELINES = ("random", "activity", "cosine TF-IDF", "cosine ALS-32")
SHARES = np.linspace(0.01, 1, 100)
"""Audience sizes of the curves, as shares of the candidates."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What came out for one task.

    Attributes:
        figures: method -> (groups, 3) as in `COLUMNS`, means over the splits.
        curves: method -> (shares,) mean recall at each audience size.
    """

    figures: dict[str, Floats]
    curves: dict[str, Floats]


def quality(scores: Floats, seed: Indices, hidden: Indices) -> tuple[Floats, Floats]:
    """The figures and the curve of one split; candidates are all users outside the seed."""
    candidates = np.setdiff1d(np.arange(len(scores)), seed)
    ranked, positive = scores[candidates], np.isin(candidates, hidden)
    figures = (
        metrics.auc(ranked, positive),
        metrics.recall_at(ranked, positive),
        metrics.lift_at(ranked, positive, 0.05),
    )
    found = np.cumsum(positive[np.argsort(-ranked, kind="stable")]) / positive.sum()
    return np.array(figures), found[np.maximum(np.rint(SHARES * len(found)).astype(int), 1) - 1]


def evaluate(task: Task, splits: int = SPLITS, halving: int = 0, peer: bool = False) -> Quality:
    """Ask every method about every group and split."""
    contenders = rankers(task, peer)
    figures: dict[str, Floats] = {}
    curves: dict[str, Floats] = {}
    for name, ranker in contenders.items():
        pairs = [[quality(ranker(seed), seed, hidden) for seed, hidden in _asked(task, key, splits, halving)]
                 for key in range(len(task.groups))]  # fmt: skip
        figures[name] = np.array([np.mean([each[0] for each in group], axis=0) for group in pairs])
        curves[name] = np.mean([each[1] for group in pairs for each in group], axis=0)
    return Quality(figures, curves)


def metric_errors(task: Task, splits: int = SPLITS, halving: int = 0) -> Floats:
    """(groups x splits) recallMetric, from the seed alone, less the true recall@20 %."""
    model = lookalike.learn(task.plain, random_seed=0)
    errors = []
    for key in range(len(task.groups)):
        for seed, hidden in _asked(task, key, splits, halving):
            true = quality(lookalike.score(model, seed), seed, hidden)[0][1]
            errors.append(lookalike.recall(model, seed, random_seed=key) - true)
    return np.array(errors)


def _asked(task: Task, key: int, splits: int, halving: int) -> list[tuple[Indices, Indices]]:
    return list(halves(task.groups[key], key, splits, halving))


def report(task: Task, halving: int, peer: bool) -> Quality:
    """Print one task's table and checks."""
    began = time.process_time()
    found = evaluate(task, halving=halving, peer=peer)
    busy = time.process_time() - began
    print(f"\n### {task.name}: {len(task.groups)} groups x {SPLITS} splits, halving {halving} ({busy:.0f} CPU s)\n")
    print("| method | " + " | ".join(COLUMNS) + " | lowest AUC of a group | groups below random |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    for name, rows in found.figures.items():
        errors = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
        cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(rows.mean(axis=0), errors, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + f" | {rows[:, 0].min():.3f} | {(rows[:, 0] < 0.5).sum()} |")
    print()
    for name in (OURS, RATED):
        _compare(name, found.figures, GOALS[task.name[0]])
    errors = metric_errors(task, halving=halving)
    print(f"recallMetric - true recall@20%: mean {errors.mean():+.3f}, mean absolute {np.abs(errors).mean():.3f}")
    return found


def _compare(name: str, figures: dict[str, Floats], goals: tuple[float, ...]) -> None:
    rows = figures[name]
    met = ["met" if mean >= goal else "MISSED" for mean, goal in zip(rows.mean(axis=0), goals, strict=True)]
    above = ", ".join(
        f"{baseline} {(rows[:, 0] > figures[baseline][:, 0]).sum()}/{len(rows)}" for baseline in BASELINES
    )
    print(f"{name}: goals {goals} {' '.join(met)}; groups with a higher AUC than {above}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tuning", action="store_true", help="also the films which every knob was chosen on")
    parser.add_argument("--last", action="store_true", help="also the last films of the shuffle")
    parser.add_argument("--shuffle", type=int, help="instead: 50 films from the front of another shuffle")
    parser.add_argument("--halving", type=int, default=0, help="other random halves")
    parser.add_argument("--peer", action="store_true", help="also cosine on the embedding of the implicit library")
    parser.add_argument("--plots", type=Path, help="folder to draw the figures into")
    given = parser.parse_args()
    places = (*(tasks.TUNING if given.tuning else ()), *tasks.REPORT, *(tasks.LAST if given.last else ()))
    asked = [tasks.films(place) for place in places] if given.shuffle is None else [tasks.films(0, given.shuffle)]
    with threadpool_limits(1):
        found = {
            task.name: report(task, given.halving, given.peer)
            for task in (*asked, tasks.people(), tasks.people(tasks.FINE_AGES))
        }
    if given.plots:
        for name, each in (*found.items(),)[-3:-1]:
            letter = name[0].lower()
            plots.bars(given.plots / f"lookalike-auc-{letter}.svg", f"{name}: AUC", each.figures)
            plots.curves(given.plots / f"lookalike-recall-{letter}.svg", f"{name}: share found", SHARES, each.curves)


if __name__ == "__main__":
    main()
