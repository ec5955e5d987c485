"""Reads a settings file as YAML 1.2 means it, without what PyYAML does silently.

By YAML 1.1, which PyYAML follows, `010` is 8, `12:30` is 750, `no` is false and `2026-01-01` a date; and of a key that
is given twice the last one wins.
"""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from service.settings.base import SettingsError

_TAG: Final = "tag:yaml.org,2002:"
_SCALARS: Final = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?([0-9]*\.[0-9]+|[0-9]+\.)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?(0|[1-9][0-9]*)[eE][-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),
)
"""What a plain scalar is beside a string: YAML 1.2's core schema, without numbers that begin with zeros."""


_QUOTED: Final = re.compile(r"'[^'\s]{2,}'")
"""What PyYAML quotes of the content: a name, a tag, a number."""
MOST_REPEATED: Final = 100_000
"""Values that aliases (``*name``) may add to a document: a few lines of them can stand for billions."""


class StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars above, no key twice, and bounded aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute

    def compose_document(self) -> yaml.Node | None:
        """A document.

        Raises:
            yaml.composer.ComposerError: Something in it contains itself, or aliases make it too large.
        """
        root: yaml.Node | None = super().compose_document()
        if root is not None:
            sizes: dict[int, int] = {}
            if _size(root, sizes) - len(sizes) > MOST_REPEATED:
                problem = f"its aliases stand for more than {MOST_REPEATED:,} values"
                raise yaml.composer.ComposerError(None, None, problem, root.start_mark)
        return root

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A value.

        Raises:
            yaml.constructor.ConstructorError: Its tag says that it is something else.
        """
        try:
            return super().construct_object(node, deep)
        except (AttributeError, IndexError, KeyError, ValueError):  # `!!bool maybe`, `!!int ''`
            problem = f"it is no {node.tag.removeprefix(_TAG)} that can be read"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping.

        Raises:
            yaml.constructor.ConstructorError: A key is given twice.
        """
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _TAG + "merge":
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                problem = f"{key.value} is given twice, in lines {lines[key.value]} and {line}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            lines[key.value] = line
        return super().construct_mapping(node, deep)


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Values in a node, what aliases stand for included; 0 marks one that is being counted."""
    known = sizes.get(id(node))
    if known == 0:
        raise yaml.composer.ComposerError(None, None, "an alias within what it stands for", node.start_mark)
    if known is None:
        sizes[id(node)] = 0
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif isinstance(node, yaml.MappingNode):
            inner = [each for pair in node.value for each in pair]
        known = sizes[id(node)] = 1 + sum(_size(each, sizes) for each in inner)
    return known


for _name, _pattern, _first in _SCALARS:
    StrictLoader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


def read(file: Path) -> Any:
    """What the file holds; None if that is nothing.

    Raises:
        SettingsError: It can't be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # no UTF-8, or no name of a file
        raise SettingsError(f"settings file {file} can't be read: {error}") from error
    try:
        return yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"settings file {file} can't be read: {fault(error)}") from None


def fault(error: Exception) -> str:
    """What is wrong, and where, without what stands there: it may be a password, and the message goes to a log."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"{error.reason}, at character {error.position + 1}"
    if not isinstance(error, yaml.MarkedYAMLError):
        return "it nests too deeply" if isinstance(error, RecursionError) else "it has a value that is no YAML"
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = _QUOTED.sub("'...'", " ".join(part for part in (error.context, error.problem) if part))
    return f"{where}{problem}; text with special characters needs quotes"
