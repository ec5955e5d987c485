"""Every change of a job lives here: a table of (phase, observation) -> function, and the two laws.

The laws exist because a Kafka fence does not stop a zombie's call to AWS:

1. A call may leave only within ``call_window`` of the commit of its intent. (The runtime checks it; an observation
   ``Late`` asks for a renewed intent.)
2. An empty search permits a repeat only ``settle`` after the last permitted call, ``settle > call_window + List lag``.
   A List in several pages must be empty twice, since a deletion between two pages can hide what it shifts.

Nothing here waits, reads a clock or draws a random number: the same arguments give the same step. ``now`` is the
owner's time, which never steps. What the publisher has named by the wall clock, a start time and a deadline, is
observed (``StartReached``, ``DeadlinePassed``) and never compared with it. A new owner's time is another one, so
``Restored`` restarts every wait.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from schemas.operations import Kind, Repeat
from schemas.records import Fault
from service.core import chains, effects, holding, outcomes, resolution, search, timing
from service.core import observations as seen
from service.core.effects import CommandReply, Step
from service.core.faults import (
    CONFLICT,
    CREDENTIALS_UNAVAILABLE,
    INVALID,
    NOT_FOUND,
    TARGET_UNAVAILABLE,
    unanswered,
)
from service.core.job import (
    GIVEN_BACK,
    TERMINAL,
    Command,
    Job,
    Phase,
    ended,
    known_row,
    marker,
    may_have_happened,
    provable,
    repeat,
    replace,
    row,
    subject,
)
from service.core.marker import identify, stable_id, strip
from service.core.search import Verdict
from service.core.timing import Policy, search_delay

OUT_OF_BUDGET: Final = "RateBudget"
"""Reason of a command that waits for its turn to call."""

CALL_WINDOW: Final = "CallWindow"
"""Reason of a command whose call could not leave in time after its commit."""

UNANSWERED_AFTER: Final = 30.0
"""Seconds of rests between failing tries after which the publisher receives that AWS does not answer."""

_WINDOW_RETRY: Final = 10.0
"""Seconds until a call is tried again after commits were too slow for it."""
EMPTY_LISTS: Final = 2
"""Empty Lists in a row that permit a repeat, when they come in several pages."""
EMPTY_GETS: Final = 3
"""Gets in a row that must miss a resource before it counts as gone."""

_UNSEARCHED: Final[dict[str, Any]] = {"due": 0.0, "retries": 0, "searches": 0, "empty": 0, "tried": 0.0}
"""Of a job as it enters a phase in which AWS is asked how things stand."""

Transition = Callable[[Job, Any, float, Policy], Step]


def accept(
    command: Command, now: float, wall: float, policy: Policy, predecessors: seen.Predecessors | None = None
) -> Step:
    """A new command: its intent, to be made durable before anything is sent.

    Args:
        command: The command.
        now: The owner's time.
        wall: The wall clock, by which the publisher has named a start time and a deadline.
        policy: Numbers.
        predecessors: How the commands stand that it names, if it names any.
    """
    job = Job(command, Phase.INTENDED, accepted_at=now, since=now)
    accepted = CommandReply("accepted")
    if timing.overdue(job, wall):
        return outcomes.failed(job, outcomes.DEADLINE_EXCEEDED, now, accepted)
    if timing.expires_at_once(job, wall):
        ended_at_once = outcomes.not_ready(job, now)
        return Step(ended_at_once.job, (accepted, *ended_at_once.events))
    if predecessors is not None:
        begun = chains.advanced(chains.begun(job), predecessors, now)
        return Step(begun.job, (accepted, *begun.events))
    if command.not_before > wall:
        waiting = CommandReply("waiting", {"reason": timing.NOT_BEFORE, "position": 0})
        return Step(replace(job, due=command.not_before, reason=timing.NOT_BEFORE), (accepted, waiting))
    return Step(_permitted(job), (accepted,))


def unpermitted(step: Step) -> Step:
    """The same acceptance without a permission to call, which follows when the call can be made."""
    return Step(replace(step.job, due=GIVEN_BACK), step.events) if step.job is not None else step


def _permitted(job: Job) -> Job:
    """What may begin: a call, or for a tracked resource the watch, since nothing is sent."""
    operation = row(job.command)
    if operation.kind is not Kind.TRACK:
        return job
    return replace(job, phase=Phase.RUNNING, resource_id=job.command.params[operation.resource.identity], reason="")


def step(job: Job, observation: seen.Observation, now: float, policy: Policy) -> Step:
    """Applies one observation; what fits no cell changes nothing and says so."""
    if (why := holding.obstacle(job, policy)) and not isinstance(observation, seen.Cancelled):
        return holding.held(job, observation, why)
    if isinstance(observation, seen.Restored):
        job = holding.freed(job)
    transition = TRANSITIONS.get((job.phase, type(observation)))
    return transition(job, observation, now, policy) if transition else Step(job, ignored=True)


def activity(job: Job, policy: Policy) -> effects.Activity:
    """The next activity: a function of the job alone, so that recovery is load, observe Restored, act."""
    if why := holding.obstacle(job, policy):
        return effects.Hold(why)
    match job.phase:
        case Phase.INTENDED:
            return effects.Rest(job.due, wall=timing.awaits_start(job)) if job.due else _act(job)
        case Phase.QUEUED:
            return effects.Await() if job.awaits or chains.waits(job) else effects.Rest(job.due)
        case Phase.UNCERTAIN | Phase.ACCEPTED:
            return effects.Search(job.due)
        case Phase.RUNNING:
            return effects.Watch()
        case _:
            return effects.Rest(job.finished_at + policy.retention)


def _act(job: Job) -> effects.Activity:
    """Commands about other jobs send nothing."""
    return effects.Decide() if row(job.command).kind in (Kind.CANCEL, Kind.RESOLVE) else effects.Call()


# INTENDED and QUEUED: nothing may have left, or this very process knows what became of it.


def _returned(job: Job, observation: seen.Returned, now: float, policy: Policy) -> Step:
    operation = row(job.command)
    if operation.creates and operation.resource.identity and not observation.result.get(operation.resource.identity):
        return _lost(job, seen.Lost(outcomes.NO_IDENTITY), now, policy)
    if operation.kind is Kind.READ:
        return outcomes.succeeded(job, strip(observation.result), now)
    if operation.kind is Kind.WRITE:
        return outcomes.written(job, strip(observation.result), now)
    if operation.kind is Kind.REMOVAL:
        return _started(job, job.command.params[operation.resource.identity], operation.resource.leaving[0], now)
    if not operation.resource.identity:
        known = stable_id(operation.resource, marker(job.command))
        return Step(
            replace(job, phase=Phase.ACCEPTED, since=now, resource_id=known, fault=None, reason="", **_UNSEARCHED)
        )
    return _started(job, observation.result[operation.resource.identity], operation.resource.arriving[0], now)


def _started(job: Job, resource_id: str, status: str, now: float) -> Step:
    """AWS took it: from now on the resource is watched. Its status stays unknown until it is seen."""
    reply = outcomes.started(job, resource_id, status)
    return Step(
        replace(job, phase=Phase.RUNNING, since=now, resource_id=resource_id, reason="", fault=None, **_UNSEARCHED),
        (reply,),
    )


def _postponed(job: Job, observation: seen.Postponed, now: float, policy: Policy) -> Step:
    if timing.tried_enough(job, policy):
        return _give_up(job, observation.fault, now, lost=may_have_happened(job))
    return _retried(timing.backed_off(job, now, policy), observation.fault)


def _retried(rested: Job, fault: Fault) -> Step:
    """A job at rest before its next try; when AWS has not answered for a while, its publisher hears of it, once."""
    reason = unanswered(fault)
    if not reason or rested.tried < UNANSWERED_AFTER or rested.reason == reason:
        return Step(rested)
    return Step(replace(rested, reason=reason), (CommandReply("waiting", {"reason": reason, "position": 0}),))


def _give_up(job: Job, fault: Fault, now: float, *, lost: bool) -> Step:
    if lost and row(job.command).kind is not Kind.READ:
        return outcomes.parked(
            job,
            fault,
            now,
            f"{job.attempt} calls, of which an earlier one's outcome was lost"
            if job.attempt > 1
            else "its outcome was lost",
        )
    return outcomes.failed(job, fault, now)


def _quota_full(job: Job, observation: seen.QuotaFull, now: float, policy: Policy) -> Step:
    """Jobs that are known to use a quota end, and free it; what else AWS refuses so may be refused for ever."""
    if row(job.command).kind is Kind.READ:  # uses no quota that a job's end could free
        return _postponed(job, seen.Postponed(observation.fault), now, policy)
    explained = observation.position > 0 or observation.busy > 0
    if not explained and timing.tried_enough(job, policy):
        return _give_up(job, observation.fault, now, lost=may_have_happened(job))
    job = replace(job, retries=0 if observation.position else job.retries + 1)
    wait = timing.quota_wait(job, policy)
    job = replace(job, due=now + wait, tried=0.0 if explained else job.tried + wait)
    reason = observation.fault.code
    reply = (
        (CommandReply("waiting", {"reason": reason, "position": observation.position}),) if job.reason != reason else ()
    )
    return Step(replace(job, phase=Phase.QUEUED, since=now, reason=reason), reply)


def _refused(job: Job, observation: seen.Refused, now: float, policy: Policy) -> Step:
    """The refusal of a repeat says nothing of the call before it, and may even be its trace: evidence, not failure."""
    if job.attempt > 1 and row(job.command).kind is not Kind.READ:
        kind, code = repeat(job.command), observation.fault.code
        if may_have_happened(job) or code in _EVIDENCE[kind]:
            return Step(_uncertain(job, now, observation.fault))
    return outcomes.failed(job, observation.fault, now)


_EVIDENCE: Final = MappingProxyType(
    {
        Repeat.MARKED: frozenset({CONFLICT}),
        # The API models no conflict for policies, so a changed hash shows as an invalid request.
        Repeat.GUARDED: frozenset({CONFLICT, INVALID}),
    }
)
"""What a first call leads to although a search has shown nothing of it; all other repeats are blind."""


def _lost(job: Job, observation: seen.Lost, now: float, policy: Policy) -> Step:
    if repeat(job.command) in _RECONCILED:
        return Step(_uncertain(job, now, None))
    if not timing.tried_enough(job, policy):
        return _retried(timing.backed_off(replace(job, attempt=job.attempt + 1), now, policy), observation.fault)
    return _give_up(job, observation.fault, now, lost=True)


_RECONCILED: Final = frozenset({Repeat.MARKED, Repeat.GUARDED})


def _uncertain(job: Job, now: float, evidence: Fault | None) -> Job:
    return replace(job, phase=Phase.UNCERTAIN, since=now, fault=evidence, reason="", **_UNSEARCHED)


def _late(job: Job, observation: seen.Late, now: float, policy: Policy) -> Step:
    """Law 1: the intent is renewed by a commit of its own; a new object is what makes the shard write it."""
    return Step(replace(job, due=0.0, since=now))


def _window_missed(job: Job, observation: seen.WindowMissed, now: float, policy: Policy) -> Step:
    """Commits at once would be as slow again: the job rests, and its publisher receives the reason."""
    reply = (CommandReply("waiting", {"reason": CALL_WINDOW, "position": 0}),) if job.reason != CALL_WINDOW else ()
    return Step(replace(job, due=now + _WINDOW_RETRY, reason=CALL_WINDOW), reply)


def _delayed(job: Job, observation: seen.Delayed, now: float, policy: Policy) -> Step:
    """Published once, with an intent that is committed again; a job that rests meanwhile has another reason to wait."""
    if job.due > GIVEN_BACK or job.reason in (OUT_OF_BUDGET, TARGET_UNAVAILABLE, CREDENTIALS_UNAVAILABLE):
        return Step(job)
    reply = CommandReply("waiting", {"reason": OUT_OF_BUDGET, "position": 0})
    return Step(replace(job, since=now, reason=OUT_OF_BUDGET), (reply,))


def _held(job: Job, observation: seen.HandedOver, now: float, policy: Policy) -> Step:
    """Says durably that nothing was sent, so that the next owner may call without settling, whatever its clock says."""
    return Step(job if job.due else replace(job, due=GIVEN_BACK))


def _due(job: Job, observation: seen.Due, now: float, policy: Policy) -> Step:
    """Time to call: with a fresh intent, so that the call window opens with this commit.

    For a job that does not rest, it must change nothing: its call may be under way, and a new intent would permit
    a second one.
    """
    if not job.due:
        return Step(job, ignored=True)
    if job.due > now or timing.awaits_start(job):
        return Step(job)
    return Step(_permitted(replace(job, due=0.0, since=now)))


def _start_reached(job: Job, observation: seen.StartReached, now: float, policy: Policy) -> Step:
    if not timing.awaits_start(job):
        return Step(job, ignored=True)
    return Step(_permitted(replace(job, due=0.0, since=now, reason="")))


def _expired(job: Job, observation: seen.DeadlinePassed, now: float, policy: Policy) -> Step:
    return Step(job, ignored=True) if may_have_happened(job) else outcomes.failed(job, outcomes.DEADLINE_EXCEEDED, now)


def _until_passed(job: Job, observation: seen.UntilPassed, now: float, policy: Policy) -> Step:
    operation = known_row(job.command)
    if operation is not None and operation.kind is Kind.TRACK:
        return outcomes.not_ready(job, now)
    return outcomes.overdue(job) if job.phase is Phase.RUNNING else Step(job, ignored=True)


def _running_long(job: Job, observation: seen.RunningLong, now: float, policy: Policy) -> Step:
    """By the time of its present owner, and only a notice: whether to act is for a person to say."""
    due = timing.long_at(job, policy)
    return outcomes.overdue(job) if 0 < due <= now else Step(job, ignored=True)


def _dequeued(job: Job, observation: seen.Due, now: float, policy: Policy) -> Step:
    """A slot may be free: another job has ended, or it is time to try again."""
    if job.awaits or chains.waits(job):
        return Step(job, ignored=True)
    return Step(replace(job, phase=Phase.INTENDED, due=0.0, since=now))


def _predecessors(job: Job, observation: seen.Predecessors, now: float, policy: Policy) -> Step:
    return chains.advanced(job, observation, now) if chains.waits(job) else Step(job, ignored=True)


def _restored_intent(job: Job, observation: seen.Restored, now: float, policy: Policy) -> Step:
    """The former owner may have called at any time up to ``call_window`` from now."""
    if job.due:
        return _restored_rest(job, observation, now, policy)
    if row(job.command).kind in (Kind.CANCEL, Kind.RESOLVE):
        return Step(job)
    if repeat(job.command) in _RECONCILED:
        return Step(_uncertain(job, now, None))
    return Step(replace(job, attempt=job.attempt + 1, since=now))


def _restored_rest(job: Job, observation: seen.Restored, now: float, policy: Policy) -> Step:
    """The former owner's clock is not ours: what it has put off is put off, but from now on for one wait at most."""
    if timing.awaits_start(job):
        return Step(job)
    waits = {Phase.QUEUED: timing.quota_wait(job, policy), Phase.ACCEPTED: max(policy.search_delays)}
    latest = now + waits.get(job.phase, max(policy.backoff_range(job.command.target)[1], _WINDOW_RETRY))
    if job.phase is Phase.ACCEPTED:
        return Step(replace(job, since=now, due=min(job.due, latest)))
    return Step(replace(job, due=latest) if job.due > latest else job)


def _restored_running(job: Job, observation: seen.Restored, now: float, policy: Policy) -> Step:
    """Until a status was seen that says how it stands, the grace counts, by our own clock."""
    return Step(job if subject(job.command).rank(job.status) is not None else replace(job, since=now))


# UNCERTAIN and ACCEPTED: only a search leads out.


def _restored_uncertain(job: Job, observation: seen.Restored, now: float, policy: Policy) -> Step:
    """Settling restarts: the former owner's clock is another one."""
    return Step(replace(job, since=now, due=0.0, searches=0, empty=0))


def _unsearched(job: Job, observation: seen.SearchFailed, now: float, policy: Policy) -> Step:
    """A search that fails again and again ends, too: counted are its waits and what each search took, not a clock."""
    later = timing.backed_off(job, now, policy)
    later = replace(later, tried=later.tried + observation.seconds)
    limit = policy.accepted_limit if job.phase is Phase.ACCEPTED else policy.search_limit
    if later.tried > limit:
        return outcomes.unsearchable(job, observation.fault, now)
    return _retried(later, observation.fault)


def _found(job: Job, observation: seen.Found, now: float, policy: Policy) -> Step:
    if repeat(job.command) is Repeat.MARKED:
        return _found_marked(job, observation, now, policy)
    if not observation.matches and (again := _unconfirmed(job, observation, now, policy)):
        return again
    shown = observation.matches[0] if observation.matches else None
    match search.judge(job.command, shown):
        case Verdict.DONE:
            return outcomes.reconciled(job, shown, now)
        case Verdict.UNDER_WAY:
            operation = row(job.command)
            return _started(job, job.command.params[operation.resource.identity], operation.resource.leaving[0], now)
        case Verdict.OTHERWISE:
            fault = job.fault or outcomes.CONCURRENT_MODIFICATION
            return _unconfirmed(job, observation, now, policy) or outcomes.failed(job, fault, now)
        case Verdict.NOT_DONE:
            return _not_done(job, observation, now, policy)


def _found_marked(job: Job, observation: seen.Found, now: float, policy: Policy) -> Step:
    if len(observation.matches) > 1:
        return outcomes.parked(job, outcomes.AMBIGUOUS, now, f"{len(observation.matches)} resources carry the marker")
    if not observation.matches:
        return (
            _still_accepted(job, now, policy)
            if job.phase is Phase.ACCEPTED
            else _not_done(job, observation, now, policy)
        )
    (match,) = observation.matches
    operation = row(job.command)
    if operation.kind is Kind.WRITE:
        return outcomes.written(job, {operation.resource.identity: match[operation.resource.identity]}, now)
    resource_id = identify(operation.resource, match)
    return _started(job, resource_id, str(match.get("status") or operation.resource.arriving[0]), now)


def _not_done(job: Job, observation: seen.Found, now: float, policy: Policy) -> Step:
    """Law 2: only an empty search that began after settling permits a repeat; two, if one can have missed something."""
    if again := _unconfirmed(job, observation, now, policy):
        return again
    if job.fault is not None and not _untrue(job, job.fault):
        return _unshown(job, job.fault, now)
    if job.attempt * policy.settle > policy.write_retry_limit:  # each attempt has taken that long
        return _unshown(job, job.fault or outcomes.CALLS_LOST, now)
    unsearched = _UNSEARCHED | {"due": GIVEN_BACK}  # permitted when it has a turn
    repeated = replace(
        job, phase=Phase.INTENDED, attempt=job.attempt + 1, fault=None, reason="", **unsearched, since=now
    )
    return Step(repeated)


def _untrue(job: Job, refusal: Fault) -> bool:
    """AWS did not find the resource to delete, and the search shows it: a read missed it, so the call is repeated.

    What comes back under its old name may be another one: its first deletion may have been performed.
    """
    deletes = repeat(job.command) is Repeat.GONE_IS_DONE
    return deletes and refusal.code == NOT_FOUND and provable(job.command)


def _unconfirmed(job: Job, observation: seen.Found, now: float, policy: Policy) -> Step | None:
    """The next search, as long as this one may have been too early or have missed something; None when it counts."""
    settled = job.since + policy.settle
    if observation.searched_at < settled:
        due = min(now + search_delay(job.searches + 1, policy.search_delays), max(settled, now))
        return Step(replace(job, searches=job.searches + 1, empty=0, due=due))
    if observation.matches or job.empty + 1 >= _empty_searches(job, observation):
        return None
    due = now + search_delay(1, policy.search_delays)
    return Step(replace(job, searches=job.searches + 1, empty=job.empty + 1, due=due))


def _empty_searches(job: Job, observation: seen.Found) -> int:
    """How many in a row count: more for Lists in pages, which shift, and Gets, which may miss what is there."""
    if repeat(job.command) is not Repeat.MARKED:
        return EMPTY_GETS
    return 1 if observation.stable else EMPTY_LISTS


def _unshown(job: Job, fault: Fault, now: float) -> Step:
    """AWS shows nothing of a lost call: it failed, or, if its effect may have been changed again, it is unknown."""
    if provable(job.command):
        return outcomes.failed(job, fault, now)
    return outcomes.parked(job, fault, now, "the resource is not as asked: never changed, or changed again since")


def _still_accepted(job: Job, now: float, policy: Policy) -> Step:
    wait = search_delay(job.searches + 1, policy.search_delays)
    if job.tried + wait > policy.accepted_limit:
        return outcomes.parked(job, outcomes.NEVER_LISTED, now, f"no listed resource in {job.searches + 1} searches")
    return Step(replace(job, searches=job.searches + 1, tried=job.tried + wait, due=now + wait))


# RUNNING: the resource is known.


def _seen(job: Job, observation: seen.Seen, now: float, policy: Policy) -> Step:
    description = observation.description
    status = str(description.get("status", ""))
    resource = subject(job.command)
    known, new = resource.rank(job.status), resource.rank(status)
    job = replace(job, tried=0.0) if job.tried and new is not None else job
    if not status:
        return Step(job)
    back = known is not None and new is not None and new < known
    if back and observation.seconds < policy.settle:
        return Step(job, ignored=True)  # a read that lags behind
    if row(job.command).kind is Kind.REMOVAL:
        shown = outcomes.departing(job, status, description, now, policy, back=back)
    else:
        shown = outcomes.arriving(job, status, description, now, back=back)
    if status == job.status and not (shown.job is not None and ended(shown.job)):
        return Step(job)  # what ends it now was no end to a former owner, of an older release
    return shown


def _unseen(job: Job, observation: seen.Unseen, now: float, policy: Policy) -> Step:
    """Polls that keep failing, or keep showing an unknown status, end too, so that a slot is not held forever."""
    tried = job.tried + observation.seconds
    if tried < policy.search_limit:
        return Step(replace(job, tried=tried))
    return outcomes.unwatchable(job, observation, now)


def _vanished(job: Job, observation: seen.Vanished, now: float, policy: Policy) -> Step:
    if row(job.command).kind is Kind.REMOVAL:
        return outcomes.removed(job, now)
    if not job.status and now - job.since < policy.vanish_grace:
        return Step(job)  # reads may lag behind the creation
    return outcomes.vanished(job, now)


def _cancelled(job: Job, observation: seen.Cancelled, now: float, policy: Policy) -> Step:
    return outcomes.failed(job, outcomes.CANCELLED, now)


def _released(job: Job, observation: seen.DependencyEnded, now: float, policy: Policy) -> Step:
    """The command to cancel has ended, or was parked: what remains to do is decided again."""
    if not job.awaits:
        return Step(job, ignored=True)
    return Step(replace(job, phase=Phase.INTENDED, awaits="", due=0.0, since=now))


def _watch_cancelled(job: Job, observation: seen.Cancelled, now: float, policy: Policy) -> Step:
    if row(job.command).kind is not Kind.TRACK:
        return Step(job, ignored=True)
    return outcomes.failed(job, outcomes.CANCELLED, now)


# Any phase: a defect of the service.


def _broken(job: Job, observation: seen.Broken, now: float, policy: Policy) -> Step:
    """What has certainly changed nothing at AWS fails; about anything else a person decides."""
    resting = job.phase is Phase.QUEUED or (job.phase is Phase.INTENDED and (job.due > 0 or observation.unsent))
    operation = known_row(job.command)
    harmless = operation is not None and operation.kind in (Kind.READ, Kind.TRACK)
    if harmless or (resting and not may_have_happened(job)):
        return outcomes.failed(job, observation.fault, now)
    return outcomes.parked(job, observation.fault, now, "nothing more: the service itself fails with this command")


# The ended: remembered for the retention, then forgotten.


def _forget(job: Job, observation: seen.Outlived, now: float, policy: Policy) -> Step:
    return Step(None)


def _resolved(job: Job, observation: seen.Resolved, now: float, policy: Policy) -> Step:
    return resolution.resolve(job, observation, now)


def _unchanged(job: Job, observation: seen.Observation, now: float, policy: Policy) -> Step:
    return Step(job)


_ENDED: Final[dict[tuple[Phase, type], Transition]] = {
    (phase, observed): transition
    for phase in TERMINAL
    for observed, transition in ((seen.Outlived, _forget), (seen.Restored, _unchanged))
}

TRANSITIONS: Final = MappingProxyType[tuple[Phase, type], Transition](
    {
        (Phase.INTENDED, seen.Returned): _returned,
        (Phase.INTENDED, seen.Postponed): _postponed,
        (Phase.INTENDED, seen.QuotaFull): _quota_full,
        (Phase.INTENDED, seen.Refused): _refused,
        (Phase.INTENDED, seen.Lost): _lost,
        (Phase.INTENDED, seen.Late): _late,
        (Phase.INTENDED, seen.WindowMissed): _window_missed,
        (Phase.INTENDED, seen.Delayed): _delayed,
        (Phase.INTENDED, seen.HandedOver): _held,
        (Phase.INTENDED, seen.Due): _due,
        (Phase.INTENDED, seen.StartReached): _start_reached,
        (Phase.INTENDED, seen.DeadlinePassed): _expired,
        **{(phase, seen.UntilPassed): _until_passed for phase in (Phase.INTENDED, Phase.QUEUED, Phase.RUNNING)},
        (Phase.INTENDED, seen.Restored): _restored_intent,
        (Phase.INTENDED, seen.Cancelled): _cancelled,
        (Phase.QUEUED, seen.Due): _dequeued,
        (Phase.QUEUED, seen.DeadlinePassed): _expired,
        (Phase.QUEUED, seen.Cancelled): _cancelled,
        (Phase.QUEUED, seen.DependencyEnded): _released,
        (Phase.QUEUED, seen.Predecessors): _predecessors,
        (Phase.UNCERTAIN, seen.Found): _found,
        (Phase.UNCERTAIN, seen.SearchFailed): _unsearched,
        (Phase.UNCERTAIN, seen.Restored): _restored_uncertain,
        (Phase.ACCEPTED, seen.Found): _found,
        (Phase.ACCEPTED, seen.SearchFailed): _unsearched,
        (Phase.RUNNING, seen.Seen): _seen,
        (Phase.RUNNING, seen.Unseen): _unseen,
        (Phase.RUNNING, seen.Vanished): _vanished,
        (Phase.RUNNING, seen.Cancelled): _watch_cancelled,
        (Phase.RUNNING, seen.RunningLong): _running_long,
        (Phase.PARKED, seen.Resolved): _resolved,
        **{(phase, seen.Broken): _broken for phase in Phase if phase not in TERMINAL},
        (Phase.RUNNING, seen.Restored): _restored_running,
        **{(phase, seen.Restored): _restored_rest for phase in (Phase.QUEUED, Phase.ACCEPTED)},
        **_ENDED,
    }
)
"""The whole behaviour; a missing cell: too late."""
