"""Payloads of the service's own commands, which have no counterpart in the API."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, WrapValidator

from . import references
from .operations import RESOURCES, SERVICE_COMMANDS, Kind, Resolution, Resource, resource_of
from .references import PREFIX, referred
from .shapes import Violation

TRACKABLE: Final = tuple(row.arn_type for row in RESOURCES.values() if row.arn_type)
"""Resource types that can be tracked: those with an ARN."""

_ONE_LINE: Final[dict[str, Any]] = {"not": {"pattern": "[\\n\\r]"}}
"""In some engines ``$`` matches before a last line break too."""
_ARN: Final = r"^arn:aws[-a-z]*:cleanrooms-ml:[-a-z0-9]+:[0-9]{12}:(" + "|".join(TRACKABLE) + r")/[-a-zA-Z0-9_/.]+$"
_Id = Annotated[str, Field(min_length=1, max_length=255)]
_ARN_SCHEMA: Final[dict[str, Any]] = {"type": "string", "minLength": 20, "maxLength": 2048, "pattern": _ARN} | _ONE_LINE
_Arn = Annotated[
    str,
    Field(min_length=20, max_length=2048, pattern=_ARN),
    WrapValidator(references.or_reference),
    WithJsonSchema({"type": "string", "anyOf": [_ARN_SCHEMA, references.SCHEMA]}),
]


def statuses(resource: Resource) -> list[str]:
    """The statuses that a resource of this kind can be tracked until."""
    row = resource
    return [*row.arriving, *sorted(row.done | row.failed), *row.leaving, *sorted(row.undeleted), "deleted"]


_EVERY_STATUS: Final = tuple(
    dict.fromkeys(status for row in RESOURCES.values() if row.arn_type for status in statuses(row))
)
"""Those of any kind that can be tracked."""


def _until_known() -> dict[str, Any]:
    """In JSON Schema: a resource's type says which statuses it may have."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for row in RESOURCES.values():
        if row.arn_type:
            kinds.setdefault(tuple(statuses(row)), []).append(row.arn_type)
    choices = [
        {"resourceArn": {"type": "string", "pattern": f":({'|'.join(types)})/"}, "untilStatus": {"enum": list(names)}}
        for names, types in kinds.items()
    ]
    referring = {"type": "string", "pattern": f"^{PREFIX}"}
    choices.append({"resourceArn": referring, "untilStatus": {"enum": list(_EVERY_STATUS)}})
    return {"allOf": [{"anyOf": [{"properties": choice} for choice in choices]}]}


_ADOPTED_ONLY: Final[dict[str, Any]] = {
    "allOf": [
        {
            "if": {"properties": {"resourceArn": {}}, "required": ["resourceArn"]},
            "then": {"properties": {"resolution": {"const": Resolution.ADOPT.value}}},
        }
    ]
}
"""In JSON Schema: only an adoption names a resource."""


class _CommandPayload(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class TrackResourceData(_CommandPayload):
    """Watches a resource that something else made, until it has ended."""

    model_config = ConfigDict(json_schema_extra=_until_known())

    resourceArn: _Arn  # noqa: N815 - the contract's name
    """The resource."""
    untilStatus: (  # noqa: N815
        Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z_]+$", json_schema_extra=_ONE_LINE)] | None
    ) = None
    """Status that ends the watch well, `deleted` for its disappearance; any terminal status if absent."""


class CancelCommandData(_CommandPayload):
    """Stops another command of the same key; what AWS has begun can't be stopped, but its resource can be deleted."""

    commandId: _Id  # noqa: N815
    """The other command's id."""
    commandSource: _Id  # noqa: N815
    """The other command's source."""
    deleteResource: bool = False  # noqa: N815
    """Whether a resource that the command has made, or is making, is deleted once it can be."""


class ResolveCommandData(_CommandPayload):
    """A person's decision about a parked command; sent to the partition of the command that it resolves."""

    model_config = ConfigDict(json_schema_extra=_ADOPTED_ONLY)

    commandId: _Id  # noqa: N815
    """The parked command's id."""
    commandSource: _Id  # noqa: N815
    """The parked command's source."""
    resolution: Annotated[Resolution, Field(strict=False)]
    """`adopt`: it was done; `retry`: it was not, call once more; `fail`: give it up."""
    resourceArn: _Arn | None = None  # noqa: N815
    """To adopt: what the command has made; absent if it makes nothing, or nothing with an ARN."""


_MODEL_OF_KIND: Final[dict[Kind, type[BaseModel]]] = {
    Kind.TRACK: TrackResourceData,
    Kind.CANCEL: CancelCommandData,
    Kind.RESOLVE: ResolveCommandData,
}

MODELS: Final[dict[str, type[BaseModel]]] = {row.name: _MODEL_OF_KIND[row.kind] for row in SERVICE_COMMANDS.values()}
"""Payload model by command."""


def violations(command: str, data: Any) -> Iterator[Violation]:
    """Everything that is wrong with the payload of one of the service's own commands."""
    try:
        MODELS[command].model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            path = ".".join(["data", *(str(part) for part in detail["loc"])])
            yield Violation(
                path, detail["type"], _plain(detail["type"], str(detail["loc"][-1]) if detail["loc"] else "")
            )
        return
    if "resolution" in data and "resourceArn" in data and data["resolution"] != Resolution.ADOPT:
        yield Violation("data.resourceArn", "excluded", "is for the resolution adopt only")
    if "untilStatus" in data and data["untilStatus"] not in _statuses_of(data["resourceArn"]):
        allowed = ", ".join(_statuses_of(data["resourceArn"]))
        yield Violation("data.untilStatus", "enum", f"must be one of: {allowed}")


def _statuses_of(arn: str) -> Sequence[str]:
    """The statuses that it can be tracked until; of a reference, those of any kind, until it is filled in."""
    resource = None if referred(arn) else resource_of(arn)
    return statuses(resource) if resource else _EVERY_STATUS


_MESSAGES: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a member of this command",
    "string_pattern_mismatch": f"must be {PREFIX}<id>, or an ARN of one of: " + ", ".join(TRACKABLE),
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "model_type": "must be a JSON object",
    "enum": "must be one of: " + ", ".join(Resolution),
}


def _plain(kind: str, member: str) -> str:
    """The message in words, without the value that was sent."""
    if member == "untilStatus" and kind == "string_pattern_mismatch":
        return "must be a status, such as ACTIVE, or deleted"
    return _MESSAGES.get(kind, f"is not valid ({kind})")
