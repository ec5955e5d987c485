"""Runs faults and tells what came of them: ``python -m tests.faults [rows] [--seeds N] [--alone]``.

With ``--campaign FILE``: first the runs that measure, alone, then all rows. A campaign that was broken off goes on
where it stopped, as long as the commit is the same, and its document is written when it is complete. The exit code is 1
if promises were broken, 3 if the campaign is not complete.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.faults import campaign, document, report
from tests.faults.matrix import ALONE, FOOTINGS, ROWS
from tests.faults.runner import Outcome, Row
from tests.faults.station import station
from tests.faults.store import Campaign, Key, commit, open_campaign

_INCOMPLETE = 3


def main() -> int:
    """Runs what was asked for."""
    given = _arguments()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    rows = [row for row in ROWS if not given.rows or row.number in given.rows]
    parts = [_measuring(rows)] if given.alone or given.campaign else []
    parts += [] if given.alone else [rows]
    seeds = list(range(given.first, given.first + given.seeds))
    wanted: list[Key] = [(row.number, seed, row.alone) for part in parts for row in part for seed in seeds]
    found = open_campaign(given.campaign, wanted, commit())
    if found.outcomes:
        sys.stdout.write(f"goes on behind {len(found.outcomes)} runs of {len(wanted)}\n")
    found.begin()
    until = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        for number, part in enumerate(parts):  # each on brokers of its own: names of topics are used again
            width = 1 if part and part[0].alone else given.width
            asyncio.run(_perform((given.keep or Path(name)) / str(number), part, seeds, width, found, until))
    return _end(found, wanted, given.write)


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    arguments.add_argument("rows", nargs="*", help="numbers of rows; all of them by default")
    arguments.add_argument("--seeds", type=int, default=3, help="runs of each row")
    arguments.add_argument("--first", type=int, default=0, help="first seed")
    arguments.add_argument("--width", type=int, default=3, help="laboratories side by side")
    arguments.add_argument(
        "--alone", action="store_true", help="measure only: one laboratory, and probes ten times a second"
    )
    arguments.add_argument("--campaign", type=Path, help="file of a campaign: measure, then all rows; taken up again")
    arguments.add_argument("--minutes", type=float, default=60, help="begin no row after so long")
    arguments.add_argument("--write", type=Path, help="document to write when all is done")
    arguments.add_argument("--keep", type=Path, help="directory for all logs")
    return arguments.parse_args()


def _measuring(rows: Sequence[Row]) -> list[Row]:
    return [replace(row, pulse=0.1, work=1.0, alone=True) for row in rows if row.number in ALONE]


async def _perform(
    directory: Path, rows: Sequence[Row], seeds: list[int], width: int, found: Campaign, until: float
) -> None:
    def wanted(row: Row, seed: int) -> bool:
        return (row.number, seed, row.alone) not in found.done

    def tell(row: Row, outcomes: list[Outcome]) -> None:
        sys.stdout.write(report.line(row, outcomes) + "\n")
        sys.stdout.flush()
        found.add(outcomes)

    for name in dict.fromkeys(row.footing for row in rows):
        own = [row for row in rows if row.footing == name and any(wanted(row, seed) for seed in seeds)]
        if own and time.monotonic() < until:
            async with station(directory / name, min(width, len(seeds)), FOOTINGS[name]) as ground:
                await campaign.perform_all(ground, own, seeds, tell, wanted, until)


def _end(found: Campaign, wanted: Sequence[Key], file: Path | None) -> int:
    if missing := set(wanted) - found.done:
        sys.stdout.write(f"{len(missing)} of {len(wanted)} runs are missing: run it again to go on\n")
        return _INCOMPLETE
    if file:
        document.write(file, found)
        sys.stdout.write(f"wrote {file}\n")
    return int(any(outcome.violations for outcome in found.outcomes))


if __name__ == "__main__":
    sys.exit(main())
