"""A call whose outcome was lost, for each strategy of repeating it."""

from typing import Any

import pytest

from schemas.operations import Change, Kind, Operation, Repeat
from schemas.records import Fault, Job, Phase
from service.core import observations as seen
from service.core.effects import Call, Rest, Search, Step
from service.core.job import GIVEN_BACK, repeat
from tests.support import builders
from tests.support.builders import NOW, POLICY, TIMEOUT, after, changed, observe, told

LOST = seen.Lost(TIMEOUT)


def settled(job: Job, at: float = 0.0) -> seen.Found:
    """An empty search that began as early as law 2 allows."""
    return seen.Found((), job.since + POLICY.settle + at)


@pytest.mark.parametrize("operation", [*builders.SAFE, *builders.DELETING], ids=builders.named)
@pytest.mark.parametrize("observation", [LOST, seen.Restored()], ids=["lost", "restored"])
def test_a_blind_repeat_needs_no_search(operation: Operation, observation: seen.Observation) -> None:
    job = after(builders.job(operation), observation, 1)
    assert (job.phase, job.attempt) == (Phase.INTENDED, 2)
    if isinstance(observation, seen.Lost):
        assert isinstance(builders.doing(job), Rest)
        job = after(job, seen.Due(), 10)
    assert builders.doing(job) == Call()


@pytest.mark.parametrize("operation", builders.CREATING, ids=builders.named)
@pytest.mark.parametrize("observation", [LOST, seen.Restored()], ids=["lost", "restored"])
def test_a_creation_is_searched_until_settled_and_only_then_repeated(
    operation: Operation, observation: seen.Observation
) -> None:
    job = after(builders.job(operation), observation, 1)
    assert (job.phase, job.since, builders.doing(job)) == (Phase.UNCERTAIN, NOW + 1, Search(0.0))
    early = after(job, settled(job, -0.001), POLICY.settle)
    assert early.phase is Phase.UNCERTAIN
    again = after(early, settled(job), POLICY.settle + 2)
    assert (again.phase, again.attempt, again.since) == (Phase.INTENDED, 2, NOW + POLICY.settle + 2)
    assert builders.doing(again) == Rest(GIVEN_BACK), "it is permitted when it has a turn"
    assert builders.doing(after(again, seen.Due(), POLICY.settle + 3)) == Call()


def test_a_search_that_began_too_early_permits_nothing_however_late_it_ends() -> None:
    job = after(builders.job(builders.JOBS[0]), LOST, 1)
    assert after(job, settled(job, -0.001), 10 * POLICY.settle).phase is Phase.UNCERTAIN


def test_searches_are_paced_and_the_last_one_waits_for_the_settling() -> None:
    job = after(builders.job(builders.JOBS[0]), LOST)
    now, waits = 0.0, []
    while job.phase is Phase.UNCERTAIN:
        job = after(job, seen.Found((), NOW + now), now)
        waits.append(job.due - NOW - now)
        now = max(now, job.due - NOW)
    assert waits[:-1] == [5.0, 20.0, 60.0, 60.0, 60.0, 60.0, 60.0, 35.0]
    assert now == POLICY.settle


@pytest.mark.parametrize("operation", builders.CREATING, ids=builders.named)
def test_a_creation_that_happened_is_adopted(operation: Operation) -> None:
    job = after(builders.job(operation), LOST, 1)
    step = observe(job, seen.Found((builders.listed(operation, job.command),), NOW + 2), 2)
    assert told(step) == (["succeeded"] if operation.kind is Kind.WRITE else ["started"])
    assert changed(step) == ([Change.CREATED] if operation.kind is Kind.WRITE else [])
    assert step.job is not None
    assert step.job.attempt == 1
    if operation.resource.identity:
        assert step.job.resource_id == builders.arn(operation)


@pytest.mark.parametrize("operation", builders.CREATING, ids=builders.named)
def test_two_resources_with_one_marker_are_for_a_person(operation: Operation) -> None:
    job = after(builders.job(operation), LOST, 1)
    twin = builders.listed(operation, job.command)
    step = observe(job, seen.Found((twin, twin), NOW + 2), 2)
    assert (told(step), builders.error(step)) == (["parked"], "AmbiguousOutcome")


@pytest.mark.parametrize("operation", builders.CREATING, ids=builders.named)
def test_a_new_owner_settles_anew_and_keeps_the_evidence(operation: Operation) -> None:
    job = builders.job(operation, Phase.UNCERTAIN, searches=5, due=NOW + 60, fault=builders.CONFLICT)
    restored = after(job, seen.Restored(), 300)
    assert (restored.since, restored.due, restored.searches, restored.fault) == (NOW + 300, 0.0, 0, builders.CONFLICT)
    assert after(restored, settled(job), POLICY.settle).phase is Phase.UNCERTAIN


@pytest.mark.parametrize("operation", builders.CREATING, ids=builders.named)
def test_a_search_that_broke_off_says_nothing(operation: Operation) -> None:
    job = builders.job(operation, Phase.UNCERTAIN)
    later = after(job, seen.SearchFailed(TIMEOUT), POLICY.settle + 1)
    assert (later.phase, later.since, later.searches) == (Phase.UNCERTAIN, NOW, 0)
    assert POLICY.settle + 1 < later.due - NOW <= POLICY.settle + 1 + POLICY.backoff_base


@pytest.mark.parametrize("operation", builders.CREATING, ids=builders.named)
def test_a_conflict_on_a_repeat_is_evidence(operation: Operation) -> None:
    job = after(builders.job(operation, attempt=2), seen.Refused(builders.CONFLICT), 1)
    assert (job.phase, job.fault) == (Phase.UNCERTAIN, builders.CONFLICT)
    found = seen.Found((builders.listed(operation, job.command),), NOW + 2)
    assert told(observe(job, found, 2)) in (["started"], ["succeeded"])
    step = observe(job, settled(job), POLICY.settle + 2)
    assert (told(step), builders.error(step)) == (["failed"], "ConflictException")


@pytest.mark.parametrize("operation", builders.DELETING, ids=builders.named)
def test_a_repeated_delete_that_finds_nothing_has_succeeded_when_searches_find_nothing_either(
    operation: Operation,
) -> None:
    job = after(builders.job(operation, attempt=2), seen.Refused(builders.GONE), 1)
    assert (job.phase, job.fault) == (Phase.UNCERTAIN, builders.GONE)
    step = missed(job)
    assert (told(step), changed(step)) == (["succeeded"], [Change.DELETED])
    first = observe(builders.job(operation), seen.Refused(builders.GONE), 1)
    assert (told(first), builders.error(first)) == (["failed"], "ResourceNotFoundException")


@pytest.mark.parametrize("operation", builders.DELETING, ids=builders.named)
def test_a_repeated_delete_that_misses_what_is_there_is_repeated(operation: Operation) -> None:
    """The first one may never have been performed, and a `deleted` that was published is final."""
    job, now = builders.job(operation, attempt=2), 0.0
    there = {"status": "ACTIVE"}
    while job.phase in (Phase.INTENDED, Phase.UNCERTAIN):
        job = after(job, seen.Refused(builders.GONE), now)
        assert after(job, seen.Found((there,), NOW + now + 2), now + 2).phase is Phase.UNCERTAIN
        now += POLICY.settle + 1
        attempt, step = job.attempt, observe(job, seen.Found((there,), NOW + now), now)
        assert step.job is not None
        job = step.job
        if job.phase is Phase.INTENDED:
            assert (job.attempt, job.fault, builders.doing(job)) == (attempt + 1, None, Rest(GIVEN_BACK))
            job = after(job, seen.Due(), now)
    # What comes back under its name may be another one.
    back = operation.resource.returns
    assert (told(step), builders.error(step), changed(step)) == (
        ["parked" if back else "failed"],
        builders.GONE.code,
        [],
    )
    assert now < 10 * POLICY.settle if back else POLICY.write_retry_limit < now <= 1.1 * POLICY.write_retry_limit


@pytest.mark.parametrize("operation", builders.DELETING, ids=builders.named)
def test_a_repeated_delete_in_conflict_asks_the_witness(operation: Operation) -> None:
    job = after(builders.job(operation, attempt=2), seen.Refused(builders.CONFLICT), 1)
    assert (job.phase, job.fault) == (Phase.UNCERTAIN, builders.CONFLICT)
    gone = missed(job)
    assert (told(gone), changed(gone)) == (["succeeded"], [Change.DELETED])
    there = seen.Found(({"status": "ACTIVE"},), NOW + 1 + POLICY.settle)
    assert builders.error(observe(job, there, POLICY.settle + 2)) == "ConflictException"


@pytest.mark.parametrize("operation", builders.REMOVALS, ids=builders.named)
def test_a_removal_under_way_is_watched(operation: Operation) -> None:
    job = after(builders.job(operation, attempt=2), seen.Refused(builders.CONFLICT), 1)
    step = observe(job, seen.Found(({"status": "DELETE_IN_PROGRESS"},), NOW + 2), 2)
    assert told(step) == ["started"]
    assert step.job is not None
    assert (step.job.phase, step.job.resource_id) == (Phase.RUNNING, builders.arn(operation))


ASKED: dict[str, dict[str, Any]] = {
    "UpdateConfiguredAudienceModel": {
        "minMatchingSeedSize": 100,
        "description": "mine",
        "sharedAudienceMetrics": ["ALL", "NONE"],
        "outputConfig": {"roleArn": "role"},
    },
    "PutConfiguredAudienceModelPolicy": {"configuredAudienceModelPolicy": builders.DOCUMENT},
    "TagResource": {"tags": {"team": "a"}},
    "UntagResource": {"tagKeys": ["team"]},
}
"""What a repeatable write asks for."""
SHOWN: dict[str, dict[str, Any]] = {
    "UpdateConfiguredAudienceModel": {
        "minMatchingSeedSize": 100,
        "description": f"mine [crml:{'0' * 26}]",
        "sharedAudienceMetrics": ["NONE", "ALL"],
        "outputConfig": {"roleArn": "role", "destination": {}},
        "status": "ACTIVE",
    },
    "PutConfiguredAudienceModelPolicy": {"configuredAudienceModelPolicy": builders.DOCUMENT.replace(" ", "  ")},
    "TagResource": {"tags": {"team": "a", "other": "b"}},
    "UntagResource": {"tags": {"other": "b"}},
}
"""What its witness shows once it was performed."""
DIFFERENT: list[dict[str, Any]] = [{"minMatchingSeedSize": 99}, {"description": "theirs"}, {"outputConfig": {}}]
OTHERWISE: dict[str, list[dict[str, Any]]] = {
    "UpdateConfiguredAudienceModel": [SHOWN["UpdateConfiguredAudienceModel"] | different for different in DIFFERENT],
    "PutConfiguredAudienceModelPolicy": [{"configuredAudienceModelPolicy": "{}"}],
    "TagResource": [{"tags": {}}, {"tags": {"team": "b"}}],
    "UntagResource": [{"tags": {"team": "a"}}],
}
WRITES = [operation for operation in builders.SAFE if operation.kind is Kind.WRITE]
REFUSALS = pytest.mark.parametrize(
    "refusal", [builders.DENIED, builders.INVALID, builders.GONE, builders.CONFLICT], ids=lambda fault: fault.code
)


def refused_repeat(operation: Operation, refusal: Fault) -> Job:
    """A blind repeat was refused; what the call before it did is unknown."""
    params = {**builders.params(operation), **ASKED.get(operation.name, {})}
    command = builders.command(operation, params=params)
    return after(builders.job(operation, command=command, attempt=2), seen.Refused(refusal), 1)


@pytest.mark.parametrize("operation", WRITES, ids=builders.named)
@REFUSALS
def test_a_refused_repeat_of_a_write_that_shows_has_succeeded(operation: Operation, refusal: Fault) -> None:
    job = refused_repeat(operation, refusal)
    assert (job.phase, job.fault, builders.doing(job)) == (Phase.UNCERTAIN, refusal, Search(0.0))
    step = observe(job, seen.Found((SHOWN[operation.name],), NOW + 2), 2)
    assert (told(step), changed(step)) == (["succeeded"], [Change.UPDATED])


@pytest.mark.parametrize("operation", WRITES, ids=builders.named)
@REFUSALS
def test_a_refused_repeat_of_a_write_that_does_not_show_is_for_a_person(operation: Operation, refusal: Fault) -> None:
    """It may have been performed and changed again; nothing is guessed."""
    for shown in OTHERWISE[operation.name]:
        job = refused_repeat(operation, refusal)
        assert after(job, seen.Found((shown,), NOW + 2), 2).phase is Phase.UNCERTAIN
        step = observe(job, seen.Found((shown,), NOW + 1 + POLICY.settle), POLICY.settle + 2)
        assert (told(step), builders.error(step)) == (["parked"], refusal.code)


@pytest.mark.parametrize("operation", WRITES, ids=builders.named)
def test_a_refused_repeat_of_a_write_to_what_is_gone_is_for_a_person(operation: Operation) -> None:
    """It may have been performed before the resource went."""
    step = missed(refused_repeat(operation, builders.GONE))
    assert (told(step), builders.error(step)) == (["parked"], builders.GONE.code)


def missed(job: Job, looks: int = 3) -> Step:
    """The step of the last of so many searches that find nothing after settling; the others change nothing else."""
    for look in range(looks):
        at = 2 + POLICY.settle + 10 * look
        step = observe(job, seen.Found((), NOW + at), at)
        assert step.job is not None
        job = step.job
    return step


@pytest.mark.parametrize("operation", builders.DELETING, ids=builders.named)
def test_a_search_that_misses_what_is_there_is_not_its_end(operation: Operation) -> None:
    """A `deleted` that was published is final."""
    job = refused_repeat(operation, builders.DENIED)
    early = observe(job, seen.Found((), NOW + 2), 2)
    assert (told(early), changed(early)) == ([], [])
    assert early.job is not None
    step = missed(early.job, 2)
    assert (told(step), changed(step)) == ([], [])
    assert step.job is not None
    shown = observe(step.job, seen.Found(({"status": "ACTIVE"},), NOW + 99 + POLICY.settle), 99 + POLICY.settle)
    assert told(shown) == ["parked" if operation.resource.returns else "failed"]


@pytest.mark.parametrize("operation", builders.DELETING, ids=builders.named)
@pytest.mark.parametrize(
    "refusal", [builders.DENIED, builders.INVALID, builders.CONFLICT], ids=lambda fault: fault.code
)
def test_a_refused_repeat_of_a_delete_asks_what_is_there(operation: Operation, refusal: Fault) -> None:
    job = refused_repeat(operation, refusal)
    assert (job.phase, job.fault) == (Phase.UNCERTAIN, refusal)
    gone = missed(job)
    assert (told(gone), changed(gone)) == (["succeeded"], [Change.DELETED])
    there = seen.Found(({"status": "ACTIVE"},), NOW + 1 + POLICY.settle)
    step = observe(job, there, POLICY.settle + 2)
    back = operation.resource.returns  # under the name that was deleted there may be another one by now
    assert (told(step), builders.error(step)) == (["parked" if back else "failed"], refusal.code)


# Lists that shift


@pytest.mark.parametrize("operation", builders.CREATING, ids=builders.named)
def test_a_list_in_pages_must_be_empty_twice(operation: Operation) -> None:
    """A deletion between two pages shifts what comes after it out of sight."""
    job, settle = after(builders.job(operation), LOST), POLICY.settle
    early = after(job, seen.Found((), NOW + settle - 1, stable=False), settle)
    once = after(early, seen.Found((), NOW + settle, stable=False), settle + 1)
    assert (once.phase, once.empty) == (Phase.UNCERTAIN, 1)
    assert once.due > NOW + settle + 1
    assert after(once, seen.Restored(), settle + 2).empty == 0
    assert after(once, seen.Found((), NOW + settle + 9, stable=False), settle + 9).attempt == 2
    shown = seen.Found((builders.listed(operation, job.command),), NOW + settle + 9, stable=False)
    assert after(once, shown, settle + 9).attempt == 1


# Searches that fail


@pytest.mark.parametrize("operation", [*builders.CREATING, *builders.DELETING, *WRITES], ids=builders.named)
def test_a_search_that_always_fails_ends_for_a_person(operation: Operation) -> None:
    job, now = builders.job(operation, Phase.UNCERTAIN), 0.0
    while job.phase is Phase.UNCERTAIN:
        step = observe(job, seen.SearchFailed(builders.DENIED), now)
        assert step.job is not None
        job, now = step.job, max(now, step.job.due - NOW)
        if job.phase is Phase.UNCERTAIN and 100 < job.retries < 103:
            job = after(job, seen.Restored(), now)  # the next owner goes on counting
    assert 0.9 * POLICY.search_limit < now <= POLICY.search_limit
    job, took = builders.job(operation, Phase.UNCERTAIN), 0.0
    while job.phase is Phase.UNCERTAIN:
        job, took = after(job, seen.SearchFailed(builders.DENIED, seconds=600.0), took), took + 600.0
    assert took <= POLICY.search_limit, "what a search takes counts as well"
    assert builders.error(step) == "SearchFailed"
    error = builders.reply(step).data["error"]
    assert builders.DENIED.code in error["message"]
    assert "ResolveCommand" in error["message"]


def test_what_was_accepted_and_can_t_be_listed_ends_for_a_person() -> None:
    job, now = builders.job(builders.JOBS[-1], Phase.ACCEPTED), 0.0
    while job.phase is Phase.ACCEPTED:
        job = after(job, seen.SearchFailed(builders.DENIED), now)
        now = max(now, job.due - NOW)
    assert job.phase is Phase.PARKED
    assert 0.9 * POLICY.accepted_limit < now <= POLICY.accepted_limit


@pytest.mark.parametrize("operation", builders.CREATING, ids=builders.named)
def test_a_creation_that_is_lost_and_not_made_again_and_again_fails(operation: Operation) -> None:
    job, now = builders.job(operation), 0.0
    while job.phase in (Phase.INTENDED, Phase.UNCERTAIN):
        lost = after(job, LOST, now)
        now += POLICY.settle + 10
        step = observe(lost, seen.Found((), NOW + now), now)
        assert step.job is not None
        job = step.job
    assert (told(step), builders.error(step)) == (["failed"], "CallsLost")
    assert POLICY.write_retry_limit < now <= 1.1 * POLICY.write_retry_limit


def lost_guarded(operation: Operation, **guard: str) -> Job:
    command = builders.guarded(operation, **guard)
    assert repeat(command) is Repeat.GUARDED
    return after(builders.job(operation, command=command), LOST, 1)


@pytest.mark.parametrize("operation", builders.GUARDED, ids=builders.named)
def test_a_conditional_write_that_shows_was_made(operation: Operation) -> None:
    job = lost_guarded(operation)
    spaced = builders.DOCUMENT.replace(" ", "  ")
    shown = {operation.compare: spaced, operation.previous: "b" * 64}
    step = observe(job, seen.Found((shown,), NOW + 2), 2)
    assert (told(step), changed(step)) == (["succeeded"], [Change.UPDATED])
    assert builders.reply(step).data["result"] == shown


@pytest.mark.parametrize("operation", builders.GUARDED, ids=builders.named)
def test_a_conditional_write_that_was_not_made_is_repeated_when_settled(operation: Operation) -> None:
    job = lost_guarded(operation)
    shown = {operation.compare: '"theirs"', operation.previous: builders.OLD_HASH}
    early = after(job, seen.Found((shown,), NOW + 2), 2)
    assert early.phase is Phase.UNCERTAIN
    again = after(early, seen.Found((shown,), NOW + 1 + POLICY.settle), POLICY.settle + 2)
    assert (again.phase, again.attempt) == (Phase.INTENDED, 2)


@pytest.mark.parametrize("operation", builders.GUARDED, ids=builders.named)
@pytest.mark.parametrize("there", [True, False])
def test_a_conditional_write_beside_a_stranger_is_reported(operation: Operation, there: bool) -> None:
    shown = {operation.compare: '"theirs"', operation.previous: "c" * 64}
    job = lost_guarded(operation)
    early = observe(job, seen.Found((shown,) if there else (), NOW + 2), 2)
    assert told(early) == [], "a read that lags behind the call"
    assert early.job is not None
    at = POLICY.settle + 2
    step = observe(early.job, seen.Found((shown,), NOW + at), at) if there else missed(early.job)
    assert (told(step), builders.error(step)) == (["failed"], "ConcurrentModification")


@pytest.mark.parametrize("operation", builders.GUARDED, ids=builders.named)
@pytest.mark.parametrize(
    "evidence", [builders.CONFLICT, builders.INVALID, builders.DENIED], ids=lambda fault: fault.code
)
def test_a_refused_repeat_of_a_conditional_write_is_evidence(operation: Operation, evidence: Fault) -> None:
    command = builders.guarded(operation, policyExistenceCondition="POLICY_MUST_NOT_EXIST")
    job = after(builders.job(operation, command=command, attempt=2), seen.Refused(evidence), 1)
    assert (job.phase, job.fault) == (Phase.UNCERTAIN, evidence)
    ours = seen.Found(({operation.compare: builders.DOCUMENT},), NOW + 2)
    assert told(observe(job, ours, 2)) == ["succeeded"]
    theirs = seen.Found(({operation.compare: '"theirs"'},), NOW + 1 + POLICY.settle)
    step = observe(job, theirs, POLICY.settle + 2)
    assert (told(step), builders.error(step)) == (["parked"], evidence.code)  # theirs may have overwritten ours
    named = builders.guarded(operation)
    job = after(builders.job(operation, command=named, attempt=2), seen.Refused(builders.CONFLICT), 1)
    before = seen.Found(
        ({operation.compare: '"theirs"', operation.previous: builders.OLD_HASH},), NOW + 1 + POLICY.settle
    )
    assert told(observe(job, before, POLICY.settle + 2)) == ["failed"]


@pytest.mark.parametrize("operation", [row for row in builders.SAFE if row.kind is Kind.WRITE], ids=builders.named)
def test_a_write_that_stays_lost_is_parked_and_a_read_fails(operation: Operation) -> None:
    step = observe(builders.job(operation, tried=POLICY.write_retry_limit + 1), LOST)
    assert (told(step), builders.error(step)) == (["parked"], "ReadTimeout")
    read = observe(builders.job(builders.READS[0], tried=POLICY.read_retry_limit + 1), LOST)
    assert (told(read), builders.error(read)) == (["failed"], "ReadTimeout")
