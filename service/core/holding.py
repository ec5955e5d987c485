"""Jobs that this process can't serve: a word in their record is unknown here, or means something else than it did.

A newer release wrote the job, the settings lack its target, or the target is another account by now. Such a job is
held: its phase stays, nothing is sent for it, and nothing searches for what it made. It goes on when an owner that
knows its words restores it.
"""

from typing import Final

from schemas.operations import COMMANDS, Kind, arn_type, resource_of
from service.core import observations as seen
from service.core.effects import CommandReply, Step
from service.core.job import CHAINED, Job, ended, known_row, performs, replace
from service.core.timing import Policy

UNKNOWN_OPERATION: Final = "UnknownOperation"
UNKNOWN_TARGET: Final = "UnknownTarget"
UNKNOWN_RESOURCE: Final = "UnknownResourceKind"
TARGET_CHANGED: Final = "TargetChanged"
REASONS: Final = frozenset({UNKNOWN_OPERATION, UNKNOWN_TARGET, UNKNOWN_RESOURCE, TARGET_CHANGED})
"""Why a job is held; its publisher reads it in a ``waiting`` reply."""


def obstacle(job: Job, policy: Policy) -> str:
    """Why this process can't serve a job; empty when it can, and for a job that needs no activity."""
    if ended(job) or job.awaits:
        return ""
    operation = known_row(job.command)
    if operation is None:
        return UNKNOWN_OPERATION
    if operation.kind in (Kind.CANCEL, Kind.RESOLVE):
        return ""  # they send nothing to their own target
    if policy.targets is not None and job.command.target not in policy.targets:
        return UNKNOWN_TARGET
    if operation.kind is Kind.TRACK and _of_unknown_kind(job):
        return UNKNOWN_RESOURCE
    return "" if _at_home(job, policy) else TARGET_CHANGED


def _of_unknown_kind(job: Job) -> bool:
    """True for a watch of a resource whose kind is not known; one in a chain may have no resource yet."""
    if job.command.operation == CHAINED:
        return False
    return resource_of(job.command.params[COMMANDS[job.command.operation].resource.identity]) is None


def word(job: Job, reason: str) -> str:
    """What is unknown of a held job: the name of its operation, of a resource kind in an ARN, or of its target."""
    command = job.command
    if reason == UNKNOWN_RESOURCE:
        return arn_type(command.params[COMMANDS[command.operation].resource.identity])
    return performs(command) if reason == UNKNOWN_OPERATION else command.target


def born(job: Job, policy: Policy) -> Job:
    """A new job, with the account and Region that its target stands for."""
    account, region = (policy.targets or {}).get(job.command.target, ("", ""))
    return replace(job, account=account, region=region) if account or region else job


def _at_home(job: Job, policy: Policy) -> bool:
    """False when the target is another account or Region than the job's; what is not known is not compared."""
    account, region = (policy.targets or {}).get(job.command.target, ("", ""))
    return job.account in ("", account or job.account) and job.region in ("", region or job.region)


def held(job: Job, observation: seen.Observation, why: str) -> Step:
    """A held job keeps its record, but for the reason, of which its publisher hears once."""
    if not isinstance(observation, seen.Restored):
        return Step(job, ignored=True)
    if job.held == why:
        return Step(job)
    return Step(replace(job, held=why), (CommandReply("waiting", {"reason": why, "position": 0}),))


def freed(job: Job) -> Job:
    """The job once its words are known again."""
    return replace(job, held="") if job.held else job
