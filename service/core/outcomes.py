"""How a command ends, and what is published then. Called only by :mod:`service.core.transitions`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from schemas import sizes
from schemas.operations import Change, Kind, Resource
from schemas.records import Fault, ResourceChange
from service.core.effects import CommandReply, Event, StatusChange, Step
from service.core.faults import NOT_FOUND, bounded, details
from service.core.job import CHAINED, Command, Job, Phase, known_row, replace, request_of, row, subject
from service.core.marker import strip
from service.core.observations import Unseen
from service.core.search import search_request
from service.core.timing import Policy

CANCELLED: Final = Fault("Cancelled", "cancelled by its publisher before AWS was called")
DEADLINE_EXCEEDED: Final = Fault(
    "DeadlineExceeded", "the command was not issued to AWS by its deadline and never will be; send a new one"
)
CONCURRENT_MODIFICATION: Final = Fault(
    "ConcurrentModification",
    "the call's outcome was lost and the resource is neither as it was nor as asked: someone else changed it; read it "
    "and send a new command",
)
NO_IDENTITY: Final = Fault("InvalidResponse", "AWS's answer does not name what it made", retryable=True)
AMBIGUOUS: Final = Fault("AmbiguousOutcome", "the call's outcome was lost and the search is ambiguous")
CALLS_LOST: Final = Fault(
    "CallsLost",
    "no call of this command was ever answered, and a search after each has shown that nothing was made; check what "
    "lies between the service and AWS, then send a new command",
    retryable=True,
)
OVERDUE: Final = "Overdue"
"""Reason of a notice that a job runs for longer than its publisher asked for, or than is usual; it ends nothing."""
UNKNOWN_STATUS: Final = "UnknownStatus"
"""Code of a poll that shows a status which this release does not know."""
NEVER_LISTED: Final = Fault("NeverListed", "AWS accepted the call but never listed what it made")


def unknown_status(status: str) -> Fault:
    """A poll has shown a status, and this release does not know whether it is a final one."""
    message = f"AWS shows the status {status!r}, which this release does not know; find out what it means, then"
    return bounded(Fault(UNKNOWN_STATUS, message, retryable=True))


_REPLY_KIND: Final = {
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.REJECTED: "rejected",
    Phase.PARKED: "parked",
}


def terminal_reply(job: Job) -> CommandReply:
    """The reply of an ended job, as a duplicate receives it; long members are ``truncated``."""
    return CommandReply(_REPLY_KIND[job.phase], job.reply or {})


def failed_with(job: Job, code: str) -> bool:
    """Whether the command has failed with this error of the service; AWS's answers may use any code, but have a status.

    A parked command has not failed, whatever its last error was.
    """
    fault = job.fault
    return job.phase is Phase.FAILED and fault is not None and fault.code == code and not fault.http_status


def lasting(job: Job) -> bool:
    """Whether a command must be remembered for the whole retention, or its repeat could do something twice.

    Anything else may be forgotten earlier: a repeat of a refused command is checked again, a read or a watch polls
    again. A cancellation stops what its publisher wanted stopped; a decision that was not carried out has decided
    nothing.
    """
    operation = known_row(job.command)
    if job.phase is Phase.REJECTED or failed_with(job, DEADLINE_EXCEEDED.code):
        return False
    if operation is None or operation.kind not in (Kind.READ, Kind.TRACK, Kind.CANCEL, Kind.RESOLVE):
        return True
    return operation.kind is Kind.RESOLVE and job.phase is not Phase.FAILED


def _end(job: Job, phase: Phase, data: Mapping[str, Any], now: float, *events: Event, **changes: Any) -> Step:
    """Ends a job: a short reply is kept for duplicates, the request's members while a person may want a retry."""
    filled = {"request": job.filled} if job.filled and phase is Phase.SUCCEEDED else {}
    content = {**data, **filled, "attempts": job.attempt, "durationSeconds": round(max(now - job.accepted_at, 0.0), 3)}
    reply = kept(content)
    fault = changes.pop("fault", job.fault)
    if fault is not None and phase is not Phase.PARKED and reply.get("truncated"):
        fault = replace(fault, message=sizes.shortened(fault.message, sizes.MAX_PATH), status_details=None)
    command, parked = _unchained(job.command), phase is Phase.PARKED
    finished = replace(
        job,
        command=command if parked else replace(command, params={}),
        filled=job.filled if parked else None,
        phase=phase,
        since=now,
        due=0.0,
        reason="",
        finished_at=now,
        awaits="",
        reply=reply,
        fault=fault,
        **changes,
    )
    return Step(finished, (*events, CommandReply(_REPLY_KIND[phase], content)))


def _unchained(command: Command) -> Command:
    """A command that waited for others ends as the one that was sent."""
    return replace(command, operation=command.asked, asked="") if command.operation == CHAINED else command


def kept(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a terminal reply: all of a short one. Nothing that AWS or a publisher sends makes it long."""
    result, error, predecessors = data.get("result"), data.get("error"), data.get("predecessors")
    if len(msgspec.json.encode((result, error, predecessors))) <= sizes.MAX_KEPT_REPLY:
        return dict(data)
    brief = _brief(data)
    if predecessors:
        brief |= sizes.kept({"predecessors": predecessors})
    if result:
        brief["result"] = sizes.kept(result)
    if error:
        details, violations = error.get("statusDetails") or {}, brief["error"].get("violations") or ()
        brief["error"] |= {"statusDetails": _cut(details) or None}
        brief["error"] |= {"violations": [_cut(each) for each in violations]} if violations else {}
    return brief


def _cut(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: sizes.shortened(text, sizes.MAX_PATH) for name, text in texts.items()}


def _error(fault: Fault) -> dict[str, Any]:
    return {
        "code": fault.code,
        "message": fault.message,
        "statusDetails": fault.status_details,
        "retryable": fault.retryable,
        "httpStatus": fault.http_status or None,
    }


def succeeded(job: Job, result: Mapping[str, Any], now: float, *events: Event, **changes: Any) -> Step:
    """The command has done what was asked; a cancellation that has deleted says so."""
    if job.command.asked:
        result = {"cancelled": False, "deleted": True, **result}
    return _end(job, Phase.SUCCEEDED, {"result": result}, now, *events, fault=None, **changes)


def failed(job: Job, fault: Fault, now: float, *events: Event, **changes: Any) -> Step:
    """The command ends without what was asked."""
    fault = bounded(fault)
    return _end(job, Phase.FAILED, {"error": _error(fault)}, now, *events, fault=fault, **changes)


def unfit(job: Job, fault: Fault, violations: Sequence[Mapping[str, str]], now: float) -> Step:
    """The command can't be performed with what its predecessors have made."""
    fault = bounded(fault)
    return _end(job, Phase.FAILED, {"error": {**_error(fault), "violations": list(violations)}}, now, fault=fault)


def deserted(job: Job, fault: Fault, predecessors: list[str], now: float) -> Step:
    """The command waited for others that did not succeed."""
    fault = bounded(fault)
    return _end(job, Phase.FAILED, {"error": _error(fault), "predecessors": predecessors}, now, fault=fault)


def parked(job: Job, fault: Fault, now: float, searched: str) -> Step:
    """It is unknown what happened: an operator decides."""
    fault = bounded(fault)
    data = {"error": _error(fault), "searched": searched}
    return _end(job, Phase.PARKED, data, now, fault=fault)


def unsearchable(job: Job, last: Fault, now: float) -> Step:
    """Its outcome could not be searched for, for too long."""
    request = search_request(job.command)
    fault = Fault(
        "SearchFailed",
        f"what the call has made or changed can't be found out: {request.operation} fails, last with "
        f"{last.code}: {last.message}; correct that, check at AWS, and decide with ResolveCommand",
        http_status=last.http_status,
    )
    return parked(job, fault, now, f"{request.operation}: {job.retries + 1} searches failed, {job.searches} were empty")


def unwatchable(job: Job, unseen: Unseen, now: float) -> Step:
    """Its status could not be read, or is not known, for too long; what only watches leaves nothing to decide."""
    resource, last = subject(job.command), unseen.fault
    poll = unseen.operation or resource.get_operation or resource.list_operation
    what = f"{last.code}: {last.message}"
    cause = last.message if last.code == UNKNOWN_STATUS else f"{poll} fails, last with {what}; correct that, then"
    fault = Fault(
        "StatusUnknown",
        f"how {job.resource_id} stands can't be found out: {cause} "
        f"have it watched again (last status {job.status or 'never seen'})",
        retryable=True,
        http_status=last.http_status,
    )
    if row(job.command).kind is Kind.TRACK:
        return failed(job, fault, now)
    return parked(job, fault, now, f"{poll} of {job.resource_id}")


def not_ready(job: Job, now: float) -> Step:
    """A watch ends at the time that its publisher has named; what is watched goes on."""
    resource_id = job.resource_id or request_of(job.command)[row(job.command).resource.identity]
    fault = Fault(
        "NotReady",
        f"{resource_id} has not reached {_wanted(job) or 'a final status'} by the time named in until (last status "
        f"{job.status or 'never seen'}); it is no longer watched: send a new TrackResource to go on",
        retryable=True,
    )
    return failed(job, fault, now)


def overdue(job: Job) -> Step:
    """The job goes on; its publisher hears once that it takes long."""
    if job.overdue:
        return Step(job, ignored=True)
    notice = CommandReply("waiting", {"reason": OVERDUE, "position": 0})
    return Step(replace(job, overdue=True), (notice,))


def rejected(command: Command, fault: Fault, violations: list[dict[str, str]], now: float) -> Step:
    """The command is not one that can be performed."""
    job = Job(command, Phase.REJECTED, accepted_at=now, attempt=0)
    return _end(job, Phase.REJECTED, {"error": {**_error(fault), "violations": violations}}, now, fault=fault)


def started(job: Job, resource_id: str, status: str) -> CommandReply:
    """The reply of a call that began something long."""
    filled = {"request": job.filled} if job.filled else {}
    return CommandReply("started", {_id_member(job.command): resource_id, "status": status, **filled})


def _id_member(command: Command) -> str:
    return "resourceArn" if row(command).resource.identity else "resourceId"


def written(job: Job, result: Mapping[str, Any], now: float) -> Step:
    """A change without a lifecycle was made."""
    operation = row(job.command)
    identity = operation.resource.identity
    resource_id = str(result.get(identity) or job.command.params.get(identity, ""))
    change = StatusChange(
        operation.resource.kind,
        resource_id,
        str(operation.change),
        name=str(job.command.params.get("name", "")),
    )
    return succeeded(job, result, now, change, resource_id=resource_id)


def reconciled(job: Job, shown: Mapping[str, Any] | None, now: float) -> Step:
    """A witness shows that the lost call was performed."""
    if shown is None:
        return removed(job, now)
    return written(job, strip(shown), now)


def removed(job: Job, now: float) -> Step:
    """The resource is gone, as asked."""
    operation = row(job.command)
    resource_id = job.resource_id or str(job.command.params[operation.resource.identity])
    change = StatusChange(operation.resource.kind, resource_id, Change.DELETED)
    return succeeded(job, {}, now, change, resource_id=resource_id, status=Change.DELETED.value)


def vanished(job: Job, now: float) -> Step:
    """The resource is gone, and this command did not ask for it."""
    if not job.status and row(job.command).kind is Kind.TRACK:
        return failed(job, Fault(NOT_FOUND, f"{job.resource_id} does not exist", http_status=404), now)
    change = StatusChange(subject(job.command).kind, job.resource_id, Change.DELETED, name=_name(job, {}))
    if _wanted(job) == Change.DELETED:
        return succeeded(job, {}, now, change, status=Change.DELETED.value)
    fault = Fault(
        "ResourceVanished",
        f"{job.resource_id} is no longer there: someone else deleted it (last status {job.status or 'never seen'})",
    )
    return failed(job, fault, now, change, status=Change.DELETED.value)


def _wanted(job: Job) -> str:
    """The status at which a watch is to end; empty for any terminal one."""
    return str(request_of(job.command).get("untilStatus", "")) if row(job.command).kind is Kind.TRACK else ""


def arriving(job: Job, status: str, description: Mapping[str, Any], now: float, *, back: bool) -> Step:
    """A resource on its way shows a new status; one that it had left behind, when it has gone back."""
    resource, wanted = subject(job.command), _wanted(job)
    final = status in resource.done or status in resource.failed or status in resource.undeleted
    change = _change(job, status, description, full=final, back=back)
    if status == wanted or (status in resource.done and not wanted):
        return succeeded(job, strip(description), now, change, status=status)
    if final and status not in resource.done:
        return failed(job, _status_fault(status, description), now, change, status=status)
    if wanted and _beyond(resource, wanted, status):
        if any(wanted in path and status in path for path in resource.paths):
            return succeeded(job, strip(description), now, change, status=status)
        return failed(job, _missed(job.resource_id, wanted, status), now, change, status=status)
    return Step(replace(job, status=status), (change,))


def _beyond(resource: Resource, wanted: str, status: str) -> bool:
    """Whether the resource can't show the wanted status any more, as far as the table knows both."""
    sought, shown = resource.rank(wanted), resource.rank(status)
    return sought is not None and shown is not None and sought <= shown


def _missed(resource_id: str, wanted: str, status: str) -> Fault:
    return Fault(
        "StatusMissed",
        f"{resource_id} is {status} and can't become {wanted} any more; no poll has shown whether it ever was",
    )


def departing(job: Job, status: str, description: Mapping[str, Any], now: float, policy: Policy, *, back: bool) -> Step:
    """A resource being removed shows a status: until the grace is over it may be one from before the delete.

    A removal that was seen under way may be taken back: then polls have confirmed the status (``back``).
    """
    resource = row(job.command).resource
    age = now - job.since
    if status in resource.undeleted and (job.status or age >= policy.vanish_grace):
        change = _change(job, status, description, full=True)
        return failed(job, _status_fault(status, description), now, change, status=status)
    if status in resource.undeleted:
        return Step(job)
    if back and status in resource.done | resource.failed:
        fault = Fault("NotRemoved", f"AWS had begun the deletion ({job.status}), and the resource is {status} again")
        return failed(job, fault, now, _change(job, status, description, full=True, back=True), status=status)
    if status in resource.done or status in resource.failed:
        if age < policy.settle:
            return Step(job)  # a read that lags behind the delete
        fault = Fault("NotRemoved", f"AWS took the delete {age:.0f} s ago, and the resource is {status} all the same")
        return failed(job, fault, now)
    return Step(replace(job, status=status), (_change(job, status, description, full=False, back=back),))


def _change(job: Job, status: str, description: Mapping[str, Any], *, full: bool, back: bool = False) -> StatusChange:
    return StatusChange(
        subject(job.command).kind,
        job.resource_id,
        status,
        name=_name(job, description),
        description=strip(description) if full else None,
        details=details(description.get("statusDetails")),
        back=back,
    )


def _name(job: Job, description: Mapping[str, Any]) -> str:
    creates = row(job.command).kind is Kind.JOB
    name = str(description.get("name") or (job.command.params.get("name", "") if creates else ""))
    return sizes.shortened(name, sizes.MAX_NAME)


def _status_fault(status: str, description: Mapping[str, Any]) -> Fault:
    reported = details(description.get("statusDetails")) or {}
    code, message = reported.get("statusCode", ""), reported.get("message", "") or "AWS gives no reason"
    return Fault(status, f"{code}: {message}" if code else message, status_details=reported or None)


def shortened(before: Job | None, step: Step, size: int, limit: int, now: float) -> Step:
    """The same step in fewer words, when one of its records would be larger than can be written.

    A read has nothing but its result to give, so it fails. Anything else has happened: what is left of the description
    are its short members, marked as ``truncated``. A parked command loses its request, and with it the way to retry it.
    """
    job = step.job
    if before is not None and job is not None and job.phase is Phase.SUCCEEDED and row(job.command).kind is Kind.READ:
        message = (
            f"AWS's answer makes a record of {size} bytes, at most {limit} can be written; ask for less at once, "
            "with maxResults where the operation has it"
        )
        return failed(before, Fault("ResultTooLarge", message), now)
    if job is not None and job.reply is not None:
        job = replace(job, reply=_brief(job.reply))
    if job is not None and job.phase is Phase.PARKED:
        job = replace(job, command=replace(job.command, params={}))
    return Step(job, tuple(map(_brief_event, step.events)), step.ignored)


def shortened_change(change: ResourceChange) -> ResourceChange:
    """The same change with the short members of its description only."""
    return replace(change, description=sizes.essentials(change.description or {}), truncated=True)


def _brief_event(event: Event) -> Event:
    if isinstance(event, CommandReply):
        return CommandReply(event.kind, _brief(event.data))
    if event.description is None:
        return event
    return dataclasses.replace(event, description=sizes.essentials(event.description), truncated=True)


def _brief(data: Mapping[str, Any]) -> dict[str, Any]:
    brief = dict(data)
    if "result" in brief:
        brief |= {"result": sizes.essentials(brief["result"]), "truncated": True}
    if "error" in brief:
        error = {**brief["error"], "message": sizes.shortened(str(brief["error"].get("message", "")), sizes.MAX_PATH)}
        if "violations" in error:
            error["violations"] = error["violations"][:1]
        brief |= {"error": error, "truncated": True}
    return brief
