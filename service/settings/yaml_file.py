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


class StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars above, and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute

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


for _name, _pattern, _first in _SCALARS:
    StrictLoader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


def read(file: Path) -> Any:
    """What the file holds; None if that is nothing.

    Raises:
        SettingsError: It can't be read.
    """
    try:
        return yaml.load(file.read_text(encoding="utf-8-sig"), Loader=StrictLoader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"settings file {file} can't be read: {error}") from error
