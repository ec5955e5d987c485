"""Rebuilds a lost changelog from the other topics. Pure: the same records give the same jobs.

A command was consumed if it lies below the group's offset. Its replies show its outcome: a terminal reply its
end, ``started`` its resource. Without either, a call may have left: a creating or conditional one is searched for by
the service itself, others are safe to repeat. If its replies may have expired, an operator must decide.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from schemas import chains as requests
from schemas import cloudevents, commands
from schemas.cloudevents import Envelope, timestamp
from schemas.commands import NotACommand, Rejected, TopicRules
from schemas.events import EVENT_SUFFIX, ReplyKind, command_digest
from schemas.operations import COMMANDS, RESOURCES, Kind, Repeat, removal_of
from schemas.records import Command, Fault, Job, Phase, ResourceState, job_key, resource_key
from service.adapters.kafka.topic_reader import TopicRecord
from service.core import chains, outcomes
from service.core.job import ended, keeps_line, named_key, order_of, repeat, replace, row
from service.operator.repair.command_sender import reply_of

_ENDS: Final = {
    ReplyKind.SUCCEEDED: Phase.SUCCEEDED,
    ReplyKind.FAILED: Phase.FAILED,
    ReplyKind.REJECTED: Phase.REJECTED,
    ReplyKind.PARKED: Phase.PARKED,
}
_CHANGING: Final = frozenset({Kind.JOB, Kind.WRITE, Kind.REMOVAL})
"""What may have changed something if it was called."""
_IDENTITY: Final = frozenset({"commandId", "commandSource", "operation", "target"})
UNKNOWN: Final = Fault(
    "ReplyUnknown",
    "the changelog was lost, and the replies of that time are no longer kept: it is unknown whether this command "
    "has ended; check at AWS and resolve it",
)
WITHDRAWN: Final = Fault(
    "GrantWithdrawn",
    "the changelog was lost, and the settings of today do not allow what was accepted before: it may be running; "
    "check at AWS and resolve it, or allow it again and rebuild",
)


@dataclass(frozen=True, slots=True)
class PublishedReply:
    """A reply as it was published."""

    number: int
    kind: ReplyKind
    data: Mapping[str, Any]
    time: float


Replies = Mapping[str, Sequence[PublishedReply]]
"""Replies by the digest of their command, in order."""


@dataclass(slots=True)
class Rebuilt:
    """What a partition's changelog is to hold.

    Attributes:
        jobs: By changelog key.
        counts: How many jobs were rebuilt in which way.
        unknown: What could not be known, in words.
    """

    jobs: dict[bytes, Job] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)


def collect_replies(records: Iterable[TopicRecord]) -> dict[str, list[PublishedReply]]:
    """Collects replies; IdMisuse replies are ignored; duplicates count once."""
    heard: dict[str, dict[int, PublishedReply]] = defaultdict(dict)
    for record in records:
        reply, envelope = reply_of(record), cloudevents.decode(record.key, record.value, record.headers)
        if reply is None or not isinstance(envelope, Envelope):
            continue
        kind, data = reply
        digest, _, numbered = envelope.id.rpartition("/")
        number = numbered.partition("-")[0]
        aside = (data.get("error") or {}).get("code") in ("IdMisuse", "WrongPartition")  # says nothing of the job
        if not digest or not number.isdecimal() or aside:
            continue
        heard[digest].setdefault(
            int(number), PublishedReply(int(number), kind, data, timestamp(envelope.time) or record.time)
        )
    return {digest: [published[number] for number in sorted(published)] for digest, published in heard.items()}


def rebuild(
    records: Iterable[TopicRecord],
    committed: int | None,
    replies: Replies,
    limits: TopicRules,
    now: float,
    replies_kept_since: Callable[[Command], float] = lambda _: 0.0,
) -> Rebuilt:
    """Makes the jobs of one commands partition.

    Args:
        records: The partition's records, in order.
        committed: The group's offset; None when it has none.
        replies: What was replied.
        limits: Of this commands topic.
        now: Epoch seconds.
        replies_kept_since: Since when (epoch seconds) replies to a command are kept for certain; 0 for always.
    """
    rebuilt = Rebuilt()
    for record in records:
        if committed is not None and record.offset >= committed:
            rebuilt.counts["not consumed yet: the service will read them"] += 1
            continue
        outcome = commands.read(record.key, record.value, record.headers, limits)
        if isinstance(outcome, NotACommand):
            rebuilt.counts["no command: dead letters already"] += 1
            continue
        command = outcome.command if isinstance(outcome, Rejected) else outcome
        key, published = job_key(command.source, command.id), replies.get(command_digest(command), ())
        if key in rebuilt.jobs:
            rebuilt.counts["sent again, or misuses of an id"] += 1
            continue
        if committed is None and not published:
            rebuilt.counts["not consumed yet: the service will read them"] += 1
            continue
        link = _link(replace(command, order=order_of(record.key)), rebuilt.jobs)
        since = replies_kept_since(command)
        job, how = _job(link.command, isinstance(outcome, Rejected), published, record.time, now, since)
        if link.waits:
            job, how = _waiting(job, link.waits, published, how, now if link.doubtful else None)
        elif not ended(job):
            job = replace(job, filled=link.members)
        if job.command.order and (keeps_line(job) or chains.waits(job)):
            job = replace(job, turn=len(rebuilt.jobs) + 1)
        rebuilt.jobs[key] = job
        rebuilt.counts[how] += 1
        if job.fault is UNKNOWN:
            rebuilt.unknown.append(f"{command.source} {command.id}: its replies are no longer kept; it is parked")
    return rebuilt


@dataclass(frozen=True, slots=True)
class _Link:
    """A command in its chain.

    Attributes:
        command: With what its predecessors have made, if all have succeeded.
        members: The members that were filled in.
        waits: The same as it waits for them, if it is not known that all have.
        doubtful: Whether they may have, all the same: of none of them it is known that it has not.
    """

    command: Command
    members: dict[str, Any] | None = None
    waits: Job | None = None
    doubtful: bool = False


def _link(command: Command, jobs: Mapping[bytes, Job]) -> _Link:
    """A command after those that it names, which have been rebuilt: they were sent earlier."""
    if not command.predecessors:
        return _Link(command)
    waiting = chains.begun(Job(command, Phase.INTENDED, 0.0))
    plain = replace(command, predecessors=())
    known = {name: jobs.get(job_key(command.source, name)) for name in command.predecessors}
    made = chains.complete(waiting, known)
    if made is None:
        unfinished = (job for job in known.values() if job is not None and job.fault is not UNKNOWN)
        doubtful = all(job.phase is Phase.SUCCEEDED for job in unfinished) and row(command).kind in _CHANGING
        return _Link(plain, waits=waiting, doubtful=doubtful)
    request = requests.filled(command.operation, command.params, made)
    members = requests.named(command.operation, command.params, made)
    return _Link(replace(plain, params=request), members or None)


def _waiting(
    job: Job, begun: Job, published: Sequence[PublishedReply], how: str, doubted: float | None
) -> tuple[Job, str]:
    """It can't have been called, unless its replies say so; then what it was called with is not known.

    If what it names may have succeeded (``doubted`` is the time then), it may have been called, too.
    """
    bare = replace(job, command=replace(job.command, params={}))
    if ended(job) or _resource_id(published):
        return bare, how
    if doubted is not None:
        return _closed(bare, Phase.PARKED, UNKNOWN, doubted), "parked: fate unknown"
    waiting = replace(begun, accepted_at=job.accepted_at, since=job.since, told=job.told)
    return waiting, "open: waits for its predecessors"


def _job(
    command: Command, refused: bool, published: Sequence[PublishedReply], arrived: float, now: float, kept_since: float
) -> tuple[Job, str]:
    accepted_at = published[0].time if published else arrived
    job = Job(command, Phase.INTENDED, accepted_at, since=now, told=published[-1].number if published else 0)
    job = replace(job, resource_id=_resource_id(published))
    if published and published[-1].kind in _ENDS:
        return _ended(job, published[-1]), f"ended: {_ENDS[published[-1].kind]}"
    if refused and published:
        return _closed(job, Phase.PARKED, WITHDRAWN, now), "parked: accepted once, not allowed any more"
    if refused or command.operation not in COMMANDS:
        fault = Fault("Rejected", "it was rejected; the reply with the reasons is no longer kept")
        return _closed(job, Phase.REJECTED, fault, now, violations=[]), "ended: rejected"
    if not published and arrived < kept_since:
        return _closed(job, Phase.PARKED, UNKNOWN, now), "parked: fate unknown"
    return _open(job, now, str(published[-1].data.get("target") or command.target) if published else command.target)


def _closed(job: Job, phase: Phase, fault: Fault, now: float, **more: Any) -> Job:
    """Ended without a reply that is still known."""
    reply = {"error": {"code": fault.code, "message": fault.message, **more}, "searched": "the changelog was lost"}
    return replace(job, phase=phase, finished_at=now, fault=fault, reply=reply, attempt=0)


def _ended(job: Job, last: PublishedReply) -> Job:
    data = {name: value for name, value in last.data.items() if name not in _IDENTITY}
    phase, error, result = _ENDS[last.kind], data.get("error"), data.get("result")
    fault = Fault(str(error.get("code")), str(error.get("message"))) if isinstance(error, dict) else None
    resource_id = job.resource_id
    if not resource_id and isinstance(result, dict) and job.command.operation in COMMANDS:
        identity = row(job.command).resource.identity
        watched = job.command.params if row(job.command).kind is Kind.TRACK else {}
        resource_id = str(result.get(identity) or watched.get(identity) or "")
    return replace(
        job,
        command=job.command if phase is Phase.PARKED else replace(job.command, params={}),
        phase=phase,
        attempt=int(data.get("attempts") or 0),
        resource_id=resource_id,
        status=str(result.get("status", "")) if isinstance(result, dict) else "",
        since=last.time,
        finished_at=last.time,
        fault=fault,
        reply=outcomes.kept(data),
    )


def _open(job: Job, now: float, target: str) -> tuple[Job, str]:
    command, operation = job.command, row(job.command)
    if operation.kind is Kind.TRACK:
        watched = command.params[operation.resource.identity]
        return replace(job, phase=Phase.RUNNING, resource_id=watched), "open: watched"
    if command.not_before > now and not job.resource_id:
        return replace(job, due=command.not_before), "open: not due yet"
    if operation.kind is Kind.CANCEL:
        return _cancelling(job, target)
    if job.resource_id:
        return replace(job, phase=Phase.RUNNING), "open: started, watched"
    if repeat(command) in (Repeat.MARKED, Repeat.GUARDED):
        return replace(job, phase=Phase.UNCERTAIN), "open: uncertain, the service searches"
    return replace(job, attempt=2), "open: repeated, which is safe"


def _cancelling(job: Job, target: str) -> tuple[Job, str]:
    """A cancellation that has begun to delete is a removal; any other waits for the end of what it cancels."""
    of_resource = next((one for one in RESOURCES.values() if f":{one.arn_type}/" in job.resource_id), None)
    removal = removal_of(of_resource) if of_resource and job.resource_id else None
    if removal is None:
        return replace(
            job, phase=Phase.QUEUED, awaits=named_key(job.command).decode(), reason="CommandUnderWay"
        ), "open: waits for another"
    command = replace(
        job.command,
        operation=removal.name,
        asked=job.command.operation,
        target=target,
        params={removal.resource.identity: job.resource_id},
    )
    return replace(job, command=command, phase=Phase.RUNNING), "open: started, watched"


def _resource_id(published: Sequence[PublishedReply]) -> str:
    started = [said.data for said in published if said.kind is ReplyKind.STARTED]
    return str(started[-1].get("resourceArn") or started[-1].get("resourceId") or "") if started else ""


def resources(records: Iterable[TopicRecord]) -> dict[bytes, ResourceState]:
    """The last published state of every resource, by changelog key, from its events."""
    states: dict[bytes, ResourceState] = {}
    for record in records:
        envelope = cloudevents.decode(record.key, record.value, record.headers)
        if not isinstance(envelope, Envelope) or not envelope.type.endswith(EVENT_SUFFIX):
            continue
        state = _state(envelope)
        key = resource_key(state.kind, state.id) if state else b""
        if state and (key not in states or states[key].sequence < state.sequence):
            states[key] = state
    return states


def _state(envelope: Envelope) -> ResourceState | None:
    kind = envelope.type.removesuffix(EVENT_SUFFIX).rpartition(".")[2]
    sequence = envelope.extensions.get("sequence", "")
    try:
        data = msgspec.json.decode(envelope.data)
    except msgspec.DecodeError:
        return None
    if kind not in RESOURCES or not sequence.isdecimal() or not isinstance(data, dict):
        return None
    observed = timestamp(str(data.get("observedTime", ""))) or 0.0
    return ResourceState(
        envelope.subject, kind, int(sequence), str(data.get("status", "")), str(data.get("name") or ""), observed
    )
