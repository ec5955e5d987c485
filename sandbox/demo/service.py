"""The service as the demo runs it: a process of its own, with settings by environment that make things quick."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sandbox.kafka.broker import free_port
from sandbox.processes import Child

LOG: Final = "service.log"
_TOPICS_LOG: Final = "topics.log"
_STOP_SECONDS: Final = 30.0
_WIDEST: Final = 240

QUICK: Final[Mapping[str, str]] = {
    "CRML_TIMING__CALL_WINDOW": "1",
    "CRML_TIMING__SETTLE": "5",
    "CRML_TIMING__SEARCH_DELAYS": "0,1,2",
    "CRML_POLLING__TICK": "0.25",
    **{
        f"CRML_POLLING__KINDS__{kind}__{pace}": "0.5"
        for kind in ("AUDIENCE_MODEL", "AUDIENCE_GENERATION_JOB", "AUDIENCE_EXPORT_JOB")
        for pace in ("FIRST", "LATER")
    },
    "CRML_TARGETS__DEFAULT__RATE__READS_PER_SECOND": "20",
    "CRML_TARGETS__DEFAULT__RATE__WRITES_PER_SECOND": "5",
    "CRML_TOPICS__PARTITIONS": "4",
    "CRML_LOG__FORMAT": "json",
}
"""Against real AWS the defaults apply: polls every 10 to 60 seconds, one write per second, six minutes to settle."""


class ServiceError(RuntimeError):
    """The service did not do what it should; the message says what."""


def environment(sandbox: Mapping[str, str], http_port: int) -> dict[str, str]:
    """All variables of the service: those of the sandbox, and the quick settings."""
    return {
        **sandbox,
        **QUICK,
        "CRML_TARGETS__DEFAULT__ENDPOINT_URL": sandbox["AWS_ENDPOINT_URL"],
        "CRML_TARGETS__DEFAULT__ACCOUNT": sandbox["AWS_ACCESS_KEY_ID"],
        "CRML_HTTP__PORT": str(http_port),
        "PYTHONUNBUFFERED": "1",
    }


def foreign(environ: Mapping[str, str]) -> list[str]:
    """Variables of the person's own shell that would lead the service elsewhere."""
    return [name for name in environ if name.startswith(("AWS_", "CRML_"))]


@asynccontextmanager
async def running_service(
    sandbox: Mapping[str, str], folder: Path, http_port: int | None = None
) -> AsyncIterator[Child]:
    """Create the topics, then run the service for the block; without a port on a free one.

    Raises:
        ServiceError: the topics could not be created.
    """
    variables, without = environment(sandbox, http_port or free_port()), foreign(os.environ)
    command = [sys.executable, "-m", "service"]
    topics = Child([*command, "topics"], log=folder / _TOPICS_LOG, environment=variables, without=without)
    try:
        code = await topics.wait_ended()
    finally:
        await topics.stop()
    if code != 0:
        raise ServiceError(f"`python -m service topics` ended with exit code {code}:\n{topics.last_log()}")
    (folder / _TOPICS_LOG).unlink()
    service = Child([*command, "run"], log=folder / LOG, environment=variables, without=without)
    try:
        yield service
    finally:
        await service.stop(_STOP_SECONDS)


def readable(log: str) -> str:
    """Log lines for people: of JSON lines the words, and no line longer than three rows of a terminal."""
    plain = (_plain(line) for line in log.splitlines())
    return "\n".join(line if len(line) <= _WIDEST else f"{line[:_WIDEST]}..." for line in plain)


def _plain(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    head = [str(entry.pop(name, "")) for name in ("timestamp", "level", "event")]
    return " ".join([*head, *(f"{name}={value}" for name, value in entry.items())]).strip()
