"""Closed sets of label values: what comes from outside can't grow the number of time series."""

from typing import Final

from schemas.operations import OPERATIONS, RESOURCES, SERVICE_COMMANDS, Change
from schemas.records import Phase

OTHER: Final = "other"

OPERATION_NAMES: Final = frozenset(OPERATIONS) | frozenset(SERVICE_COMMANDS)

RESOURCE_KINDS: Final = frozenset(RESOURCES)

PHASES: Final = frozenset(phase.value for phase in Phase)

STATUSES: Final = frozenset(change.value for change in Change) | frozenset(
    status
    for row in RESOURCES.values()
    for status in (*row.arriving, *row.done, *row.failed, *row.leaving, *row.undeleted)
)

OUTCOMES: Final = frozenset(
    {
        "ok",
        # AWS's
        "AccessDeniedException",
        "ConflictException",
        "ExpiredTokenException",
        "InternalServiceException",
        "InvalidSignatureException",
        "ResourceNotFoundException",
        "ServiceQuotaExceededException",
        "ThrottlingException",
        "UnrecognizedClientException",
        "ValidationException",
        # ours
        "CallWindowClosed",
        "ConnectFailed",
        "ConnectionClosed",
        "CredentialsUnavailable",
        "InvalidRequest",
        "InvalidResponse",
        "ReadTimeout",
    }
)


def closed(value: str, known: frozenset[str]) -> str:
    """The value, or ``other`` when it is not among the known ones."""
    return value if value in known else OTHER
