"""Closed sets of label values: input from outside cannot increase the number of time series."""

import re
from typing import Final, get_args

from schemas.events import ReplyKind
from schemas.operations import OPERATIONS, RESOURCES, SERVICE_COMMANDS, Change
from schemas.records import Phase
from schemas.references import WAITS
from service.core.cancellation import PARKED, UNDER_WAY
from service.core.faults import CREDENTIALS_UNAVAILABLE, TARGET_UNAVAILABLE
from service.core.holding import REASONS as HELD_REASONS
from service.core.observations import Observation
from service.core.timing import NOT_BEFORE
from service.core.transitions import CALL_WINDOW, OUT_OF_BUDGET

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

WAITING_REASONS: Final = frozenset(
    {
        NOT_BEFORE,
        CALL_WINDOW,
        OUT_OF_BUDGET,
        TARGET_UNAVAILABLE,
        CREDENTIALS_UNAVAILABLE,
        WAITS,
        UNDER_WAY,
        PARKED,
        "ConcurrencyLimit",
        "ServiceQuotaExceededException",
        *HELD_REASONS,
        "ServiceError",
    }
)
"""Why commands wait: the reasons of `waiting` replies, but for `Overdue`, which is about one that runs."""

REFUSALS: Final = frozenset(
    {
        "AccessDeniedException",
        "CredentialsUnavailable",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    }
)
"""Outcomes of calls that are about who calls: they are counted from 0 on, so that an alert sees the first one."""

REPLY_KINDS: Final = frozenset(kind.value for kind in ReplyKind)

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
