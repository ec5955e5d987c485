"""What training and generating cost as the table grows.

    python -m benchmarks.scaling [USERS ...]     # 100000 300000 1000000: takes many minutes and 8 GB at most

Each size runs in a process of its own, so that the peak memory is its own. The first row is AWS's
minimum size, 11 records per user; the others have 20. Prints wall and CPU seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks import synthetic
from sandbox.jobs import model_files
from sandbox.lookalike import metrics
from sandbox.lookalike import model as lookalike

SIZES = ((100_000, 1_100_000), (100_000, 2_000_000), (300_000, 6_000_000), (1_000_000, 20_000_000))
SEED_SIZE = 2_000
ITEMS = 20_000
HEADER = "| users | records | train s | train CPU s | load s | generate s | generate CPU s | peak MB | model MB | AUC |"

Result = TypeVar("Result")


def measure(users: int, records: int) -> str:
    """One row of the table."""
    table = synthetic.table(users, records, ITEMS)
    kind = np.flatnonzero(table.taste == 0)
    seed = np.sort(np.random.default_rng(1).choice(kind, min(SEED_SIZE, len(kind) // 2), replace=False))
    taste, interactions = table.taste, table.interactions
    del table
    model, train = _timed(lambda: lookalike.learn(interactions, 0))
    with tempfile.TemporaryDirectory() as folder:
        model_files.save_model(Path(folder), np.arange(users).astype(np.str_), model)
        size = (Path(folder) / model_files.MODEL).stat().st_size / 1e6
        del model
        (_, model), load = _timed(lambda: model_files.load_model(Path(folder)))
    scores, generate = _timed(lambda: _generate(model, seed))
    others = np.setdiff1d(np.arange(users), seed)
    area = metrics.auc(scores[others], taste[others] == 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cells = (f"{users:,}", f"{records:,}", *(f"{cell:.1f}" for cell in (*train, load[0], *generate)))
    return "| " + " | ".join((*cells, f"{peak:.0f}", f"{size:.0f}", f"{area:.3f}")) + " |"


def _generate(model: lookalike.Model, seed: lookalike.Indices) -> lookalike.Floats:
    """All that a generation computes."""
    scores = lookalike.score(model, seed)
    lookalike.relevance(scores, seed, [10, 1000])
    lookalike.recall(model, seed, 0)
    lookalike.best_first(scores, seed, include_seed=False)
    return scores


def _timed(action: Callable[[], Result]) -> tuple[Result, tuple[float, float]]:
    """Result, wall seconds and CPU seconds."""
    wall, busy = time.perf_counter(), time.process_time()
    result = action()
    return result, (time.perf_counter() - wall, time.process_time() - busy)


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("users", type=int, nargs="*", help="only the sizes with so many users")
    wanted = parser.parse_args().users
    print(HEADER)
    print("|" + "---|" * (HEADER.count("|") - 1))
    for users, records in SIZES:
        if not wanted or users in wanted:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.apply(measure, (users, records)), flush=True)


if __name__ == "__main__":
    main()
