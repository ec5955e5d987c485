"""How the twin's commands stand to those that they name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from .. import chains, commands, records, references
from ..commands import Rejected, TopicRules, Violation
from ..events import ReplyKind
from ..operations import COMMANDS, Kind, Resource, resource_of
from .jobs import TwinJob, error

Jobs = Mapping[bytes, TwinJob]

_IN_VAIN = frozenset({ReplyKind.FAILED, ReplyKind.REJECTED})


def refusal(job: TwinJob, jobs: Jobs) -> Rejected | None:
    """Why a new command can't wait for what it names; None when it can."""
    others, named = _named(job, jobs), list(chains.references(job.command.operation, job.command.params))
    unknown = [
        Violation(path, "reference", references.unknown(name))
        for name, other in others.items()
        if other is None or not job.key or other.key != job.key
        for path in ([each.path for each in named if each.id == name] or ["after"])
    ]
    found = unknown or _misfits(job, jobs)
    if not found:
        return None
    code = references.UNKNOWN if unknown else references.MISFIT
    return Rejected(job.command, code, f"{found[0].path}: {found[0].message}", tuple(found))


def fault(job: TwinJob, jobs: Jobs) -> dict[str, Any] | None:
    """What ends a command that waits: one that it names has not succeeded, or made something else."""
    failed = [name for name, other in _named(job, jobs).items() if other and other.ended and other.last[0] in _IN_VAIN]
    if failed:
        kind, code = _ending(jobs[records.job_key(job.command.source, failed[0])])
        origin = _origin(failed[0], job.command.source, jobs)
        message = references.deserted(failed[0], kind, code, origin)
        return {**error(references.FAILED, message), "predecessors": failed}
    misfits = _misfits(job, jobs)
    if misfits:
        return error(references.MISFIT, f"{misfits[0].path}: {misfits[0].message}", violations=as_data(misfits))
    return None


def _ending(job: TwinJob) -> tuple[str, str]:
    kind, data, _ = job.last
    return kind.value, data.get("error", {}).get("code", "")


def _origin(name: str, source: str, jobs: Jobs) -> tuple[str, str]:
    """Id and code of the command whose end began it."""
    while True:
        other = jobs[records.job_key(source, name)]
        _, code = _ending(other)
        before = other.last[1].get("predecessors") if code == references.FAILED else None
        if not before:
            return name, code
        name = before[0]


def note(job: TwinJob, jobs: Jobs) -> tuple[str, ...]:
    """Takes note of what has been made; gives the ids that are still waited for."""
    done = {name: other for name, other in _named(job, jobs).items() if other and _succeeded(other)}
    job.made |= {name: other.resource_id for name, other in done.items()}
    return tuple(name for name in job.open if name not in done)


def fill(job: TwinJob, limits: TopicRules) -> dict[str, Any] | None:
    """Fills the request in and judges it again; gives the failure, if the rules refuse it."""
    command = job.command
    request = chains.filled(command.operation, command.params, job.made)
    if found := list(commands.judge(command.operation, request, command.target, limits)):
        violations = [violation for _, violation in found]
        message = f"with what its predecessors have made, {violations[0].path}: {violations[0].message}"
        return error(commands.common_code(found), message, violations=as_data(violations))
    job.filled = chains.named(command.operation, command.params, job.made)
    job.command = replace(command, params=request)
    return None


def waiting_for(job: TwinJob, jobs: Jobs) -> Iterator[TwinJob]:
    """The commands that wait for one."""
    for other in list(jobs.values()):
        waits = other.waiting == references.WAITS and job.command.id in other.open
        if waits and other.command.source == job.command.source:
            yield other


def _named(job: TwinJob, jobs: Jobs) -> dict[str, TwinJob | None]:
    return {name: jobs.get(records.job_key(job.command.source, name)) for name in job.open}


def _succeeded(job: TwinJob) -> bool:
    return job.ended and job.last[0] is ReplyKind.SUCCEEDED


def _misfits(job: TwinJob, jobs: Jobs) -> list[Violation]:
    found, others = [], _named(job, jobs)
    for each in chains.references(job.command.operation, job.command.params):
        other = others.get(each.id)
        if other is None or _undecided(other):
            continue
        if message := references.misfit(each, _makes(other)):
            found.append(Violation(each.path, "reference", message))
    return found


def _undecided(job: TwinJob) -> bool:
    in_vain = job.ended and job.last[0] in _IN_VAIN
    return in_vain or job.command.operation not in COMMANDS or (job.row.kind is Kind.TRACK and bool(job.open))


def _makes(job: TwinJob) -> Resource | None:
    if _succeeded(job):
        makes = job.row.creates or job.row.kind is Kind.TRACK
        return resource_of(job.resource_id) if makes else None
    if job.row.kind is Kind.TRACK:
        return resource_of(str(job.command.params.get(job.row.resource.identity)))
    return job.row.resource if job.row.creates else None


def as_data(found: Iterable[Violation]) -> list[dict[str, str]]:
    """Violations as a reply carries them."""
    return [{"path": each.path, "rule": each.rule, "message": each.message} for each in found]
