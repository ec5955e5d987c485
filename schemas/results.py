"""JSON Schemas of what commands give: ``result`` of a succeeded reply, and ``resource`` of an event.

They are the API's response shapes as the service publishes them: timestamps are RFC 3339, the service's marker is
removed, and AWS may add members and enum values. A member is required only where it is there in every case: a result
that is too large for a record keeps its short members, and a person may adopt a write of which no answer is known.
"""

from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

from . import shape_schemas, shapes, sizes
from .operations import COMMANDS, Kind, Operation, Resolution, Resource

Schema = dict[str, Any]

_SERVICE: Final[dict[Kind, Schema]] = {
    Kind.TRACK: {
        "type": "object",
        "description": "The resource's final description, as the events of its kind have it; empty once it is deleted.",
    },
    Kind.CANCEL: {
        "type": "object",
        "properties": {
            "cancelled": {"type": "boolean", "description": "Whether the command was stopped before its call."},
            "deleted": {"type": "boolean", "description": "Whether what it had made was deleted instead."},
        },
        "required": ["cancelled"],
    },
    Kind.RESOLVE: {
        "type": "object",
        "properties": {
            "resolution": {"type": "string", "examples": [each.value for each in Resolution]},
            "phase": {"type": "string", "description": "Where the resolved command stands now."},
        },
        "required": ["resolution", "phase"],
    },
}
"""Results of the service's own commands."""


def result(name: str) -> Schema:
    """The schema of a command's ``result``."""
    row = COMMANDS[name]
    if row.kind in _SERVICE:
        return _SERVICE[row.kind]
    if row.kind is Kind.JOB:
        return description(row.resource)
    if row.kind is Kind.REMOVAL:
        return {"type": "object", "description": "Empty."}
    return _only(_schema(shapes.output_shape(name)), _certain(row))


def _certain(row: Operation) -> frozenset[str]:
    shape = shapes.output_shape(row.name)
    required = frozenset(shape.required_members) if shape else frozenset()
    return required if row.kind is Kind.READ or row.creates else frozenset()


def description(resource: Resource) -> Schema:
    """The schema of a resource as AWS describes it."""
    shape = described(resource)
    certain = {name for name in shape.required_members if _is_short(shape.members[name])}
    return _only(_schema(shape), frozenset(certain))


def described(resource: Resource) -> StructureShape:
    """The shape of the most that AWS says of a resource: that of Get, or of the summary in a List."""
    shape: Any = shapes.output_shape(resource.get_operation or resource.list_operation)
    if not resource.get_operation:
        shape = shape.members[resource.summaries].member
    assert isinstance(shape, StructureShape)  # noqa: S101 - the table is compared with the model
    return shape


def _is_short(shape: Shape) -> bool:
    """Whether a member survives the shortening of a description; see :func:`schemas.sizes.essentials`."""
    if isinstance(shape, StructureShape | ListShape | MapShape):
        return False
    return int(shape.metadata.get("max", 0)) < sizes.MAX_SHORT_MEMBER


def _schema(shape: StructureShape | None) -> Schema:
    return shape_schemas.response_of(shape) if shape else {"type": "object"}


def _only(schema: Schema, required: frozenset[str]) -> Schema:
    kept = [name for name in schema.get("required", ()) if name in required]
    return {key: value for key, value in schema.items() if key != "required"} | ({"required": kept} if kept else {})
