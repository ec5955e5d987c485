"""What an operator's decision does to a parked command. Parked is final only until an operator decides.

``adopt`` says that the call was performed: a long job goes on under watch, a change at once has succeeded. ``retry``
says that it was not: the call is permitted once more, and a deadline that passed meanwhile counts no longer; that
is refused for a creation whose record names what it has made. ``fail`` gives up. The decision is a command of its own,
which is answered, and the parked command then gets its real end.
"""

from typing import Final

from schemas.operations import COMMANDS, Kind, Resolution, resource_of
from schemas.records import Fault
from service.core import outcomes
from service.core.effects import Step
from service.core.job import GIVEN_BACK, Job, Phase, marker, replace, row
from service.core.marker import stable_id
from service.core.observations import Resolved

UNKNOWN: Final = Fault(
    "UnknownCommand",
    "no command with this id and source is known in this partition: send it within the retention, with the record key "
    "and the partitioner of the command that it names (librdkafka and kcat: partitioner=murmur2_random)",
)
GIVEN_UP: Final = "GivenUp"
"""Code of a parked command that a person has given up: what it has done stays unknown."""
INVALID: Final = "InvalidResolution"
"""Code of a decision that does not fit its command."""


def obstacle(job: Job | None, decision: Resolved) -> Fault | None:
    """Why a decision can't be carried out; None when it can."""
    if job is None:
        return UNKNOWN
    if job.phase is not Phase.PARKED:
        return Fault("NotParked", f"the command is not parked but {job.phase}: there is nothing to decide")
    if job.command.operation not in COMMANDS:
        return Fault(INVALID, "this release does not know the command's operation; only a later one can resolve it")
    match decision.resolution:
        case Resolution.ADOPT:
            return _unadoptable(job, decision.resource_id)
        case Resolution.RETRY:
            return _unrepeatable(job)
        case _:
            return None


def _unrepeatable(job: Job) -> Fault | None:
    if not job.command.params:
        return Fault(
            INVALID,
            "it was parked by a release that did not keep its members; adopt it, or fail it and repeat it",
        )
    if row(job.command).creates and job.resource_id:
        return Fault(
            INVALID,
            f"the call was performed and has made {job.resource_id}: a retry would make a second resource; adopt it, "
            "or fail it and send a new command",
        )
    return None


def _unadoptable(job: Job, resource_id: str) -> Fault | None:
    operation = row(job.command)
    if not operation.creates:
        named = job.command.params.get(operation.resource.identity)
        if named is None:
            return Fault(INVALID, "it was parked by a release that did not keep its members; fail it")
        if resource_id not in ("", named):
            return Fault(INVALID, f"the command is about {named}; leave resourceArn out")
        return None
    if not operation.resource.identity:
        kind = operation.resource.kind
        return Fault(INVALID, f"AWS gives an {kind} no ARN; leave resourceArn out") if resource_id else None
    if resource_of(resource_id) is not operation.resource:
        return Fault(INVALID, f"resourceArn must be the ARN of what the command has made, an {operation.resource.kind}")
    return None


def resolve(job: Job, decision: Resolved, now: float) -> Step:
    """Carries a decision out; one that does not fit changes nothing."""
    if obstacle(job, decision) is not None:
        return Step(job, ignored=True)
    match decision.resolution:
        case Resolution.ADOPT:
            return _adopted(_reopened(job, now), decision.resource_id, now)
        case Resolution.RETRY:
            again = {"phase": Phase.INTENDED, "due": GIVEN_BACK, "attempt": job.attempt + 1}  # permitted with a turn
            return Step(replace(_reopened(job, now), command=replace(job.command, deadline=0.0), **again))
        case Resolution.FAIL:
            return outcomes.failed(job, _given_up(job), now)


def _reopened(job: Job, now: float) -> Job:
    return replace(
        job,
        since=now,
        due=0.0,
        retries=0,
        tried=0.0,
        searches=0,
        status="",
        reason="",
        fault=None,
        finished_at=0.0,
        reply=None,
    )


def _adopted(job: Job, resource_id: str, now: float) -> Step:
    operation = row(job.command)
    resource, identity = operation.resource, operation.resource.identity
    if operation.kind is Kind.WRITE:
        return outcomes.written(job, {identity: resource_id} if operation.creates else {}, now)
    if operation.kind is Kind.REMOVAL:
        known, status = str(job.command.params[identity]), resource.leaving[0]
    else:
        known = resource_id or stable_id(resource, marker(job.command))
        status = resource.arriving[0]
    running = replace(job, phase=Phase.RUNNING, resource_id=known)
    return Step(running, (outcomes.started(job, known, status),))


def _given_up(job: Job) -> Fault:
    before = f": {job.fault.code}: {job.fault.message}" if job.fault else ""
    return Fault(GIVEN_UP, f"it was parked, and a person has given it up{before}")


def done(decision: Job, job: Job, now: float) -> Step:
    """The decision was carried out; the command that it is about is now ``job``."""
    result = {"resolution": str(decision.command.params["resolution"]), "phase": job.phase.value}
    return outcomes.succeeded(decision, result, now)


def refused(decision: Job, fault: Fault, now: float) -> Step:
    """The decision could not be carried out."""
    return outcomes.failed(decision, fault, now)
