"""Loads the settings: a YAML file, overridden by the environment; every problem is told at once."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.settings.model import Settings

PREFIX: Final = "CRML_"
FILE_VARIABLE: Final = "CRML_SETTINGS"
_DELIMITER: Final = "__"
_SECRET: Final = ("password", "secret", "token", "proxy")

Tree = dict[str, Any]


class SettingsError(ValueError):
    """The settings are not usable; the message names every problem: what, found, expected."""


def load(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Loads the settings.

    Args:
        file: A YAML file; the one that ``CRML_SETTINGS`` names if absent; none if that is absent too.
        environ: The environment; the process's own by default.

    Raises:
        SettingsError: Something is missing, unknown or wrong.
    """
    environ = os.environ if environ is None else environ
    if file is None and environ.get(FILE_VARIABLE):
        file = Path(environ[FILE_VARIABLE])
    from_file = _read(file) if file else {}
    from_environment = _explode(environ)
    tree = _merge(from_file, from_environment)
    _complete(tree, environ)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        problems = [_explain(item, from_environment, file) for item in error.errors(include_url=False)]
        raise SettingsError(_report(problems)) from None


def _read(file: Path) -> Tree:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"settings file {file} can't be read: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"settings file {file} must hold a mapping of groups, found {type(tree).__name__}")
    return tree


def _explode(environ: Mapping[str, str]) -> Tree:
    """``CRML_KAFKA__GROUP_ID=x`` becomes ``{"kafka": {"group_id": "x"}}``."""
    tree: Tree = {}
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX) or name.upper() == FILE_VARIABLE:
            continue
        *path, leaf = name[len(PREFIX) :].lower().split(_DELIMITER)
        node = tree
        for part in path:
            below = node.setdefault(part, {})
            if not isinstance(below, dict):
                raise SettingsError(f"{name} is below a setting that has a value of its own")
            node = below
        node[leaf] = environ[name]
    return tree


def _merge(below: Tree, above: Tree) -> Tree:
    """Both trees; where they disagree, the one above."""
    merged = dict(below)
    for name, value in above.items():
        known = merged.get(name)
        merged[name] = _merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def _complete(tree: Tree, environ: Mapping[str, str]) -> None:
    """Fills in what the standard AWS environment says, and the only target's name."""
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not tree.get("targets"):
        target: Tree = {"endpoint_url": environ.get("AWS_ENDPOINT_URL") or None}
        tree["targets"] = {tree.get("default_target", "default"): target}
    targets = tree["targets"]
    if not isinstance(targets, dict):
        return
    for name, target in targets.items():
        if region and isinstance(target, dict | None):
            targets[name] = {"region": region} | (target or {})
    if len(targets) == 1:
        tree.setdefault("default_target", next(iter(targets)))
    tree.setdefault("kafka", {})


def _report(problems: list[str]) -> str:
    noun = "problem" if len(problems) == 1 else "problems"
    return "\n".join([f"{len(problems)} {noun} in the settings:", *(f"  - {line}" for line in problems)])


def _explain(item: ErrorDetails, from_environment: Tree, file: Path | None) -> str:
    """One line: the name, where it was set, what was found, what is expected."""
    path = [str(part) for part in item["loc"]]
    name = ".".join(path) or "settings"
    variable = PREFIX + _DELIMITER.join(path).upper()
    if item["type"] == "missing":
        return f"{name}: not set; {_wanted(path)} Set it in the file or as {variable}."
    origin = _origin(path, variable, from_environment, file)
    if item["type"] == "extra_forbidden":
        return f"{name}: unknown setting{origin}{_hint(path)}"
    expected = item["msg"].removeprefix("Value error, ")
    if item["type"] in {"value_error", "assertion_error"} and isinstance(item["input"], dict | BaseModel):
        return f"{name}: {expected}"
    return f"{name}: found {_shown(path, item['input'])}{origin}; expected: {expected}"


def _origin(path: list[str], variable: str, from_environment: Tree, file: Path | None) -> str:
    node: Any = from_environment
    for part in path:
        node = node.get(part) if isinstance(node, dict) else None
    if node is not None:
        return f" in {variable}"
    return f" in {file}" if file else ""


def _shown(path: list[str], value: Any) -> str:
    if any(word in part for part in path for word in _SECRET):
        return "a secret"
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _wanted(path: list[str]) -> str:
    """The setting's own sentence."""
    model: type[BaseModel] | None = Settings
    description = ""
    for part in path:
        field = model.model_fields.get(part) if model else None
        if field is None:
            continue
        description = field.description or ""
        model = next(iter(_models(field.annotation)), None)
    return description


def _hint(path: list[str]) -> str:
    """Names like the unknown one."""
    names = [name for name, _ in _known(Settings, "")]
    close = difflib.get_close_matches(".".join(path), names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _known(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        yield prefix + name, model
        for below in _models(field.annotation):
            yield from _known(below, f"{prefix}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The groups within a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
