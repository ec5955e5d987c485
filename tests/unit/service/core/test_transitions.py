"""Every cell of the transitions table, and every cell that it does not have."""

from itertools import product
from typing import get_args

import pytest

from schemas.operations import OPERATIONS
from schemas.records import TERMINAL, Job, Phase
from service.core import observations as seen
from service.core import outcomes, transitions
from service.core.effects import Call, Rest, Search, Watch
from service.core.job import replace
from tests.support import builders
from tests.support.builders import NOW, OBSERVATIONS, POLICY, observe

CREATE = OPERATIONS["CreateAudienceModel"]

CELLS: dict[tuple[Phase, type], tuple[Phase | None, list[str]]] = {
    (Phase.INTENDED, seen.Returned): (Phase.RUNNING, ["started"]),
    (Phase.INTENDED, seen.Postponed): (Phase.INTENDED, []),
    (Phase.INTENDED, seen.QuotaFull): (Phase.QUEUED, ["waiting"]),
    (Phase.INTENDED, seen.Refused): (Phase.FAILED, ["failed"]),
    (Phase.INTENDED, seen.Lost): (Phase.UNCERTAIN, []),
    (Phase.INTENDED, seen.Late): (Phase.INTENDED, []),
    (Phase.INTENDED, seen.WindowMissed): (Phase.INTENDED, ["waiting"]),
    (Phase.INTENDED, seen.Delayed): (Phase.INTENDED, ["waiting"]),
    (Phase.INTENDED, seen.HandedOver): (Phase.INTENDED, []),
    (Phase.INTENDED, seen.Due): (Phase.INTENDED, []),
    (Phase.INTENDED, seen.StartReached): (Phase.INTENDED, []),
    (Phase.INTENDED, seen.DeadlinePassed): (Phase.FAILED, ["failed"]),
    (Phase.QUEUED, seen.DeadlinePassed): (Phase.FAILED, ["failed"]),
    (Phase.INTENDED, seen.UntilPassed): (Phase.INTENDED, []),
    (Phase.QUEUED, seen.UntilPassed): (Phase.QUEUED, []),
    (Phase.RUNNING, seen.UntilPassed): (Phase.RUNNING, ["waiting"]),
    (Phase.RUNNING, seen.RunningLong): (Phase.RUNNING, ["waiting"]),
    (Phase.INTENDED, seen.Restored): (Phase.UNCERTAIN, []),
    (Phase.INTENDED, seen.Cancelled): (Phase.FAILED, ["failed"]),
    (Phase.QUEUED, seen.Cancelled): (Phase.FAILED, ["failed"]),
    (Phase.QUEUED, seen.DependencyEnded): (Phase.QUEUED, []),
    (Phase.QUEUED, seen.Predecessors): (Phase.QUEUED, []),
    (Phase.RUNNING, seen.Cancelled): (Phase.RUNNING, []),
    (Phase.QUEUED, seen.Due): (Phase.INTENDED, []),
    (Phase.QUEUED, seen.Restored): (Phase.QUEUED, []),
    (Phase.UNCERTAIN, seen.Found): (Phase.UNCERTAIN, []),
    (Phase.UNCERTAIN, seen.SearchFailed): (Phase.UNCERTAIN, []),
    (Phase.UNCERTAIN, seen.Restored): (Phase.UNCERTAIN, []),
    (Phase.ACCEPTED, seen.Found): (Phase.ACCEPTED, []),
    (Phase.ACCEPTED, seen.SearchFailed): (Phase.ACCEPTED, []),
    (Phase.ACCEPTED, seen.Restored): (Phase.ACCEPTED, []),
    (Phase.RUNNING, seen.Seen): (Phase.SUCCEEDED, ["succeeded"]),
    (Phase.RUNNING, seen.Unseen): (Phase.RUNNING, []),
    (Phase.RUNNING, seen.Vanished): (Phase.RUNNING, []),
    (Phase.RUNNING, seen.Restored): (Phase.RUNNING, []),
    (Phase.PARKED, seen.Resolved): (Phase.FAILED, ["failed"]),
    (Phase.INTENDED, seen.Broken): (Phase.FAILED, ["failed"]),
    (Phase.QUEUED, seen.Broken): (Phase.FAILED, ["failed"]),
    (Phase.UNCERTAIN, seen.Broken): (Phase.PARKED, ["parked"]),
    (Phase.ACCEPTED, seen.Broken): (Phase.PARKED, ["parked"]),
    (Phase.RUNNING, seen.Broken): (Phase.PARKED, ["parked"]),
    **{(phase, seen.Restored): (phase, []) for phase in TERMINAL},
    **{(phase, seen.Outlived): (None, []) for phase in TERMINAL},
}
"""(phase, observation) -> (phase, or None for forgotten, replies), for a fresh job that creates an audience model."""


OF_OTHER_COMMANDS = {
    (Phase.QUEUED, seen.DependencyEnded),
    (Phase.QUEUED, seen.Predecessors),
    (Phase.RUNNING, seen.Cancelled),
    (Phase.INTENDED, seen.UntilPassed),
    (Phase.QUEUED, seen.UntilPassed),
}
"""Cells of a waiting cancellation, a command in a chain and a tracked resource, which a plain creation ignores."""


def by_type(kind: type) -> seen.Observation:
    if kind is seen.Returned:
        return seen.Returned(builders.result(CREATE))
    return next(observation for observation in OBSERVATIONS if type(observation) is kind)


def canonical(phase: Phase) -> Job:
    return next(job for job in builders.every_job() if job.phase is phase and job.command.operation == CREATE.name)


def test_the_samples_are_complete() -> None:
    assert {type(observation) for observation in OBSERVATIONS} == set(get_args(seen.Observation))
    assert set(CELLS) == set(transitions.TRANSITIONS)


@pytest.mark.parametrize(("phase", "kind"), CELLS, ids=lambda part: str(getattr(part, "__name__", part)))
def test_cell(phase: Phase, kind: type) -> None:
    job = canonical(phase)
    if phase is Phase.INTENDED and kind is seen.Due:
        job = replace(job, due=NOW + 1)
    if kind is seen.StartReached:
        job = replace(job, due=NOW + 1, command=replace(job.command, not_before=NOW + 1))
    if kind is seen.RunningLong:
        job = replace(job, since=NOW - POLICY.running_limit(CREATE.resource.kind))
    step = observe(job, by_type(kind), 1.0)
    assert (step.job and step.job.phase, builders.told(step)) == CELLS[phase, kind]
    assert step.ignored == ((phase, kind) in OF_OTHER_COMMANDS)


MISSING = [
    (phase, observation)
    for phase, observation in product(Phase, OBSERVATIONS)
    if (phase, type(observation)) not in transitions.TRANSITIONS
]


@pytest.mark.parametrize(
    ("phase", "observation"), MISSING, ids=lambda part: str(getattr(part, "value", type(part).__name__))
)
def test_missing_cells_change_nothing_and_are_counted(phase: Phase, observation: seen.Observation) -> None:
    jobs = [job for job in builders.every_job() if job.phase is phase]
    assert len(jobs) == len(OPERATIONS)
    for job in jobs:
        step = observe(job, observation)
        assert step.job is job
        assert step.events == ()
        assert step.ignored


@pytest.mark.parametrize("phase", sorted(TERMINAL))
@pytest.mark.parametrize("observation", OBSERVATIONS, ids=lambda observation: type(observation).__name__)
def test_an_end_is_left_only_by_being_forgotten(phase: Phase, observation: seen.Observation) -> None:
    job = canonical(phase)
    if phase is Phase.PARKED and isinstance(observation, seen.Resolved):
        return  # an end until a person decides: tests/unit/service/core/test_resolution.py
    step = observe(job, observation, POLICY.retention + 1)
    assert step.job is (None if isinstance(observation, seen.Outlived) else job)
    assert step.events == ()


def test_the_same_arguments_give_the_same_step() -> None:
    """For every row and phase that can meet: a read never searches."""
    reads = {operation.name for operation in builders.READS}
    jobs = [job for job in builders.every_job() if job.command.operation not in reads or job.phase is Phase.INTENDED]
    for job, observation in product(jobs, OBSERVATIONS):
        if isinstance(observation, seen.Returned):
            observation = seen.Returned(builders.result(OPERATIONS[job.command.operation]))
        assert observe(job, observation, 3.0) == observe(job, observation, 3.0)


def test_a_job_that_changed_is_another_object_and_one_that_did_not_is_the_same() -> None:
    """The shard commits what is another object; a commit that says nothing would cost a transaction."""
    resting = builders.job(CREATE, due=NOW + 60)
    assert observe(resting, seen.Due(), 59).job is resting
    assert observe(resting, seen.Restored(), 1).job is resting
    assert observe(builders.job(CREATE), seen.Late(), 3).job is not None
    late = observe(builders.job(CREATE), seen.Late(), 3).job
    assert late is not None
    assert late.since == NOW + 3


@pytest.mark.parametrize(
    ("phase", "due", "activity"),
    [
        (Phase.INTENDED, 0.0, Call()),
        (Phase.INTENDED, NOW + 5, Rest(NOW + 5)),
        (Phase.QUEUED, NOW + 5, Rest(NOW + 5)),
        (Phase.UNCERTAIN, NOW + 5, Search(NOW + 5)),
        (Phase.ACCEPTED, 0.0, Search(0.0)),
        (Phase.RUNNING, 0.0, Watch()),
        *((phase, 0.0, Rest(NOW + POLICY.retention)) for phase in sorted(TERMINAL)),
    ],
)
def test_activity_is_a_function_of_the_job(phase: Phase, due: float, activity: object) -> None:
    for operation in builders.ROWS:
        assert builders.doing(builders.job(operation, phase, due=due, finished_at=NOW)) == activity


def test_a_command_of_an_unknown_operation_can_be_rejected_remembered_and_forgotten() -> None:
    unknown = replace(builders.command(CREATE), operation="CreateTime")
    step = outcomes.rejected(unknown, builders.INVALID, [{"path": "type", "message": "unknown"}], NOW)
    assert builders.told(step) == ["rejected"]
    assert builders.reply(step).data["error"]["violations"] == [{"path": "type", "message": "unknown"}]
    assert step.job is not None
    assert (step.job.phase, step.job.attempt, step.job.command.params) == (Phase.REJECTED, 0, {})
    assert builders.doing(step.job) == Rest(NOW + POLICY.retention)
    assert observe(step.job, seen.Outlived(), POLICY.retention).job is None
