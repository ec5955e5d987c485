"""Row 13: from the process's start to ready beside an empty changelog, and what --version and --help take.

``python -m benchmarks.start [ROUNDS]`` starts a Kafka of its own and prints medians and spread: seconds by the clock
and seconds of CPU. The peer is a bare interpreter that imports the two clients which the service cannot do without.
"""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sizing import Replica
from sandbox.kafka.broker import Broker, free_port

PEER = "import aiokafka, aiobotocore.session"


def spent(words: Sequence[str]) -> tuple[float, float]:
    """Seconds by the clock and of CPU that a program takes to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu


def started(replica: Replica) -> tuple[float, float]:
    """The same of the service, until it is ready."""
    seconds = replica.start()
    cpu = replica.cpu
    replica.stop()
    return seconds, cpu


def shown(name: str, rounds: Sequence[tuple[float, float]]) -> str:
    """Medians, and the range."""
    cells = []
    for unit, column in zip(("s", "CPU s"), zip(*rounds, strict=True), strict=True):
        cells.append(f"{statistics.median(column):6.2f} {unit} ({min(column):.2f} to {max(column):.2f})")
    return f"  {name:<24}" + "   ".join(cells)


async def measure(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        config = {"group.initial.rebalance.delay.ms": "0"}
        async with Broker(free_port(), Path(directory), config=config) as broker:
            settings = {
                "CRML_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
                "CRML_KAFKA__REPLICATION_FACTOR": "1",
                "CRML_LOG__LEVEL": os.environ.get("CRML_LOG__LEVEL", "warning"),
                "AWS_REGION": "eu-west-1",
            }
            replica = Replica(settings)
            replica.topics()
            found: dict[str, list[tuple[float, float]]] = {}
            for _ in range(rounds):
                found.setdefault("start to ready", []).append(started(replica))
                found.setdefault("--version", []).append(spent(["-m", "service", "--version"]))
                found.setdefault("--help", []).append(spent(["-m", "service", "--help"]))
                found.setdefault("peer: imports its clients", []).append(spent(["-c", PEER]))
            print(f"medians of {rounds} rounds, and the range")
            for name, each in found.items():
                print(shown(name, each))


def main() -> None:
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5))


if __name__ == "__main__":
    main()
