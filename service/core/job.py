"""Questions about a job that need no observation."""

import hashlib
from typing import Final

from msgspec.structs import replace

from schemas.operations import OPERATIONS, Kind, Operation, Repeat
from schemas.records import TERMINAL, Command, Job, Phase

__all__ = [
    "TERMINAL",
    "Command",
    "Job",
    "Phase",
    "ended",
    "jitter",
    "marker",
    "occupies_slot",
    "repeat",
    "replace",
    "row",
]

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MARKER_LENGTH: Final = 26


def row(command: Command) -> Operation:
    """The table's row of a command."""
    return OPERATIONS[command.operation]


def ended(job: Job) -> bool:
    """True when nothing more will happen to it."""
    return job.phase in TERMINAL


def repeat(command: Command) -> Repeat:
    """What makes a second call safe: the row's answer, or GUARDED when the command carries a condition."""
    operation = row(command)
    if any(member in command.params for member in operation.guards):
        return Repeat.GUARDED
    return operation.repeat


def marker(command: Command) -> str:
    """26 characters of Crockford base 32 (130 bits) derived from the command's source and id: its client token."""
    digest = hashlib.sha256(f"{len(command.source)}:{command.source}{command.id}".encode()).digest()
    number = int.from_bytes(digest[:17], "big") >> 6
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(5 * (MARKER_LENGTH - 1), -1, -5))


def jitter(command: Command, number: int) -> float:
    """A fraction in [0, 1), spread over commands and retries yet the same at every replay."""
    digest = hashlib.blake2b(f"{command.source}\n{command.id}\n{number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def occupies_slot(job: Job) -> str:
    """Name of the concurrency quota that the job may be using up at AWS; empty when it uses none."""
    if ended(job) or job.phase is Phase.QUEUED or job.command.operation not in OPERATIONS:
        return ""
    operation = row(job.command)
    if operation.kind is not Kind.JOB or (job.phase is Phase.INTENDED and job.due):
        return ""
    return operation.resource.slot
