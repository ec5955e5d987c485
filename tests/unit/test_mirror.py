"""The folder of unit tests mirrors the code: each module with logic has its tests under its own name, and no others.

``tests/unit/<path>/test_<module>.py`` tests ``<path>/<module>.py``; further files are ``test_<module>_<aspect>.py``. A
module has logic if a function in it does more than declare: Protocols, data classes without methods and constants have
none. A package's ``__init__`` only says what the package exports.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"
ROOTS = ("service", "schemas", "sandbox")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def has_logic(source: str) -> bool:
    """Whether a function has a body beyond its docstring, ``...`` and ``pass``."""
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, Function))
    return any(not _declares(statement) for function in functions for statement in function.body)


def _declares(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return statement.value.value is ... or isinstance(statement.value.value, str)
    return isinstance(statement, ast.Pass)


def modules(root: str, base: Path = ROOT) -> Iterator[Path]:
    """Every module below a root, as a path from the base."""
    return (file.relative_to(base) for file in sorted((base / root).rglob("*.py")))


def module_of(test: Path, base: Path = ROOT) -> Path | None:
    """The module that a test file stands for: the longest name that its own begins with; None if there is no such one.

    Args:
        test: From the folder of unit tests.
        base: Where the code is.
    """
    words = test.stem.removeprefix("test_").split("_")
    names = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    candidates = (test.parent / f"{name}.py" for name in names)
    return next((module for module in candidates if (base / module).is_file()), None)


def files_of(root: str, unit: Path = UNIT) -> list[Path]:
    """Every test file below a root, as a path from the folder of unit tests."""
    return [file.relative_to(unit) for file in sorted((unit / root).rglob("test_*.py"))]


def untested(root: str, base: Path = ROOT, unit: Path = UNIT) -> list[str]:
    """Modules with logic for which no test file stands."""
    covered = {module_of(test, base) for test in files_of(root, unit)}
    logical = (module for module in modules(root, base) if has_logic((base / module).read_text(encoding="utf-8")))
    return [str(module) for module in logical if module not in covered and module.name != "__init__.py"]


@pytest.mark.parametrize("root", ROOTS)
def test_every_module_with_logic_has_its_tests(root: str) -> None:
    missing = untested(root)
    assert not missing, f"without tests/unit/<path>/test_<module>.py: {missing}"


@pytest.mark.parametrize("root", ROOTS)
def test_every_test_file_stands_for_a_module(root: str) -> None:
    strays = [str(test) for test in files_of(root) if module_of(test) is None]
    assert not strays, f"no module has the name that these begin with: {strays}"


@pytest.mark.parametrize("root", ["service", "schemas"])
def test_a_packages_init_only_says_what_it_exports(root: str) -> None:
    packages = (module for module in modules(root) if module.name == "__init__.py")
    assert [str(module) for module in packages if has_logic((ROOT / module).read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("source", "logic"),
    [
        ("", False),
        ("LIMIT = 5\nTABLE = {name: 1 for name in 'ab'}\n", False),
        ("class Port(Protocol):\n    async def call(self) -> None:\n        '''Calls.'''\n        ...\n", False),
        ("@dataclass\nclass Row:\n    '''A row.'''\n    name: str = ''\n", False),
        ("class Broken(Exception):\n    '''It is broken.'''\n", False),
        ("def nothing() -> None:\n    pass\n", False),
        ("def one() -> int:\n    return 1\n", True),
        ("class Row:\n    def size(self) -> int:\n        '''Its size.'''\n        return 1\n", True),
        ("if True:\n    async def late() -> None:\n        await work()\n", True),
    ],
)
def test_what_is_logic(source: str, logic: bool) -> None:
    assert has_logic(source) is logic


def test_what_is_missing_or_stands_for_nothing_is_found(tmp_path: Path) -> None:
    code, unit = tmp_path / "code", tmp_path / "unit"
    for name in ("app/__init__.py", "app/oauth.py", "app/oauth_tokens.py", "app/kinds.py", "app/deep/one.py"):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("" if name == "app/kinds.py" else "def one() -> int:\n    return 1\n")
    for name in ("app/test_oauth_tokens.py", "app/test_oauth_tokens_life.py", "app/test_one.py"):
        (unit / name).parent.mkdir(parents=True, exist_ok=True)
        (unit / name).touch()
    assert untested("app", code, unit) == ["app/deep/one.py", "app/oauth.py"]
    assert [str(test) for test in files_of("app", unit) if module_of(test, code) is None] == ["app/test_one.py"]
    (unit / "app" / "test_oauth_errors.py").touch()
    assert untested("app", code, unit) == ["app/deep/one.py"]
