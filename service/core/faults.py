"""Error code -> fault class: a table. Unknown codes fall to their HTTP status, and what is unclear counts as lost."""

from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from schemas.records import Fault
from service.core.observations import Failure, Late, Lost, Observation, Postponed, QuotaFull, Refused

NOT_FOUND: Final = "ResourceNotFoundException"
CONFLICT: Final = "ConflictException"
INVALID: Final = "ValidationException"


class FaultClass(Enum):
    """What a failure means for the call."""

    POSTPONED = auto()
    QUOTA = auto()
    REFUSED = auto()
    LOST = auto()
    LATE = auto()


_P, _Q, _R = FaultClass.POSTPONED, FaultClass.QUOTA, FaultClass.REFUSED

CLASSES: Final = MappingProxyType(
    {
        "ThrottlingException": _P,
        "Throttling": _P,
        "ThrottledException": _P,
        "TooManyRequestsException": _P,
        "RequestLimitExceeded": _P,
        "ServiceQuotaExceededException": _Q,
        INVALID: _R,
        "InvalidRequest": _R,  # ours: it could not even be built
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

_BY_STATUS: Final = MappingProxyType({402: _Q, 429: _P})


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
    return Fault(failure.code, message, retryable=retryable, http_status=failure.http_status)


def observe(failure: Failure) -> Observation:
    """Reads a failed call into an observation."""
    match fault_class(failure):
        case FaultClass.POSTPONED:
            return Postponed(fault(failure, retryable=True))
        case FaultClass.QUOTA:
            return QuotaFull(fault(failure, retryable=True))
        case FaultClass.REFUSED:
            return Refused(fault(failure, retryable=False))
        case FaultClass.LATE:
            return Late()
        case FaultClass.LOST:
            return Lost(fault(failure, retryable=True))
