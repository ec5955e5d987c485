"""The auditor: reads a history and tells every broken promise. It imports nothing of the service.

=== ================================================================================================================
I1  each accepted command has exactly one terminal reply; its copies get that reply again, under its ce_id
I2  a command is created at AWS at most once
I3  replies and events are numbered from 1 without gaps, in order; a status never goes back
I4  the fold of the changelog agrees with what was published, and that with the sandbox's state
I5  a changelog partition has one committer at a time
I6  progress resumes within the bound: measured by the runner, see `resumption`
I7  a command that names others is called once they have succeeded, with what they have made; else it is not called
=== ================================================================================================================

A command that is parked has ended, unless a person has decided about it: what follows is then its end.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.faults.history import TERMINAL, Batch, History, Identity, Sent, Told, Violation
from tests.faults.links import in_chains

_REPLY_ID = re.compile(r"^(?P<command>[a-z2-7]{26})/(?P<number>[0-9]+)-(?P<kind>[a-z]+)$")
_STAGES = (
    ("CREATE_PENDING",),
    ("CREATE_IN_PROGRESS",),
    ("ACTIVE", "CREATE_FAILED"),
    ("DELETE_PENDING",),
    ("DELETE_IN_PROGRESS",),
    ("DELETE_FAILED",),
    ("deleted",),
)
_RANK = {status: rank for rank, stage in enumerate(_STAGES) for status in stage}
_AGAIN = {"DELETE_FAILED": "DELETE_PENDING"}
"""The one way back that AWS has."""
_POSITION = '["resource","position","position"]'
_LIVING = frozenset({"audience-model", "audience-generation-job", "audience-export-job"})
"""Kinds whose status changes without a command."""


def audit(history: History) -> list[Violation]:
    """Every violation there is."""
    checks: tuple[Callable[[History], Iterator[Violation]], ...] = (
        _one_end,
        _one_create,
        _replies_in_order,
        _events_in_order,
        _changelog_is_truth,
        _sandbox_is_truth,
        _everything_consumed,
        _one_committer,
        _chains,
    )
    return [violation for check in checks for violation in check(history)]


# I1


def _one_end(history: History) -> Iterator[Violation]:
    ends, sent = _by_command(_ends(history)), _sent(history)
    for identity, copies in sent.items():
        own = [reply for reply in ends.get(identity, []) if not _is_misuse(reply)]
        name = _name(identity)
        different = sorted({reply.id for reply in own})
        certain = any(copy.acknowledged for copy in copies)
        if not own and certain:
            yield Violation("I1", name, f"no terminal reply to {copies[0].operation}")
        if len(different) > 1:
            yield Violation("I1", name, f"{len(different)} ends: {', '.join(different)}")
        if len(own) > len(copies):
            yield Violation("I1", name, f"sent {len(copies)} times, its end was told {len(own)} times")
        whole = {_canonical(reply.data) for reply in own if not reply.data.get("truncated")}
        if len(whole) > 1 and len(different) == 1:  # a duplicate gets a large reply cut short, and marked
            yield Violation("I1", name, f"told again with other content under {different[0]}")
    yield from _misuses(history, ends)
    for identity in ends.keys() - sent.keys():
        yield Violation("I1", _name(identity), "a reply to a command that nobody sent")


def _misuses(history: History, ends: Mapping[Identity, list[Told]]) -> Iterator[Violation]:
    for copy in history.sent:
        if copy.misuse and copy.acknowledged and not any(map(_is_misuse, ends.get(copy.identity, []))):
            yield Violation("I1", _name(copy.identity), "an id was used with other content, and nobody was told")


def _is_misuse(reply: Told) -> bool:
    return reply.kind == "rejected" and reply.data.get("error", {}).get("code") == "IdMisuse"


def _ends(history: History) -> Iterator[Told]:
    """Replies that end a command, copies included: none that parks it, if a person has decided about it."""
    decided = _decided(history)
    return (reply for reply in history.replies if _is_end(reply, decided))


def _is_end(reply: Told, decided: frozenset[Identity]) -> bool:
    return reply.kind in TERMINAL and not (reply.kind == "parked" and reply.command in decided)


def _decided(history: History) -> frozenset[Identity]:
    """Parked commands about which a person has decided."""
    done = {reply.command for reply in history.replies if reply.kind == "succeeded"}
    return frozenset(
        (copy.tenant, str(copy.data["commandSource"]), str(copy.data["commandId"]))
        for copy in history.sent
        if copy.operation == "ResolveCommand" and copy.identity in done
    )


# I2


def _one_create(history: History) -> Iterator[Violation]:
    created = [request for request in history.requests if request["created"]]
    for marker, times in Counter(request["marker"] for request in created).items():
        if marker and times > 1:
            yield Violation("I2", f"marker {marker}", f"created {times} times")
    names = {copy.data["name"]: copy.identity for copy in history.sent if "name" in copy.data and not copy.misuse}
    for name, times in Counter(request["name"] for request in created).items():
        if name in names and times > 1:
            yield Violation("I2", _name(names[name]), f"created {times} times")
    for request in created:
        if request["name"] in names and not request["marker"]:
            yield Violation("I2", _name(names[request["name"]]), "created without a marker")


# I3


def _replies_in_order(history: History) -> Iterator[Violation]:
    decided = _decided(history)
    for identity, replies in _by_command(history.replies).items():
        own = [reply for reply in replies if not _is_misuse(reply)]
        first = {reply.id: reply for reply in reversed(own)}
        told = [reply for reply in own if first[reply.id] is reply]
        parts = [_REPLY_ID.match(reply.id) for reply in told]
        numbers = [int(part["number"]) if part else -1 for part in parts]
        if numbers != list(range(1, len(numbers) + 1)):
            yield Violation("I3", _name(identity), f"replies are numbered {numbers}: {[reply.kind for reply in told]}")
        if any(_is_end(reply, decided) for reply in told[:-1]):
            yield Violation("I3", _name(identity), f"a reply after the end: {[reply.kind for reply in told]}")


def _events_in_order(history: History) -> Iterator[Violation]:
    for subject, events in _by_subject(history.events).items():
        numbers = [int(event.headers.get("ce_sequence", "-1")) for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            yield Violation("I3", subject, f"events are numbered {numbers}")
        statuses = [str(event.data["status"]) for event in events]
        before = [event.data.get("previousStatus") for event in events]
        if before[1:] != statuses[:-1]:
            yield Violation("I3", subject, f"previousStatus {before} does not fit to status {statuses}")
        for former, latter in pairwise(statuses):
            if _goes_back(former, latter):
                yield Violation("I3", subject, f"{former} was followed by {latter}")


def _goes_back(former: str, latter: str) -> bool:
    if _AGAIN.get(former) == latter or not {former, latter} <= _RANK.keys():
        return False
    return _RANK[latter] <= _RANK[former]


# I4


def _changelog_is_truth(history: History) -> Iterator[Violation]:
    jobs = {_job_identity(key, job): job for (_, key), job in fold(history.changelog).items()}
    replies = _by_command(reply for reply in history.replies if not _is_misuse(reply))
    ends = _by_command(reply for reply in _ends(history) if not _is_misuse(reply))
    for identity in {copy.identity for copy in history.sent if copy.acknowledged} - jobs.keys():
        yield Violation("I4", _name(identity), "is not in the changelog")
    for identity, job in jobs.items():
        yield from _job_is_told(_name(identity), job, replies.get(identity, []), ends.get(identity, []))
    for (_, key), state in fold(history.numbers).items():
        events = [event for event in history.events if _subject(event) == f"{state['kind']} {state['id']}"]
        statuses = [event.data["status"] for event in events]
        if len(events) != state["sequence"] or state["status"] not in statuses:
            yield Violation("I4", key, f"changelog says {state['sequence']} to {state['status']}, events {statuses}")


def _job_is_told(name: str, job: Mapping[str, Any], replies: list[Told], ends: list[Told]) -> Iterator[Violation]:
    phase = job["phase"]
    kinds = sorted({reply.kind for reply in ends})
    if kinds != ([phase] if phase in TERMINAL else []):
        yield Violation("I4", name, f"changelog says {phase}, replies say {kinds or 'no end'}")
    if job.get("told", 0) != (told := len({reply.id for reply in replies})):
        yield Violation("I4", name, f"changelog says {job.get('told', 0)} replies, {told} were told")
    kept = job.get("reply") or {}
    for member, value in ({} if kept.get("truncated") else kept).items():
        if ends and _canonical(ends[0].data.get(member)) != _canonical(value):
            yield Violation("I4", name, f"the changelog's {member} is not the reply's")


def _job_identity(key: str, job: Mapping[str, Any]) -> Identity:
    source, command = json.loads(key)
    return (str(job["command"].get("tenant", "")), source, command)


def _sandbox_is_truth(history: History) -> Iterator[Violation]:
    made = {request["name"] for request in history.requests if request["created"]}
    ends = {identity: reply.kind for identity, reply in _end(history).items()}
    for copy in history.sent:
        if copy.misuse or not copy.operation.startswith(("Create", "Start")) or copy.identity not in ends:
            continue
        if ends[copy.identity] == "succeeded" and copy.data.get("name") not in made:
            yield Violation("I4", _name(copy.identity), "succeeded, but the sandbox has made nothing")
        if ends[copy.identity] == "rejected" and copy.data.get("name") in made:
            yield Violation("I4", _name(copy.identity), "rejected, but the sandbox has made it")
    arns = {f"audience-export-job/{request['marker']}": request["arn"] for request in history.requests}
    for subject, events in _by_subject(history.events).items():
        kind, _, resource = subject.partition(" ")
        status = str(events[-1].data["status"])
        truth = str(history.resources.get(arns.get(resource, resource), {}).get("status", "deleted"))
        if kind in _LIVING and status != truth:
            yield Violation("I4", subject, f"the last event says {status}, the sandbox {truth}")


def _everything_consumed(history: History) -> Iterator[Violation]:
    for partition, lag in history.lag.items():
        if lag:
            yield Violation("I4", partition, f"{lag} commands are not consumed")


# I5


def _one_committer(history: History) -> Iterator[Violation]:
    for topic, batches in history.batches.items():
        by_partition: dict[int, list[Batch]] = defaultdict(list)
        for batch in sorted(batches, key=lambda each: each.offset):
            by_partition[batch.partition].append(batch)
        for partition, ordered in by_partition.items():
            yield from (Violation("I5", f"{topic}-{partition}", why) for why in _strangers(ordered))


def _strangers(batches: Iterable[Batch]) -> Iterator[str]:
    """Writers that come back after another has begun, or write between another's first record and its marker."""
    open_by: tuple[int, int] | None = None
    last: dict[int, int] = {}
    gone: set[int] = set()
    for batch in batches:
        writer = (batch.producer, batch.epoch)
        if batch.control:
            open_by = None
            continue
        if not batch.transactional:
            yield f"offset {batch.offset} was written outside of any transaction"
        if open_by not in {None, writer}:
            yield f"offset {batch.offset} of producer {writer} lies within a transaction of {open_by}"
        if batch.producer in gone:
            yield f"offset {batch.offset}: producer {batch.producer} writes again after another took over"
        if batch.epoch < last.get(batch.producer, -1):
            yield f"offset {batch.offset}: epoch {batch.epoch} after {last[batch.producer]}"
        gone |= last.keys() - {batch.producer}
        last[batch.producer] = batch.epoch
        open_by = writer


# I7


def _chains(history: History) -> Iterator[Violation]:
    yield from in_chains(history, _end(history))


# What the checks have in common


def _end(history: History) -> dict[Identity, Told]:
    """The reply that ends each command."""
    return {reply.command: reply for reply in sorted(_ends(history), key=_place) if not _is_misuse(reply)}


def fold(changelog: Iterable[Told]) -> dict[tuple[str, str], Any]:
    """The last value of each key by topic; a tombstone forgets it. Positions are no state of anything."""
    state: dict[tuple[str, str], Any] = {}
    for record in sorted(changelog, key=_place):
        if record.key == _POSITION:
            continue
        if record.data is None:
            state.pop((record.topic, record.key), None)
        elif isinstance(record.data, dict):
            state[(record.topic, record.key)] = record.data
    return state


def _place(record: Told) -> tuple[str, int, int]:
    return (record.topic, record.partition, record.offset)


def _subject(event: Told) -> str:
    kind = event.type.removeprefix("cleanroomsml.").removesuffix(".status-changed")
    return f"{kind} {event.headers.get('ce_subject', '')}"


def _by_command(replies: Iterable[Told]) -> dict[Identity, list[Told]]:
    found: dict[Identity, list[Told]] = defaultdict(list)
    for reply in sorted(replies, key=_place):
        found[reply.command].append(reply)
    return found


def _by_subject(events: Iterable[Told]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = defaultdict(list)
    for event in sorted(events, key=_place):
        found[_subject(event)].append(event)
    return found


def _sent(history: History) -> dict[Identity, list[Sent]]:
    found: dict[Identity, list[Sent]] = defaultdict(list)
    for copy in history.sent:
        if not copy.misuse:
            found[copy.identity].append(copy)
    return found


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _name(identity: Identity) -> str:
    tenant, source, command = identity
    return f"{tenant + '/' if tenant else ''}{source}/{command}"
