"""Fault switches: a table of what can go wrong and at which stage, and the switches that are armed.

BEFORE  the request has no effect;
LIFE    the job or deletion which the request starts goes wrong;
LIST    the answer of a List is stale;
AFTER   the request has its effect, but the answer does not show it.
"""

import asyncio
import difflib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from aiohttp import web

from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.errors import (
    AccessDenied,
    ApiError,
    InternalError,
    NotFound,
    QuotaExceeded,
    SignatureExpired,
    Throttled,
    ValidationError,
)


class Stage(StrEnum):
    """When a fault strikes."""

    BEFORE = "before"
    LIFE = "life"
    LIST = "list"
    AFTER = "after"


FAULTS: Final[dict[str, Stage]] = {
    "throttle": Stage.BEFORE,  # 429
    "quota": Stage.BEFORE,  # 402
    "error": Stage.BEFORE,  # 500
    "deny": Stage.BEFORE,  # 403
    "not_found": Stage.BEFORE,  # 404, whatever is there
    "clock_skew": Stage.BEFORE,  # 403, the signature's time is too far from the server's
    "expired_token": Stage.BEFORE,  # 400 about nextToken; `skip` the first page
    "close": Stage.BEFORE,  # connection closed without an answer
    "stuck": Stage.LIFE,  # stays in CREATE_IN_PROGRESS or DELETE_IN_PROGRESS
    "create_failed": Stage.LIFE,
    "delete_failed": Stage.LIFE,
    "list_lag": Stage.LIST,  # hides resources younger than `seconds`
    "overlap": Stage.LIST,  # pages of three, each begins with the last resource of the page before
    "delay": Stage.AFTER,  # the true answer, `seconds` late
    "close_after_effect": Stage.AFTER,
    "error_after_effect": Stage.AFTER,  # 500
    "hang": Stage.AFTER,  # no answer for `seconds`, then closed
    "bad_json": Stage.AFTER,  # 200, truncated JSON
    "html": Stage.AFTER,  # 200, a web page
    "empty": Stage.AFTER,  # 200, {}
    "wrong_types": Stage.AFTER,  # 200, every member has another JSON type than the model says
    "unknown_status": Stage.AFTER,  # every status in the answer is one that no model knows
    "backward_status": Stage.AFTER,  # every status in the answer is CREATE_PENDING again
}
_STRUCK: Final[Mapping[Stage, tuple[str, ...]]] = {
    Stage.BEFORE: ("",),
    Stage.LIFE: ("Create", "Start", "Delete"),
    Stage.LIST: ("List",),
    Stage.AFTER: ("",),
}
"""How the names of the operations begin that a fault can strike."""
_DEFAULT_SECONDS: Final = 30.0
_LONGEST: Final = 86_400
"""Seconds."""
_TYPES: Final[Mapping[str, Any]] = {
    "operation": str,
    "count": int | None,
    "skip": int,
    "seconds": int | float,
    "account": str | None,
}


@dataclass(slots=True)
class Fault:
    """One armed switch."""

    fault: str
    operation: str = "*"
    """Operation name, or a pattern such as `Create*`."""
    count: int | None = 1
    """How many requests it strikes; None: until cleared."""
    skip: int = 0
    """How many requests it lets pass first."""
    seconds: float = _DEFAULT_SECONDS
    """Length of a hang, a delay or a list lag."""
    account: str | None = None
    """Only this account's requests."""
    id: int = 0
    fired: int = 0

    def strikes(self, stage: Stage, operation: str, account: str) -> bool:
        """Whether it applies to this request now."""
        return (
            FAULTS[self.fault] is stage
            and (self.count is None or self.fired < self.count)
            and fnmatchcase(operation, self.operation)
            and self.account in {None, account}
        )


class Faults:
    """The armed switches, oldest first."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._ids = itertools.count(1)

    def arm(self, spec: dict[str, Any]) -> Fault:
        """Arm a switch.

        Raises:
            ValueError: The specification has an unknown fault, member, type or operation.
        """
        known = {each.name for each in fields(Fault)} - {"id", "fired"}
        if unknown := spec.keys() - known:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        if not isinstance(spec.get("fault"), str) or spec["fault"] not in FAULTS:
            raise ValueError(f"unknown fault {spec.get('fault')!r}; known: {', '.join(FAULTS)}")
        for member, types in _TYPES.items():
            if member in spec and (not isinstance(spec[member], types) or isinstance(spec[member], bool)):
                raise ValueError(f"{member} has the wrong type")
        _require_sizes(spec)
        _require_operation(FAULTS[spec["fault"]], spec.get("operation", "*"))
        fault = Fault(**spec, id=next(self._ids))
        self._armed.append(fault)
        return fault

    def clear(self, account: str | None = None) -> None:
        """Disarm all, or one account's; requests that hang go on hanging."""
        self._armed = [each for each in self._armed if account is not None and each.account != account]

    def listing(self) -> list[dict[str, Any]]:
        """Describe the armed switches and how often each fired."""
        return [asdict(each) for each in self._armed]

    def take(self, stage: Stage, operation: str, account: str) -> Fault | None:
        """Return the first switch that strikes this request, and count it."""
        for fault in self._armed:
            if fault.strikes(stage, operation, account):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.fired += 1
                return fault
        return None


def _require_sizes(spec: Mapping[str, Any]) -> None:
    """Refuse times and counts that are none; JSON as Python reads it has NaN, and 1e400 is infinite."""
    if not 0 <= spec.get("seconds", 0) <= _LONGEST:
        raise ValueError(f"seconds must be a number of 0 to {_LONGEST}")
    for member, least in (("skip", 0), ("count", 1)):
        if (found := spec.get(member)) is not None and found < least:
            raise ValueError(f"{member} must be at least {least}")


def _require_operation(stage: Stage, pattern: str) -> None:
    """Refuse a name or pattern of operations that a fault of this stage can never strike."""
    names = [each for each in api_model.service_model().operation_names if each.startswith(_STRUCK[stage])]
    if any(fnmatchcase(each, pattern) for each in names):
        return
    close = difflib.get_close_matches(pattern.strip("*"), names, n=4, cutoff=0.5)
    near = f"near are {', '.join(close)}" if close else f"known are {', '.join(names)}"
    raise ValueError(
        f"unknown operation {pattern!r}: expected an operation of Clean Rooms ML which this fault can strike, "
        f"or a pattern such as Create*; {near}"
    )


REFUSALS: Final[dict[str, Callable[[], ApiError]]] = {
    "throttle": lambda: Throttled("Rate exceeded"),
    "quota": lambda: QuotaExceeded("Quota exceeded by a fault switch", "sandbox fault switch", 0),
    "error": lambda: InternalError("Internal error by a fault switch, before any effect"),
    "error_after_effect": lambda: InternalError("Internal error by a fault switch, after the effect"),
    "deny": lambda: AccessDenied("Denied by a fault switch"),
    "not_found": lambda: NotFound("Not found, says a fault switch"),
    "clock_skew": lambda: SignatureExpired("Signature expired: a fault switch says that the clocks differ"),
    "expired_token": lambda: ValidationError.of([("nextToken", "Token has expired")]),
}
"""Faults that are an ordinary error answer."""

BODIES: Final[dict[str, tuple[str, bytes]]] = {
    "bad_json": ("application/json", b'{"audienceModelArn": "arn:aws:clea'),
    "html": ("text/html", b"<!doctype html><title>Sorry</title><p>A proxy answered."),
    "empty": ("application/json", b"{}"),
}
"""Faults that replace the body of a 200."""

STATUSES: Final[dict[str, str]] = {"unknown_status": "CREATE_CONTEMPLATING", "backward_status": "CREATE_PENDING"}
"""Faults that replace each status in the answer."""


def distort(fault: Fault | None, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace the statuses in a result, if the fault is of that sort."""
    if fault is None or fault.fault not in STATUSES:
        return result
    return {name: _distorted(STATUSES[fault.fault], name, value) for name, value in result.items()}


def _distorted(status: str, name: str, value: Any) -> Any:
    if name == "status":
        return status
    if isinstance(value, list):
        return [{**each, "status": status} if isinstance(each, dict) and "status" in each else each for each in value]
    return value


def mistyped(content: bytes) -> bytes:
    """The same JSON answer, in which each member has a type that the model does not give it."""
    return json.dumps({name: _other_type(value) for name, value in json.loads(content).items()}).encode()


def _other_type(value: Any) -> Any:
    match value:
        case str():
            return {"code": 17}
        case list():
            return "a list"
        case dict():
            return [value]
        case _:
            return "another type"


def hang_up(request: web.Request) -> None:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()


async def wait_gone(request: web.Request, seconds: float) -> None:
    """Answer nothing until the client has gone or the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds
    while request.transport is not None and not request.transport.is_closing():
        if asyncio.get_running_loop().time() >= deadline:
            return
        await asyncio.sleep(0.05)
