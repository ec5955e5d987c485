"""What the core's tests start from: a command of any row, and jobs in any phase. No fixtures, plain functions."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from schemas.operations import OPERATIONS, Kind, Operation, Repeat, Resolution
from schemas.records import TERMINAL, Command, Fault, Job, Phase
from service.core import effects, search, transitions
from service.core import observations as seen
from service.core.effects import CommandReply, StatusChange, Step
from service.core.job import marker, row
from service.core.marker import stamp
from service.core.timing import Policy

NOW: Final = 1_700_000_000.0
POLICY: Final = Policy()
ARN: Final = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:{kind}/one"
DOCUMENT: Final = '{"Version": "2012-10-17", "Statement": []}'
OLD_HASH: Final = "a" * 64

THROTTLED: Final = Fault("ThrottlingException", "slow down", retryable=True, http_status=429)
FULL: Final = Fault("ServiceQuotaExceededException", "full", retryable=True, http_status=402)
TIMEOUT: Final = Fault("ReadTimeout", "no answer", retryable=True)
CONFLICT: Final = Fault("ConflictException", "in use", http_status=409)
GONE: Final = Fault("ResourceNotFoundException", "no such thing", http_status=404)
INVALID: Final = Fault("ValidationException", "no", http_status=400)
DENIED: Final = Fault("AccessDeniedException", "no", http_status=403)

ROWS: Final = tuple(OPERATIONS.values())
CREATING: Final = tuple(operation for operation in ROWS if operation.repeat is Repeat.MARKED)
GUARDED: Final = tuple(operation for operation in ROWS if operation.guards)
DELETING: Final = tuple(operation for operation in ROWS if operation.repeat is Repeat.GONE_IS_DONE)
SAFE: Final = tuple(operation for operation in ROWS if operation.repeat is Repeat.SAFE)
READS: Final = tuple(operation for operation in ROWS if operation.kind is Kind.READ)
JOBS: Final = tuple(operation for operation in ROWS if operation.kind is Kind.JOB)
REMOVALS: Final = tuple(operation for operation in ROWS if operation.kind is Kind.REMOVAL)

OBSERVATIONS: Final[tuple[seen.Observation, ...]] = (
    seen.Returned({}),
    seen.Postponed(THROTTLED),
    seen.QuotaFull(FULL),
    seen.Refused(DENIED),
    seen.Lost(TIMEOUT),
    seen.Late(),
    seen.WindowMissed(),
    seen.Delayed(),
    seen.HandedOver(),
    seen.Due(),
    seen.StartReached(),
    seen.DeadlinePassed(),
    seen.UntilPassed(),
    seen.RunningLong(),
    seen.Outlived(),
    seen.Restored(),
    seen.Found((), NOW),
    seen.SearchFailed(TIMEOUT),
    seen.Seen({"status": "ACTIVE"}),
    seen.Unseen(TIMEOUT, 60.0),
    seen.Vanished(),
    seen.Cancelled(),
    seen.DependencyEnded(),
    seen.Predecessors({}),
    seen.Broken(TIMEOUT, unsent=True),
    seen.Resolved(Resolution.FAIL),
)
"""One observation of every type."""


def named(operation: Operation) -> str:
    """Test id of a row."""
    return operation.name


def arn(operation: Operation) -> str:
    return ARN.format(kind=operation.resource.arn_type or operation.resource.kind)


def params(operation: Operation) -> dict[str, Any]:
    """Request members: only those that the core looks at."""
    members: dict[str, Any] = {}
    if operation.creates:
        members |= {"name": "spring", "description": "for the spring campaign"}
    elif operation.resource.identity and not operation.name.startswith("List"):
        members[operation.resource.identity] = arn(operation)
    if operation.compare:
        members[operation.compare] = DOCUMENT
    return members


def command(operation: Operation, **changes: Any) -> Command:
    fields: dict[str, Any] = {
        "id": "c-1",
        "source": "/shop",
        "operation": operation.name,
        "target": "main",
        "params": params(operation),
        "digest": "0" * 64,
        **changes,
    }
    return Command(**fields)


def guarded(operation: Operation, **guard: str) -> Command:
    """A conditional write."""
    return command(operation, params={**params(operation), **(guard or {"previousPolicyHash": OLD_HASH})})


def job(operation: Operation, phase: Phase = Phase.INTENDED, **changes: Any) -> Job:
    fields: dict[str, Any] = {"accepted_at": NOW, "since": NOW, "command": command(operation), **changes}
    return Job(phase=phase, **fields)


def result(operation: Operation) -> dict[str, Any]:
    """AWS's answer to a call that went well."""
    return {operation.resource.identity: arn(operation)} if operation.creates and operation.resource.identity else {}


def listed(operation: Operation, of: Command, status: str = "") -> dict[str, Any]:
    """What a List shows of the resource which the command made."""
    summary = {**stamp({"description": of.params.get("description", "")}, marker(of)), **result(operation)}
    return {**summary, "name": "spring", "status": status or next(iter(operation.resource.arriving), "ACTIVE")}


def observe(subject: Job, observation: seen.Observation, at: float = 0.0, policy: Policy = POLICY) -> Step:
    """Steps ``at`` seconds after ``NOW``."""
    return transitions.step(subject, observation, NOW + at, policy)


def after(subject: Job, observation: seen.Observation, at: float = 0.0, policy: Policy = POLICY) -> Job:
    """The job after a step that keeps it."""
    found = observe(subject, observation, at, policy)
    assert found.job is not None
    assert not found.ignored
    return found.job


def told(step: Step) -> list[str]:
    """Kinds of the replies."""
    return [event.kind for event in step.events if isinstance(event, CommandReply)]


def reply(step: Step) -> CommandReply:
    """The one reply."""
    (only,) = (event for event in step.events if isinstance(event, CommandReply))
    return only


def changed(step: Step) -> list[str]:
    """Statuses of the published changes."""
    return [event.status for event in step.events if isinstance(event, StatusChange)]


def error(step: Step) -> str:
    """Code of the error told."""
    return str(reply(step).data["error"]["code"])


def doing(subject: Job, policy: Policy = POLICY) -> effects.Activity:
    return transitions.activity(subject, policy)


def every_job() -> Iterator[Job]:
    """One job per row and phase."""
    for operation in ROWS:
        for phase in Phase:
            ended = phase in TERMINAL
            running = phase is Phase.RUNNING
            yield job(
                operation,
                phase,
                resource_id=arn(operation) if running else "",
                due=NOW + 60 if phase is Phase.QUEUED else 0.0,
                finished_at=NOW if ended else 0.0,
                reply={} if ended else None,
            )


def matches(command: Command, listed: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The listed resources that carry a command's marker."""
    found = search.carrying(row(command).resource, listed)
    return search.marked(found).get(marker(command), ())
