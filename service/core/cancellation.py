"""What a CancelCommand can still do. AWS can't stop a job; it can only delete what the job has made.

Before the call, cancelling is certain. After it, the answer is ``TooLate``, or with ``deleteResource`` a deletion of
the resource as soon as the command that makes it has ended. What is deleted is exactly the resource in that command's
record, at that command's target. While the command is parked, it is unknown what it made: the cancellation waits.
"""

from enum import Enum, auto
from typing import Final

from schemas.operations import Kind, Operation, removal_of
from schemas.records import Fault
from service.core import outcomes, resolution
from service.core.effects import CommandReply, Step
from service.core.job import GIVEN_BACK, Job, Phase, ended, known_row, may_have_happened, replace

UNRESOLVED: Final = Fault(
    "OutcomeUnknown",
    "the command was parked and given up, or forgotten after the retention: whether it made a resource is not known, "
    "and nothing was deleted. `python -m service reconcile` lists resources with the marker of a command; delete what "
    "is not wanted with a command of its own",
)
UNDER_WAY: Final = "CommandUnderWay"
"""Reason of a cancellation that waits for the end of the command, to delete what it makes."""
PARKED: Final = "CommandParked"
"""Reason of a cancellation that waits until the parked command is resolved."""


class Chance(Enum):
    """Whether a command can be stopped."""

    CERTAIN = auto()
    IF_UNSENT = auto()
    """Only if its call has not left this process yet."""
    TOO_LATE = auto()


def chance(job: Job, *, held: bool = False) -> Chance:
    """Whether a command can be stopped, as far as its job shows; of a held one, a former owner may have called."""
    if ended(job) or may_have_happened(job):
        return Chance.TOO_LATE
    if job.phase is Phase.QUEUED or (job.phase is Phase.INTENDED and job.due):
        return Chance.CERTAIN
    if job.phase is Phase.INTENDED:
        return Chance.TOO_LATE if held else Chance.IF_UNSENT
    operation = known_row(job.command)
    return Chance.CERTAIN if operation is not None and operation.kind is Kind.TRACK else Chance.TOO_LATE


def done(job: Job, now: float) -> Step:
    """The other command was stopped."""
    return outcomes.succeeded(job, {"cancelled": True}, now)


def unknown(job: Job, now: float) -> Step:
    """There is no such command here, or no longer one whose outcome was ever known."""
    return outcomes.failed(job, UNRESOLVED if job.reason in (UNDER_WAY, PARKED) else resolution.UNKNOWN, now)


def deletion(job: Job, other: Job) -> Operation | None:
    """The operation that would delete what the other command makes, if that is asked for and AWS has one."""
    operation = known_row(other.command)
    if operation is None or not operation.creates or not job.command.params.get("deleteResource"):
        return None
    return removal_of(operation.resource)


def too_late(job: Job, other: Job, key: bytes, objection: Fault | None, now: float) -> Step:
    """The call has left, or may have: what is still possible is deleting.

    Args:
        job: The cancellation.
        other: The command to be cancelled.
        key: The other's changelog key.
        objection: Why its publisher must not delete there.
        now: Epoch seconds.
    """
    operation = deletion(job, other)
    if operation is None:
        return outcomes.failed(job, _too_late(other), now)
    if objection is not None:
        return outcomes.failed(job, objection, now)
    if not ended(other):
        return _wait(job, key, UNDER_WAY, now)
    if other.phase is Phase.PARKED:
        return _wait(job, key, PARKED, now)
    if other.resource_id:
        return Step(_deleting(job, operation, other, now))
    if outcomes.failed_with(other, resolution.GIVEN_UP):
        return outcomes.failed(job, UNRESOLVED, now)
    return outcomes.succeeded(job, {"cancelled": False, "deleted": False}, now)


def _wait(job: Job, key: bytes, reason: str, now: float) -> Step:
    waiting = replace(job, phase=Phase.QUEUED, awaits=key.decode(), reason=reason, since=now)
    return Step(waiting, () if job.reason == reason else (CommandReply("waiting", {"reason": reason, "position": 0}),))


def _deleting(job: Job, operation: Operation, other: Job, now: float) -> Job:
    """The cancellation as the deletion of the resource in the other's record, where the other has made it."""
    command = replace(
        job.command,
        operation=operation.name,
        asked=job.command.operation,
        target=other.command.target,
        params={operation.resource.identity: other.resource_id},
    )
    return replace(
        job,
        command=command,
        account=other.account,
        region=other.region,
        phase=Phase.INTENDED,
        awaits="",
        reason="",
        due=GIVEN_BACK,  # permitted when it has a turn
        since=now,
    )


def _too_late(other: Job) -> Fault:
    now = f"it has ended ({other.phase})" if ended(other) else f"its call has left or may have (phase {other.phase})"
    operation = known_row(other.command)
    if operation is None:
        return Fault("TooLate", f"the command can't be cancelled: {now}, and this release does not know its operation")
    if operation.creates and removal_of(operation.resource) is not None:
        hint = "deleteResource: true deletes what it makes"
    else:
        hint = "AWS can neither stop nor delete it"
    if other.phase is Phase.PARKED:
        hint = f"a ResolveCommand decides about it; {hint}"
    return Fault("TooLate", f"the command can't be cancelled any more: {now}; {hint}")
