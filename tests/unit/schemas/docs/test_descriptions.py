"""What the pages say of the service's own commands is what these answer."""

import ast
from pathlib import Path

import pytest

from schemas.docs.descriptions import SERVICE_ERRORS
from schemas.operations import Kind

ROOT = Path(__file__).parents[4]
ELSEWHERE = {"CommandUnderWay", "CommandParked", "GivenUp"}
"""Reasons of waiting, and the end of the command that was given up: no code of the command that says so."""


@pytest.mark.parametrize(("kind", "module"), [(Kind.CANCEL, "cancellation"), (Kind.RESOLVE, "resolution")])
def test_every_code_of_the_module_is_on_the_page(kind: Kind, module: str) -> None:
    tree = ast.parse((ROOT / "service" / "core" / f"{module}.py").read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    codes = {text for text in strings if text[:1].isupper() and text.isalpha() and not text.isupper()}
    assert codes - ELSEWHERE <= set(SERVICE_ERRORS[kind])
