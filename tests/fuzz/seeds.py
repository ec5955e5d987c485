"""Writes the seed corpus: ``python -m tests.fuzz.seeds DIRECTORY``; valid commands of every kind, and the bad cases."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from schemas.cloudevents import Headers
from schemas.operations import OPERATIONS
from tests.badinput.cases import CASES
from tests.badinput.records import Record, command
from tests.support import samples

LONGEST = 8_000


def seeds() -> Iterator[bytes]:
    """Records as the target reads them."""
    for operation in OPERATIONS:
        for full in (False, True):
            yield written(command(operation, samples.payload(operation, full=full)))
    for case in CASES:
        yield written(case.record)


def written(record: Record) -> bytes:
    """The text form of a record."""
    head = b"\n".join(_line(name, value) for name, value in _headers(record.headers))
    return head if record.value is None else head + b"\n\n" + record.value


def _line(name: str, value: bytes | None) -> bytes:
    return name.encode() if value is None else name.encode() + b": " + value


def _headers(headers: Headers) -> Headers:
    return tuple((name, value) for name, value in headers if name != "x-token")


def write(directory: Path) -> int:
    """Writes those that are short; returns how many."""
    directory.mkdir(parents=True, exist_ok=True)
    short = {seed for seed in seeds() if len(seed) <= LONGEST}
    for seed in short:
        (directory / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return len(short)


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(sys.argv[1]))} seeds\n")
