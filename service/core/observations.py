"""What can be learnt about a command's call or resource. Frozen values; none is an exception.

``Reply`` and ``Failure`` are AWS's raw outcomes, as an Api port gives them; :mod:`service.core.faults` reads them
into the observations that :mod:`service.core.transitions` knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.operations import Resolution
from schemas.records import Fault, Job
from schemas.references import Reference


@dataclass(frozen=True, slots=True)
class Reply:
    """AWS answered with success.

    Attributes:
        result: The response members (JSON types, timestamps as RFC 3339).
        size: Bytes of the answer as it was read; 0 when that is not known.
    """

    result: Mapping[str, Any]
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """AWS refused, or the outcome is unknown.

    Attributes:
        code: AWS's error code, or one of the service for broken I/O: ``ReadTimeout``, ``ConnectionClosed``,
            ``ConnectFailed``, ``InvalidResponse``, ``CallWindowClosed``, ``CredentialsUnavailable``, ...
        message: AWS's message, or the exception's.
        http_status: 0 when there was no answer.
        sent: False only when it is certain that no byte of the request reached AWS.
        extra: Further modelled members of the error, such as ``quotaName`` and ``quotaValue``.
    """

    code: str
    message: str
    http_status: int = 0
    sent: bool = True
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """The call succeeded."""

    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Postponed:
    """The call was certainly not performed, and may be later: throttling, no connection, no credentials."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class QuotaFull:
    """The call was certainly not performed, because a concurrency quota is used up.

    Attributes:
        fault: AWS's refusal, or our own count's.
        position: Position in the queue, from 1; 0 when AWS refused although a slot was counted as free.
        busy: Of a refusal of AWS, how many other jobs are known to use the quota.
    """

    fault: Fault
    position: int = 0
    busy: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """AWS said no, and would again."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Lost:
    """It is unknown whether the call was performed."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Late:
    """The call window had closed before the request was written: nothing was sent."""


@dataclass(frozen=True, slots=True)
class WindowMissed:
    """The call window closed again although the intent had just been renewed: nothing was sent.

    Commits, or connections to AWS, take longer than the window.
    """


@dataclass(frozen=True, slots=True)
class Delayed:
    """The call has waited for the rate budget for a while, and goes on waiting."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The owner hands its partition over before the call: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Due:
    """The time the job rested for has come."""


@dataclass(frozen=True, slots=True)
class StartReached:
    """The wall clock shows the start time that the publisher has named."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The publisher's deadline has passed, and the call certainly has not left."""


@dataclass(frozen=True, slots=True)
class UntilPassed:
    """The wall clock shows the time by which, as the publisher has named it, what is watched was to have ended."""


@dataclass(frozen=True, slots=True)
class RunningLong:
    """The job has been running for longer than is usual for its kind."""


@dataclass(frozen=True, slots=True)
class Outlived:
    """The retention has passed since the job's end."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The job was read from the changelog by a new owner; what the former one did since is unknown."""


@dataclass(frozen=True, slots=True)
class Found:
    """A complete search ended.

    Attributes:
        matches: Descriptions of every resource that carries the marker, or what the witness shows; empty for none.
        searched_at: Owner's time when the search began.
        stable: False for a List that came in several pages: what exists may have shifted from one to another.
    """

    matches: tuple[Mapping[str, Any], ...]
    searched_at: float
    stable: bool = True


@dataclass(frozen=True, slots=True)
class SearchFailed:
    """A search broke off; it says nothing.

    Attributes:
        fault: Why.
        seconds: How long it took, up to the longest time that one search may take.
    """

    fault: Fault
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The resource was polled.

    Attributes:
        description: What AWS says of it: the Get response, or the summary of kinds that only List shows.
        seconds: For how long each poll has shown this status.
    """

    description: Mapping[str, Any]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Unseen:
    """Every poll of the resource has failed for a while, or shown a status that this release does not know.

    Attributes:
        fault: Why the last one did.
        seconds: For how long, since the last successful poll or the last time that this was observed.
        operation: The operation that failed last.
    """

    fault: Fault
    seconds: float
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Vanished:
    """The resource does not exist; several polls have confirmed it."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The publisher wants it no more, and its call certainly has not left."""


@dataclass(frozen=True, slots=True)
class DependencyEnded:
    """The job that this one waits for has ended, was parked or is no longer known."""


@dataclass(frozen=True, slots=True)
class FilledRequest:
    """A request with what the commands that it names have made.

    Attributes:
        request: All of it.
        members: The part that was filled in.
        code: What kind of fault the rules of now find in it, for machines; empty when there is none.
        violations: All that they find.
    """

    request: Mapping[str, Any]
    members: Mapping[str, Any]
    code: str = ""
    violations: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Predecessors:
    """How the commands stand that this one waits for; instead of ``DependencyEnded``, if it names several.

    Attributes:
        jobs: The commands by id, those that have been seen to succeed left out; None for one that is not known here.
        references: Where the request names any of them.
        filled: The request with what they have made; None while not all have succeeded.
        early: Whether its start time lies ahead, by the wall clock.
    """

    jobs: Mapping[str, Job | None]
    references: tuple[Reference, ...] = ()
    filled: FilledRequest | None = None
    early: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """The service itself fails with this job, again and again.

    Attributes:
        fault: What to say of it.
        unsent: Whether this process has certainly sent no call that it was to send.
    """

    fault: Fault
    unsent: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """A person has decided about a parked command.

    Attributes:
        resolution: The decision.
        resource_id: What was made, for a creating command that is adopted and whose resource has an ARN.
    """

    resolution: Resolution
    resource_id: str = ""


Observation = (
    Returned
    | Postponed
    | QuotaFull
    | Refused
    | Lost
    | Late
    | WindowMissed
    | Delayed
    | HandedOver
    | Due
    | StartReached
    | DeadlinePassed
    | UntilPassed
    | RunningLong
    | Outlived
    | Restored
    | Found
    | SearchFailed
    | Seen
    | Unseen
    | Vanished
    | Cancelled
    | DependencyEnded
    | Predecessors
    | Broken
    | Resolved
)
