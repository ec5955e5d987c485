"""What a held job takes and does not take, and what a defect of ours leads to."""

import itertools
from dataclasses import replace as changed

import pytest

from schemas.operations import OPERATIONS, Kind
from schemas.records import Job, Phase
from service.core import capacity, command_state, effects, holding, timing, transitions
from service.core import observations as seen
from service.core.cancellation import Chance, chance
from service.core.job import TERMINAL, awaits_slot, ended, keeps_line, may_have_happened, occupies_slot, replace
from service.core.timing import Policy
from tests.support import builders

NOW = builders.NOW
OPEN = [job for job in builders.every_job() if job.phase not in TERMINAL]
TARGET = OPEN[0].command.target
POLICY = Policy(targets={TARGET: ("111122223333", "eu-west-1")})


def unknown(job: Job) -> Job:
    return replace(job, command=replace(job.command, operation="StartTrainedModelInferenceJob"))


def elsewhere(job: Job) -> Job:
    return replace(job, command=replace(job.command, target="gone"))


def moved(job: Job) -> Job:
    return replace(job, account="999999999999", region="eu-west-1")


@pytest.mark.parametrize("job", OPEN, ids=lambda job: f"{job.command.operation}-{job.phase}")
@pytest.mark.parametrize("make", [unknown, elsewhere, moved])
def test_nothing_moves_a_held_job_and_nothing_is_done_for_it(make: object, job: Job) -> None:
    held = make(job)  # type: ignore[operator]
    why = holding.obstacle(held, POLICY)
    assert why
    assert transitions.activity(held, POLICY) == effects.Hold(why)
    for observation in builders.OBSERVATIONS:
        if isinstance(observation, seen.Cancelled):
            continue
        step = transitions.step(held, observation, NOW, POLICY)
        if isinstance(observation, seen.Restored):
            assert step.job is not None
            assert step.job == replace(held, held=why)
            assert builders.told(step) == ["waiting"]
            assert transitions.step(step.job, observation, NOW, POLICY) == effects.Step(step.job)
        else:
            assert step.job is held
            assert step.ignored
            assert not step.events


def waiting_for_another() -> Job:
    """A cancellation of a newer release that waits for the command which it cancels: it is held by nobody."""
    queued = next(job for job in OPEN if job.phase is Phase.QUEUED)
    job = replace(unknown(queued), awaits='["/shop","c-1"]')
    return replace(job, command=replace(job.command, until=NOW + 60, deadline=NOW + 60))


@pytest.mark.parametrize("observation", builders.OBSERVATIONS, ids=lambda observation: type(observation).__name__)
def test_what_waits_for_another_command_is_planned_whatever_it_is(observation: seen.Observation) -> None:
    job = waiting_for_another()
    step = transitions.step(job, observation, NOW, POLICY)
    for after in (job, step.job or job):
        doing = transitions.activity(after, POLICY)
        assert ended(after) or doing == (effects.Await() if after.awaits else effects.Hold(holding.UNKNOWN_OPERATION))
        assert timing.until(after) == 0.0
        assert isinstance(timing.may_expire(after), bool)
        assert not occupies_slot(after)
        assert not awaits_slot(after)
        assert isinstance(keeps_line(after), bool)
        assert command_state.explained(after) or ended(after) or not after.awaits
        assert capacity.pool(after)


@pytest.mark.parametrize("job", OPEN, ids=lambda job: f"{job.command.operation}-{job.phase}")
def test_a_held_job_goes_on_as_if_it_had_never_been_held(job: Job) -> None:
    held = replace(job, held=holding.UNKNOWN_TARGET)
    goes_on = transitions.step(held, seen.Restored(), NOW, POLICY)
    assert goes_on == transitions.step(job, seen.Restored(), NOW, POLICY)
    assert goes_on.job is not held


def test_what_has_ended_is_never_held() -> None:
    for job in builders.every_job():
        if job.phase in TERMINAL:
            assert not holding.obstacle(unknown(job), POLICY)
            assert isinstance(transitions.activity(unknown(job), POLICY), type(transitions.activity(job, POLICY)))


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        (("1", "a"), ("1", "a"), ""),
        (("1", "a"), ("2", "a"), holding.TARGET_CHANGED),
        (("1", "a"), ("1", "b"), holding.TARGET_CHANGED),
        (("", ""), ("1", "a"), ""),
        (("1", "a"), ("", "a"), ""),
        (("", "a"), ("1", "b"), holding.TARGET_CHANGED),
    ],
)
def test_what_is_not_known_is_not_compared(then: tuple[str, str], now: tuple[str, str], why: str) -> None:
    job = replace(OPEN[0], account=then[0], region=then[1])
    assert holding.obstacle(job, changed(POLICY, targets={TARGET: now})) == why


def test_a_new_job_bears_the_account_and_region_of_its_target() -> None:
    job = holding.born(replace(OPEN[0], account="", region=""), POLICY)
    assert (job.account, job.region) == ("111122223333", "eu-west-1")


def test_what_may_have_been_called_by_a_former_owner_is_not_cancelled() -> None:
    for job in OPEN:
        may_have_left = job.phase is Phase.INTENDED and not job.due
        if may_have_left:
            assert chance(job, held=True) is Chance.TOO_LATE


@pytest.mark.parametrize(
    ("job", "unsent"), list(itertools.product(OPEN, [False, True])), ids=lambda part: str(getattr(part, "phase", part))
)
def test_a_defect_ends_what_changed_nothing_and_parks_the_rest(job: Job, unsent: bool) -> None:
    step = transitions.step(job, seen.Broken(builders.TIMEOUT, unsent), NOW, Policy())
    assert step.job is not None
    harmless = job.command.operation not in OPERATIONS or OPERATIONS[job.command.operation].kind is Kind.READ
    resting = job.phase is Phase.QUEUED or (job.phase is Phase.INTENDED and (unsent or job.due > 0))
    fails = harmless or (resting and not may_have_happened(job))
    assert step.job.phase is (Phase.FAILED if fails else Phase.PARKED)
    assert len(step.events) == 1
