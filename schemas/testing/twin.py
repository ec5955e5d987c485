"""The service's contract in memory, for unit tests of publishers and subscribers.

Fed a command, the twin answers with the replies and events that the service would publish; jobs do not proceed until
they are moved on by hand. It keeps the contract (validation, duplicates, misuse, numbering, waiting, chains, tracking,
cancelling), and no more: there is no Kafka, no AWS and no crash. A test feeds it and the real service the same
commands.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from .. import commands, records, references
from ..client import Client, ClientSettings
from ..commands import NotACommand, Rejected, TopicRules
from ..events import Message, ReplyKind
from ..operations import COMMANDS, Change, Kind, Operation, Resolution, removal_of, resource_of
from . import links
from .account import Account, ApiError, Thing, kind_of
from .building import SOURCE, open_limits
from .jobs import TwinJob, error, fault_of, wanted
from .outbox import Outbox
from .reading import Published
from .transport import TwinTransport

QUOTA: Final = "ServiceQuotaExceededException"
_NOT_BEFORE: Final = "NotBefore"
_UNDER_WAY: Final = "CommandUnderWay"
_PARKED: Final = "CommandParked"
_NOT_HELD: Final = {_NOT_BEFORE, _UNDER_WAY, _PARKED, references.WAITS}


class Twin:
    """The service, in memory.

    Attributes:
        published: All replies and events, in order.
        dead_letters: All dead letters, in order.
        account: The AWS account behind it.
        now: Its clock, epoch seconds.
    """

    def __init__(
        self,
        *,
        prefix: str = "cleanroomsml",
        limits: TopicRules | None = None,
        automatic: bool = False,
        now: float = 0.0,
    ) -> None:
        """A twin that has heard nothing.

        Args:
            prefix: First part of the topics' names.
            limits: What its one tenant may ask for; by default anything, with the one target ``default``.
            automatic: Whether jobs and removals run to a good end by themselves.
            now: What its clock shows; the time of day if 0.
        """
        self._automatic = automatic
        self._limits = limits or open_limits(reply_topics=[f"{prefix}.replies"])
        self.now = now or time.time()
        self.account = Account()
        self._out = Outbox(prefix, self.account.region)
        self.published, self.dead_letters = self._out.published, self._out.dead_letters
        self._jobs: dict[bytes, TwinJob] = {}
        self._held: dict[str, str] = {}
        self._refusals: dict[str, ApiError] = {}
        self._parking: set[str] = set()
        self._ends: deque[TwinJob] = deque()

    def client(self, source: str = SOURCE, **settings: Any) -> Client:
        """A client, not open yet, that talks to this twin instead of to Kafka.

        Args:
            source: Who sends.
            settings: Further members of :class:`schemas.client.ClientSettings`.
        """
        known = ClientSettings(bootstrap_servers="", source=source, prefix=self._out.prefix, **settings)
        return Client(known, TwinTransport(self.send, self._out))

    # --- what a test does ------------------------------------------------------------------------------------------

    def send(self, message: Message) -> list[Published]:
        """Takes a record from the commands topic; gives what is published because of it."""
        before = len(self.published)
        outcome = commands.read(message.key, message.value, message.headers, self._limits)
        if isinstance(outcome, NotACommand | Rejected):
            self._out.bury(message, outcome.code, outcome.message, self.now)
        if not isinstance(outcome, NotACommand):
            self._receive(outcome, message.key)
        return self.published[before:]

    def advance(self, resource_id: str, status: str = "") -> list[Published]:
        """Moves a resource to a status, by default the next one of a good life; gives what is published.

        Raises:
            ApiError: There is no such resource.
            ValueError: Its life is at an end, and no status was given.
        """
        before = len(self.published)
        thing = self.account.find(resource_id)
        self._move(thing, status or _next(thing), {})
        return self.published[before:]

    def finish(self, resource_id: str) -> list[Published]:
        """Moves a resource to the good end of what is under way, if anything is; gives what is published.

        Raises:
            ApiError: There is no such resource.
        """
        before = len(self.published)
        thing = self.account.find(resource_id)
        for status in _path(thing):
            self._move(thing, status, {})
        return self.published[before:]

    def fail(self, resource_id: str, code: str = "INTERNAL_ERROR", message: str = "failed") -> list[Published]:
        """Moves a resource to the bad end of what is under way; gives what is published."""
        before = len(self.published)
        thing = self.account.find(resource_id)
        ends = thing.resource.undeleted if thing.status in thing.resource.leaving else thing.resource.failed
        self._move(thing, min(ends), {"statusCode": code, "message": message})
        return self.published[before:]

    def refuse(self, operation: str, code: str, message: str = "refused", http_status: int = 400) -> None:
        """Makes AWS refuse the next call of an operation."""
        self._refusals[COMMANDS[operation].name] = ApiError(code, message, http_status)

    def park(self, operation: str) -> None:
        """Makes the outcome of the next call of an operation unknown, for good: its command is parked."""
        self._parking.add(COMMANDS[operation].name)

    def hold(self, operation: str, reason: str = QUOTA) -> None:
        """Makes commands of an operation wait until :meth:`release`, as for a quota slot."""
        self._held[COMMANDS[operation].name] = reason

    def release(self, operation: str) -> list[Published]:
        """Lets the waiting commands of an operation go on; gives what is published."""
        before = len(self.published)
        self._held.pop(operation, None)
        self._resume(lambda job: job.command.operation == operation and job.waiting not in _NOT_HELD)
        return self.published[before:]

    def pass_time(self, seconds: float) -> list[Published]:
        """Moves the clock on; gives what is published since a ``notbefore``, ``deadline`` or ``until`` has come."""
        before = len(self.published)
        self.now += seconds
        for job in [one for one in self._jobs.values() if one.waiting and 0 < one.command.deadline < self.now]:
            self._end(job, ReplyKind.FAILED, error("DeadlineExceeded", "the command was not issued by its deadline"))
        self._resume(lambda job: job.waiting == _NOT_BEFORE and job.command.not_before <= self.now)
        for job in [one for one in self._jobs.values() if not one.ended]:
            self._limit(job)
        return self.published[before:]

    def provide(self, resource_arn: str, status: str = "ACTIVE", **members: Any) -> None:
        """Puts a resource into the account that no command has made.

        Raises:
            ValueError: The ARN names no kind of resource.
        """
        self.account.provide(kind_of(resource_arn), resource_arn, members, status, self.now)

    # --- commands --------------------------------------------------------------------------------------------------

    def _receive(self, outcome: records.Command | Rejected, record_key: bytes | None) -> None:
        command = outcome.command if isinstance(outcome, Rejected) else outcome
        key = records.job_key(command.source, command.id)
        known = self._jobs.get(key)
        if known is not None:
            self._again(known, command)
            return
        job = TwinJob(command, self.now, record_key, command.predecessors)
        refused = outcome if isinstance(outcome, Rejected) else links.refusal(job, self._jobs)
        self._jobs[key] = job
        if refused is not None:
            violations = links.as_data(refused.violations)
            self._end(job, ReplyKind.REJECTED, error(refused.code, refused.message, violations=violations))
            return
        self._reply(job, ReplyKind.ACCEPTED, {})
        self._begin(job)

    def _again(self, known: TwinJob, command: records.Command) -> None:
        if command.digest == known.command.digest:
            self._out.reply(command, *known.last, self.now)
            return
        message, violations = commands.misuse(known.command, command)
        misuse = {"error": {"code": "IdMisuse", "message": message, "violations": violations}}
        self._out.reply(command, ReplyKind.REJECTED, misuse, int(command.digest[:12], 16), self.now)

    def _begin(self, job: TwinJob) -> None:
        command = job.command
        if 0 < command.deadline < self.now:
            self._end(job, ReplyKind.FAILED, error("DeadlineExceeded", "the command was not issued by its deadline"))
        elif self._limit(job):
            pass
        elif job.open:
            self._advance(job)
        elif command.not_before > self.now:
            self._wait(job, _NOT_BEFORE, 0)
        elif command.operation in self._held:
            ahead = sum(one.command.operation == command.operation and bool(one.waiting) for one in self._jobs.values())
            self._wait(job, self._held[command.operation], ahead + 1)
        else:
            self._perform(job)

    def _limit(self, job: TwinJob) -> bool:
        """Ends a watch whose ``until`` has passed; of what AWS has begun, it is reported once."""
        if not 0 < job.command.until < self.now:
            return False
        if job.row.kind is Kind.TRACK:
            self._end(job, ReplyKind.FAILED, error("NotReady", "the resource has not reached its status by then"))
            return True
        if job.resource_id and not job.overdue and job.row.kind in (Kind.JOB, Kind.REMOVAL):
            job.overdue = True
            self._reply(job, ReplyKind.WAITING, {"reason": "Overdue", "position": 0})
        return False

    def _wait(self, job: TwinJob, reason: str, position: int, **more: Any) -> None:
        job.waiting = reason
        self._reply(job, ReplyKind.WAITING, {"reason": reason, "position": position, **more})

    def _advance(self, job: TwinJob) -> None:
        """Goes on when all that it names have succeeded, ends with the first that has not, waits otherwise."""
        fault = links.fault(job, self._jobs)
        if fault is not None:
            self._end(job, ReplyKind.FAILED, fault)
            return
        left = links.note(job, self._jobs)
        if left and (job.waiting != references.WAITS or left != job.open):
            job.open = left
            self._wait(job, references.WAITS, 0, predecessors=list(left))
        if left:
            return
        job.open, job.waiting = (), ""
        if refused := links.fill(job, self._limits):
            self._end(job, ReplyKind.FAILED, refused)
            return
        self._begin(job)

    def _resume(self, due: Callable[[TwinJob], bool]) -> None:
        for job in [one for one in self._jobs.values() if one.waiting and due(one)]:
            job.waiting = ""
            self._begin(job)

    def _perform(self, job: TwinJob) -> None:
        row = job.row
        if row.name in self._parking:
            self._parking.remove(row.name)
            lost = error("AmbiguousOutcome", "the call's outcome was lost and the search is ambiguous")
            self._end(job, ReplyKind.PARKED, {**lost, "searched": "2 resources carry the marker"})
            return
        refusal = self._refusals.pop(row.name, None)
        try:
            if refusal is not None:
                raise refusal
            self._call(job, row)
        except ApiError as no:
            self._end(job, ReplyKind.FAILED, error(no.code, no.message, http_status=no.http_status))

    def _call(self, job: TwinJob, row: Operation) -> None:
        params = job.command.params
        match row.kind:
            case Kind.READ:
                self._end(job, ReplyKind.SUCCEEDED, {"result": self.account.answer(row, params, self.now)})
            case Kind.WRITE:
                result = self.account.answer(row, params, self.now)
                subject = str(result.get(row.resource.identity) or params.get(row.resource.identity))
                job.resource_id = subject if row.creates else ""
                self._out.change(
                    job.command, row.resource.kind, subject, str(row.change), self.now, name=str(params.get("name", ""))
                )
                self._end(job, ReplyKind.SUCCEEDED, {"result": result})
            case Kind.JOB:
                self._start(job, self.account.create(row, params, self.now))
            case Kind.REMOVAL:
                thing = self.account.find(params[row.resource.identity])
                thing.status = row.resource.leaving[0]
                self._start(job, thing)
            case Kind.TRACK:
                self._track(job, str(params[row.resource.identity]))
            case Kind.CANCEL:
                self._cancel(job)
            case Kind.RESOLVE:
                self._resolve(job)

    def _start(self, job: TwinJob, thing: Thing) -> None:
        member = "resourceArn" if thing.resource.identity else "resourceId"
        job.resource_id = thing.id
        filled = {"request": job.filled} if job.filled else {}
        self._reply(job, ReplyKind.STARTED, {member: thing.id, "status": thing.status, **filled})
        self._limit(job)
        self._show(thing, {})
        if self._automatic:
            self.finish(thing.id)

    def _track(self, job: TwinJob, arn: str) -> None:
        thing = self.account.find(arn)
        job.resource_id = thing.id
        self._show(thing, {})

    # --- cancelling ------------------------------------------------------------------------------------------------

    def _other(self, job: TwinJob) -> TwinJob | None:
        params = job.command.params
        return self._jobs.get(records.job_key(params["commandSource"], params["commandId"]))

    def _cancel(self, job: TwinJob) -> None:
        params, other = job.command.params, self._other(job)
        if other is None:
            self._end(job, ReplyKind.FAILED, error("UnknownCommand", "no command with this id and source is known"))
        elif other.waiting or (other.row.kind is Kind.TRACK and not other.ended):
            self._end(other, ReplyKind.FAILED, error("Cancelled", "cancelled by its publisher before AWS was called"))
            self._end(job, ReplyKind.SUCCEEDED, {"result": {"cancelled": True}})
        elif not params.get("deleteResource") or not (other.row.creates and removal_of(other.row.resource)):
            self._end(job, ReplyKind.FAILED, error("TooLate", "the command can't be cancelled any more"))
        else:
            self._delete(job, other)

    def _delete(self, job: TwinJob, other: TwinJob) -> None:
        reason = _PARKED if other.last[0] is ReplyKind.PARKED else "" if other.ended else _UNDER_WAY
        if reason:
            job.awaits = other
            if job.waiting != reason:
                self._wait(job, reason, 0)
            return
        if (other.last[1].get("error") or {}).get("code") == "GivenUp":
            self._end(job, ReplyKind.FAILED, error("OutcomeUnknown", "whether it made a resource is not known"))
            return
        removal = removal_of(other.row.resource)
        if removal is None or other.resource_id not in self.account.things:
            self._end(job, ReplyKind.SUCCEEDED, {"result": {"cancelled": False, "deleted": False}})
            return
        params = {removal.resource.identity: other.resource_id}
        job.waiting, job.awaits = "", None
        job.command = replace(
            job.command,
            operation=removal.name,
            asked=job.command.operation,
            target=other.command.target,
            params=params,
        )
        self._perform(job)

    def _resolve(self, job: TwinJob) -> None:
        decision, other = job.command.params["resolution"], self._other(job)
        if other is None:
            self._end(job, ReplyKind.FAILED, error("UnknownCommand", "no command with this id and source is known"))
            return
        if other.last[0] is not ReplyKind.PARKED:
            self._end(job, ReplyKind.FAILED, error("NotParked", "the command is not parked"))
            return
        adopting = decision == Resolution.ADOPT and other.row.creates
        if adopting and not _fits(other, str(job.command.params.get("resourceArn", ""))):
            self._end(job, ReplyKind.FAILED, error("InvalidResolution", "resourceArn must be what was made"))
            return
        other.ended, other.last = False, (ReplyKind.ACCEPTED, {}, 1)
        if decision == Resolution.FAIL:
            self._end(other, ReplyKind.FAILED, error("GivenUp", "it was parked, and a person has given it up"))
        elif adopting:
            self._adopt(other, str(job.command.params.get("resourceArn", "")))
        else:
            self._perform(other)
        phase = other.last[0].value if other.ended else "running"
        self._end(job, ReplyKind.SUCCEEDED, {"result": {"resolution": str(decision), "phase": phase}})

    def _adopt(self, job: TwinJob, arn: str) -> None:
        """Adds the resource that an operator says a parked command has made."""
        row, params = job.row, job.command.params
        thing = self.account.create(row, params, self.now, arn)
        job.resource_id = thing.id
        if row.kind is Kind.JOB:
            self._start(job, thing)
            return
        self._out.change(
            job.command, row.resource.kind, thing.id, str(row.change), self.now, name=str(params.get("name", ""))
        )
        self._end(job, ReplyKind.SUCCEEDED, {"result": {row.resource.identity: thing.id}})

    # --- resources -------------------------------------------------------------------------------------------------

    def _move(self, thing: Thing, status: str, details: dict[str, str]) -> None:
        thing.status = status
        if details:
            thing.members["statusDetails"] = details
        self._show(thing, details)
        if status == Change.DELETED:
            self.account.things.pop(thing.id, None)

    def _show(self, thing: Thing, details: dict[str, str]) -> None:
        """All who watch a resource see its status; the first one's sight is what is published."""
        resource, status = thing.resource, thing.status
        final = status in resource.done | resource.failed | resource.undeleted
        description = self.account.description(thing)
        for job in [one for one in self._jobs.values() if one.resource_id == thing.id and not one.ended]:
            name = str(thing.members.get("name", "")) if status != Change.DELETED else ""
            full = description if final else None
            self._out.change(
                job.command, resource.kind, thing.id, status, self.now, name=name, full=full, details=details
            )
            self._judge(job, thing, description, details)

    def _judge(self, job: TwinJob, thing: Thing, description: dict[str, Any], details: dict[str, str]) -> None:
        """Ends a job whose resource has come to where it was to come, or where it must not."""
        resource, status, until = thing.resource, thing.status, wanted(job)
        gone = status == Change.DELETED
        if gone and job.row.kind is Kind.TRACK:
            job.resource_id = ""
        if gone and (job.row.kind is Kind.REMOVAL or until == status):
            self._end(job, ReplyKind.SUCCEEDED, {"result": {}})
        elif gone:
            self._end(job, ReplyKind.FAILED, error("ResourceVanished", f"{thing.id} is no longer there"))
        elif job.row.kind is Kind.REMOVAL:
            if status in resource.undeleted:
                self._end(job, ReplyKind.FAILED, fault_of(status, details))
        elif status == until or (status in resource.done and not until):
            self._end(job, ReplyKind.SUCCEEDED, {"result": description})
        elif status in resource.failed | resource.undeleted:
            self._end(job, ReplyKind.FAILED, fault_of(status, details))

    # --- replies ---------------------------------------------------------------------------------------------------

    def _reply(self, job: TwinJob, kind: ReplyKind, data: dict[str, Any]) -> None:
        job.replies += 1
        if kind is ReplyKind.ACCEPTED or job.ended:
            job.last = (kind, data, job.replies)
        self._out.reply(job.command, kind, data, job.replies, self.now)

    def _end(self, job: TwinJob, kind: ReplyKind, data: dict[str, Any]) -> None:
        job.ended, job.waiting, job.awaits = True, "", None
        if job.command.asked and "result" in data:
            data = {"result": {"cancelled": False, "deleted": True, **data["result"]}}
        if job.filled and kind is ReplyKind.SUCCEEDED:
            data = {**data, "request": job.filled}
        attempts = 0 if kind is ReplyKind.REJECTED else 1
        self._reply(job, kind, {**data, "attempts": attempts, "durationSeconds": round(self.now - job.accepted_at, 3)})
        for one in [other for other in self._jobs.values() if other.awaits is job]:
            self._delete(one, job)
        self._ends.append(job)
        if len(self._ends) == 1:  # otherwise this one ends because of another, which goes on below
            while self._ends:
                for one in links.waiting_for(self._ends[0], self._jobs):
                    self._begin(one)
                self._ends.popleft()


def _fits(job: TwinJob, arn: str) -> bool:
    """True when a resource can be what a creating command has made."""
    resource = job.row.resource
    return resource_of(arn) is resource if resource.identity else not arn


def _path(thing: Thing) -> list[str]:
    """The statuses between a resource and the good end of what is under way."""
    resource = thing.resource
    for path in ([*resource.arriving, *sorted(resource.done)], [*resource.leaving, Change.DELETED.value]):
        if thing.status in path:
            return path[path.index(thing.status) + 1 :]
    return []


def _next(thing: Thing) -> str:
    path = _path(thing)
    if not path:
        raise ValueError(f"{thing.id} is {thing.status}, an end; name the status to move it to")
    return path[0]
