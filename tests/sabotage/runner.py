"""Runs catching tests with their guards dropped; one child process each, forked before anything of ours is imported.

python -m tests.sabotage.runner tests NAME...      what pytest returns, by name
python -m tests.sabotage.runner seeds NAME...      the first seed whose schedule shows it, by name; -1 for none
"""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.sabotage.edited import Editing
from tests.sabotage.table import SABOTAGES, Sabotage

SEEDS = 2000
NOT_APPLIED = 100
BROKEN = 101
OPTIONS = (
    *("-q", "-x", "--timeout", "15"),
    *("-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-W", "ignore::pytest.PytestUnraisableExceptionWarning"),  # a test that fails leaves things behind
)

Work = Callable[[Sabotage], int]


def test(sabotage: Sabotage) -> int:
    """The catching test of a sabotage."""
    import pytest

    return int(pytest.main([*OPTIONS, sabotage.caught_by]))


def search(_: Sabotage) -> int:
    """The first seed that shows a violation."""
    from tests.simulation.simulate import simulate

    return next((seed for seed in range(SEEDS) if simulate(seed).violation), -1)


def apart(work: Work, sabotage: Sabotage, log: Path) -> int:
    """Forks; returns what the work has returned."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with log.open("w") as told:
                os.dup2(told.fileno(), 1)
                os.dup2(told.fileno(), 2)
                os.write(write, str(_sabotaged(work, sabotage)).encode())
        except BaseException:
            log.write_text(traceback.format_exc())
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        result = answer.read()
    os.waitpid(child, 0)
    return int(result or BROKEN)


def _sabotaged(work: Work, sabotage: Sabotage) -> int:
    editing = Editing(sabotage)
    editing.install()
    result = work(sabotage)
    return result if editing.applied else NOT_APPLIED


def main(kind: str, names: list[str]) -> dict[str, tuple[int, str]]:
    """By name: the result, and the end of what was printed."""
    for library in ("pytest", "botocore.session", "aiobotocore.session", "aiokafka", "pydantic"):
        __import__(library)
    known = {each.name: each for each in SABOTAGES}
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            log = Path(folder, "log")
            result = apart({"tests": test, "seeds": search}[kind], known[name], log)
            results[name] = (result, log.read_text(errors="replace")[-3000:])
    return results


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2:])))
