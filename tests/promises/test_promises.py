"""The page of promises names nothing that does not exist, and leaves no proof out."""

import ast

from tests.faults.matrix import ROWS
from tests.promises.document import CHECKS, PAGE, ROOT, render
from tests.promises.table import PROMISES
from tests.sabotage.table import SABOTAGES


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m tests.promises.document"


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for promise in PROMISES:
        for name in promise.tests:
            file, _, function = name.partition("::")
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            if function and function not in names:
                missing.append(name)
    assert not missing


def test_every_oracle_is_one_of_the_monitors_demands() -> None:
    monitor = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "simulation").glob("*.py"))
    missing = [words for promise in PROMISES for words in promise.oracles if words not in monitor]
    assert not missing
    assert set(CHECKS) == {words for promise in PROMISES for words in promise.oracles}


def test_every_fault_and_every_sabotage_supports_a_promise() -> None:
    faults = {number for promise in PROMISES for number in promise.faults}
    sabotages = {name for promise in PROMISES for name in promise.sabotages}
    assert faults == {row.number for row in ROWS}
    assert sabotages == {sabotage.name for sabotage in SABOTAGES}


def test_the_readmes_prose_fits_a_screen() -> None:
    """Rows of tables can't be wrapped."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 120 and not line.startswith("|")] == []
