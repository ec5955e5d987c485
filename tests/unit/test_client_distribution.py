"""The distribution for publishers (`schemas/pyproject.toml`): relocatable, dependencies and version as declared."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SCHEMAS: Final = ROOT / "schemas"
IMPORTED_AS: Final = {"aiokafka", "botocore", "msgspec", "orjson", "pydantic", "pydantic_core"}
PLUGIN: Final = SCHEMAS / "testing" / "plugin.py"


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def modules() -> list[Path]:
    """What goes into the wheel."""
    excluded = [each.strip("/") for each in project(SCHEMAS)["tool"]["hatch"]["build"]["exclude"]]
    return [each for each in sorted(SCHEMAS.rglob("*.py")) if each.relative_to(SCHEMAS).parts[0] not in excluded]


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Level and name of everything that a module imports."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(SCHEMAS)))
def test_a_module_runs_under_another_name_and_on_the_wheels_dependencies(file: Path) -> None:
    """In the wheel the folder has another name: `from ..events import Message`, not `from schemas.events import`."""
    named = {name.partition(".")[0] for level, name in imports(file) if level == 0}
    allowed = IMPORTED_AS | ({"pytest"} if file == PLUGIN else set())
    assert named - set(sys.stdlib_module_names) <= allowed


def test_no_module_imports_what_is_left_out() -> None:
    for file in modules():
        assert not [name for level, name in imports(file) if level and re.match(r"(docs|aws_policies)\b", name)], file


def test_the_dependencies_are_declared_as_the_services_are() -> None:
    client, service = (project(folder)["project"] for folder in (SCHEMAS, ROOT))
    assert {re.split(r"[\[<>=]", each)[0] for each in client["dependencies"]} == IMPORTED_AS - {"pydantic_core"}
    shared = set(client["dependencies"]) - set(service["dependencies"])
    assert shared == {"botocore>=1.43"}, "the service has it from aiobotocore"
    same = ("version", "requires-python", "license")
    assert [client[each] for each in same] == [service[each] for each in same]
    assert (SCHEMAS / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert client["name"] == "cleanroomsml-client"
