"""Closed sets of label values: input from outside cannot increase the number of time series."""

import re
from typing import Final, get_args

from schemas.operations import OPERATIONS, RESOURCES, SERVICE_COMMANDS, Change
from schemas.records import Phase
from service.core.observations import Observation

OTHER: Final = "other"


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def observation_label(name: str) -> str:
    """The label value of a class of :mod:`service.core.observations`: ``SearchFailed`` is ``search_failed``."""
    return known_or_other(_snake_case(name), OBSERVATIONS)


OPERATION_NAMES: Final = frozenset(OPERATIONS) | frozenset(SERVICE_COMMANDS)

RESOURCE_KINDS: Final = frozenset(RESOURCES)

PHASES: Final = frozenset(phase.value for phase in Phase)

STATUSES: Final = frozenset(change.value for change in Change) | frozenset(
    status
    for row in RESOURCES.values()
    for status in (*row.arriving, *row.done, *row.failed, *row.leaving, *row.undeleted)
)

DEAD_LETTER_REASONS: Final = frozenset(
    {
        "BatchUnsupported",
        "DuplicateHeader",
        "InvalidAttribute",
        "InvalidEnvelope",
        "InvalidExtension",
        "InvalidHeader",
        "InvalidJson",
        "MissingAttribute",
        "NotAllowed",
        "NotCloudEvent",
        "ReplyTopicNotAllowed",
        "ServiceError",
        "TooLarge",
        "TooManyHeaders",
        "UnknownCommand",
        "UnknownOperation",
        "UnknownTarget",
        "UnsupportedContentType",
        "UnsupportedFormat",
        "UnsupportedSpecVersion",
        "ValidationFailed",
    }
)

COMMAND_OUTCOMES: Final = frozenset({"accepted", "duplicate", "misplaced", "misused", "rejected", "undecodable"})

OBSERVATIONS: Final = frozenset(_snake_case(each.__name__) for each in get_args(Observation))

OUTCOMES: Final = frozenset(
    {
        "ok",
        # AWS's codes
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
        # the service's own codes
        "CallWindowClosed",
        "ConnectFailed",
        "ConnectionClosed",
        "CredentialsUnavailable",
        "InvalidRequest",
        "InvalidResponse",
        "ReadTimeout",
        "ServiceError",
    }
)


def known_or_other(value: str, known: frozenset[str]) -> str:
    """The value, or ``other`` when it is not among the known ones."""
    return value if value in known else OTHER
