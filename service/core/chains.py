"""Commands that wait for others: what they name, how far those are, and the request with what they have made.

While it waits, all that a chain needs lies in members of the record that every release keeps: ``params`` hold the
request as it was sent, the ids of the predecessors that have not succeeded, and what the others have made. A waiting
command has no position in its key's line; it joins the line when the last predecessor has succeeded.
"""

from collections.abc import Mapping
from typing import Final

from schemas import references
from schemas.operations import Change, Kind, Resource, resource_of
from schemas.records import Fault, job_key
from service.core import outcomes, timing
from service.core.effects import CommandReply, Step
from service.core.job import CHAINED, GIVEN_BACK, REQUEST, Job, Phase, ended, known_row, replace, row
from service.core.observations import FilledRequest, Predecessors

_OPEN: Final = "open"
_MADE: Final = "made"
_MAX_VIOLATIONS: Final = 20
"""Violations that are reported of one command."""


def waits(job: Job) -> bool:
    """True for a command that waits for its predecessors."""
    return job.command.operation == CHAINED and not ended(job)


def open_ids(job: Job) -> tuple[str, ...]:
    """Ids of the predecessors that a command waits for; none for one that does not wait."""
    return tuple(job.command.params[_OPEN]) if waits(job) else ()


def made_ids(job: Job) -> tuple[str, ...]:
    """Ids of the predecessors that have ended and whose results a waiting command takes."""
    return tuple(job.command.params[_MADE]) if waits(job) else ()


def awaited(job: Job) -> tuple[bytes, ...]:
    """Changelog keys of the jobs whose end this one waits for."""
    if job.awaits:
        return (job.awaits.encode(),)
    return tuple(job_key(job.command.source, each) for each in open_ids(job))


def begun(job: Job) -> Job:
    """A new command as it waits for those that it names."""
    command = job.command
    params = {REQUEST: command.params, _OPEN: list(command.predecessors), _MADE: {}}
    waiting = replace(command, operation=CHAINED, asked=command.operation, params=params, predecessors=())
    return replace(job, command=waiting, phase=Phase.QUEUED)


def complete(job: Job, jobs: Mapping[str, Job | None]) -> dict[str, str] | None:
    """What all predecessors of a waiting command have made, by their ids; None while not all have succeeded."""
    if not all(other is not None and _succeeded(other) for other in jobs.values()):
        return None
    return {**job.command.params[_MADE], **_made_by(jobs)}


def refusal(job: Job, seen: Predecessors) -> tuple[Fault, list[dict[str, str]]] | None:
    """Why a new command, ``begun`` to wait, can't: what it names is not known here or makes something else; or None."""
    unknown = [(path, references.unknown(name)) for name in _unknown(job, seen) for path in _paths(seen, name)]
    found = unknown or _misfits(seen)
    if not found:
        return None
    path, message = found[0]
    fault = Fault(references.UNKNOWN if unknown else references.MISFIT, f"{path}: {message}")
    return fault, _violations(found)


def advanced(job: Job, seen: Predecessors, now: float) -> Step:
    """What follows from how the predecessors of a waiting command stand."""
    if unknown := _unknown(job, seen):
        return outcomes.failed(
            job, Fault(references.UNKNOWN, f"{references.unknown(unknown[0])}; it was forgotten"), now
        )
    if failed := [name for name, other in seen.jobs.items() if other and ended(other) and not _may_succeed(other)]:
        return _failed(job, failed, seen.jobs[failed[0]], now)
    if misfits := _misfits(seen):
        path, message = misfits[0]
        return outcomes.unfit(job, Fault(references.MISFIT, f"{path}: {message}"), _violations(misfits), now)
    if seen.filled is not None:
        return _released(job, seen.filled, now, early=seen.early)
    done = _made_by(seen.jobs)
    left = [name for name in job.command.params[_OPEN] if name not in done]
    referred = {each.id for each in seen.references}
    return _waiting(job, left, {name: arn for name, arn in done.items() if name in referred})


def made(job: Job) -> str:
    """The ARN of what a command that has succeeded made, or has watched; empty when there is nothing."""
    operation = known_row(job.command)
    watched = operation is not None and operation.kind is Kind.TRACK and job.status != Change.DELETED
    makes = watched or (operation is not None and operation.creates)
    return job.resource_id if makes and resource_of(job.resource_id) else ""


def _made_by(jobs: Mapping[str, Job | None]) -> dict[str, str]:
    return {name: made(other) for name, other in jobs.items() if other and _succeeded(other)}


def _succeeded(job: Job) -> bool:
    """What it has made is known to a release that knows its operation; until then it counts as one that goes on."""
    return job.phase is Phase.SUCCEEDED and known_row(job.command) is not None


def _may_succeed(job: Job) -> bool:
    """What is parked may succeed yet, by a person's decision."""
    return job.phase in (Phase.SUCCEEDED, Phase.PARKED)


def _waiting(job: Job, left: list[str], known: Mapping[str, str]) -> Step:
    """Its publisher hears when it begins to wait, and each time that it waits for fewer."""
    params = job.command.params
    if job.reason == references.WAITS and left == params[_OPEN]:
        return Step(job)
    params = {**params, _OPEN: left, _MADE: {**params[_MADE], **known}}
    reply = CommandReply("waiting", {"reason": references.WAITS, "position": 0, "predecessors": left})
    return Step(replace(job, command=replace(job.command, params=params), reason=references.WAITS), (reply,))


def _released(job: Job, filled: FilledRequest, now: float, *, early: bool) -> Step:
    """All have succeeded, and the filled request was judged again: it is a command like others from now on."""
    if filled.code:
        first, more = filled.violations[0], len(filled.violations) - 1
        message = f"with what its predecessors have made, {first['path']}: {first['message']}"
        fault = Fault(filled.code, f"{message} (and {more} more)" if more else message)
        return outcomes.unfit(job, fault, filled.violations, now)
    command = job.command
    command = replace(command, operation=command.asked, asked="", params=dict(filled.request))
    members = dict(filled.members) or None
    freed = replace(job, command=command, phase=Phase.INTENDED, since=now, turn=0, filled=members)
    if not early:
        return Step(replace(freed, due=GIVEN_BACK, reason=""))
    reply = CommandReply("waiting", {"reason": timing.NOT_BEFORE, "position": 0})
    return Step(replace(freed, due=command.not_before, reason=timing.NOT_BEFORE), (reply,))


# --- refusals ---------------------------------------------------------------------------------------------------------


def _failed(job: Job, names: list[str], other: Job | None, now: float) -> Step:
    fault = other.fault if other else None
    code = fault.code if fault else ""
    origin = (fault.origin if fault else None) or (names[0], code)
    message = references.deserted(names[0], other.phase.value if other else "failed", code, origin)
    return outcomes.deserted(job, Fault(references.FAILED, message, origin=origin), names, now)


def _unknown(job: Job, seen: Predecessors) -> list[str]:
    """Ids that name no command of this source and key; without a key, a command can't name any."""
    order = job.command.order
    return [name for name, other in seen.jobs.items() if other is None or not order or other.command.order != order]


_Found = list[tuple[str, str]]
"""Paths and messages."""


def _misfits(seen: Predecessors) -> _Found:
    found = []
    for each in seen.references:
        other = seen.jobs.get(each.id)
        if other is not None and not _undecided(other) and (message := references.misfit(each, _makes(other))):
            found.append((each.path, message))
    return found


def _violations(found: _Found) -> list[dict[str, str]]:
    return [{"path": path, "rule": "reference", "message": message} for path, message in found[:_MAX_VIOLATIONS]]


def _undecided(job: Job) -> bool:
    """Whether it can't be known, yet or here, what a command makes."""
    operation = known_row(job.command)
    if ended(job) and not _may_succeed(job):
        return True
    return operation is None or (operation.kind is Kind.TRACK and waits(job))


def _makes(job: Job) -> Resource | None:
    """The kind of what a command makes, or watches."""
    if job.phase is Phase.SUCCEEDED:
        return resource_of(made(job))
    operation = row(job.command)
    if operation.kind is Kind.TRACK:
        return resource_of(job.resource_id or str(job.command.params.get(operation.resource.identity)))
    return operation.resource if operation.creates else None


def _paths(seen: Predecessors, name: str) -> list[str]:
    """Where a command names another one."""
    return [each.path for each in seen.references if each.id == name] or ["after"]
