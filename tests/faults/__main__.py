"""Runs faults and tells what came of them: ``python -m tests.faults [rows] [--seeds N] [--alone]``."""

import argparse
import asyncio
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.faults import campaign, document, report
from tests.faults.matrix import FIGURES, FOOTINGS, ROWS
from tests.faults.runner import Outcome, Row
from tests.faults.station import station


def main() -> int:
    """The number of violations decides the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    arguments.add_argument("rows", nargs="*", help="numbers of rows; all of them by default")
    arguments.add_argument("--seeds", type=int, default=3, help="runs of each row")
    arguments.add_argument("--first", type=int, default=0, help="first seed")
    arguments.add_argument("--width", type=int, default=3, help="laboratories side by side")
    arguments.add_argument(
        "--alone", action="store_true", help="measure: one laboratory, and probes ten times a second"
    )
    arguments.add_argument("--store", type=Path, help="results, one JSON line per run; docs/faults.md is made from it")
    arguments.add_argument("--write", type=Path, help="document to write, from the store if there is one")
    arguments.add_argument("--measured", type=Path, help="a store of runs alone, for the document's figures")
    arguments.add_argument("--keep", type=Path, help="directory for all logs")
    given = arguments.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    rows = [row for row in ROWS if (not given.rows or row.number in given.rows)]
    if given.alone:
        figures = {number for figure in FIGURES for number in figure[1]}
        rows = [replace(row, pulse=0.1, work=1.0) for row in rows if row.number in figures]
    seeds = range(given.first, given.first + given.seeds)
    results: dict[str, list[Outcome]] = {}

    def tell(row: Row, outcomes: list[Outcome]) -> None:
        results.setdefault(row.number, []).extend(outcomes)
        sys.stdout.write(report.line(row, outcomes) + "\n")
        sys.stdout.flush()
        if given.store:
            report.store(given.store, outcomes)

    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        asyncio.run(_perform(given.keep or Path(name), rows, list(seeds), 1 if given.alone else given.width, tell))
    if given.write:
        runs = report.stored(given.store) if given.store else [run for own in results.values() for run in own]
        document.write(given.write, runs, report.stored(given.measured) if given.measured else runs)
    return int(any(outcome.violations for outcomes in results.values() for outcome in outcomes))


async def _perform(directory: Path, rows: list[Row], seeds: list[int], width: int, tell: campaign.Tell) -> None:
    for name in dict.fromkeys(row.footing for row in rows):
        own = [row for row in rows if row.footing == name]
        async with station(directory / name, min(width, len(seeds)), FOOTINGS[name]) as ground:
            await campaign.perform_all(ground, own, seeds, tell)


if __name__ == "__main__":
    sys.exit(main())
