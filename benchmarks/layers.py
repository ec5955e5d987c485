"""Where the microseconds of a command go: a service process that samples its own stack while it works.

``python -m benchmarks.layers run`` is the service with a timer of its CPU time (4 ms); at its end it writes how many
samples fell to each layer, by the innermost frame that belongs to one. The row divides the CPU that a command takes in
those proportions. The timer itself is part of what it measures, so the sum is a few per cent too high.
"""

import asyncio
import json
import os
import runpy
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from benchmarks.commands import ROWS
from benchmarks.figures import Figures, Scale

EVERY: Final = 0.004
OUTPUT: Final = "BENCHMARK_LAYERS"
LAYERS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("HTTP client (aiohttp)", ("/aiohttp/", "/yarl/", "/multidict/")),
    ("signing, serializing, parsing (SDK)", ("/botocore/", "/aiobotocore/")),
    ("calls to AWS (ours)", ("/service/adapters/aws/",)),
    ("Kafka client: produce, transactions, fetch", ("/aiokafka/",)),
    ("Kafka adapters (ours)", ("/service/adapters/kafka/",)),
    ("logging", ("/service/adapters/telemetry/logs", "/structlog/", "/logging/")),
    ("metrics", ("/service/adapters/telemetry/", "/prometheus_client/")),
    ("decode and validate", ("/schemas/",)),
    ("state machine", ("/service/core/",)),
    ("runtime", ("/service/",)),
    ("event loop", ("",)),
)


def layer(frame: FrameType | None) -> str:
    """Of the innermost frame that belongs to one; other frames count as their callers."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.endswith("/asyncio/base_events.py"):
            break  # below it are only the frames that have started the loop
        for found, parts in LAYERS[:-1]:
            if any(part in name for part in parts):
                return found
        frame = frame.f_back
    return LAYERS[-1][0]


def sampled() -> None:
    """Runs the service, and writes its samples when it has ended."""
    samples: Counter[str] = Counter()

    def sample(_number: int, frame: FrameType | None) -> None:
        samples[layer(frame)] += 1

    def reset(_number: int, _frame: FrameType | None) -> None:
        samples.clear()

    signal.signal(signal.SIGPROF, sample)
    signal.signal(signal.SIGUSR1, reset)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        runpy.run_module("service", run_name="__main__")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(os.environ[OUTPUT]).write_text(json.dumps(samples), encoding="utf-8")


async def _measure(figures: Figures, scale: Scale, row: str) -> None:
    from benchmarks.world import Publisher, Service, world

    count = scale.pick(5_000, 100)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "samples.json"
        async with world() as place:
            os.environ[OUTPUT] = str(output)
            service = Service(place, program=("-m", "benchmarks.layers"))
            await service.begin()
            try:
                async with Publisher(place, service, *ROWS[row]) as publisher:
                    await publisher.perform(count // 10)
                    service.replica.signal(signal.SIGUSR1)
                    cpu = service.cpu()
                    await publisher.perform(count)
                    spent = service.cpu() - cpu
            finally:
                service.end()
        samples = Counter(json.loads(output.read_text(encoding="utf-8")))
    for name, _ in LAYERS:
        share = samples[name] / max(samples.total(), 1)
        figures.add(name, ROWS[row][0], "us", spent / count * share * 1e6)
    figures.add("in all", ROWS[row][0], "us", spent / count * 1e6)


def run(scale: Scale) -> Figures:
    figures = Figures()
    for row in scale.pick(("get", "tag"), ("get",)):
        asyncio.run(_measure(figures, scale, row))
    return figures


if __name__ == "__main__":
    sys.argv[0] = "service"
    sampled()
