"""One seed to read, or many to count.

python -m tests.simulation 14
python -m tests.simulation --first 0 --count 100000 --processes 2
python -m tests.simulation --only clocks --only denied --count 500
"""

import argparse
import os
import sys
import time

from tests.simulation.campaign import Summary, run_apart
from tests.simulation.families import Family
from tests.simulation.simulate import simulate


def main() -> int:
    """Returns 1 when something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", help="tell this schedule")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--only", action="append", choices=list(Family), help="in every schedule exactly these families"
    )
    parser.add_argument("--until-found", action="store_true", help="stop at the first violation")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time by the clock")
    options = parser.parse_args()
    families = None if options.only is None else [Family(each) for each in options.only]
    if options.seed is not None:
        outcome = simulate(options.seed, families)
        sys.stdout.write(f"{outcome.told()}\ndigest {outcome.digest}\n")
        return bool(outcome.violation)
    began, summary = time.monotonic(), Summary()
    for summary in run_apart(range(options.first, options.first + options.count), options.processes, families):
        sys.stderr.write(f"\r{summary.seeds:,} schedules, {len(summary.violations)} violations")
        if time.monotonic() - began > 60 * options.minutes or (options.until_found and summary.violations):
            break
    sys.stdout.write(f"\n{summary}\n{time.monotonic() - began:,.0f} s by the clock\n")
    return bool(summary.violations)


if __name__ == "__main__":
    sys.exit(main())
