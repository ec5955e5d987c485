"""A command that waits for others: what it needs of them, and what becomes of it."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from schemas import records, sizes
from schemas.commands import TopicRules
from schemas.operations import COMMANDS
from schemas.permissions import Grant, TargetFacts, open_grant
from schemas.records import Command, Fault, Job, Phase, job_key
from service.core import capacity, chains, command_state, effects, holding, outcomes, timing, transitions
from service.core import observations as seen
from service.core.effects import Step
from service.core.job import (
    CHAINED,
    GIVEN_BACK,
    keeps_line,
    may_have_happened,
    occupies_slot,
    repeat,
    replace,
    row,
    subject,
)
from service.core.timing import Policy
from service.runtime import chaining
from tests.support import builders, messages

NOW = 1_700_000_000.0
POLICY = Policy()
FACTS = TargetFacts("111122223333", "eu-west-1", "aws")
RULES = TopicRules(open_grant({"default"}, ()), "default", {"default": FACTS})
DATASET = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:training-dataset/one"
MODEL = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/one"


def command(operation: str, params: Mapping[str, Any], name: str, *ids: str, **more: Any) -> Command:
    given = {"order": "key", "predecessors": ids} | more
    return Command(name, "/s", operation, "default", dict(params), "digest", **given)


def model(*ids: str, dataset: str = "command:d", **more: Any) -> Command:
    return command("CreateAudienceModel", {"name": "m", "trainingDatasetArn": dataset}, "m", *(ids or ("d",)), **more)


def other(
    phase: Phase = Phase.RUNNING, operation: str = "CreateTrainingDataset", resource_id: str = "", **more: Any
) -> Job:
    fault = Fault("AccessDeniedException", "no") if phase is Phase.FAILED else None
    asked = command(operation, more.pop("params", {}), "d", order=more.pop("order", "key"))
    return Job(asked, phase, NOW, resource_id=resource_id, fault=fault, **more)


def made(arn: str = DATASET, operation: str = "CreateTrainingDataset", **more: Any) -> Job:
    return other(Phase.SUCCEEDED, operation, arn, **more)


Look = Callable[[Job], seen.Predecessors]


def look(rules: TopicRules = RULES, *, early: bool = False, **jobs: Job | None) -> Look:
    return lambda job: chaining.predecessors(job, jobs.get, rules, 0.0 if early else NOW + 1e6)


def accept(asked: Command, see: Look) -> Step:
    plain = Job(asked, Phase.INTENDED, accepted_at=NOW)
    return transitions.accept(asked, NOW, NOW, POLICY, see(chains.begun(plain)))


def refusal(asked: Command, see: Look) -> tuple[Fault, list[dict[str, str]]] | None:
    begun = chains.begun(Job(asked, Phase.INTENDED, NOW))
    return chains.refusal(begun, see(begun))


def waiting(asked: Command | None = None, see: Look | None = None) -> Job:
    step = accept(asked or model(), see or look(d=other()))
    assert step.job is not None
    assert chains.waits(step.job)
    return step.job


def observe(job: Job, see: Look) -> Step:
    return transitions.step(job, see(job), NOW + 1.0, POLICY)


def told(step: Step) -> list[tuple[str, dict[str, Any]]]:
    return [(each.kind, dict(each.data)) for each in step.events if isinstance(each, effects.CommandReply)]


def code(step: Step) -> str:
    assert step.job is not None
    assert step.job.phase is Phase.FAILED
    return step.job.fault.code if step.job.fault else ""


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_it_waits_and_says_for_whom() -> None:
    step = accept(model("d", "x"), look(d=other(), x=other(Phase.PARKED)))
    assert told(step) == [
        ("accepted", {}),
        ("waiting", {"reason": "Predecessor", "position": 0, "predecessors": ["d", "x"]}),
    ]
    job = step.job
    assert job is not None
    assert transitions.activity(job, POLICY) == effects.Await()
    assert chains.awaited(job) == (job_key("/s", "d"), job_key("/s", "x"))
    assert not keeps_line(job)
    assert not occupies_slot(job)
    assert capacity.waits(job)
    assert capacity.pool(job) is capacity.Pool.CALLS
    assert outcomes.lasting(job)


def test_it_says_so_again_only_when_it_waits_for_fewer() -> None:
    job = waiting(model("d", "x"), look(d=other(), x=other()))
    same = observe(job, look(d=other(), x=other()))
    assert same.job is job
    assert not same.events
    fewer = observe(job, look(d=made(), x=other()))
    assert told(fewer) == [("waiting", {"reason": "Predecessor", "position": 0, "predecessors": ["x"]})]
    assert fewer.job is not None
    assert chains.open_ids(fewer.job) == ("x",)
    last = observe(fewer.job, look(x=made()))
    assert last.job is not None
    assert last.job.command.params["trainingDatasetArn"] == DATASET


def test_it_goes_on_with_what_its_predecessor_has_made() -> None:
    job = waiting()
    step = observe(job, look(d=made()))
    assert step.job is not None
    assert step.job.phase is Phase.INTENDED
    assert step.job.due == GIVEN_BACK
    assert step.job.command == replace(model(), params={"name": "m", "trainingDatasetArn": DATASET}, predecessors=())
    assert step.job.filled == {"trainingDatasetArn": DATASET}
    assert keeps_line(step.job)
    assert not step.events


def test_one_whose_predecessors_have_ended_already_does_not_wait() -> None:
    step = accept(model(), look(d=made()))
    assert told(step) == [("accepted", {})]
    assert step.job is not None
    assert step.job.phase is Phase.INTENDED


def test_its_start_time_counts_when_all_have_ended() -> None:
    later = model(not_before=NOW + 60)
    step = observe(waiting(later), look(d=made(), early=True))
    assert step.job is not None
    assert transitions.activity(step.job, POLICY) == effects.Rest(NOW + 60, wall=True)
    assert not keeps_line(step.job)
    assert told(step) == [("waiting", {"reason": "NotBefore", "position": 0})]
    passed = observe(waiting(later), look(d=made()))
    assert passed.job is not None
    assert passed.job.due == GIVEN_BACK


def test_order_without_data() -> None:
    asked = command("DeleteAudienceModel", {"audienceModelArn": MODEL}, "x", "d")
    job = waiting(asked, look(d=other(operation="StartAudienceExportJob")))
    step = observe(job, look(d=made("audience-export-job/x", "StartAudienceExportJob")))
    assert step.job is not None
    assert step.job.command.params == {"audienceModelArn": MODEL}
    assert step.job.filled is None


def test_a_tracked_resource_counts_as_made() -> None:
    watched = made(operation="TrackResource", status="ACTIVE")
    step = observe(waiting(), look(d=watched))
    assert step.job is not None
    assert step.job.filled == {"trainingDatasetArn": DATASET}
    gone = observe(waiting(), look(d=made(operation="TrackResource", status="deleted")))
    assert code(gone) == "PredecessorMismatch"


def test_what_is_waited_for_may_be_watched_by_reference() -> None:
    track = command("TrackResource", {"resourceArn": "command:d", "untilStatus": "ACTIVE"}, "t", "d")
    step = observe(waiting(track), look(d=made()))
    assert step.job is not None
    due = transitions.step(step.job, seen.Due(), NOW + 2, POLICY)
    assert due.job is not None
    assert due.job.phase is Phase.RUNNING
    assert due.job.resource_id == DATASET


def test_what_it_was_filled_with_is_told() -> None:
    freed = observe(waiting(), look(d=made())).job
    assert freed is not None
    due = transitions.step(freed, seen.Due(), NOW + 2, POLICY).job
    assert due is not None
    begun = transitions.step(due, seen.Returned({"audienceModelArn": MODEL}), NOW + 3, POLICY)
    assert told(begun)[0][1]["request"] == {"trainingDatasetArn": DATASET}
    assert begun.job is not None
    done = transitions.step(begun.job, seen.Seen({"status": "ACTIVE"}), NOW + 4, POLICY)
    assert dict(told(done))["succeeded"]["request"] == {"trainingDatasetArn": DATASET}
    assert done.job is not None
    assert done.job.filled is None


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.REJECTED])
def test_one_that_did_not_succeed_ends_it(phase: Phase) -> None:
    step = observe(waiting(model("d", "x"), look(d=other(), x=other())), look(d=other(), x=other(phase)))
    assert code(step) == "PredecessorFailed"
    ((kind, data),) = told(step)
    assert (kind, data["predecessors"]) == ("failed", ["x"])
    assert "command x" in data["error"]["message"]
    assert step.job is not None
    assert step.job.command.operation == "CreateAudienceModel"
    assert step.job.command.asked == ""
    assert step.job.command.params == {}


def test_a_chain_names_the_one_whose_end_began_it() -> None:
    """However far away it is, that is the one to correct."""
    first = msgspec.structs.replace(other(Phase.FAILED), fault=Fault("CREATE_FAILED", "too few"))
    step = observe(waiting(model("d", "x"), look(d=other(), x=other())), look(d=other(), x=first))
    assert step.job is not None
    assert step.job.fault is not None
    assert step.job.fault.message == (
        "command x, which this one names, has failed (CREATE_FAILED); nothing was sent to AWS for this one. "
        "Correct x, and send it and all that depend on it again under new ids"
    )
    second = msgspec.structs.replace(other(Phase.FAILED), fault=step.job.fault)
    step = observe(waiting(model("d", "y"), look(d=other(), y=other())), look(d=other(), y=second))
    assert step.job is not None
    assert step.job.fault is not None
    assert step.job.fault.origin == ("x", "CREATE_FAILED")
    assert step.job.fault.message == (
        "command y, which this one names, has failed because x did not succeed (CREATE_FAILED); nothing was sent to "
        "AWS for this one. Correct x, and send it and all that depend on it again under new ids"
    )


def test_what_is_remembered_of_its_end_is_short_however_many_have_failed() -> None:
    names = [f"{number:-<255}" for number in range(100)]
    asked = command("DeleteAudienceModel", {"audienceModelArn": MODEL}, "x", *names)
    failed: Any = dict.fromkeys(names, other(Phase.FAILED))
    step = accept(asked, look(**failed))
    _, (_, data) = told(step)
    assert data["predecessors"] == names
    assert step.job is not None
    assert step.job.reply is not None
    assert step.job.reply["truncated"] is True
    assert step.job.reply["predecessors"] == names[:7]
    assert len(msgspec.json.encode(step.job.reply)) < 2 * sizes.MAX_KEPT_REPLY


def test_one_that_is_parked_keeps_it_waiting() -> None:
    job = waiting()
    assert observe(job, look(d=other(Phase.PARKED))).job is job


@pytest.mark.parametrize("known", [None, other(order="another"), other(order="")])
def test_one_that_is_not_known_with_this_key(known: Job | None) -> None:
    refused = refusal(model(), look(d=known))
    assert refused is not None
    fault, violations = refused
    assert fault.code == "UnknownPredecessor"
    assert [(each["path"], each["rule"]) for each in violations] == [("data.trainingDatasetArn", "reference")]
    assert code(observe(waiting(), look(d=known))) == "UnknownPredecessor"


def test_without_a_key_nothing_can_be_named() -> None:
    refused = refusal(model(order=""), look(d=other(order="")))
    assert refused is not None
    assert refused[0].code == "UnknownPredecessor"


def test_an_unknown_one_after_which_it_comes_is_shown_there() -> None:
    asked = command("DeleteAudienceModel", {"audienceModelArn": MODEL}, "x", "d")
    refused = refusal(asked, look(d=None))
    assert refused is not None
    assert [each["path"] for each in refused[1]] == ["after"]


@pytest.mark.parametrize(
    ("predecessor", "what"),
    [
        (other(operation="CreateAudienceModel"), "makes audience-model"),
        (other(operation="GetTrainingDataset"), "nothing that has an ARN"),
        (other(operation="DeleteTrainingDataset"), "nothing that has an ARN"),
        (other(operation="StartAudienceExportJob"), "makes audience-export-job"),
        (other(operation="TrackResource", params={"resourceArn": MODEL}), "makes audience-model"),
        (made(MODEL, "CreateAudienceModel"), "makes audience-model"),
    ],
)
def test_one_that_makes_something_else_is_refused_at_once(predecessor: Job, what: str) -> None:
    refused = refusal(model(), look(d=predecessor))
    assert refused is not None
    assert refused[0].code == "PredecessorMismatch"
    assert what in refused[1][0]["message"]
    assert code(observe(waiting(), look(d=predecessor))) == "PredecessorMismatch"


def test_what_is_not_known_to_be_another_kind_is_not_refused() -> None:
    track = command("TrackResource", {"resourceArn": "command:z"}, "t", "z")
    for predecessor in (
        waiting(track, look(z=other())),
        other(operation="CreateSomethingNew"),
        other(operation="TrackResource", params={"resourceArn": DATASET}),
    ):
        assert refusal(model(), look(d=predecessor)) is None


@pytest.mark.parametrize(
    ("rules", "arn", "wanted"),
    [
        (RULES, DATASET.replace("111122223333", "999900001111"), "NotAllowed"),
        (RULES, DATASET.replace("eu-west-1", "us-east-1"), "NotAllowed"),
        (TopicRules(Grant(targets=frozenset({"default"})), "default"), DATASET, "NotAllowed"),
        (RULES, DATASET + "/..", "ValidationFailed"),
    ],
)
def test_what_is_filled_in_is_judged_by_the_rules_of_now(rules: TopicRules, arn: str, wanted: str) -> None:
    step = observe(waiting(), look(rules, d=made(arn)))
    assert code(step) == wanted
    ((_, data),) = told(step)
    assert data["error"]["violations"]
    assert not keeps_line(step.job) if step.job else True


@pytest.mark.parametrize(
    ("observation", "wanted"),
    [(seen.Cancelled(), "Cancelled"), (seen.DeadlinePassed(), "DeadlineExceeded"), (seen.Broken(Fault("X", "")), "X")],
)
def test_it_can_be_ended_while_it_waits(observation: seen.Observation, wanted: str) -> None:
    step = transitions.step(waiting(model(deadline=NOW + 5)), observation, NOW + 6, POLICY)
    assert code(step) == wanted
    assert step.job is not None
    assert step.job.command.operation == "CreateAudienceModel"


def test_a_watch_whose_time_is_over_before_its_resource_exists_is_not_ready() -> None:
    track = command("TrackResource", {"resourceArn": "command:d", "untilStatus": "ACTIVE"}, "t", "d", until=NOW + 5)
    step = transitions.step(waiting(track), seen.UntilPassed(), NOW + 6, POLICY)
    assert code(step) == "NotReady"
    ((_, data),) = told(step)
    assert "command:d has not reached ACTIVE" in data["error"]["message"]


REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "TrackResource": {"resourceArn": "command:d"},
    "CancelCommand": {"commandId": "x", "commandSource": "/s", "deleteResource": True},
    "ResolveCommand": {"commandId": "x", "commandSource": "/s", "resolution": "adopt", "resourceArn": "command:d"},
}
"""Of the service's own commands."""


@pytest.mark.parametrize("operation", COMMANDS)
def test_nothing_takes_the_record_of_one_that_waits_for_a_request(operation: str) -> None:
    request = REQUESTS.get(operation) or messages.request(operation)
    asked = command(operation, request, "w", "d", deadline=NOW + 5, until=NOW + 5, not_before=NOW + 1)
    job = waiting(asked)
    for observation in builders.OBSERVATIONS:
        after = transitions.step(job, observation, NOW + 6, POLICY).job
        assert after is not None
        assert chains.waits(after) or after.phase is Phase.FAILED
    assert row(job.command) is COMMANDS[operation]
    assert subject(job.command) is COMMANDS[operation].resource
    assert repeat(job.command) is repeat(asked)
    assert not may_have_happened(job)
    assert command_state.name_of(job) == request.get("name", "")
    assert command_state.next_step(job) == (command_state.NextStep.NONE, 0.0)
    assert timing.until(job) == (NOW + 5 if operation == "TrackResource" else 0.0)
    assert holding.obstacle(job, POLICY) == ""
    assert not occupies_slot(job)


def test_a_deadline_that_has_passed_on_arrival_counts_first() -> None:
    step = accept(model(deadline=NOW - 1), look(d=None))
    assert code(step) == "DeadlineExceeded"


@pytest.mark.parametrize("observation", [seen.Due(), seen.DependencyEnded()])
def test_nothing_else_lets_it_go(observation: seen.Observation) -> None:
    job = waiting()
    step = transitions.step(job, observation, NOW + 1e6, POLICY)
    assert step.job is job
    assert step.ignored


# --- the record -------------------------------------------------------------------------------------------------------


def test_a_restore_goes_on_waiting() -> None:
    job = records.decode(records.encode(waiting(model("d", "x"), look(d=made(), x=other()))))
    assert isinstance(job, Job)
    step = transitions.step(job, seen.Restored(), NOW + 1e6, POLICY)
    assert step.job == job
    freed = observe(job, look(x=made()))
    assert freed.job is not None
    assert freed.job.filled == {"trainingDatasetArn": DATASET}


def test_a_release_without_chains_holds_it_and_drops_nothing_of_it() -> None:
    """It reads members that it does not know as if they were not there, and writes the others again."""
    assert CHAINED not in COMMANDS
    raw = msgspec.json.decode(records.encode(waiting(model("d", "x"), look(d=made(), x=other()))))
    assert "filled" not in raw
    assert "predecessors" not in raw["command"]
    assert raw["phase"] == "queued"
    assert raw["command"]["operation"] not in COMMANDS
    assert raw["command"]["asked"] == "CreateAudienceModel"


def test_a_release_that_lacks_the_operation_or_the_target_holds_it() -> None:
    strange = waiting(replace(model(), operation="CreateAudienceModel"))
    strange = replace(strange, command=replace(strange.command, asked="CreateSomethingNew"))
    assert transitions.activity(strange, POLICY) == effects.Hold("UnknownOperation")
    elsewhere = Policy(targets={"other": ("", "")})
    assert transitions.activity(waiting(), elsewhere) == effects.Hold("UnknownTarget")
    moved = Policy(targets={"default": ("999900001111", "")})
    assert transitions.activity(replace(waiting(), account="111122223333"), moved) == effects.Hold("TargetChanged")
