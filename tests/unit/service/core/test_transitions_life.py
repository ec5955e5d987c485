"""Every row from acceptance to its end, when nothing goes wrong."""

import pytest

from schemas.operations import OPERATIONS, Change, Kind, Operation
from schemas.records import Fault, Job, Phase, encode
from service.core import observations as seen
from service.core import outcomes, transitions
from service.core.effects import Call, Search, StatusChange, Step, Watch
from service.core.job import marker, occupies_slot
from tests.support import builders
from tests.support.builders import NOW, POLICY, after, changed, observe, told

EXPORT = OPERATIONS["StartAudienceExportJob"]


def accepted(operation: Operation) -> Job:
    step = transitions.accept(builders.command(operation), NOW, NOW, POLICY)
    assert told(step) == ["accepted"]
    assert step.job is not None
    assert builders.doing(step.job) == Call()
    return step.job


def test_the_kinds_are_as_many_as_the_api_has() -> None:
    assert [sum(row.kind is kind for row in builders.ROWS) for kind in Kind] == [11, 9, 3, 2, 0, 0, 0]


@pytest.mark.parametrize("operation", builders.READS, ids=builders.named)
def test_a_read_tells_what_it_read_without_markers(operation: Operation) -> None:
    answer = {"description": f"ours [crml:{'0' * 26}]", "items": [{"description": f"[crml:{'0' * 26}]"}]}
    step = observe(accepted(operation), seen.Returned(answer), 1.5)
    assert builders.reply(step).data == {
        "result": {"description": "ours", "items": [{"description": ""}]},
        "attempts": 1,
        "durationSeconds": 1.5,
    }
    assert told(step) == ["succeeded"]
    assert changed(step) == []


@pytest.mark.parametrize("operation", [row for row in builders.ROWS if row.kind is Kind.WRITE], ids=builders.named)
def test_a_write_tells_its_result_and_publishes_one_change(operation: Operation) -> None:
    step = observe(accepted(operation), seen.Returned(builders.result(operation)), 1)
    (change,) = (event for event in step.events if isinstance(event, StatusChange))
    assert (change.kind, change.resource_id) == (operation.resource.kind, builders.arn(operation))
    assert change.status == operation.change
    assert change.name == ("spring" if operation.creates else "")
    assert told(step) == ["succeeded"]
    assert step.events[-1] == outcomes.terminal_reply(_ended(step))


@pytest.mark.parametrize("operation", builders.JOBS, ids=builders.named)
def test_a_job_runs_through_its_statuses_to_its_description(operation: Operation) -> None:
    job = _running(operation)
    assert builders.doing(job) == Watch()
    assert occupies_slot(job) == operation.resource.slot != ""
    for status in operation.resource.arriving:
        step = observe(job, seen.Seen({"status": status, "name": "spring"}), 10)
        assert (told(step), changed(step)) == ([], [status])
        assert step.job is not None
        job = step.job
    described = {**builders.listed(operation, job.command, "ACTIVE"), "outputLocation": "s3://out"}
    step = observe(job, seen.Seen(described), 60)
    assert (told(step), changed(step)) == (["succeeded"], ["ACTIVE"])
    result = builders.reply(step).data["result"]
    assert (result["description"], result["outputLocation"]) == ("for the spring campaign", "s3://out")
    ended = _ended(step)
    assert (ended.status, ended.command.params, ended.finished_at) == ("ACTIVE", {}, NOW + 60)
    assert occupies_slot(ended) == ""


@pytest.mark.parametrize("operation", builders.REMOVALS, ids=builders.named)
def test_a_removal_runs_until_the_resource_is_gone(operation: Operation) -> None:
    step = observe(accepted(operation), seen.Returned({}), 1)
    assert told(step) == ["started"]
    assert builders.reply(step).data == {"resourceArn": builders.arn(operation), "status": "DELETE_PENDING"}
    job = _kept(step)
    for status in operation.resource.leaving:
        step = observe(job, seen.Seen({"status": status}), 2)
        assert (told(step), changed(step)) == ([], [status])
        job = _kept(step)
    step = observe(job, seen.Vanished(), 3)
    assert (told(step), changed(step)) == (["succeeded"], [Change.DELETED])
    assert _ended(step).resource_id == builders.arn(operation)


def test_an_export_is_accepted_without_identity_and_found_by_its_marker() -> None:
    step = observe(accepted(EXPORT), seen.Returned({}), 1)
    assert (step.events, _kept(step).phase) == ((), Phase.ACCEPTED)
    job = _kept(step)
    assert builders.doing(job) == Search(0.0)
    for wait in (5.0, 20.0, 60.0, 60.0):
        job = after(job, seen.Found((), NOW + 1), 1)
        assert job.due == NOW + 1 + wait
    mine, other = builders.listed(EXPORT, job.command), builders.listed(EXPORT, builders.command(EXPORT, id="c-2"))
    step = observe(job, seen.Found(builders.matches(job.command, (other, mine)), NOW + 200), 200)
    stable = f"audience-export-job/{marker(job.command)}"
    assert builders.reply(step).data == {"resourceId": stable, "status": "CREATE_PENDING"}
    assert (_kept(step).phase, _kept(step).resource_id) == (Phase.RUNNING, stable)


def test_an_accepted_export_that_is_never_listed_is_parked() -> None:
    job, now = builders.job(EXPORT, Phase.ACCEPTED), 0.0
    while job.phase is Phase.ACCEPTED:
        step = observe(job, seen.Found((), NOW + now), now)
        assert step.job is not None
        job, now = step.job, max(now, step.job.due - NOW)
        if job.phase is Phase.ACCEPTED:
            job = after(job, seen.Restored(), now)  # however often the partition changes hands
    assert 0.9 * POLICY.accepted_limit < now <= POLICY.accepted_limit
    assert (told(step), builders.error(step)) == (["parked"], "NeverListed")
    assert builders.reply(step).data["searched"] == f"no listed resource in {job.searches + 1} searches"


def test_an_accepted_export_is_never_called_again() -> None:
    """AWS said yes: neither a restart nor empty searches lead back to a call."""
    job = builders.job(EXPORT, Phase.ACCEPTED)
    for at in (1.0, POLICY.settle + 1, POLICY.accepted_limit - 1):
        assert after(job, seen.Restored(), at).phase is Phase.ACCEPTED
        assert after(job, seen.Found((), NOW + at), at).phase is Phase.ACCEPTED


def _running(operation: Operation) -> Job:
    job = accepted(operation)
    step = observe(job, seen.Returned(builders.result(operation)), 1)
    if not operation.resource.identity:
        step = observe(_kept(step), seen.Found((builders.listed(operation, job.command),), NOW + 2), 2)
    assert told(step) == ["started"]
    return _kept(step)


def _kept(step: Step) -> Job:
    assert step.job is not None
    return step.job


def _ended(step: Step) -> Job:
    job = _kept(step)
    assert job.phase is Phase.SUCCEEDED
    return job


LONG = "x" * 300
LARGE = {"arn": "arn:model", **{f"member{number}": LONG for number in range(50)}, "models": [{"name": LONG}] * 100}
VIOLATIONS = [{"path": f"data.{number}{LONG[:180]}", "rule": "type", "message": 3 * LONG} for number in range(100)]
FAULT = Fault("E", "m" * 5_000, {"statusCode": "c" * 5_000, "message": "m" * 5_000, "more": "x" * 5_000})


@pytest.mark.parametrize(
    "step",
    [
        outcomes.succeeded(accepted(OPERATIONS["ListAudienceModels"]), LARGE, NOW),
        outcomes.succeeded(_running(OPERATIONS["CreateAudienceModel"]), LARGE, NOW),
        outcomes.failed(accepted(OPERATIONS["CreateTrainingDataset"]), FAULT, NOW),
        outcomes.rejected(builders.command(OPERATIONS["CreateTrainingDataset"]), Fault("V", LONG), VIOLATIONS, NOW),
    ],
    ids=["a read", "a creation", "a failure", "a rejection"],
)
def test_of_a_long_reply_little_is_kept(step: Step) -> None:
    """Its publisher gets all of it, once; what a repeat gets says that it is shortened."""
    job, full = step.job, builders.reply(step)
    assert job is not None
    again = outcomes.terminal_reply(job)
    assert (again.kind, again.data["truncated"]) == (full.kind, True)
    assert "truncated" not in full.data
    assert len(encode(job)) < min(5_000, len(str(full.data)))
    if "result" in full.data:
        assert full.data["result"] == LARGE
        assert again.data["result"]["arn"] == "arn:model"
    else:
        assert again.data["error"]["code"] == full.data["error"]["code"]
        assert len(full.data["error"].get("violations", VIOLATIONS)) == len(VIOLATIONS)


def test_a_short_reply_is_kept_whole() -> None:
    told = VIOLATIONS[:1]
    step = outcomes.rejected(builders.command(OPERATIONS["CreateTrainingDataset"]), Fault("V", "two"), told, NOW)
    assert _kept(step).reply == builders.reply(step).data
