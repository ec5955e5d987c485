"""Requests to Glue, checked by botocore's model of it: moto takes a member of any type, and breaks on it later."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from botocore.model import OperationNotFoundError, ServiceModel

from sandbox.aws_session import own_session

_TYPES: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "blob": (str,),
        "boolean": (bool,),
        "double": (int, float),
        "float": (int, float),
        "integer": (int,),
        "list": (list,),
        "long": (int,),
        "map": (dict,),
        "string": (str,),
        "structure": (dict,),
        "timestamp": (int, float, str),
    }
)


class RefusedError(Exception):
    """A request that Glue refuses.

    Attributes:
        code: Glue's.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@functools.cache
def _model() -> ServiceModel:
    model: ServiceModel = own_session().get_service_model("glue")
    return model


def checked(target: str, body: bytes) -> bytes:
    """The body, if it is one that Glue takes; members that are null are left out.

    Args:
        target: the header `X-Amz-Target`, such as `AWSGlue.CreateTable`.
        body: JSON.

    Raises:
        RefusedError: there is no such operation, or the body is none for it.
    """
    prefix, _, name = target.partition(".")
    try:
        shape = _model().operation_model(name).input_shape
    except OperationNotFoundError:
        raise RefusedError("UnknownOperationException", "X-Amz-Target names no operation of Glue") from None
    if prefix != _model().metadata["targetPrefix"]:
        raise RefusedError("UnknownOperationException", "X-Amz-Target names no operation of Glue")
    try:
        document = json.loads(body.decode() or "{}", parse_constant=_no_number)
        if not isinstance(document, dict):
            raise RefusedError("SerializationException", "The body is not a JSON object")
        given = _without_nulls(document)
        for code, problem in _problems(shape, given, ""):
            raise RefusedError(code, problem)
        return json.dumps(given, ensure_ascii=False).encode()  # half a surrogate pair can't be stored
    except (ValueError, RecursionError) as error:
        raise RefusedError("SerializationException", "The body is not JSON in UTF-8, or nested too deeply") from error


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _problems(shape: Any, value: Any, at: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a value of a shape, by code: types, and members that are missing or too long."""
    kinds = _TYPES[shape.type_name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield "SerializationException", f"{at or 'the body'} must be of type {shape.type_name}"
        return
    if isinstance(value, str | list):
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(value))
        if not least <= len(value) <= most:
            yield "InvalidInputException", f"{at} must have a length of {least} to {most}"
    yield from _CHILDREN.get(shape.type_name, _no_children)(shape, value, at)


def _structure(shape: Any, value: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
    for name in shape.required_members:
        if name not in value:
            yield "InvalidInputException", f"{at}.{name}".lstrip(".") + " must not be null"
    for name, each in value.items():
        if name in shape.members:
            yield from _problems(shape.members[name], each, f"{at}.{name}".lstrip("."))


def _list(shape: Any, value: list[Any], at: str) -> Iterator[tuple[str, str]]:
    for number, each in enumerate(value):
        yield from _problems(shape.member, each, f"{at}[{number}]")


def _map(shape: Any, value: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
    for each in value.values():
        yield from _problems(shape.value, each, f"a value of {at}")


def _no_children(_shape: Any, _value: Any, _at: str) -> Iterator[tuple[str, str]]:
    return iter(())


_CHILDREN: Final[Mapping[str, Callable[[Any, Any, str], Iterator[tuple[str, str]]]]] = MappingProxyType(
    {"structure": _structure, "list": _list, "map": _map}
)
