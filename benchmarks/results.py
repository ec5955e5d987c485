"""Results of a run, as they are kept in results.json."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import msgspec

from benchmarks.figures import Figure
from sandbox.kafka.jars import KAFKA

RESULTS = Path(__file__).with_name("results.json")
LIBRARIES = ("aiobotocore", "aiohttp", "aiokafka", "botocore", "msgspec", "orjson", "pydantic")


class Result(msgspec.Struct):
    """One row.

    Attributes:
        row: Its name.
        seconds: What it took to measure.
        figures: What it found.
    """

    row: str
    seconds: float
    figures: list[Figure]


class Results(msgspec.Struct):
    """A run.

    Attributes:
        date: Its day.
        machine: On which it was made.
        versions: Of what took part.
        rows: One for each row.
    """

    date: str
    machine: str
    versions: dict[str, str]
    rows: list[Result]

    @classmethod
    def load(cls) -> "Results":
        return msgspec.json.decode(RESULTS.read_bytes(), type=cls)

    def save(self) -> None:
        """Keeps these rows, and those that an earlier run has beside them."""
        before = Results.load().rows if RESULTS.exists() else []
        found = {each.row: each for each in (*before, *self.rows)}
        results = Results(self.date, self.machine, self.versions, list(found.values()))
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")


def machine() -> str:
    """Cores, memory and system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()} {platform.machine()}"


def versions() -> dict[str, str]:
    """Of Python, Kafka and the libraries; the peers' are those of their lock file."""
    lock = Path("requirements/peers.lock").read_text(encoding="utf-8")
    [faststream] = [line.split("==")[1].split()[0] for line in lock.splitlines() if line.startswith("faststream==")]
    own = {name: version(name) for name in LIBRARIES}
    return {"Python": platform.python_version(), "Kafka": KAFKA.rpartition(":")[2], **own, "FastStream": faststream}
