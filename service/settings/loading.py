"""Loads the settings: a YAML file, overridden by the environment; all problems are reported together."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from service.settings.base import SettingsError
from service.settings.model import Settings
from service.settings.sources import (
    AWS_VARIABLES,
    DELIMITER,
    FILE_VARIABLE,
    KEYED,
    PREFIX,
    Environment,
    File,
    StandardAws,
    misshapen,
    read_file,
    shape,
)

_PLAIN: Final = {
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text, in YAML in quotes",
    "dict_type": "a group of settings",
    "model_type": "a group of settings",
    "list_type": "a list",
}
"""What is expected, where the validator's own message is about Python types."""

_GROUP_ERRORS: Final = frozenset({"dict_type", "model_type", "model_attributes_type"})
"""Where a group of settings is expected. What stands there, JSON perhaps, may hold secrets of the group."""

_SECRET: Final = ("password", "secret", "token", "proxy", "external_id")


def load(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Loads the settings.

    Args:
        file: A YAML file; the one that ``CRML_SETTINGS`` names if absent; none if that is absent too.
        environ: The environment; the process's own by default.

    Raises:
        SettingsError: Something is missing, unknown or wrong.
    """
    variables = os.environ if environ is None else environ
    named = variables.get(FILE_VARIABLE, "").strip()
    path = file or (Path(named) if named else None)
    tree = read_file(path) if path else {}
    if problems := [f"{problem} (in {path})" for problem in misshapen(tree, Settings)]:
        raise SettingsError(_report(problems))
    names = {keyed: group for keyed in KEYED if isinstance(group := tree.get(keyed), dict)}

    class Loaded(Settings, BaseSettings):
        model_config = SettingsConfigDict(env_prefix=PREFIX.lower(), env_nested_delimiter=DELIMITER, extra="forbid")

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources = Environment(settings_cls, variables, names), File(settings_cls, tree)
            return (*sources, StandardAws(settings_cls, variables))

    try:
        return Loaded()
    except ValidationError as error:
        origins = _Origins(variables, path)
        problems = [_explain(item, origins) for item in error.errors(include_url=False)]
        raise SettingsError(_report(problems)) from None


class _Origins:
    """Finds where a setting was set."""

    def __init__(self, environ: Mapping[str, str], file: Path | None) -> None:
        self._names = {_as_variable(name) for name in environ}
        self._aws = {environ[name].strip(): name for name in AWS_VARIABLES if environ.get(name, "").strip()}
        self._file = file

    def of(self, path: list[str], value: Any) -> str:
        """The variable of the setting, of one below it or of the list that contains it; otherwise the file."""
        whole = variable(path)
        if any(name.startswith(whole + DELIMITER) for name in self._names):
            return f" in {whole}{DELIMITER}..."
        for length in range(len(path), 0, -1):
            if (name := variable(path[:length])) in self._names:
                return f" in {name}"
        if path[:1] == ["targets"] and isinstance(value, str) and value in self._aws:
            return f" in {self._aws[value]}"
        return f" in {self._file}" if self._file else ""


def variable(path: list[str]) -> str:
    """The name of a setting in the environment."""
    return _as_variable(PREFIX + DELIMITER.join(path))


def _as_variable(name: str) -> str:
    """A variable's `_` stands for what shells allow in no name."""
    return name.upper().replace("-", "_").replace(".", "_")


def _report(problems: list[str]) -> str:
    noun = "problem" if len(problems) == 1 else "problems"
    return "\n".join([f"{len(problems)} {noun} in the settings:", *(f"  - {line}" for line in problems)])


def _explain(item: ErrorDetails, origins: _Origins) -> str:
    """One line: the name, where it was set, what was found and what was expected."""
    path = [part for each in item["loc"] for part in str(each).split(DELIMITER)]
    name = ".".join(path) or "settings"
    if item["type"] == "missing":
        return f"{name}: not set. {_wanted(path)} Set it in the file or as {variable(path)}."
    origin = origins.of(path, item["input"])
    if item["type"] == "extra_forbidden":
        return f"{name}: unknown setting{origin}{_hint(path)}"
    message = item["msg"].replace("String should match pattern", "text of the form")
    expected = _PLAIN.get(item["type"]) or message.removeprefix("Value error, ")
    if item["type"] in {"value_error", "assertion_error"} and isinstance(item["input"], dict | BaseModel):
        return f"{name}: {expected}"
    shown = shape(item["input"]) if item["type"] in _GROUP_ERRORS else _shown(path, item["input"])
    return f"{name}: found {shown}{origin}; expected: {expected}"


def _shown(path: list[str], value: Any) -> str:
    if any(word in part for part in path for word in _SECRET):
        return "a secret"
    text = repr(value)
    if "@" in text:
        return "a URL with a user name" if "://" in text else "text with an @, which may end a password"
    return text if len(text) <= 100 else text[:97] + "..."


def _wanted(path: list[str]) -> str:
    """The setting's description."""
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
    """Known names similar to the unknown one."""
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
