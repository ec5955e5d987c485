"""One seed to read, or many to count.

python -m tests.simulation 14
python -m tests.simulation --first 0 --count 100000 --processes 2
"""

import argparse
import os
import sys
import time

from tests.simulation.campaign import Summary, run_apart
from tests.simulation.simulate import simulate


def main() -> int:
    """Returns 1 when something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", help="tell this schedule")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time by the clock")
    options = parser.parse_args()
    if options.seed is not None:
        outcome = simulate(options.seed)
        sys.stdout.write(f"{outcome.told()}\ndigest {outcome.digest}\n")
        return bool(outcome.violation)
    began, summary = time.monotonic(), Summary()
    for summary in run_apart(range(options.first, options.first + options.count), options.processes):
        sys.stderr.write(f"\r{summary.seeds:,} schedules, {len(summary.violations)} violations")
        if time.monotonic() - began > 60 * options.minutes:
            break
    sys.stdout.write(f"\n{summary}\n{time.monotonic() - began:,.0f} s by the clock\n")
    return bool(summary.violations)


if __name__ == "__main__":
    sys.exit(main())
