"""What botocore's model of Clean Rooms ML says: operations, shapes, HTTP routes and errors.

Everything here is derived; the sandbox adds no member name of its own.
"""

import functools
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from botocore.model import OperationModel, ServiceModel

from sandbox.aws_session import own_session

SERVICE: Final = "cleanroomsml"
SIGNING_NAME: Final = "cleanrooms-ml"
_LABEL: Final = re.compile(r"\{(\w+)\}")
_ABSOLUTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)


@functools.cache
def service_model() -> ServiceModel:
    """Load the service model once; it takes some 50 ms."""
    model: ServiceModel = own_session().get_service_model(SERVICE)
    return model


@dataclass(frozen=True, slots=True)
class Route:
    """One operation's HTTP method and path."""

    method: str
    path: re.Pattern[str]
    operation: OperationModel


@functools.cache
def routes() -> tuple[Route, ...]:
    """All routes of the service, also those of custom models which the sandbox does not perform."""
    model = service_model()
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        pattern = _LABEL.sub(r"(?P<\1>[^/]+)", operation.http["requestUri"].rstrip("/"))
        found.append(Route(operation.http["method"], re.compile(pattern), operation))
    return tuple(found)


def origin_form(target: str) -> str:
    """Path and query of a request target, still percent-encoded; a client of a proxy sends the whole URL."""
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target
    rest = target[absolute.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def match(method: str, raw_path: str) -> tuple[OperationModel, dict[str, str]] | None:
    """Find the operation for a request line; labels are matched while still percent-encoded, then decoded."""
    path = raw_path.rstrip("/")
    for route in routes():
        if route.method == method and (found := route.path.fullmatch(path)):
            return route.operation, {label: unquote(value) for label, value in found.groupdict().items()}
    return None


def concerns(raw_path: str) -> bool:
    """Whether a path is one of this service for some method, also if it is written in another way.

    Slashes may be doubled, or stand in an ARN, and anything may be percent-encoded. A label must begin as an ARN does:
    what else is below such a word may be an object in a bucket that is called so.
    """
    path = "/" + "/".join(unquote(part) for part in raw_path.split("/") if part not in {"", "."})
    return any(shape.fullmatch(path) for shape in _shapes())


@functools.cache
def _shapes() -> frozenset[re.Pattern[str]]:
    model = service_model()
    uris = {model.operation_model(name).http["requestUri"].rstrip("/") for name in model.operation_names}
    return frozenset(re.compile(_LABEL.sub(_shape_of, uri)) for uri in uris)


def _shape_of(label: re.Match[str]) -> str:
    return "arn:[^/]+(/[^/]+)?" if label[1].endswith("Arn") else "[^/]+"


@functools.cache
def error_status(code: str) -> int:
    """Return the HTTP status which the model gives to an error code."""
    shape = service_model().shape_for(code)
    return int(shape.metadata["error"]["httpStatusCode"])
