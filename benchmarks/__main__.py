"""Measures the service beside its peers: ``python -m benchmarks [ROW...] [--quick] [--write]``.

Each row is a command. Without a row all are run, each in a process of its own. ``--quick`` measures just enough to see
that a row works. ``--write`` writes the results and docs/performance.md with its plots. Compare ratios within one run,
never its figures with another one's.
"""

import argparse
import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec

from benchmarks import page
from benchmarks.figures import Scale, shown
from benchmarks.kafka import SHARED
from benchmarks.results import Result, Results, machine, versions
from benchmarks.rows import BY_NAME, ROWS
from sandbox.kafka.broker import Broker, free_port


def measure(name: str, quick: bool) -> Result:
    """One row, in this process."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # topics that were made a moment ago have no leaders yet
    began = time.monotonic()
    figures = BY_NAME[name].run(Scale(quick)).all
    return Result(name, time.monotonic() - began, figures)


def apart(name: str, quick: bool) -> Result | None:
    """One row, in a process of its own; none if it fails, which it has then said itself."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        words = [sys.executable, "-m", "benchmarks", name, "--result", file.name, *(["--quick"] if quick else [])]
        if subprocess.run(words, check=False).returncode:
            return None
        return msgspec.json.decode(file.read(), type=Result)


def show(result: Result) -> None:
    print(f"{BY_NAME[result.row].title} ({result.row}, {result.seconds:.0f} s)", flush=True)
    for figure in result.figures:
        print(f"  {figure.what:<66}{figure.who:<30}{shown(figure.values)} {figure.unit}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(BY_NAME)}")
    parser.add_argument("--quick", action="store_true", help="just enough to see that it works")
    parser.add_argument("--write", action="store_true", help="write the results and the page")
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(BY_NAME):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(BY_NAME)}")
    if asked.result:
        [name] = asked.rows
        asked.result.write_bytes(msgspec.json.encode(measure(name, asked.quick)))
        return 0
    with shared_kafka() if asked.quick else nullcontext():
        return measure_all(asked)


@contextmanager
def shared_kafka() -> Iterator[None]:
    """One Kafka for all rows: starting one takes longer than to try a row."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        broker = Broker(free_port(), Path(folder), config={"group.initial.rebalance.delay.ms": "0"})
        runner.run(broker.start())
        os.environ[SHARED] = broker.bootstrap
        try:
            yield
        finally:
            runner.run(broker.stop())


def measure_all(asked: argparse.Namespace) -> int:
    """Each row, and what is written of them."""
    results = Results(time.strftime("%d %B %Y"), machine(), versions(), [])
    failed = []
    for name in asked.rows or [row.name for row in ROWS]:
        result = apart(name, asked.quick)
        if result is None:
            failed.append(name)
            continue
        results.rows.append(result)
        show(result)
        if asked.write:
            results.save()
    if asked.write:
        page.write(Results.load())
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
