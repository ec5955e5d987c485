"""One name, one meaning: no class name twice in a program, and no worn-out word in any name."""

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
"""Names that still have such a word."""


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def names(tree: ast.Module) -> Iterator[str]:
    """All that the module gives a name: classes, functions, parameters, members, constants, local variables."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr
            case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield name


def worn_out(tree: ast.Module) -> set[str]:
    return {name for name in names(tree) if WORN_OUT.search(snake_case(name))}


@pytest.mark.parametrize("packages", [("service", "schemas"), ("sandbox",)])
def test_no_class_name_stands_twice(packages: tuple[str, ...]) -> None:
    found = defaultdict(set)
    for file, tree in modules(*packages):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name.lstrip("_")].add(file)
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_no_worn_out_word_in_a_name() -> None:
    packages = ("service", "schemas", "sandbox")
    found = {file: worn_out(tree) - OPEN.get(file, set()) for file, tree in modules(*packages)}
    assert {file: names for file, names in found.items() if names} == {}
    files = [file.removesuffix(".py") for file, _ in modules(*packages)]
    assert [file for file in files if WORN_OUT.search(Path(file).name)] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class LookAside: ...", {"LookAside"}),
        ("class A:\n    def tell_all(self): ...\n    told: int = 0", {"tell_all", "told"}),
        ("def outlook(place): ...", {"place"}),
        ("def f(*, patience): ...", {"patience"}),
        ("READ_PATIENCE = 3", {"READ_PATIENCE"}),
        ("class Lookalike: ...\nplacement: str = ''", set()),
        ("def f():\n    look: int = 1", {"look"}),
        ("class A:\n    def __init__(self):\n        self._told = 1", {"_told"}),
        ("for place, (_, mended) in []: ...", {"place", "mended"}),
        ("[tell for tell in ()]", {"tell"}),
        ("with a as looked: ...", {"looked"}),
        ("try: ...\nexcept A as nobody: ...", {"nobody"}),
        ("import a as way_in", {"way_in"}),
        ("match a:\n    case [place, *places]: ...", {"place", "places"}),
        ("class _Place: ...", {"_Place"}),
        ("a.told", set()),
        ("f(told=1)", set()),
    ],
)
def test_what_counts_as_worn_out(source: str, expected: set[str]) -> None:
    assert worn_out(ast.parse(source)) == expected
