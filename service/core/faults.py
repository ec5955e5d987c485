"""Error code -> fault class: a table. Unknown codes fall to their HTTP status, and what is unclear counts as lost."""

from collections.abc import Mapping
from enum import Enum, auto
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from msgspec.structs import replace

from schemas import sizes
from schemas.records import Fault
from service.core.observations import Failure, Late, Lost, Observation, Postponed, QuotaFull, Refused

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
        # Throttles come with HTTP 429, but also with 400 and 503: the code tells, and not the status.
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
        "InvalidRequest": _R,  # ours: it could not even be built
        SERVICE_ERROR: _R,  # ours: an exception that nobody foresaw, before anything was sent
        "AccessDeniedException": _R,
        "AccessDenied": _R,
        CONFLICT: _R,
        NOT_FOUND: _R,
        # Refused at the door, before anything was performed, and mended by fresh credentials or a right clock.
        "CredentialsUnavailable": _P,
        "ExpiredToken": _P,
        "ExpiredTokenException": _P,
        "InvalidClientTokenId": _P,
        "InvalidSignatureException": _P,
        "RequestExpired": _P,
        "RequestTimeTooSkewed": _P,
        "SignatureDoesNotMatch": _P,
        "UnrecognizedClientException": _P,
        "CallWindowClosed": FaultClass.LATE,
    }
)
"""AWS's codes, of the service itself and of its front door, and ours."""

_BY_STATUS: Final = MappingProxyType({402: _Q, 429: _T})


def fault_class(failure: Failure) -> FaultClass:
    """The class of a failure."""
    known = CLASSES.get(failure.code) or _BY_STATUS.get(failure.http_status)
    if known is not None:
        return known
    if not failure.sent:
        return FaultClass.POSTPONED
    if 400 <= failure.http_status < 500 and failure.http_status != 408:
        return FaultClass.REFUSED
    return FaultClass.LOST


def fault(failure: Failure, *, retryable: bool) -> Fault:
    """The error as the publisher is told of it."""
    message = failure.message
    if failure.extra:
        message += " (" + ", ".join(f"{name}={value}" for name, value in sorted(failure.extra.items())) + ")"
    return bounded(Fault(failure.code, message, retryable=retryable, http_status=failure.http_status))


def bounded(fault: Fault) -> Fault:
    """The error with texts of limited length: AWS, or something before it, may answer with any amount."""
    return replace(
        fault,
        code=sizes.shortened(fault.code, sizes.MAX_CODE),
        message=sizes.shortened(fault.message, sizes.MAX_ERROR),
        status_details=details(fault.status_details),
    )


def details(given: Mapping[str, Any] | None) -> dict[str, str] | None:
    """AWS's ``statusDetails``: its first members as texts of limited length, the message being the longest."""
    return {
        sizes.shortened(name, sizes.MAX_CODE): sizes.shortened(
            str(value), sizes.MAX_ERROR if name == "message" else sizes.MAX_CODE
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
