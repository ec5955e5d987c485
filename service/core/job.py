"""Questions about a job that need no observation."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from schemas.operations import COMMANDS, Kind, Operation, Repeat, Resource, resource_of
from schemas.records import TERMINAL, Command, Job, Phase, job_key

__all__ = [
    "CHAINED",
    "GIVEN_BACK",
    "TERMINAL",
    "Command",
    "Job",
    "Phase",
    "awaits_slot",
    "ended",
    "expected_state",
    "jitter",
    "keeps_line",
    "known_row",
    "marker",
    "may_have_happened",
    "named_key",
    "occupies_slot",
    "order_of",
    "performs",
    "provable",
    "repeat",
    "replace",
    "request_of",
    "row",
    "subject",
    "wants_slot",
]

CHAINED: Final = "AwaitPredecessors"
"""Operation in the record of a command that waits for its predecessors; ``asked`` is the one that it will perform.

Releases that know no chains do not know this operation, and so hold such a job and leave its members alone.
"""

REQUEST: Final = "request"
"""Member of a waiting command's ``params`` that holds its request as it was sent."""

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MARKER_LENGTH: Final = 26


def row(command: Command) -> Operation:
    """The table's row of a command.

    Raises:
        KeyError: This release has no such operation; jobs of one are held (:mod:`service.core.holding`).
    """
    return COMMANDS[performs(command)]


def known_row(command: Command) -> Operation | None:
    """The table's row of a command; None when this release has none."""
    return COMMANDS.get(performs(command))


def performs(command: Command) -> str:
    """Name of the operation that a command performs, or will when its predecessors have succeeded."""
    return command.asked if command.operation == CHAINED else command.operation


def request_of(command: Command) -> Mapping[str, Any]:
    """The members of a command's request, also while it waits for its predecessors."""
    found: Mapping[str, Any] = command.params[REQUEST] if command.operation == CHAINED else command.params
    return found


def subject(command: Command) -> Resource:
    """The resource kind that a command is about: its row's, or what the ARN names that it tracks."""
    operation = row(command)
    if operation.kind is Kind.TRACK:
        return resource_of(request_of(command)[operation.resource.identity]) or operation.resource
    return operation.resource


def may_have_happened(job: Job) -> bool:
    """True for a blind repeat: an earlier call's outcome was lost, and no search can show that it changed nothing."""
    if known_row(job.command) is None:
        return job.attempt > 1
    reconciled = repeat(job.command) in (Repeat.MARKED, Repeat.GUARDED) and provable(job.command)
    return job.attempt > 1 and not reconciled and row(job.command).kind is not Kind.READ


def provable(command: Command) -> bool:
    """Whether AWS can show that a lost call was not performed, and not only that nothing is left of it.

    What another command has overwritten or undone leaves no trace: a value, or what comes back under its old name.
    """
    match repeat(command):
        case Repeat.GUARDED:
            return expected_state(command) is not None
        case Repeat.GONE_IS_DONE:
            return not row(command).resource.returns
        case kind:
            return kind is Repeat.MARKED


def expected_state(command: Command) -> Any:
    """The former state that a guard of the request names; None when it names none."""
    request = request_of(command)
    return next(
        (request[guard] for guard in row(command).guards if guard.startswith("previous") and guard in request), None
    )


def ended(job: Job) -> bool:
    """True when nothing more will happen to it."""
    return job.phase in TERMINAL


def repeat(command: Command) -> Repeat:
    """What makes a second call safe: the row's answer, or GUARDED when the command carries a condition."""
    operation = row(command)
    if any(member in request_of(command) for member in operation.guards):
        return Repeat.GUARDED
    return operation.repeat


def named_key(command: Command) -> bytes:
    """Changelog key of the command that a service command names."""
    return job_key(command.params["commandSource"], command.params["commandId"])


def marker(command: Command) -> str:
    """26 characters of Crockford base 32 (130 bits) derived from the command's source and id: its client token."""
    whose = f"@{command.tenant}/" if command.tenant else ""  # what a tenant can't spell starts no other's
    digest = hashlib.sha256(f"{whose}{len(command.source)}:{command.source}{command.id}".encode()).digest()
    number = int.from_bytes(digest[:17], "big") >> 6
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(5 * (MARKER_LENGTH - 1), -1, -5))


def jitter(command: Command, number: int) -> float:
    """A fraction in [0, 1), spread over commands and retries yet the same at every replay."""
    digest = hashlib.blake2b(f"{command.source}\n{command.id}\n{number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def order_of(key: bytes | None) -> str:
    """What commands with equal Kafka keys have in common; empty without a key."""
    return hashlib.blake2b(key, digest_size=8).hexdigest() if key else ""


GIVEN_BACK: Final = 1.0
"""``due`` of a call that is not permitted yet, or was certainly not sent before a hand-over: over by any clock."""


def keeps_line(job: Job) -> bool:
    """True while the fate of its call is open, so that the next command with the same key must wait.

    A job that rests before its next try is in the line, and so is one whose call is searched for. One that waits for
    its start time, for a slot or for another command has called nothing: it joins the line when it can be called.
    """
    begins_later = job.due > GIVEN_BACK and not (job.turn or job.retries or job.attempt > 1)
    return job.phase is Phase.UNCERTAIN or (job.phase is Phase.INTENDED and not begins_later)


def occupies_slot(job: Job) -> str:
    """Name of the concurrency quota that the job may be using up at AWS; empty when it uses none."""
    if ended(job) or job.phase is Phase.QUEUED:
        return ""
    operation = COMMANDS.get(job.command.operation)
    if operation is None or operation.kind is not Kind.JOB or (job.phase is Phase.INTENDED and job.due):
        return ""
    return operation.resource.slot


def awaits_slot(job: Job) -> str:
    """Name of the concurrency quota for which the job waits in a queue; empty when it waits for none."""
    operation = COMMANDS.get(job.command.operation) if job.phase is Phase.QUEUED else None
    return operation.resource.slot if operation is not None and operation.kind is Kind.JOB else ""


def wants_slot(job: Job) -> str:
    """The same, as far as the changelog alone shows it.

    An intended call may have been given a slot by its owner or may be about to ask for one. Until it is known to have
    left, it counts as one that comes when its turn is: two owners who saw each other's intents as slots in use would
    both stand back.
    """
    intended = occupies_slot(job) if job.phase is Phase.INTENDED else ""
    return intended or awaits_slot(job)
