"""A command as an operator sees it: in the words of its replies, and nothing of its payload but the resource's name.

What may be shown is listed here, member by member; a member that a later release adds to a record is not shown.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from schemas.operations import Kind
from schemas.records import Fault
from schemas.references import WAITS
from service.core import chains, timing
from service.core.faults import INVALID
from service.core.job import GIVEN_BACK, Job, Phase, ended, known_row, marker, request_of
from service.core.resolution import GIVEN_UP
from service.core.transitions import OUT_OF_BUDGET

LONGEST_TEXT: Final = 500
"""Characters of a message that are shown."""

_NAMED: Final = 3
"""Predecessors that are named."""
_WITHHELD: Final = "[withheld]"
_IN_THE_REPLY: Final = "(AWS's message may quote the request; the command's reply has it)"
_SHORTEST_SECRET: Final = 4
"""Characters from which on a text of the request is taken out of messages."""


class CommandState(StrEnum):
    """How a command stands: the kind of the last reply that says so."""

    ACCEPTED = "accepted"
    WAITING = "waiting"
    STARTED = "started"
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"


OPEN: Final = (CommandState.ACCEPTED, CommandState.WAITING, CommandState.STARTED, CommandState.PARKED)
"""States of commands that have not ended, and of those that wait for a person."""
ENDED: Final = (CommandState.SUCCEEDED, CommandState.FAILED, CommandState.REJECTED)
"""States of commands about which nothing is left to do."""


class NextStep(StrEnum):
    """What happens next without a person."""

    CALL = "call"
    RETRY = "retry"
    SEARCH = "search"
    POLL = "poll"
    NONE = ""


class ShownError(msgspec.Struct, frozen=True, rename="camel"):
    """An error.

    Attributes:
        code: AWS's error code or one of the service.
        message: What was found and what to do; texts of the request are taken out of it, and AWS's message about an
            invalid request or a failed job is left out where it could quote the request.
        http_status: Status of AWS's answer; 0 when there was none.
    """

    code: str
    message: str = ""
    http_status: int = 0


def state_of(job: Job) -> CommandState:
    """The word of the reply that describes where a job stands."""
    if ended(job):
        return CommandState(job.phase.value)
    if job.phase is Phase.RUNNING:
        return CommandState.STARTED
    if job.phase is Phase.QUEUED or job.held or job.reason:
        return CommandState.WAITING
    return CommandState.ACCEPTED


def waiting_reason(job: Job) -> str:
    """Why a job waits, as its last `waiting` reply says; empty for one that does not."""
    if state_of(job) is not CommandState.WAITING:
        return ""
    return job.held or job.reason or WAITS


def waits_since(job: Job) -> float:
    """Since when it could have been called: its acceptance or, if that is later, the start that it has asked for."""
    return max(job.accepted_at, job.command.not_before)


def next_step(job: Job) -> tuple[NextStep, float]:
    """What happens next, and when, by the owner's time; 0 for a time that only the owner knows, or for now."""
    match job.phase:
        case Phase.INTENDED if timing.awaits_start(job):
            return NextStep.CALL, job.due
        case Phase.INTENDED:
            step = NextStep.RETRY if job.retries else NextStep.CALL
            return step, job.due if job.due > GIVEN_BACK else 0.0
        case Phase.QUEUED:
            return (NextStep.NONE, 0.0) if chains.awaited(job) else (NextStep.RETRY, job.due)
        case Phase.UNCERTAIN | Phase.ACCEPTED:
            return NextStep.SEARCH, job.due
        case Phase.RUNNING:
            return NextStep.POLL, 0.0
        case _:
            return NextStep.NONE, 0.0


def explained(job: Job) -> str:
    """Why it stands where it does, in one sentence; empty where the state says all."""
    if job.held:
        return f"on hold: this release or its settings do not know a word of it ({job.held})"
    match job.phase:
        case Phase.INTENDED:
            return _intended(job)
        case Phase.QUEUED if job.awaits:
            return "waits for the end of the command that it cancels"
        case Phase.QUEUED if chains.waits(job):
            return _behind(chains.open_ids(job))
        case Phase.QUEUED:
            return "waits for a free concurrency slot"
        case Phase.UNCERTAIN:
            return f"the answer to its call was lost; {_searches(job)} for what it has made"
        case Phase.ACCEPTED:
            return f"AWS has accepted it without a name; {_searches(job)} for what it has made"
        case _:
            return ""


def _intended(job: Job) -> str:
    if timing.awaits_start(job):
        return "waits for its start time"
    if job.retries:
        return f"{job.retries} tries in a row have failed for now; it is tried again"
    if job.reason == OUT_OF_BUDGET:
        return "waits for the rate budget of its target"
    if job.reason:
        return "waits"
    return "waits for its turn to call" if job.due else "is being called"


def _behind(ids: Sequence[str]) -> str:
    """The predecessors by name, as far as a line has room for them."""
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"waits for {', '.join(ids[:_NAMED])}{more}"[:LONGEST_TEXT]


def _searches(job: Job) -> str:
    return f"searched {job.searches} times" if job.searches else "searching"


def name_of(job: Job) -> str:
    """The name of what it makes or is about, as far as its record has it."""
    for holder in (request_of(job.command), (job.reply or {}).get("result")):
        if isinstance(holder, dict) and isinstance(name := holder.get("name"), str):
            return name
    return ""


def error_of(job: Job) -> ShownError | None:
    """The error that ended it, or the evidence that a search goes by."""
    return shown_error(job.fault, job.command.params) if job.fault is not None else None


def shown_error(fault: Fault, params: dict[str, Any]) -> ShownError:
    """What may be shown of an error: nothing that quotes the request."""
    if _quotes(fault) or (fault.status_details and not params):
        reason = (fault.status_details or {}).get("statusCode", "")
        return ShownError(fault.code, f"{reason} {_IN_THE_REPLY}".strip(), fault.http_status)
    return ShownError(fault.code, _without(fault.message, params)[:LONGEST_TEXT], fault.http_status)


def logged_message(fault: Fault, params: Mapping[str, Any]) -> str:
    """What a log line may say of an error: in one line, bounded, and nothing that quotes the request.

    What AWS says of a failed job names resources and reasons. It is made by the job, which quotes no request.
    """
    if _quotes(fault):
        return _IN_THE_REPLY
    message = _without(fault.message, params)[:LONGEST_TEXT]
    if message.isprintable():
        return message
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in message)


def _quotes(fault: Fault) -> bool:
    """Whether AWS's words about an invalid request are in the message, also of a command that was then given up."""
    given_up = fault.code == GIVEN_UP and f": {INVALID}: " in fault.message
    return given_up or (fault.code == INVALID and fault.http_status > 0)


def _without(message: str, params: Mapping[str, Any]) -> str:
    """A message without texts of the request."""
    for text in sorted(set(_texts(params)), key=len, reverse=True):
        if len(text) >= _SHORTEST_SECRET:
            message = message.replace(text, _WITHHELD)
    return message


def _texts(value: Any) -> Iterator[str]:
    """Every text in a request but names of resources: an operator needs these."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name != "name":
                yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
    elif isinstance(value, str) and not value.startswith("arn:"):
        yield value


def remedies(job: Job, adoptable: Sequence[str] = ()) -> tuple[str, ...]:
    """The command lines of which a person chooses one.

    Args:
        job: A parked one; others have none.
        adoptable: Ids of the resources that may be adopted, if they are known.
    """
    if job.phase is not Phase.PARKED:
        return ()
    call = f"python -m service parked resolve {shlex.quote(job.command.id)} --source {shlex.quote(job.command.source)}"
    operation = known_row(job.command)
    named = operation is not None and operation.creates and operation.resource.identity  # others name it themselves
    adopted = [f"--adopt {shlex.quote(each)}" for each in adoptable or ("ARN",)] if named else ["--adopt -"]
    return tuple(f"{call} {decision}" for decision in (*adopted, "--retry", "--fail"))


def marker_of(job: Job) -> str:
    """The marker at the end of the description of what it makes; empty for what makes nothing."""
    operation = known_row(job.command)
    return marker(job.command) if operation is not None and operation.creates else ""


def trace_of(job: Job) -> str:
    """The id of its trace; empty without one."""
    parts = job.command.traceparent.split("-")
    return parts[1] if len(parts) > 1 else ""


def is_long(job: Job) -> bool:
    """Whether its usual duration is worth a figure: it starts or ends something that takes its time."""
    operation = known_row(job.command)
    return operation is not None and operation.kind in (Kind.JOB, Kind.REMOVAL)


def running_seconds(job: Job) -> float | None:
    """How long AWS worked on it, by AWS's own times in the final description; None if it does not say."""
    result = (job.reply or {}).get("result")
    if job.phase is not Phase.SUCCEEDED or not isinstance(result, dict):
        return None
    times = [moment(result.get(name)) for name in ("createTime", "updateTime")]
    if times[0] is None or times[1] is None:
        return None
    seconds = (times[1] - times[0]).total_seconds()
    return seconds if seconds > 0 else None


def moment(value: object) -> datetime | None:
    """A time from RFC 3339 or epoch seconds; None for anything else, and for 0."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        if isinstance(value, int | float) and value:
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def matches(text: str, values: Iterable[str]) -> bool:
    """Whether one of the values contains the text, in any case."""
    return any(text in value.lower() for value in values)
