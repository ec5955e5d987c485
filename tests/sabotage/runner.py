"""Runs catching tests with their guards dropped; one child process each, forked before anything of ours is imported.

python -m tests.sabotage.runner tests NAME...      what pytest returns, for each name
python -m tests.sabotage.runner seeds NAME...      the first seed whose schedule shows it, for each name; -1 for none

Prints a line of JSON for each name as soon as it is known: the name, the result, the end of what was printed.
"""

import gc
import json
import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.sabotage.edited import Editing
from tests.sabotage.table import SABOTAGES, Sabotage

SEEDS = 2000
NOT_APPLIED = 100
BROKEN = 101
HANGS = 100.0
PROCESSES = (os.cpu_count() or 1) + 1
"""A test that waits takes no processor."""
OPTIONS = (
    *("-q", "-x", "--timeout", "15"),
    *("-p", "no:cacheprovider", "-p", "no:xdist"),
    "--assert=plain",  # rewriting the assertions of all imported tests takes longer than running one of them
    *("-W", "ignore::pytest.PytestUnraisableExceptionWarning"),  # a test that fails leaves things behind
)
LIBRARIES = (
    *("pytest", "pytest_asyncio.plugin", "pytest_timeout", "hypothesis", "looptime"),
    *("botocore.session", "aiobotocore.session", "aiohttp", "aiokafka"),
    *("pydantic", "pydantic_settings", "cyclopts", "rich.console", "structlog", "yaml", "msgspec", "prometheus_client"),
)
"""Imported once, before the children are forked: most of a child's time would be theirs."""

Work = Callable[[Sabotage], int]


def test(sabotage: Sabotage) -> int:
    """The catching test of a sabotage."""
    import pytest

    return int(pytest.main([*OPTIONS, sabotage.caught_by]))


def search(_: Sabotage) -> int:
    """The first seed that shows a violation."""
    from tests.simulation.simulate import simulate

    return next((seed for seed in range(SEEDS) if simulate(seed).violation), -1)


def apart(work: Work, sabotages: Sequence[Sabotage], processes: int) -> Iterator[tuple[str, int, str]]:
    """Each in a child of its own; yields the name, what the work has returned and the end of what was printed."""
    waiting = list(sabotages)[::-1]
    running: dict[int, tuple[Sabotage, int, Path]] = {}
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            if waiting and len(running) < processes:
                sabotage = waiting.pop()
                log = Path(folder, str(len(waiting)))
                child, answer = _fork(work, sabotage, log)
                running[child] = sabotage, answer, log
                continue
            child, _ = os.wait()
            sabotage, answer, log = running.pop(child)
            with os.fdopen(answer) as pipe:
                result = int(pipe.read() or BROKEN)
            yield sabotage.name, result, log.read_text(errors="replace")[-3000:]


def _fork(work: Work, sabotage: Sabotage, log: Path) -> tuple[int, int]:
    """The child, and where its result can be read when it has ended."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        limit = threading.Timer(HANGS, os._exit, (0,))  # the test's own limit is a signal, which it may swallow
        limit.daemon = True
        limit.start()
        try:
            with log.open("w") as printed:
                os.dup2(printed.fileno(), 1)
                os.dup2(printed.fileno(), 2)
                os.write(write, str(_sabotaged(work, sabotage)).encode())
        except BaseException:
            log.write_text(traceback.format_exc())
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(write)
    return child, read


def _sabotaged(work: Work, sabotage: Sabotage) -> int:
    editing = Editing(sabotage)
    editing.install()
    result = work(sabotage)
    return result if editing.applied else NOT_APPLIED


def main(kind: str, names: list[str]) -> None:
    """Prints each result."""
    known = {each.name: each for each in SABOTAGES}
    with tempfile.TemporaryDirectory() as bytecode:
        sys.pycache_prefix, sys.dont_write_bytecode = bytecode, False  # what one child has compiled, the others load
        for library in LIBRARIES:
            __import__(library)
        gc.freeze()
        work = {"tests": test, "seeds": search}[kind]
        for result in apart(work, [known[name] for name in names], PROCESSES):
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
