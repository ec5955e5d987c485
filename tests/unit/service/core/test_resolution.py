"""A person's decision about a parked command."""

from typing import Any

import pytest

from schemas.operations import COMMANDS, OPERATIONS, Operation, Resolution
from schemas.records import Command, Fault, Job, Phase
from schemas.service_commands import violations
from service.core import observations as seen
from service.core import outcomes, resolution, transitions
from service.core.effects import Call, CommandReply, Decide, Rest, Watch
from service.core.job import GIVEN_BACK, marker, replace
from service.core.observations import Resolved
from tests.support import builders
from tests.support.builders import NOW, after, changed, named, observe, told

CREATE, EXPORT = OPERATIONS["CreateAudienceModel"], OPERATIONS["StartAudienceExportJob"]
DELETE = OPERATIONS["DeleteAudienceModel"]
CALLING = tuple(operation for operation in builders.ROWS if operation not in builders.READS)
LATER = 500.0


def parked(operation: Operation, **changes: Any) -> Job:
    step = outcomes.parked(
        builders.job(operation, told=2, **changes), outcomes.AMBIGUOUS, NOW + 9, "2 carry the marker"
    )
    assert step.job is not None
    assert told(step) == ["parked"]
    return replace(step.job, told=3)


def adopting(operation: Operation) -> Resolved:
    return Resolved(
        Resolution.ADOPT, builders.arn(operation) if operation.creates and operation.resource.identity else ""
    )


def resolving(**params: str) -> Job:
    """A decision whose time has come."""
    command = Command("r-1", "/ops", COMMANDS["ResolveCommand"].name, "default", params, "digest")
    step = transitions.accept(command, NOW, NOW, builders.POLICY)
    assert step.job is not None
    assert (told(step), builders.doing(step.job)) == (["accepted"], Decide())
    return step.job


@pytest.mark.parametrize("operation", CALLING, ids=named)
def test_a_parked_command_keeps_its_members_and_others_lose_them(operation: Operation) -> None:
    assert parked(operation).command.params == builders.params(operation)
    failed = observe(parked(operation), Resolved(Resolution.FAIL), LATER)
    assert failed.job is not None
    assert failed.job.command.params == {}


@pytest.mark.parametrize("operation", builders.JOBS, ids=named)
def test_an_adopted_job_is_watched(operation: Operation) -> None:
    job = parked(operation)
    step = observe(job, adopting(operation), LATER)
    assert step.job is not None
    assert told(step) == ["started"]
    assert builders.doing(step.job) == Watch()
    expected = (
        builders.arn(operation) if operation.resource.identity else f"{operation.resource.kind}/{marker(job.command)}"
    )
    assert (step.job.phase, step.job.resource_id, step.job.since) == (Phase.RUNNING, expected, NOW + LATER)
    assert (step.job.reply, step.job.finished_at, step.job.fault) == (None, 0.0, None)
    end = observe(step.job, seen.Seen({"status": "ACTIVE", "name": "spring"}), LATER + 1)
    assert told(end) == ["succeeded"]
    assert changed(end) == ["ACTIVE"]


@pytest.mark.parametrize("operation", builders.REMOVALS, ids=named)
def test_an_adopted_removal_is_watched(operation: Operation) -> None:
    job = after(parked(operation), Resolved(Resolution.ADOPT), LATER)
    assert (job.phase, job.resource_id) == (Phase.RUNNING, builders.arn(operation))
    assert told(observe(job, seen.Vanished(), LATER + 1)) == ["succeeded"]


@pytest.mark.parametrize(
    "operation",
    [operation for operation in CALLING if operation not in builders.JOBS + builders.REMOVALS],
    ids=named,
)
def test_an_adopted_write_has_succeeded(operation: Operation) -> None:
    step = observe(parked(operation), adopting(operation), LATER)
    assert step.job is not None
    assert (step.job.phase, told(step)) == (Phase.SUCCEEDED, ["succeeded"])
    assert step.job.resource_id == builders.arn(operation)
    assert changed(step) == [str(operation.change)]


@pytest.mark.parametrize("operation", CALLING, ids=named)
def test_a_retry_is_an_intent_with_one_attempt_more(operation: Operation) -> None:
    job = parked(operation, attempt=2, searches=4, retries=3)
    again = after(job, Resolved(Resolution.RETRY), LATER)
    assert (again.phase, again.attempt, again.since, again.told) == (Phase.INTENDED, 3, NOW + LATER, 3)
    assert (again.searches, again.retries, again.reply, again.finished_at) == (0, 0, None, 0.0)
    assert builders.doing(again) == Rest(GIVEN_BACK)  # as any call, it is permitted when it has a turn
    assert builders.doing(after(again, seen.Due(), LATER)) == Call()


@pytest.mark.parametrize("operation", builders.JOBS, ids=named)
def test_a_creation_that_aws_has_taken_is_never_retried_whatever_it_was_parked_for(operation: Operation) -> None:
    identity = operation.resource.identity
    taken = after(builders.job(operation), seen.Returned({identity: builders.arn(operation)} if identity else {}), 1)
    fault = Fault("AccessDeniedException", "no")
    lost: list[seen.Observation] = [
        seen.SearchFailed(fault),
        seen.Unseen(fault, builders.POLICY.search_limit),
        seen.Broken(fault),
    ]
    steps = [observe(replace(taken, tried=1e9), each, 2) for each in lost]
    ended = [step for step in steps if told(step) == ["parked"]]
    assert len(ended) == 2
    for step in ended:
        assert step.job is not None
        refusal = resolution.obstacle(step.job, Resolved(Resolution.RETRY))
        assert refusal is not None
        assert "adopt" in refusal.message
        assert taken.resource_id in refusal.message
        assert resolution.obstacle(step.job, adopting(operation)) is None


def test_a_removal_that_aws_has_taken_may_be_retried() -> None:
    again = after(parked(DELETE, resource_id=builders.arn(DELETE)), Resolved(Resolution.RETRY), LATER)
    assert builders.doing(after(again, seen.Due(), LATER)) == Call()


def test_a_retry_is_called_although_the_deadline_has_passed_meanwhile() -> None:
    late = replace(parked(CREATE), command=builders.command(CREATE, deadline=NOW + 20))
    again = after(after(late, Resolved(Resolution.RETRY), LATER), seen.Due(), LATER)
    assert observe(again, seen.Late(), LATER + 3).job == replace(again, since=NOW + LATER + 3)


def test_giving_up_names_why_it_was_parked() -> None:
    step = observe(parked(CREATE), Resolved(Resolution.FAIL), LATER)
    error = builders.reply(step).data["error"]
    assert error["code"] == "GivenUp"
    assert "AmbiguousOutcome" in error["message"]


REFUSED = [
    (None, Resolved(Resolution.RETRY), "UnknownCommand"),
    *(
        (builders.job(CREATE, phase), Resolved(Resolution.FAIL), "NotParked")
        for phase in Phase
        if phase is not Phase.PARKED
    ),
    (parked(CREATE), Resolved(Resolution.ADOPT), "InvalidResolution"),
    (parked(CREATE), Resolved(Resolution.ADOPT, builders.arn(EXPORT)), "InvalidResolution"),
    (
        parked(CREATE),
        Resolved(Resolution.ADOPT, builders.ARN.format(kind="training-dataset")),
        "InvalidResolution",
    ),
    (parked(EXPORT), Resolved(Resolution.ADOPT, builders.arn(CREATE)), "InvalidResolution"),
    (
        parked(DELETE),
        Resolved(Resolution.ADOPT, builders.ARN.format(kind="audience-model") + "-other"),
        "InvalidResolution",
    ),
    (parked(CREATE, resource_id=builders.arn(CREATE)), Resolved(Resolution.RETRY), "InvalidResolution"),
    (
        replace(parked(CREATE), command=builders.command(CREATE, params={})),
        Resolved(Resolution.RETRY),
        "InvalidResolution",
    ),
    (
        replace(
            parked(DELETE),
            command=builders.command(DELETE, params={}),
        ),
        Resolved(Resolution.ADOPT),
        "InvalidResolution",
    ),
    (
        replace(parked(CREATE), command=replace(builders.command(CREATE), operation="CreateTime")),
        Resolved(Resolution.RETRY),
        "InvalidResolution",
    ),
]


@pytest.mark.parametrize(("job", "decision", "code"), REFUSED)
def test_what_does_not_fit_changes_nothing_and_says_why(job: Job | None, decision: Resolved, code: str) -> None:
    fault = resolution.obstacle(job, decision)
    assert fault is not None
    assert fault.code == code
    if job is not None:
        step = observe(job, decision, LATER)
        assert step.job is job
        assert step.ignored
    answer = resolution.refused(resolving(), fault, NOW)
    assert told(answer) == ["failed"]


def test_the_answer_to_a_decision_says_what_became_of_the_command() -> None:
    again = after(parked(CREATE), Resolved(Resolution.RETRY), LATER)
    step = resolution.done(resolving(resolution="retry"), again, NOW)
    (last,) = step.events
    assert isinstance(last, CommandReply)
    assert last.kind == "succeeded"
    assert last.data["result"] == {"resolution": "retry", "phase": "intended"}


ARN = builders.arn(CREATE)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ({"commandId": "a", "commandSource": "b", "resolution": "retry"}, []),
        ({"commandId": "a", "commandSource": "b", "resolution": "adopt"}, []),
        ({"commandId": "a", "commandSource": "b", "resolution": "adopt", "resourceArn": ARN}, []),
        ({"commandId": "a", "commandSource": "b", "resolution": "fail", "resourceArn": ARN}, ["data.resourceArn"]),
        ({"commandId": "a", "commandSource": "b", "resolution": "shrug"}, ["data.resolution"]),
        ({"commandId": "a", "resolution": "adopt", "resourceArn": "x"}, ["data.commandSource", "data.resourceArn"]),
    ],
)
def test_the_payload_is_checked(data: dict[str, str], wrong: list[str]) -> None:
    assert [violation.path for violation in violations("ResolveCommand", data)] == wrong
