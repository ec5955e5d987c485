"""How a member of a request refers to what an earlier command makes: ``command:<id>`` instead of an ARN.

Which members take a reference, and to what, follows from the patterns of botocore's model and the table: whatever takes
the ARN of a resource kind of the table.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from botocore.model import Shape, StringShape

from . import cloudevents, sizes
from .operations import RESOURCES, Resource

PREFIX: Final = "command:"
"""Opens a reference."""
MAX_REFERENCE: Final = len(PREFIX) + cloudevents.MAX_ID

SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": len(PREFIX) + 1,
    "maxLength": MAX_REFERENCE,
    "pattern": f"^{PREFIX}",
    "not": {"pattern": cloudevents.CONTROL},
}
"""A reference, in JSON Schema."""

RESOURCES_WITH_ARN: Final = tuple(row for row in RESOURCES.values() if row.arn_type)
"""What can be referred to."""

WAITS: Final = "Predecessor"
"""Reason of a command that waits for others."""
FAILED: Final = "PredecessorFailed"
"""Code of a command that waited for one that did not succeed."""
UNKNOWN: Final = "UnknownPredecessor"
"""Code of a command that names one which is not known."""
MISFIT: Final = "PredecessorMismatch"
"""Code of a command that names one for something else than it makes."""

Location = tuple[str | int, ...]

_ARN: Final = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:{}/x"
_CONTROL: Final = re.compile(cloudevents.CONTROL)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference in a request.

    Attributes:
        location: Where it stands.
        path: The same, as in a violation.
        id: The command that it names.
        kinds: The resource kinds that the member takes.
    """

    location: Location
    path: str
    id: str
    kinds: tuple[Resource, ...]


def unknown(name: str) -> str:
    """What is said of a command that is named and not known."""
    return (
        f"command {shown(name)} is not known here: it must have been sent before this one, within the retention, with "
        "the same source and the same record key, which must not be empty"
    )


def deserted(name: str, how: str, code: str, origin: tuple[str, str]) -> str:
    """What is said to a command of one that it names and that did not succeed.

    Args:
        name: The one that it names.
        how: ``failed`` or ``rejected``.
        code: Why; empty if that is not known.
        origin: Id and code of the one whose end began it: the same one, if it waited for no other.
    """
    first, cause = origin
    ended = f"{'was' if how == 'rejected' else 'has'} {how}"
    why = f" because {shown(first)} did not succeed" if first != name else ""
    known = f" ({cause or code})" if cause or code else ""
    return (
        f"command {shown(name)}, which this one names, {ended}{why}{known}; nothing was sent to AWS for this one. "
        f"Correct {shown(first)}, and send it and all that depend on it again under new ids"
    )


def misfit(reference: Reference, makes: Resource | None) -> str:
    """What is said of a command that makes something else than the member takes; empty if it makes that."""
    if makes is not None and makes in reference.kinds:
        return ""
    wanted = " or ".join(row.kind for row in reference.kinds)
    what = f"makes {makes.kind}" if makes is not None else "makes nothing that has an ARN"
    return f"must name a command that makes {wanted}; {shown(reference.id)} {what}"


def shown(name: str) -> str:
    """An id as a message shows it."""
    return sizes.printable(name, sizes.MAX_PATH)


def referred(text: Any) -> str:
    """The id that a value of a request refers to; empty for anything but a reference."""
    if not isinstance(text, str) or not text.startswith(PREFIX):
        return ""
    return name if is_id(name := text.removeprefix(PREFIX)) else ""


def is_id(text: Any) -> bool:
    """True for what can be the id of a command."""
    return isinstance(text, str) and 0 < len(text) <= cloudevents.MAX_ID and not _CONTROL.search(text)


def or_reference(value: Any, checked: Callable[[Any], str]) -> str:
    """A validator: where an ARN is expected, what an earlier command makes may be named instead."""
    return value if referred(value) else checked(value)


def kinds(shape: Shape) -> tuple[Resource, ...]:
    """The resource kinds of the table whose ARNs a value of this shape may be; none if it is no such ARN."""
    pattern = shape.metadata.get("pattern", "") if isinstance(shape, StringShape) else ""
    return _kinds(pattern) if pattern.startswith("arn:") else ()


@cache
def _kinds(pattern: str) -> tuple[Resource, ...]:
    compiled = re.compile(pattern, re.ASCII)
    return tuple(row for row in RESOURCES_WITH_ARN if compiled.fullmatch(_ARN.format(row.arn_type)))
