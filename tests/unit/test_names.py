"""One name, one meaning: no class name twice in a program, and no worn-out word in a public name."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

WORN_OUT: Final = re.compile(
    r"(?:^|_)(?:patience|places?|placed|told|tells?|telling|looks?|looked|looking|mends?|mended|anew|whoever|nobody"
    r"|somebody|ways?_in|stands?_still)(?:_|$)"
)

OPEN: Final = {
    "schemas/records.py": {"told"},  # a member of records in Kafka: its name is a contract
}
"""Public names that still have such a word."""


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def public_names(tree: ast.Module) -> Iterator[str]:
    """Classes, functions, methods, and annotated members and constants; not local variables."""
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.Module | ast.ClassDef):
            continue
        for node in scope.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id


def worn_out(tree: ast.Module) -> set[str]:
    return {name for name in public_names(tree) if name[0] != "_" and WORN_OUT.search(snake_case(name))}


@pytest.mark.parametrize("packages", [("service", "schemas"), ("sandbox",)])
def test_no_class_name_stands_twice(packages: tuple[str, ...]) -> None:
    found = defaultdict(set)
    for file, tree in modules(*packages):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name.lstrip("_")].add(file)
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_no_worn_out_word_in_a_public_name() -> None:
    found = {file: worn_out(tree) - OPEN.get(file, set()) for file, tree in modules("service", "schemas")}
    assert {file: names for file, names in found.items() if names} == {}
    files = [file.removesuffix(".py") for file, _ in modules("service", "schemas")]
    assert [file for file in files if WORN_OUT.search(Path(file).name)] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class LookAside: ...", {"LookAside"}),
        ("class A:\n    def tell_all(self): ...\n    told: int = 0", {"tell_all", "told"}),
        ("def outlook(place): ...", set()),
        ("READ_PATIENCE: int = 3", {"READ_PATIENCE"}),
        ("class Lookalike: ...\nplacement: str = ''", set()),
        ("def f():\n    look: int = 1", set()),
        ("class _Place: ...", set()),
    ],
)
def test_what_counts_as_worn_out(source: str, expected: set[str]) -> None:
    assert worn_out(ast.parse(source)) == expected
