"""Extracts what people read: documentation, messages and docstrings. Standard library only, for any checkout."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

PACKAGES: Final = ("service", "schemas", "sandbox", "helm", "deploy")

_FENCE: Final = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"``[^`]+``|`[^`]+`|\]\([^)]*\)|<[^>\s][^>]*>|https?://\S+")
_MEMBER: Final = re.compile(r"^ {4,}\**\w+: ", re.MULTILINE)
"""The name of an argument or attribute, in a docstring's list of them."""
_FEWEST: Final = 3
"""Words that make a string a message; shorter ones are names and keys."""


class Text(NamedTuple):
    """One piece of prose.

    Attributes:
        where: File, and line if it is in a program.
        words: The prose without code.
    """

    where: str
    words: str


def pages(root: Path) -> Iterator[Text]:
    """The documentation in Markdown, without code blocks."""
    files = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
    files += sorted((root / "helm").rglob("*.md"))
    for file in files:
        if file.exists():
            text = _FENCE.sub("", file.read_text(encoding="utf-8"))
            yield Text(str(file.relative_to(root)), plain(text))


def plain(text: str) -> str:
    """A text without inline code, links' targets and addresses."""
    return _CODE.sub(" ", text)


def messages(root: Path, packages: tuple[str, ...] = PACKAGES) -> Iterator[Text]:
    """Strings of three words or more: help, log events, metric help, errors; and the texts of the alerts.

    The docstrings of settings are among them: they are the settings' reference.
    """
    for file, tree in _modules(root, packages):
        settings = file.startswith("service/settings/")
        docstrings = {id(node.value) for node in _docstrings(tree)}
        attributes = {id(node.value) for node in _bare_strings(tree)} - docstrings
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            if id(node) in docstrings or (id(node) in attributes and not settings):
                continue
            if len(re.findall(r"[A-Za-z]{2,}", plain(node.value))) >= _FEWEST and " " in node.value:
                yield Text(f"{file}:{node.lineno}", plain(node.value))
    for alerts in sorted((root / "helm").rglob("alerts/*.yaml")):
        for number, line in enumerate(alerts.read_text(encoding="utf-8").splitlines(), 1):
            if match := re.match(r"\s*(?:summary|description): (.*)", line):
                yield Text(f"{alerts.relative_to(root)}:{number}", plain(match[1]))


def docstrings(root: Path, packages: tuple[str, ...] = PACKAGES) -> Iterator[Text]:
    """The docstrings of modules, classes, functions and attributes."""
    for file, tree in _modules(root, packages):
        settings = file.startswith("service/settings/")
        nodes = _docstrings(tree) if settings else [*_docstrings(tree), *_bare_strings(tree)]
        seen: set[int] = set()
        for node in nodes:
            if id(node) not in seen and isinstance(node.value, ast.Constant):
                seen.add(id(node))
                yield Text(f"{file}:{node.lineno}", plain(_MEMBER.sub("", str(node.value.value))))


def comments(root: Path, packages: tuple[str, ...] = PACKAGES) -> Iterator[Text]:
    """Comments; lines that follow each other are one."""
    for package in packages:
        for file in sorted((root / package).rglob("*.py")):
            last, begun, lines = 0, 0, list[str]()
            with file.open(encoding="utf-8") as source:
                for token in tokenize.generate_tokens(source.readline):
                    if token.type != tokenize.COMMENT:
                        continue
                    line = token.start[0]
                    if lines and line != last + 1:
                        yield Text(f"{file.relative_to(root)}:{begun}", plain(" ".join(lines)))
                        lines.clear()
                    begun = begun if lines else line
                    lines.append(token.string.lstrip("# "))
                    last = line
            if lines:
                yield Text(f"{file.relative_to(root)}:{begun}", plain(" ".join(lines)))


def _modules(root: Path, packages: tuple[str, ...]) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for file in sorted((root / package).rglob("*.py")):
            yield str(file.relative_to(root)), ast.parse(file.read_text(encoding="utf-8"))


def _docstrings(tree: ast.Module) -> list[ast.Expr]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and _is_string(first):
                found.append(first)
    return found


def _bare_strings(tree: ast.Module) -> list[ast.Expr]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and _is_string(node)]


def _is_string(node: ast.Expr) -> bool:
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
