"""Commands and resources in the page's terms: what their records say, and what this replica alone knows of them.

What only the owner of a partition knows, such as the time of the next poll, is shown where this replica is the owner,
and left out elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from schemas.operations import COMMANDS, Kind
from schemas.records import ResourceState
from service.core import command_state
from service.core.command_state import CommandState, NextStep, moment
from service.core.durations import UsualDuration
from service.core.job import Job, Phase
from service.runtime.app import App
from service.runtime.catalogue import Catalogue, FoundCommand, FoundPage, Query
from service.runtime.context import Context
from service.runtime.fleet_answers import (
    CommandAnswer,
    CommandName,
    CommandPage,
    CommandSummary,
    PartitionName,
    ResourceAnswer,
    ResourceStateAnswer,
    TimelineStep,
)
from service.runtime.group_snapshot import GroupSnapshot
from service.runtime.history import History, SeenStep
from service.runtime.ports import TopicPartition
from service.runtime.slots import Claim

_HOLDERS: Final = 20
_EARLIER: Final = 200
"""Latest ends of each partition from which usual durations are made after a start."""
_FILL_AGAIN: Final = 60.0
"""Seconds after which too few durations are searched for again."""
_FROM_ACCEPTANCE: Final = (CommandState.ACCEPTED, CommandState.WAITING)
"""States whose age counts from the acceptance: each retry begins such a phase again."""


class FleetCommands:
    """Answers questions about commands and resources.

    Args:
        replica: Name of this replica.
        app: What runs here.
        catalogue: All commands.
        context: Clock and numbers.
        history: What was seen.
        group: What is known of the group.
    """

    def __init__(
        self,
        replica: str,
        app: App,
        catalogue: Catalogue,
        context: Context,
        history: History,
        group: Callable[[], GroupSnapshot],
    ) -> None:
        self._replica = replica
        self._app = app
        self._catalogue = catalogue
        self._context = context
        self._clock = context.clock
        self._history = history
        self._group = group
        self._started = self._clock.wall()
        self._filled: dict[str, float] = {}

    async def commands(self, query: Query) -> CommandPage:
        """A page of commands."""
        return await self._page(await self._catalogue.page(query))

    async def _page(self, page: FoundPage) -> CommandPage:
        for operation in {each.job.command.operation for each in page.commands if each.job.phase is Phase.RUNNING}:
            await self._fill(operation)
        group = self._group()
        shown = tuple(CommandSummary(**self._summary(each, group)) for each in page.commands)
        cursor = page.cursor.encode() if page.cursor is not None else None
        return CommandPage(commands=shown, cursor=cursor, searched=page.searched, exhausted=page.exhausted)

    async def command(self, source: str, command_id: str) -> CommandAnswer | None:
        """All that is known of a command; None when it is not known."""
        found = self._catalogue.command(source, command_id)
        if not found:
            return None
        first = max(found, key=lambda each: not _ended(each.job))
        job, command = first.job, first.job.command
        usual = await self._fill(command.operation)
        queued_at = self._app.queue_position(Claim(first.partition, first.key), _HOLDERS)
        summary = self._summary(first, self._group())
        return CommandAnswer(
            **summary,
            account=job.account,
            region=job.region,
            priority=command.priority,
            not_before=moment(command.not_before),
            deadline=moment(command.deadline),
            marker=command_state.marker_of(job),
            trace_id=command_state.trace_of(job),
            replies=job.told,
            searches=job.searches,
            searched_for=searched_for(job),
            remedies=command_state.remedies(job),
            holders=tuple(named(holder.key) for holder in queued_at.holders) if queued_at else (),
            slots_taken=queued_at.taken if queued_at else None,
            slots_limit=queued_at.limit if queued_at else None,
            usual_of=usual.of if usual else 0,
            timeline=tuple(self._timeline(first, summary)),
            also_in=tuple(_partition(each.partition) for each in found if each is not first),
        )

    def _summary(self, found: FoundCommand, group: GroupSnapshot) -> dict[str, Any]:
        job, command = found.job, found.job.command
        step, at = command_state.next_step(job)
        claim = Claim(found.partition, found.key)
        times = self._app.poll_times(command.target, claim) if step is NextStep.POLL else None
        queue = self._app.queue_position(claim) if job.phase is Phase.QUEUED else None
        usual = self._history.durations.usual(command.operation) if command_state.is_long(job) else None
        state = command_state.state_of(job)
        return {
            "id": command.id,
            "source": command.source,
            "tenant": command.tenant,
            "operation": command.asked or command.operation,
            "target": command.target,
            "name": self._catalogue.named(job),
            "correlation_id": command.correlation_id,
            "state": state,
            "status": job.status,
            "reason": job.held or job.reason,
            "explanation": command_state.explained(job),
            "error": command_state.error_of(job),
            "resource_id": job.resource_id,
            "accepted_at": moment(job.accepted_at),
            "since": moment(job.accepted_at if state in _FROM_ACCEPTANCE else job.since),
            "ended_at": moment(job.finished_at),
            "attempts": _calls(job),
            "next_step": step,
            "next_at": self._wall(times[1]) if times else moment(at),
            "seen_at": self._wall(times[0]) if times else None,
            "poll_seconds": self._poll_seconds(job) if step is NextStep.POLL else None,
            "position": queue.position if queue else None,
            "waiting": queue.waiting if queue else None,
            "usual_seconds": usual.seconds if usual else None,
            "partition": _partition(found.partition),
            "owner": self.owner(found.partition, group),
        }

    def _wall(self, at: float) -> Any:
        """A time of this process, by the wall clock."""
        return moment(self._clock.wall() + at - self._clock.now())

    def _poll_seconds(self, job: Job) -> float | None:
        operation = COMMANDS.get(job.command.operation)
        if operation is None:
            return None
        removes = operation.kind is Kind.REMOVAL
        cadence = self._context.removal_cadence if removes else self._context.cadences.get(operation.resource.kind)
        return cadence.interval(self._clock.now() - job.accepted_at) if cadence is not None else None

    def owner(self, partition: TopicPartition, group: GroupSnapshot) -> str:
        """Name of the replica that owns a partition; empty when that is not known."""
        if partition in self._app.shards:
            return self._replica
        owner = group.owner(partition)
        return owner.name if owner is not None else ""

    async def _fill(self, operation: str) -> UsualDuration | None:
        """The usual duration; after a start, from what AWS says of commands that have ended before it."""
        durations, now = self._history.durations, self._clock.monotonic()
        usual = durations.usual(operation)
        if usual is None and now >= self._filled.get(operation, 0.0):
            self._filled[operation] = now + _FILL_AGAIN
            jobs = await self._catalogue.latest_succeeded(operation, _EARLIER)
            seconds = (command_state.running_seconds(job) for job in jobs if command_state.is_long(job))
            durations.fill(operation, [each for each in seconds if each is not None])
            usual = durations.usual(operation)
        return usual

    def _timeline(self, found: FoundCommand, summary: Mapping[str, Any]) -> list[TimelineStep]:
        """What the record says, and what this process has seen in between."""
        job = found.job
        steps = [TimelineStep(at=moment(job.arrived), what="received")] if job.arrived else []
        if job.phase is not Phase.REJECTED:
            steps.append(TimelineStep(at=moment(job.accepted_at), what=CommandState.ACCEPTED))
        seen = [
            each for each in self._history.steps(found.key) if each.state is not CommandState.ACCEPTED or each.error
        ]
        if not seen or (seen[0].at > job.accepted_at + 5 and self._started > job.accepted_at):
            steps.append(TimelineStep(at=None, what="unseen"))
        steps += [_step(each) for each in seen]
        if not seen and summary["state"] is not CommandState.ACCEPTED:
            fault = job.fault.code if job.fault is not None else ""
            at = job.finished_at or job.since
            steps.append(
                TimelineStep(
                    at=moment(at), what=summary["state"], status=job.status, reason=summary["reason"], error=fault
                )
            )
        if summary["next_step"]:
            steps.append(TimelineStep(at=summary["next_at"], what="next", reason=summary["next_step"]))
        unneeded = len(seen) == 0 and summary["state"] is CommandState.ACCEPTED
        return [step for step in steps if step.what != "unseen" or not unneeded]

    async def resource(self, resource_id: str, query: Query) -> ResourceAnswer | None:
        """A resource and its commands; None when nothing is known of it."""
        states = self._catalogue.resource(resource_id)
        page = await self.commands(replace(query, text=resource_id))
        if not states and not page.commands:
            return None
        return ResourceAnswer(
            id=resource_id,
            console=_console(resource_id),
            states=tuple(_resource_state(state) for state in states),
            commands=page,
        )


def _step(seen: SeenStep) -> TimelineStep:
    return TimelineStep(
        at=moment(seen.at),
        what=seen.state,
        status=seen.status,
        reason=seen.reason,
        error=seen.error,
        attempt=seen.attempt if seen.attempt > 1 else 0,
    )


def _calls(job: Job) -> int:
    """Calls that may have left: of a command that is not permitted yet, none for its first attempt."""
    untried = job.phase is Phase.INTENDED and job.due and not (job.turn or job.retries)
    return job.attempt - 1 if untried or job.phase in (Phase.QUEUED, Phase.REJECTED) else job.attempt


def _ended(job: Job) -> bool:
    return bool(job.finished_at)


def searched_for(job: Job) -> str:
    """What was searched and found, of a parked command."""
    searched = (job.reply or {}).get("searched") if job.phase is Phase.PARKED else None
    return searched if isinstance(searched, str) else ""


def named(key: bytes) -> CommandName:
    """The command of a changelog key."""
    source, command_id = msgspec.json.decode(key)
    return CommandName(id=command_id, source=source)


def _partition(partition: TopicPartition) -> PartitionName:
    return PartitionName(topic=partition.topic, number=partition.partition)


def _resource_state(state: ResourceState) -> ResourceStateAnswer:
    return ResourceStateAnswer(
        kind=state.kind,
        status=state.status,
        sequence=state.sequence,
        name=state.name,
        observed_at=moment(state.observed_at),
    )


def _console(arn: str) -> str:
    """AWS's console of the Region; the console has no address for a single resource."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn" or not parts[3].replace("-", "").isalnum() or not parts[3].isascii():
        return ""
    return f"https://{parts[3]}.console.aws.amazon.com/cleanrooms/home?region={parts[3]}"
