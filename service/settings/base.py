"""What every group of settings shares: closed, frozen, documented by attribute docstrings, units in the type."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Any, Final, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

FILE: Final = "_file"
"""What is appended to a secret's name for the file that it may be read from instead."""


class SettingsError(ValueError):
    """The settings are not usable; the message names every problem: what, found, expected."""


class SettingsGroup(BaseModel):
    """A group of settings: unknown names are refused, values can't change after loading.

    A secret has a twin that names a file, such as a mounted Kubernetes secret: ``sasl_password_file`` is read into
    ``sasl_password``.

    Pydantic would take a truth value for the number 0 or 1, and blanks for a name; both are refused here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        read = {name: _secret(name, data) for name in secrets_of(cls) if data.get(name + FILE) not in (None, "")}
        return {**data, **read}

    @field_validator("*", mode="before")
    @classmethod
    def _neither_truth_value_nor_blank(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.field_name or ""
        field = cls.model_fields[name]
        if group_of(field) is not None or name in secrets_of(cls):
            return value
        if bool not in _types(field.annotation) and any(isinstance(each, bool) for each in _scalars(value)):
            raise ValueError("a number or text; true and false are neither, unless the text stands in quotes")
        if any(isinstance(each, str) and each and not each.strip() for each in _scalars(value)):
            raise ValueError("something else than blanks; leave the setting out, or give it a value")
        return value


def _types(annotation: Any) -> Iterator[Any]:
    """A type and all that it is made of."""
    yield annotation
    for argument in get_args(annotation):
        yield from _types(argument)


def _scalars(value: Any) -> Iterator[Any]:
    """The values in lists and mappings, or the value itself."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list | tuple | set):
        yield value
        return
    for each in value:
        yield from _scalars(each)


def secrets_of(group: type[BaseModel]) -> list[str]:
    """Names of a group's secrets."""
    return [
        name
        for name, field in group.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    ]


def group_of(field: FieldInfo) -> type[BaseModel] | None:
    """The group that a field is, or holds by name; None for a setting."""
    candidates = [field.annotation, *get_args(field.annotation)]
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)


def is_keyed(field: FieldInfo) -> bool:
    """Whether a field holds values by name."""
    return getattr(field.annotation, "__origin__", None) is dict


def _secret(name: str, data: Mapping[str, Any]) -> str:
    file = data[name + FILE]
    if data.get(name) is not None:
        raise ValueError(f"{name} and {name}{FILE} are both set; set one of them")
    if not isinstance(file, str | Path):
        message = f"{name}{FILE}: {type(file).__name__} is no path of a file; in YAML, write it in quotes"
        raise ValueError(message)  # noqa: TRY004 - pydantic's protocol
    try:
        return read_secret(Path(file))
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{name}{FILE}: {file} can't be read: {error}") from error
    except ValueError as error:  # empty, or no name of a file
        raise ValueError(f"{name}{FILE}: {error}") from error


def read_secret(file: Path) -> str:
    """What a file holds, without the line's end that editors and `echo` put behind it.

    Raises:
        ValueError: It is empty.
        OSError: It can't be read.
    """
    if text := file.read_text(encoding="utf-8").rstrip("\r\n"):
        return text
    raise ValueError(f"{file} is empty; expected a secret in it")


_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")


def is_ipv6(text: str) -> bool:
    """True for an IPv6 address, which may have a zone."""
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False


def listed(value: Any) -> Any:
    """Lists may be given in the environment as JSON or separated by commas."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    found = _BRACKETS.match(text)
    if text.startswith("[") and not (found and is_ipv6(found[1])):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f'a list that begins with [ must be JSON, such as ["a", "b"]: {error}') from error
    return [item.strip() for item in text.split(",") if item.strip()]


def hyphenated(value: Any) -> Any:
    """Keys that name resource kinds or quotas are written with ``_`` where ``-`` is not allowed (the environment)."""
    if not isinstance(value, Mapping):
        return value
    return {str(key).replace("_", "-"): item for key, item in value.items()}


def one_of(names: Iterable[str]) -> Any:
    """Says in the JSON Schema which keys a mapping may have; a validator of the field says it with a better message."""
    keys: JsonDict = {"enum": [*sorted(names)]}
    return Field(json_schema_extra={"propertyNames": keys})


def _unit(name: str) -> Any:
    return Field(json_schema_extra={"unit": name})


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), _unit("seconds")]
"""A duration; zero makes no sense."""

OptionalSeconds = Annotated[float, Field(ge=0, allow_inf_nan=False), _unit("seconds")]
"""A duration; zero switches it off."""

PerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False), _unit("calls per second")]
"""A rate."""

Bytes = Annotated[int, Field(gt=0), _unit("bytes")]
"""A size."""

Count = Annotated[int, Field(ge=1), _unit("count")]
"""A number of things, at least one."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""A TCP port; 0 lets the system choose."""

Delays = Annotated[tuple[OptionalSeconds, ...], BeforeValidator(listed), Field(min_length=1), _unit("seconds")]
"""A series of waits, one or more."""

Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(listed)]
"""A list of names."""
