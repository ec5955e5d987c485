"""Whoever drops a guard is found out: each catching test fails with the guard dropped, and passes with it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sabotage.document import PAGE, render
from tests.sabotage.table import SABOTAGES, Sabotage

QUICK = [each for each in SABOTAGES if not each.kafka]
FAILED = 1
"""As pytest returns it; anything else is none, such as a broken import."""


class Run:
    """One run of `tests.sabotage.runner`; its results arrive one by one."""

    def __init__(self, kind: str, names: list[str]) -> None:
        command = [sys.executable, "-m", "tests.sabotage.runner", kind, *names]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._known: dict[str, tuple[int, str]] = {}

    def result(self, sabotage: Sabotage) -> tuple[int, str]:
        """Waits until it is known."""
        assert self._process.stdout is not None
        while sabotage.name not in self._known:
            line = self._process.stdout.readline()
            assert line, "the runner has ended without this result; see what it wrote to stderr"
            name, result, printed = json.loads(line)
            self._known[name] = result, printed
        return self._known[sabotage.name]

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.terminate()


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """All that were selected, in one run: its libraries are then imported once."""
    selected = []
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.function is test_it_is_caught:
            sabotage = item.callspec.params["sabotage"]
            assert isinstance(sabotage, Sabotage)
            selected.append(sabotage.name)
    with Run("tests", selected) as run:
        yield run


def test_there_are_enough_of_them() -> None:
    assert len({each.name for each in SABOTAGES}) == len(SABOTAGES) >= 12


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda each: each.name)
def test_the_guard_is_where_it_was(sabotage: Sabotage) -> None:
    """A sabotage that no longer fits its source proves nothing."""
    source = Path(*sabotage.module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    assert source.count(sabotage.old) == 1
    compile(source.replace(sabotage.old, sabotage.new), sabotage.module, "exec")


def test_no_sabotage_names_what_is_not_there(tmp_path: Path) -> None:
    """A test would fail by a NameError, and prove nothing of the guard."""
    for number, each in enumerate(SABOTAGES):
        source = Path(*each.module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        (tmp_path / f"row_{number}.py").write_text(source.replace(each.old, each.new), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "F821,F823",
        str(tmp_path),
    ]
    done = subprocess.run([*command, "--output-format", "concise"], capture_output=True, text=True, check=False)
    undefined = [(int(row), what) for row, what in re.findall(r"row_(\d+)\.py:\S+ (.*)", done.stdout)]
    assert [(SABOTAGES[row].name, what) for row, what in undefined] == []
    assert done.returncode == 0, done.stderr


def test_the_catching_tests_are_part_of_the_suite() -> None:
    """They pass with the guard in place: `make test` runs each of them as it stands."""
    names = sorted({each.caught_by for each in QUICK})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "not long", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *names], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    collected = done.stdout.splitlines()
    assert [name for name in names if not any(line.startswith(name) for line in collected)] == []


@pytest.mark.sabotage
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("sabotage", QUICK, ids=lambda each: each.name)
def test_it_is_caught(run: Run, sabotage: Sabotage) -> None:
    result, printed = run.result(sabotage)
    assert result == FAILED, printed


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("sabotage", [each for each in SABOTAGES if each.kafka], ids=lambda each: each.name)
def test_it_is_caught_on_kafka(sabotage: Sabotage) -> None:
    """The contract suite itself shows that they pass without; it runs each of them."""
    with Run("tests", [sabotage.name]) as run:
        result, printed = run.result(sabotage)
    assert result == FAILED, printed


@pytest.mark.long
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("sabotage", [each for each in SABOTAGES if each.simulated], ids=lambda each: each.name)
def test_the_simulator_finds_it_too(sabotage: Sabotage) -> None:
    with Run("seeds", [sabotage.name]) as run:
        seed, printed = run.result(sabotage)
    assert seed >= 0, printed


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m tests.sabotage.document"
