"""What every group of settings shares: closed, frozen, documented by attribute docstrings, units in the type."""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict


class Group(BaseModel):
    """A group of settings: unknown names are refused, values can't change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


def listed(value: Any) -> Any:
    """Lists may be given in the environment as JSON or separated by commas."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        return json.loads(text)
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
