"""What a CancelCommand can still do. AWS can't stop a job of ours; it can only delete what the job has made.

Before the call, cancelling is certain. After it, the answer is ``TooLate``, or with ``deleteResource`` a deletion of
the resource as soon as the command that makes it has ended.
"""

from enum import Enum, auto
from typing import Final

from schemas.operations import COMMANDS, RESOURCES, Kind, removal_of
from schemas.records import Fault
from service.core import endings
from service.core.effects import Step, Told
from service.core.job import Command, Job, Phase, ended, may_have_happened, replace, row

UNKNOWN: Final = Fault(
    "UnknownCommand",
    "no command with this id and source is known in this partition: send a cancellation with the key of the command "
    "that it cancels, within the retention",
)
UNDER_WAY: Final = "CommandUnderWay"
"""Reason of a cancellation that waits for the end of the command, to delete what it makes."""


class Chance(Enum):
    """Whether a command can be stopped."""

    CERTAIN = auto()
    IF_UNSENT = auto()
    """Only if its call has not left this process yet."""
    TOO_LATE = auto()


def chance(job: Job, *, held: bool = False) -> Chance:
    """Whether a command can be stopped, as far as its job shows; of a held one, a former owner may have called."""
    if ended(job) or job.awaits or may_have_happened(job):
        return Chance.TOO_LATE
    if job.phase is Phase.QUEUED or (job.phase is Phase.INTENDED and job.due):
        return Chance.CERTAIN
    if job.phase is Phase.INTENDED:
        return Chance.TOO_LATE if held else Chance.IF_UNSENT
    operation = COMMANDS.get(job.command.operation)
    return Chance.CERTAIN if operation is not None and operation.kind is Kind.TRACK else Chance.TOO_LATE


def done(command: Command, now: float) -> Step:
    """The other command was stopped."""
    return endings.succeeded(_job(command, now), {"cancelled": True}, now, Told("accepted"))


def unknown(command: Command, now: float) -> Step:
    """There is no such command here."""
    return endings.failed(_job(command, now), UNKNOWN, now, Told("accepted"))


def too_late(command: Command, other: Job, key: bytes, now: float) -> Step:
    """The call has left, or may have: what is still possible is deleting."""
    if not command.params.get("deleteResource") or not _deletable(other):
        return endings.failed(_job(command, now), _too_late(other), now, Told("accepted"))
    if not ended(other):
        waiting = replace(_job(command, now), phase=Phase.QUEUED, awaits=key.decode(), reason=UNDER_WAY)
        return Step(waiting, (Told("accepted"), Told("waiting", {"reason": UNDER_WAY, "position": 0})))
    return delete(_job(command, now), row(other.command).resource.kind, other.resource_id, now, Told("accepted"))


def delete(job: Job, kind: str, resource_id: str, now: float, *told: Told) -> Step:
    """Turns a cancellation into the deletion of what the other command has made; nothing made is nothing to do."""
    operation = removal_of(RESOURCES[kind]) if kind and resource_id else None
    if operation is None:
        return endings.succeeded(job, {"cancelled": False, "deleted": False}, now, *told)
    command = replace(
        job.command,
        operation=operation.name,
        asked=job.command.operation,
        params={operation.resource.identity: resource_id},
    )
    return Step(
        replace(job, command=command, phase=Phase.INTENDED, awaits="", reason="", due=0.0, since=now),
        told,
    )


def _job(command: Command, now: float) -> Job:
    return Job(command, Phase.INTENDED, accepted_at=now, since=now)


def _deletable(other: Job) -> bool:
    operation = COMMANDS.get(other.command.operation)
    return operation is not None and operation.creates and removal_of(operation.resource) is not None


def _too_late(other: Job) -> Fault:
    now = f"it has ended ({other.phase})" if ended(other) else f"its call has left or may have (phase {other.phase})"
    if other.command.operation not in COMMANDS:
        return Fault("TooLate", f"the command can't be cancelled: {now}, and this release does not know its operation")
    hint = "deleteResource: true deletes what it makes" if _deletable(other) else "AWS can neither stop nor delete it"
    return Fault("TooLate", f"the command can't be cancelled any more: {now}; {hint}")
