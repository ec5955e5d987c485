"""Whoever drops a guard is found out: each catching test fails with the guard dropped, and passes with it."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.sabotage.document import PAGE, render
from tests.sabotage.table import SABOTAGES, Sabotage

QUICK = [each for each in SABOTAGES if not each.kafka]
GROUPS = 12
"""Groups are shared by the processes that run the tests."""
FAILED = 1
"""As pytest returns it; anything else is none, such as a broken import."""


def run(kind: str, names: list[str], seconds: float) -> dict[str, tuple[int, str]]:
    command = [sys.executable, "-m", "tests.sabotage.runner", kind, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: (result, told) for name, (result, told) in json.loads(done.stdout).items()}


@cache
def results(group: int) -> dict[str, tuple[int, str]]:
    """A group in one run, for its libraries are then imported once."""
    return run("tests", [each.name for each in QUICK[group::GROUPS]], 900)


def test_there_are_enough_of_them() -> None:
    assert len({each.name for each in SABOTAGES}) == len(SABOTAGES) >= 12


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda each: each.name)
def test_the_guard_is_where_it_was(sabotage: Sabotage) -> None:
    """A sabotage that no longer fits its source proves nothing."""
    source = Path(*sabotage.module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    assert source.count(sabotage.old) == 1
    compile(source.replace(sabotage.old, sabotage.new), sabotage.module, "exec")


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
@pytest.mark.parametrize(
    ("group", "sabotage"),
    [
        pytest.param(number % GROUPS, each, id=each.name, marks=pytest.mark.xdist_group(f"group {number % GROUPS}"))
        for number, each in enumerate(QUICK)
    ],
)
def test_it_is_caught(group: int, sabotage: Sabotage) -> None:
    result, told = results(group)[sabotage.name]
    assert result == FAILED, told


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("sabotage", [each for each in SABOTAGES if each.kafka], ids=lambda each: each.name)
def test_it_is_caught_on_kafka(sabotage: Sabotage) -> None:
    """The contract suite itself shows that they pass without; it runs each of them."""
    result, told = run("tests", [sabotage.name], 390)[sabotage.name]
    assert result == FAILED, told


@pytest.mark.long
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("sabotage", [each for each in SABOTAGES if each.simulated], ids=lambda each: each.name)
def test_the_simulator_finds_it_too(sabotage: Sabotage) -> None:
    seed, told = run("seeds", [sabotage.name], 990)[sabotage.name]
    assert seed >= 0, told


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m tests.sabotage.document"
