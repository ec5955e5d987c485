"""restJson1: request -> parameters, result -> JSON body, both walked along botocore's shapes.

Members which the model does not know are refused on input by default, and can never be sent on output.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from botocore.model import OperationModel, Shape

from sandbox.cleanroomsml.assumptions import Unknown
from sandbox.cleanroomsml.errors import ValidationError

Problems = list[tuple[str, str]]
_DATE_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})", re.ASCII)


class _Mismatch(Exception):
    """A JSON value is not of the member's type."""


def parse(
    operation: OperationModel,
    labels: Mapping[str, str],
    query: Mapping[str, Sequence[str]],
    body: bytes,
    *,
    unknown: Unknown = "refused",
    unknown_query: Unknown = "ignored",
) -> dict[str, Any]:
    """Collect an operation's parameters from path labels, query string and body.

    Raises:
        ValidationError: The body is not a JSON object, a value has the wrong type, or a member or
            query parameter is unknown.
    """
    shape = operation.input_shape
    document = _document(body)
    params: dict[str, Any] = {}
    problems: Problems = []
    if unknown == "refused":
        named = {name: each for name, each in (shape.members if shape else {}).items() if _in_body(each)}
        problems += [p for name, value in document.items() for p in _strangers(named.get(name), value, name)]
    if unknown_query == "refused":
        asked = {each.serialization.get("name", name) for name, each in (shape.members if shape else {}).items()}
        strange = sorted(name for name in query.keys() - asked if not name.lower().startswith("x-amz-"))
        problems += [(name, "Query parameter is not known to the API") for name in strange]
    for name, member in (shape.members if shape else {}).items():
        wire_name = member.serialization.get("name", name)
        location = member.serialization.get("location")
        if location == "uri":
            params[name] = labels[wire_name]
        elif location == "querystring":
            if wire_name in query:
                _keep(params, name, _from_query(member, query[wire_name]), member, problems)
        elif document.get(wire_name) is not None:
            _keep(params, name, document[wire_name], member, problems)
    if problems:
        raise ValidationError.of(problems)
    return params


def _in_body(shape: Shape) -> bool:
    return "location" not in shape.serialization


def _strangers(shape: Any, value: Any, at: str) -> Problems:
    """List the members below a value which the model does not know; null is as good as absent."""
    if value is None:
        return []
    if shape is None:
        return [(at, "Member is not known to the API")]
    if shape.type_name == "structure" and isinstance(value, dict):
        return [p for name, each in value.items() for p in _strangers(shape.members.get(name), each, f"{at}.{name}")]
    if shape.type_name == "list" and isinstance(value, list):
        return [p for n, each in enumerate(value, 1) for p in _strangers(shape.member, each, f"{at}.{n}.member")]
    return []


def _keep(params: dict[str, Any], name: str, value: Any, shape: Shape, problems: Problems) -> None:
    params[name] = _read(shape, value, name, problems)


def _document(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored or hashed
    except (ValueError, RecursionError) as error:
        raise ValidationError.of([("(body)", "Body must be valid JSON")]) from error
    if not isinstance(document, dict):
        raise ValidationError.of([("(body)", "Body must be a JSON object")])
    return document


def _from_query(shape: Shape, values: Sequence[str]) -> Any:
    if shape.type_name == "list":
        return list(values)
    if shape.type_name in {"integer", "long"} and re.fullmatch(r"-?[0-9]{1,18}", values[-1]):
        return int(values[-1])
    return values[-1]


def _read(shape: Shape, value: Any, at: str, problems: Problems) -> Any:
    try:
        return _READERS[shape.type_name](shape, value, at, problems)
    except _Mismatch:
        problems.append((at, f"Member must be of type {shape.type_name}"))
        return None


def _expect(value: Any, *types: type) -> Any:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise _Mismatch
    return value


def _read_structure(shape: Any, value: Any, at: str, problems: Problems) -> dict[str, Any]:
    document = _expect(value, dict)
    return {
        name: _read(member, document[name], f"{at}.{name}", problems)
        for name, member in shape.members.items()
        if document.get(name) is not None
    }


def _read_list(shape: Any, value: Any, at: str, problems: Problems) -> list[Any]:
    return [_read(shape.member, each, f"{at}.{n}.member", problems) for n, each in enumerate(_expect(value, list), 1)]


def _read_map(shape: Any, value: Any, at: str, problems: Problems) -> dict[str, Any]:
    return {key: _read(shape.value, each, f"{at}.{key}", problems) for key, each in _expect(value, dict).items()}


def _read_timestamp(_shape: Shape, value: Any, _at: str, _problems: Problems) -> datetime:
    if not _DATE_TIME.fullmatch(_expect(value, str)):
        raise _Mismatch
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _Mismatch from error


_READERS: Final[dict[str, Callable[[Any, Any, str, Problems], Any]]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "timestamp": _read_timestamp,
    "string": lambda _shape, value, _at, _problems: _expect(value, str),
    "integer": lambda _shape, value, _at, _problems: _expect(value, int),
    "long": lambda _shape, value, _at, _problems: _expect(value, int),
    "double": lambda _shape, value, _at, _problems: _expect(value, int, float),
    "float": lambda _shape, value, _at, _problems: _expect(value, int, float),
    "boolean": lambda _shape, value, _at, _problems: _expect(value, bool),
}


def serialise(operation: OperationModel, result: Mapping[str, Any]) -> bytes:
    """Write a result as the operation's output shape has it; what the shape does not know is left out."""
    shape = operation.output_shape
    return json.dumps(write(shape, result)).encode() if shape else b"{}"


def write(shape: Any, value: Any) -> Any:
    """Write one value along its shape; absent (None) members are omitted."""
    if shape.type_name == "structure":
        return {name: write(m, value[name]) for name, m in shape.members.items() if value.get(name) is not None}
    if shape.type_name == "list":
        return [write(shape.member, each) for each in value]
    if shape.type_name == "map":
        return {key: write(shape.value, each) for key, each in value.items()}
    if shape.type_name == "timestamp":
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
