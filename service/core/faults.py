"""Error code -> fault class: a table. Unknown codes fall to their HTTP status, and what is unclear counts as lost.

Whether anything was sent comes first, and is never read from a code: an answer may use any word, also ours.
"""

from collections.abc import Mapping
from enum import Enum, auto
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from msgspec.structs import replace

from schemas import sizes
from schemas.records import Fault
from service.core.marker import unquoted
from service.core.observations import Failure, Late, Lost, Observation, Postponed, QuotaFull, Refused
from service.core.redaction import without_userinfo

NOT_FOUND: Final = "ResourceNotFoundException"
CONFLICT: Final = "ConflictException"
INVALID: Final = "ValidationException"
_MAX_DETAILS: Final = 8
SERVICE_ERROR: Final = "ServiceError"
"""A defect of the service."""


class FaultClass(Enum):
    """What a failure means for the call."""

    POSTPONED = auto()
    THROTTLED = auto()
    """Not performed, because we call too fast: later, and all of us more slowly."""
    QUOTA = auto()
    REFUSED = auto()
    LOST = auto()
    LATE = auto()


_P, _Q, _R, _T = FaultClass.POSTPONED, FaultClass.QUOTA, FaultClass.REFUSED, FaultClass.THROTTLED

CLASSES: Final = MappingProxyType(
    {
        # Throttles come with HTTP 429, but also with 400: the code decides, and not the status.
        "ThrottlingException": _T,
        "Throttling": _T,
        "ThrottledException": _T,
        "RequestThrottled": _T,
        "RequestThrottledException": _T,
        "TooManyRequestsException": _T,
        "RequestLimitExceeded": _T,
        "BandwidthLimitExceeded": _T,
        "SlowDown": _T,
        "ServiceQuotaExceededException": _Q,
        INVALID: _R,
        "AccessDeniedException": _R,
        "AccessDenied": _R,
        CONFLICT: _R,
        NOT_FOUND: _R,
        # Refused at the door, before anything was performed, and cured by fresh credentials or a right clock.
        "ExpiredToken": _P,
        "ExpiredTokenException": _P,
        "InvalidClientTokenId": _P,
        "InvalidSignatureException": _P,
        "RequestExpired": _P,
        "RequestTimeTooSkewed": _P,
        "SignatureDoesNotMatch": _P,
        "UnrecognizedClientException": _P,
    }
)
"""AWS's codes, of the service itself and of its front door."""

UNSENT: Final = MappingProxyType(
    {
        "CallWindowClosed": FaultClass.LATE,
        "InvalidRequest": _R,  # it could not even be built
        SERVICE_ERROR: _R,  # an unforeseen exception
    }
)
"""Our codes of what never left, where it does not count as postponed. What answers may use the same words."""

_BY_STATUS: Final = MappingProxyType({402: _Q, 429: _T})


def fault_class(failure: Failure) -> FaultClass:
    """The class of a failure."""
    status = failure.http_status
    if not failure.sent:
        return UNSENT.get(failure.code, FaultClass.POSTPONED)
    if status >= 500:  # the API documents no refusal with such a status, also no throttle: it may have been performed
        return FaultClass.LOST
    if known := CLASSES.get(failure.code) or _BY_STATUS.get(status):
        return known
    return FaultClass.REFUSED if 400 <= status < 500 and status != 408 else FaultClass.LOST


def throttles(failure: Failure) -> bool:
    """Whether we are to call more slowly, also when it is not known what became of this call."""
    known = CLASSES.get(failure.code) or _BY_STATUS.get(failure.http_status)
    return failure.sent and known is FaultClass.THROTTLED


TARGET_UNAVAILABLE: Final = "TargetUnavailable"
"""Reason of a command that waits until AWS answers."""
CREDENTIALS_UNAVAILABLE: Final = "CredentialsUnavailable"
"""Reason of a command that waits for credentials that AWS accepts; also our code of a call without any."""

_NO_ANSWER: Final = frozenset({"ConnectFailed", "ConnectionClosed", "ReadTimeout"})
"""Our codes of calls that were never answered."""


def unanswered(failure: Failure | Fault) -> str:
    """Why AWS does not serve any call at present, as the reason of a wait; empty when it has answered this one."""
    if failure.http_status >= 500:
        return TARGET_UNAVAILABLE
    if failure.http_status:
        return CREDENTIALS_UNAVAILABLE if CLASSES.get(failure.code) is FaultClass.POSTPONED else ""
    if failure.code == CREDENTIALS_UNAVAILABLE:
        return CREDENTIALS_UNAVAILABLE
    return TARGET_UNAVAILABLE if failure.code in _NO_ANSWER else ""


def absent(failure: Failure) -> bool:
    """Whether AWS says that there is no such resource."""
    return failure.code == NOT_FOUND and fault_class(failure) is FaultClass.REFUSED


def fault(failure: Failure, *, retryable: bool) -> Fault:
    """The error as the publisher receives it."""
    message = failure.message
    if failure.extra:
        message += " (" + ", ".join(f"{name}={value}" for name, value in sorted(failure.extra.items())) + ")"
    return bounded(Fault(failure.code, message, retryable=retryable, http_status=failure.http_status))


def bounded(fault: Fault) -> Fault:
    """The error as it may be published: with texts of limited length, without markers and without passwords.

    AWS quotes what it refuses, and with it the description that carries the marker.
    """
    return replace(
        fault,
        code=sizes.shortened(unquoted(fault.code), sizes.MAX_CODE),
        message=sizes.shortened(without_userinfo(unquoted(fault.message)), sizes.MAX_ERROR),
        status_details=details(fault.status_details),
    )


def details(given: Mapping[str, Any] | None) -> dict[str, str] | None:
    """AWS's ``statusDetails``: its first members as texts of limited length, the message being the longest."""
    return {
        sizes.shortened(name, sizes.MAX_CODE): sizes.shortened(
            unquoted(str(value)), sizes.MAX_ERROR if name == "message" else sizes.MAX_CODE
        )
        for name, value in islice((given or {}).items(), _MAX_DETAILS)
        if value is not None
    } or None


def observe(failure: Failure) -> Observation:
    """Reads a failed call into an observation."""
    match fault_class(failure):
        case FaultClass.POSTPONED | FaultClass.THROTTLED:
            return Postponed(fault(failure, retryable=True))
        case FaultClass.QUOTA:
            return QuotaFull(fault(failure, retryable=True))
        case FaultClass.REFUSED:
            return Refused(fault(failure, retryable=False))
        case FaultClass.LATE:
            return Late()
        case FaultClass.LOST:
            return Lost(fault(failure, retryable=True))
