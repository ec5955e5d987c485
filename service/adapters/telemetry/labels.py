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

PROBLEMS: Final = frozenset(
    {
        "a copied job broke the service",
        "a decision broke the service",
        "a job could not be planned",
        "a call broke the service",
        "a look broke the service",
        "a dead letter is without its content, which is too large",
        "a record broke the service",
        "a record is too large; what it says is shortened",
        "a reply topic is missing; its replies go to the default one",
        "a reply topic refuses records; its replies go to the default one",
        "an assignment broke the service",
        "an observation broke the service",
        "calls wait: commits or connections take longer than timing.call_window",
        "another process has our instance id; this one has stepped back",
        "jobs are held: this process does not know what they name",
        "poll failed; will look again",
        "shard closed dirty; its state is read again",
        "shard halted: somebody must mend it; nothing is skipped",
        "telemetry broke the service",
        "the group's offset is not where the changelog is; went on there",
        "the same command was sent to two partitions; its publisher needs the partitioner murmur2_random",
        "stop took too long; closing dirty, which is safe",
    }
)
"""Told to :meth:`service.runtime.ports.Telemetry.problem`; a test compares them with the sources."""

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
        "ServiceError",
    }
)


def known_or_other(value: str, known: frozenset[str]) -> str:
    """The value, or ``other`` when it is not among the known ones."""
    return value if value in known else OTHER
