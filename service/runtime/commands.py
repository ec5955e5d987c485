"""A record from the commands topic becomes a job, an acknowledgement, a rejection or a dead letter."""

import dataclasses
import hashlib
from collections.abc import Callable

from schemas import commands
from schemas.commands import NotACommand, Rejected, Violation
from schemas.operations import COMMANDS, Kind
from schemas.records import Command, Fault, Job, Phase, job_key
from service.core import chains, effects, outcomes, transitions
from service.core.capacity import WaitingLimits
from service.core.effects import CommandReply, Step
from service.core.job import ended, order_of, replace, row
from service.core.observations import HandedOver
from service.runtime import chaining
from service.runtime.cancelling import Revoke, cancel
from service.runtime.context import Context
from service.runtime.errors import location
from service.runtime.ports import InRecord
from service.runtime.resolving import resolve
from service.runtime.standby import report_twice
from service.runtime.store import Store
from service.runtime.transaction import RecordTooLarge, Transaction
from service.runtime.turns import sends

Elsewhere = Callable[[bytes], str]
"""Names another partition that has a job under this key; empty when none is known."""


def receive(
    record: InRecord,
    store: Store,
    batch: Transaction,
    context: Context,
    revoke: Revoke = lambda _: False,
    elsewhere: Elsewhere = lambda _: "",
) -> None:
    """Reads one record into the batch. Bad input has an outcome as good input has; none raises."""
    dropped: list[str] = []
    outcome = commands.read(record.key, record.value, record.headers, context.limits[record.topic], dropped)
    for attribute in dropped:
        context.telemetry.trace_dropped(attribute)
    if isinstance(outcome, NotACommand):
        batch.dead_letter(record, outcome.code, outcome.message)
        context.telemetry.command("", "undecodable")
        return
    command = replace(outcome.command if isinstance(outcome, Rejected) else outcome, order=order_of(record.key))
    if isinstance(outcome, Rejected):
        outcome = dataclasses.replace(outcome, command=command)
        batch.dead_letter(record, outcome.code, outcome.message)
    key = job_key(command.source, command.id)
    known = store.job(key)
    if known is not None:
        _again(known, command, batch, context)
    elif isinstance(outcome, Rejected):
        _reject(key, outcome, batch, context)
    elif not _misplaced(record, command, elsewhere(key), batch, context):
        _accept(key, record, command, store, batch, context)
        decide(key, store, batch, context, revoke)


def _accept(key: bytes, record: InRecord, command: Command, store: Store, batch: Transaction, context: Context) -> None:
    seen = None
    if command.predecessors:
        begun = chains.begun(Job(command, Phase.INTENDED, accepted_at=batch.now))
        seen = chaining.predecessors(begun, chaining.finder(begun, store), context.limits[record.topic], batch.wall)
        if refused := chains.refusal(begun, seen):
            batch.apply(key, None, outcomes.rejected(replace(command, params={}, predecessors=()), *refused, batch.now))
            context.telemetry.command(command.operation, "rejected")
            return
    step = transitions.accept(command, batch.now, batch.wall, context.policy, seen)
    if (fault := _crowded(step, store, context)) is not None:
        why = Violation("source", "capacity", fault.message)
        bare = replace(command, params={})
        _reject(key, Rejected(bare, fault.code, fault.message, (why,)), batch, context, retryable=True)
        return
    if not _permitted(key, step, store, batch, context):
        step = transitions.unpermitted(step)
    try:
        batch.apply(key, None, step)
    except RecordTooLarge as excess:
        message = f"makes a job record of {excess.size} bytes; {excess.topic} takes {excess.limit}"
        batch.dead_letter(record, "TooLarge", message)
        bare = replace(command, params={})
        _reject(key, Rejected(bare, "TooLarge", message, (Violation("data", "TooLarge", message),)), batch, context)
    else:
        context.telemetry.command(command.operation, "accepted")


def _permitted(key: bytes, step: Step, store: Store, batch: Transaction, context: Context) -> bool:
    """Whether this commit permits the call, if it is one whose permission grows old: only if it can be made at once."""
    job = step.job
    if job is None or not sends(job) or transitions.activity(job, context.policy) != effects.Call():
        return True
    return not store.census.in_line(job.command.order) and batch.permits(key, job.command)


def _crowded(step: Step, store: Store, context: Context) -> Fault | None:
    """Why a command can't be taken on beside what waits or is remembered; what is decided at once always can."""
    job = step.job
    if job is None or ended(job) or transitions.activity(job, context.policy) == effects.Decide():
        return None
    crowded = store.census.refusal(job, WaitingLimits(context.open_jobs_limit))
    return crowded or store.ends.refusal(job, context.remembered_bytes)


def decide(key: bytes, store: Store, batch: Transaction, context: Context, revoke: Revoke) -> None:
    """Carries out a command about another job, if this is one and its time has come; nothing to do for any other."""
    job = store.job(key)
    if job is None or job.phase is not Phase.INTENDED or transitions.activity(job, context.policy) != effects.Decide():
        return
    stopped: list[bytes] = []

    def revoking(other: bytes) -> bool:
        if unsent := revoke(other):
            stopped.append(other)
        return unsent

    try:
        with batch.all_or_nothing():
            if row(job.command).kind is Kind.CANCEL:
                cancel(key, job, store, batch, context, revoking)
            else:
                resolve(key, job, store, batch, context)
    except Exception as error:
        for other in stopped:
            _call_after_all(other, store, batch, context)
        context.telemetry.problem("service_command_error", command_id=job.command.id, error=location(error))
        batch.apply(key, job, outcomes.failed(job, DEFECT, batch.now))


def _call_after_all(key: bytes, store: Store, batch: Transaction, context: Context) -> None:
    """A call that was stopped unnecessarily has certainly not been sent, and is made again."""
    if (job := store.job(key)) is not None:
        batch.apply(key, job, transitions.step(job, HandedOver(), batch.now, context.policy))


def _reject(key: bytes, outcome: Rejected, batch: Transaction, context: Context, *, retryable: bool = False) -> None:
    violations = [
        {"path": violation.path, "rule": violation.rule, "message": violation.message}
        for violation in outcome.violations
    ]
    fault = Fault(outcome.code, outcome.message, retryable=retryable)
    batch.apply(key, None, outcomes.rejected(outcome.command, fault, violations, batch.now))
    context.telemetry.command(outcome.command.operation, "rejected")


def _again(known: Job, command: Command, batch: Transaction, context: Context) -> None:
    """A known id: the same content is acknowledged again, other content is a misuse. AWS is not called."""
    if command.digest != known.command.digest:
        # The number is derived from the content, so that each different misuse has a reply id of its own.
        batch.repeat_reply(misused(known, command), misuse(known, command), int(command.digest[:12], 16))
        context.telemetry.command(command.operation, "misused")
        return
    reply = outcomes.terminal_reply(known) if ended(known) else CommandReply("accepted")
    batch.repeat_reply(known, reply, known.told if ended(known) else 1)
    context.telemetry.command(command.operation, "duplicate")


def _misplaced(record: InRecord, command: Command, other: str, batch: Transaction, context: Context) -> bool:
    """Whether a command that makes something is refused, because another partition has it already.

    Nothing is stored of it. So if each of two partitions has it in a batch that is not committed yet, they do not
    refuse it both for good: what is read again finds no trace of the refusal.
    """
    if not other:
        return False
    here = f"{record.topic}-{record.partition}"
    report_twice(context.telemetry, command.id, here, other)
    if not COMMANDS[command.operation].creates:
        return False
    number = int(hashlib.sha256(f"{here} {command.digest}".encode()).hexdigest()[:12], 16)
    batch.repeat_reply(Job(command, Phase.REJECTED, accepted_at=batch.now), wrong_partition(here, other), number)
    context.telemetry.command(command.operation, "misplaced")
    return True


def wrong_partition(here: str, other: str) -> CommandReply:
    """The reply to a command that would make a second resource."""
    message = (
        f"this id and source belong to a command in {other}; this one came to {here}. A repeat needs the record key of "
        "the first one, which `python -m service show ID` prints. If it has that key, its producer hashes keys "
        "otherwise: use the partitioner of Java's client (librdkafka: partitioner=murmur2_random)"
    )
    violation = {"path": "id", "rule": "partition", "message": f"already used in {other}"}
    return CommandReply(
        "rejected", {"error": {"code": "WrongPartition", "message": message, "violations": [violation]}}
    )


def misused(known: Job, command: Command) -> Job:
    """The job under which a misuse is answered: the new command's addresses, nothing of the old one."""
    return Job(command, known.phase, accepted_at=known.accepted_at)


DEFECT = Fault("ServiceError", "the command could not be carried out: a defect of the service, please report it")


def misuse(known: Job, command: Command) -> CommandReply:
    """The reply to a command with the id of another one."""
    message, violations = commands.misuse(known.command, command)
    return CommandReply("rejected", {"error": {"code": "IdMisuse", "message": message, "violations": violations}})
