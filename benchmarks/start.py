"""From the process's start to ready with empty changelogs, and what --version and --help take.

The peer is a bare interpreter that imports the two clients which the service cannot do without.
"""

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.figures import OURS, Figures, Scale
from benchmarks.kafka import kafka
from benchmarks.replica import Replica

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


async def measure(figures: Figures, rounds: int) -> None:
    async with kafka() as bootstrap:
        settings = {
            "CRML_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "CRML_KAFKA__REPLICATION_FACTOR": "1",
            "CRML_LOG__LEVEL": "error",
            "AWS_REGION": "eu-west-1",
        }
        replica = Replica(settings)
        replica.topics()
        if rounds > 1:
            started(replica)  # Kafka makes its own topics at the first start
        for _ in range(rounds):
            _add(figures, "start to ready", OURS, started(replica))
            _add(figures, "start to ready", "imports of its two clients alone", spent(["-c", PEER]))
            _add(figures, "--version", OURS, spent(["-m", "service", "--version"]))
            _add(figures, "--help", OURS, spent(["-m", "service", "--help"]))


def _add(figures: Figures, what: str, who: str, cost: tuple[float, float]) -> None:
    for unit, value in zip(("by the clock", "CPU"), cost, strict=True):
        figures.add(f"{what}, {unit}", who, "s", value)


def run(scale: Scale) -> Figures:
    figures = Figures()
    asyncio.run(measure(figures, scale.pick(5, 1)))
    return figures
