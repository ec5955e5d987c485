"""botocore's service model, made strict: payload models and the members a response must have.

botocore itself checks only required members, types, unknown members and minimums; here every constraint of the model
counts. Decisions:

- **Patterns match the whole string**, in ASCII. Smithy searches, but the model's patterns carry no anchors and are
  written to be whole (a searched ``(?!\\s*$)[...]*`` forbids nothing); ``\\d`` must not accept other digits.
- A string's length is checked before its pattern, so a pattern sees at most its own maximum.
- ``null`` is no value: an optional member is left out.
- Timestamps are RFC 3339 strings and stay strings; botocore converts them.
- Where an ARN of the table's kinds is expected, a reference to an earlier command is as good; it is filled in later.
- Responses are described, not refused: AWS may add members and enum values.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Final, Literal, cast

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from . import references
from .cloudevents import timestamp
from .operations import OPERATIONS

SERVICE: Final = "cleanroomsml"
API_VERSION: Final = "2023-09-06"
"""The one version that contract and client speak, whatever else botocore has."""

_MAX_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a command.

    Attributes:
        path: Where, as in ``data.trainingData[0].type``; attributes of the envelope by their name.
        rule: Which constraint, for machines: ``required``, ``max``, ``pattern``, ``enum``, ...
        message: What is expected, for people; never the value found.
    """

    path: str
    rule: str
    message: str


@cache
def loader() -> Loader:
    """Reads botocore's models, for contract and client alike, from the installed package only.

    ``~/.aws/models`` and ``AWS_DATA_PATH`` could change the contract, or what the client sends, on one machine alone.
    Each model is parsed once per process: 200 ms and 1 MiB for each further session otherwise.
    """
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


@cache
def service_model() -> ServiceModel:
    """The API's model in botocore."""
    return ServiceModel(loader().load_service_model(SERVICE, "service-2", API_VERSION), SERVICE)


def input_shape(operation: str) -> StructureShape:
    """The shape of an operation's request.

    Raises:
        KeyError: The table has no such operation.
    """
    # All 25 have one; a test compares the table with the model.
    return cast(StructureShape, service_model().operation_model(OPERATIONS[operation].name).input_shape)


def output_shape(operation: str) -> StructureShape | None:
    """The shape of an operation's response; ``None`` when it is empty."""
    return service_model().operation_model(OPERATIONS[operation].name).output_shape


@cache
def required_output_members(operation: str) -> tuple[str, ...]:
    """The members that a response must have to count as an answer of the API."""
    shape = output_shape(operation)
    return tuple(shape.required_members) if shape else ()


@cache
def input_model(operation: str) -> type[BaseModel]:
    """The payload model of an operation's request; members have the API's names."""
    return _structure(input_shape(operation))


def preload() -> None:
    """Builds all payload models: some 50 ms that the first commands would wait for."""
    for operation in OPERATIONS:
        input_model(operation)


def violations(operation: str, params: Any) -> Iterator[Violation]:
    """What botocore's model refuses in a request."""
    try:
        input_model(operation).model_validate(params)
    except ValidationError as error:
        shape = input_shape(operation)
        for detail in error.errors(include_url=False, include_input=False):
            yield _violation(shape, detail)


# --- models -----------------------------------------------------------------------------------------------------------


class _ShapeModel(BaseModel):
    """Base of the payload models: strict types, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class _Union(_ShapeModel):
    """Base of the unions: exactly one member."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "_Union":
        if len(self.model_fields_set) != 1:
            names = ", ".join(str(info.alias) for info in type(self).model_fields.values())
            raise PydanticCustomError("union", "must have exactly one of: {names}", {"names": names})
        return self


def _structure(shape: StructureShape) -> type[BaseModel]:
    required = set(shape.required_members)
    fields: dict[str, Any] = {}
    for name, member in shape.members.items():
        # The trailing underscore keeps names such as "schema" from shadowing pydantic's own.
        default = Field(alias=name) if name in required else Field(default=None, alias=name)
        fields[f"{name}_"] = (_annotation_of(member.name), default)
    base = _Union if shape.is_tagged_union else _ShapeModel
    return create_model(shape.name, __base__=base, __doc__=f"The shape {shape.name}.", **fields)


@cache
def _annotation_of(name: str) -> Any:
    return _annotation(service_model().shape_for(name))


def _annotation(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape)
    if isinstance(shape, ListShape):
        return Annotated[GenericAlias(list, (_annotation_of(shape.member.name),)), *_lengths(shape)]
    if isinstance(shape, MapShape):
        items = (_annotation_of(shape.key.name), _annotation_of(shape.value.name))
        return Annotated[GenericAlias(dict, items), *_lengths(shape)]
    if isinstance(shape, StringShape):
        return _string(shape)
    return _SCALARS[shape.type_name](shape)


def _string(shape: StringShape) -> Any:
    if shape.enum:
        return Literal[tuple(shape.enum)]
    checks = _lengths(shape)
    if "pattern" in shape.metadata:
        also = f", or be {references.PREFIX}<id>" if references.kinds(shape) else ""
        checks.append(AfterValidator(Pattern(shape.metadata["pattern"], also)))
    if references.kinds(shape):
        checks.append(WrapValidator(references.or_reference))
    return Annotated[str, *checks]


def _lengths(shape: Shape) -> list[Any]:
    limits = shape.metadata
    return [Field(min_length=limits.get("min"), max_length=limits.get("max"))]


def _number(kind: type[int] | type[float]) -> Any:
    def build(shape: Shape) -> Any:
        return Annotated[kind, Field(ge=shape.metadata.get("min"), le=shape.metadata.get("max"))]

    return build


def _boolean(_: Shape) -> Any:
    return bool


def _timestamp(_: Shape) -> Any:
    return Annotated[str, AfterValidator(_check_timestamp)]


_SCALARS: Final[dict[str, Any]] = {
    "integer": _number(int),
    "long": _number(int),
    "float": _number(float),
    "double": _number(float),
    "boolean": _boolean,
    "timestamp": _timestamp,
}


class Pattern:
    """A pattern of the model, as a validator: the whole string must match, in ASCII.

    Args:
        pattern: The pattern.
        also: What its message adds: what else is allowed.
    """

    def __init__(self, pattern: str, also: str = "") -> None:
        self._pattern = pattern
        self._also = also
        self._compiled = re.compile(pattern, re.ASCII)

    def matches(self, text: str) -> bool:
        """True when the whole string matches; its length must have been checked."""
        return self._compiled.fullmatch(text) is not None

    def __call__(self, text: str) -> str:
        """Returns the text, or refuses it in pydantic's way."""
        if not self.matches(text):
            raise PydanticCustomError(
                "pattern", "must match {pattern}{also}", {"pattern": self._pattern, "also": self._also}
            )
        return text


_YEAR_1000: Final = -30_610_224_000.0
"""Epoch seconds; botocore writes earlier years with fewer than four digits, which is no timestamp."""


def _check_timestamp(text: str) -> str:
    moment = timestamp(text)
    if moment is None or moment < _YEAR_1000:
        raise PydanticCustomError("timestamp", "must be an RFC 3339 timestamp such as 2025-01-31T12:00:00Z")
    return text


# --- violations -------------------------------------------------------------------------------------------------------

_INTEGER: Final = "must be an integer of at most 64 bits, written without a fraction or an exponent"

# pydantic's error type -> (our rule, message with pydantic's context)
_RULES: Final = {
    "missing": ("required", "is required"),
    "extra_forbidden": ("unknown", "is not a member of this operation's request; {allowed}"),
    "string_type": ("type", "must be a string"),
    "int_type": ("type", _INTEGER),
    "int_from_float": ("type", _INTEGER),
    "float_type": ("type", "must be a number"),
    "bool_type": ("type", "must be true or false"),
    "list_type": ("type", "must be an array"),
    "dict_type": ("type", "must be an object"),
    "model_type": ("type", "must be an object"),
    "string_too_short": ("min", "must have at least {min_length} characters"),
    "string_too_long": ("max", "must have at most {max_length} characters"),
    "too_short": ("min", "must have at least {min_length} items"),
    "too_long": ("max", "must have at most {max_length} items"),
    "greater_than_equal": ("min", "must be at least {ge}"),
    "less_than_equal": ("max", "must be at most {le}"),
    "literal_error": ("enum", "must be one of: {expected}"),
}


def _violation(shape: StructureShape, detail: ErrorDetails) -> Violation:
    path, holder = render(shape, detail["loc"])
    kind = detail["type"]
    if kind not in _RULES:  # raised here as PydanticCustomError: its type and message are this package's
        return Violation(path, kind, detail["msg"])
    rule, message = _RULES[kind]
    context = dict(detail.get("ctx", {}))
    if kind == "extra_forbidden" and isinstance(holder, StructureShape):
        context["allowed"] = f"it may have: {', '.join(holder.members)}"
    if kind == "string_too_short" and str(holder.metadata.get("pattern", "")).startswith("arn:"):
        message = "must be an ARN, of at least {min_length} characters"
    return Violation(path, rule, message.format(**context))


def render(shape: StructureShape, location: Sequence[str | int]) -> tuple[str, Shape]:
    """Writes a location as a path; names which the sender made up are not shown within sensitive shapes.

    Returns:
        The path, and the deepest shape that holds the location.
    """
    path = "data"
    holder: Shape = shape
    hidden = False
    for step in location:
        hidden = hidden or bool(holder.metadata.get("sensitive"))
        if isinstance(holder, StructureShape):
            if step not in holder.members:
                return f"{path}.{'*' if hidden else _shown(str(step))}", holder
            path, holder = f"{path}.{step}", holder.members[str(step)]
        elif isinstance(holder, ListShape):
            path, holder = f"{path}[{step}]", holder.member
        elif isinstance(holder, MapShape) and step != "[key]":
            path, holder = f"{path}[{'*' if hidden else ascii(_shown(str(step)))}]", holder.value
    return path, holder


def _shown(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name[:_MAX_SHOWN])


def walk(
    shape: Shape, value: Any, location: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Shape, Any]]:
    """Every value of a request with its shape, as far as the types agree; the request itself comes first."""
    yield location, shape, value
    for step, member, item in _children(shape, value):
        yield from walk(member, item, (*location, step))


def _children(shape: Shape, value: Any) -> Iterable[tuple[str | int, Shape, Any]]:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return [(name, member, value[name]) for name, member in shape.members.items() if name in value]
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [(index, shape.member, item) for index, item in enumerate(value)]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return [(name, shape.value, item) for name, item in value.items()]
    return ()
