"""A lost changelog made anew: every fate that a command can have had."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.operations import OPERATIONS, Kind
from schemas.permissions import Grant
from schemas.records import Job, Phase, ResourceState, decode, encode, job_key, resource_key
from service.adapters.kafka.topic_reader import TopicRecord
from service.core import chains, transitions
from service.core.effects import Await, Call, Rest, Search, Watch
from service.core.job import order_of
from service.core.timing import Policy
from service.operator.repair.rebuild import Rebuilt, collect_replies, rebuild, resources
from tests.support import builders, messages
from tests.support.repair_records import LIMITS, NOW, changed, command, sent, told

CREATE, DELETE, TAG, GET, EXPORT, PUT = (
    OPERATIONS[name].name
    for name in (
        "CreateAudienceModel",
        "DeleteAudienceModel",
        "TagResource",
        "GetAudienceModel",
        "StartAudienceExportJob",
        "PutConfiguredAudienceModelPolicy",
    )
)
ARN = builders.arn(OPERATIONS[CREATE])
POLICY = Policy()


def rebuilt(
    records: list[TopicRecord], replies: list[TopicRecord], committed: int | None = 100, since: float = 0.0
) -> Rebuilt:
    return rebuild(records, committed, collect_replies(replies), LIMITS, NOW, lambda _: since)


def only(records: list[TopicRecord], replies: list[TopicRecord], **more: Any) -> Job:
    (job,) = rebuilt(records, replies, **more).jobs.values()
    assert decode(encode(job)) == job, "as the service will read it"
    return job


def doing(job: Job) -> object:
    return transitions.activity(job, POLICY)


def test_what_ended_keeps_its_reply_and_its_number() -> None:
    record = sent(5, CREATE, "c")
    replies = [
        told(record, 1, "accepted"),
        told(record, 2, "started", resourceArn=ARN, status="CREATE_PENDING"),
        told(record, 3, "succeeded", result={"status": "ACTIVE"}, attempts=2, durationSeconds=1.5),
    ]
    job = only([record], [*replies, replies[-1]])
    assert (job.phase, job.told, job.attempt, job.resource_id, job.status) == (Phase.SUCCEEDED, 3, 2, ARN, "ACTIVE")
    assert job.reply == {"result": {"status": "ACTIVE"}, "attempts": 2, "durationSeconds": 1.5}
    assert job.command.digest == command(record).digest
    assert job.command.order == order_of(b"c")
    assert (job.command.params, job.finished_at, job.accepted_at) == ({}, NOW - 497, NOW - 499)


@pytest.mark.parametrize("kind", ["failed", "rejected", "parked"])
def test_other_ends(kind: str) -> None:
    record = sent(5, CREATE, "c")
    job = only([record], [told(record, 2, kind, error={"code": "X", "message": "why"})])
    assert (job.phase.value, job.fault and job.fault.code) == (kind, "X")
    assert bool(job.command.params) is (kind == "parked"), "a person may want to try again"


def test_a_parked_command_that_was_resolved_goes_on() -> None:
    record = sent(5, CREATE, "c")
    replies = [told(record, 2, "parked", error={"code": "X", "message": "why"})]
    replies.append(told(record, 3, "started", resourceArn=ARN, status="CREATE_PENDING"))
    job = only([record], replies)
    assert (job.phase, job.resource_id, doing(job)) == (Phase.RUNNING, ARN, Watch())


@pytest.mark.parametrize(
    ("operation", "data", "phase", "activity"),
    [
        (CREATE, None, Phase.UNCERTAIN, Search(0.0)),
        (EXPORT, None, Phase.UNCERTAIN, Search(0.0)),
        (DELETE, None, Phase.INTENDED, Call()),
        (TAG, None, Phase.INTENDED, Call()),
        (GET, None, Phase.INTENDED, Call()),
        ("TrackResource", {"resourceArn": ARN}, Phase.RUNNING, Watch()),
        ("CancelCommand", {"commandId": "a", "commandSource": "b"}, Phase.QUEUED, Await()),
    ],
)
def test_what_was_accepted_only_is_searched_or_repeated(
    operation: str, data: Any, phase: Phase, activity: object
) -> None:
    record = sent(5, operation, "c", data)
    job = only([record], [told(record, 1, "accepted")])
    assert (job.phase, doing(job), job.told) == (phase, activity, 1)
    expected = 2 if phase is Phase.INTENDED and operation in OPERATIONS else 1
    assert job.attempt == expected
    if operation == "TrackResource":
        assert job.resource_id == ARN
    if operation == "CancelCommand":
        assert job.awaits == '["b","a"]'


def test_a_conditional_write_is_looked_at_before_any_repeat() -> None:
    data = {**sent_policy(), "policyExistenceCondition": "POLICY_MUST_NOT_EXIST"}
    record = sent(5, PUT, "c", data)
    assert only([record], [told(record, 1, "accepted")]).phase is Phase.UNCERTAIN


def sent_policy() -> dict[str, Any]:
    arn = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:configured-audience-model/one"
    return {
        "configuredAudienceModelArn": arn,
        "configuredAudienceModelPolicy": '{"Version": "2012-10-17", "Statement": []}' + " " * 0,
    }


def test_a_cancellation_that_deletes_is_a_removal() -> None:
    record = sent(5, "CancelCommand", "c", {"commandId": "a", "commandSource": "b", "deleteResource": True})
    replies = [told(record, 1, "accepted"), told(record, 2, "started", resourceArn=ARN, status="DELETE_PENDING")]
    job = only([record], replies)
    assert (job.phase, job.command.operation, job.command.asked) == (Phase.RUNNING, DELETE, "CancelCommand")
    assert job.command.params == {"audienceModelArn": ARN}


def test_what_is_not_due_yet_rests() -> None:
    record = sent(5, CREATE, "c", notbefore="2030-01-01T00:00:00Z")
    job = only([record], [told(record, 1, "accepted"), told(record, 2, "waiting", reason="NotBefore", position=0)])
    assert (job.phase, job.attempt) == (Phase.INTENDED, 1)
    assert doing(job) == Rest(job.command.not_before, wall=True)


def test_what_was_not_consumed_is_left_to_the_service() -> None:
    early, late = sent(5, CREATE, "early"), sent(6, CREATE, "late")
    found = rebuilt([early, late], [told(early, 1, "accepted")], committed=6)
    assert list(found.jobs) == [job_key("/tests", "early")]
    assert found.counts["not consumed yet: the service will read them"] == 1


def test_without_an_offset_the_replies_tell_what_was_consumed() -> None:
    early, late = sent(5, CREATE, "early"), sent(6, CREATE, "late")
    assert list(rebuilt([early, late], [told(early, 1, "accepted")], committed=None).jobs) == [
        job_key("/tests", "early")
    ]


def test_a_fate_that_nobody_knows_is_for_a_person() -> None:
    record = sent(5, CREATE, "c")
    found = rebuilt([record], [], since=NOW)
    (job,) = found.jobs.values()
    assert (job.phase, job.fault and job.fault.code) == (Phase.PARKED, "ReplyUnknown")
    assert job.command.params == command(record).params
    assert found.unknown == ["/tests c: its replies are no longer kept; it is parked"]
    assert only([record], [], since=NOW - 2000).phase is Phase.UNCERTAIN, "replies of its time are kept, it has none"


@pytest.mark.parametrize("code", ["IdMisuse", "WrongPartition"])
def test_bad_records_repeats_and_misuses_make_no_job_of_their_own(code: str) -> None:
    record, other = sent(5, CREATE, "c"), sent(7, GET, "c")
    broken = TopicRecord(record.topic_partition, 4, NOW, b"k", b"\xff", ())
    misuse = told(record, 3_000_000, "rejected", error={"code": code, "message": "used"})
    found = rebuilt([broken, record, other, record], [told(record, 1, "accepted"), misuse])
    (job,) = found.jobs.values()
    assert job.phase is Phase.UNCERTAIN
    assert found.counts["no command: dead letters already"] == 1
    assert found.counts["sent again, or misuses of an id"] == 2


def test_an_invalid_command_is_never_called() -> None:
    record = sent(5, CREATE, "c", {"name": ""})
    job = only([record], [])
    assert (job.phase, job.attempt) == (Phase.REJECTED, 0)
    assert isinstance(doing(job), Rest)


@pytest.mark.parametrize("operation", [row for row in builders.ROWS if row.kind is not Kind.READ], ids=builders.named)
def test_no_rebuilt_job_creates_without_having_searched(operation: Any) -> None:
    record = sent(5, operation.name, "c")
    job = only([record], [told(record, 1, "accepted")])
    if operation.creates:
        assert isinstance(doing(job), Search)


def test_the_last_event_of_a_resource_is_its_state() -> None:
    of = command(sent(5, CREATE, "c"))
    first = ResourceState(ARN, "audience-model", 1, "CREATE_PENDING", "spring", NOW - 9)
    last = ResourceState(ARN, "audience-model", 2, "ACTIVE", "spring", NOW - 5)
    tags = ResourceState(ARN, "tags", 1, "updated", "", NOW - 3)
    junk = TopicRecord(sent(1, GET, "x").topic_partition, 1, NOW, b"k", b"{}", ())
    found = resources([changed(first, of), changed(last, of), changed(first, of), changed(tags, of), junk])
    assert found == {resource_key("audience-model", ARN): last, resource_key("tags", ARN): tags}


@pytest.mark.parametrize(
    ("kinds", "phase"), [((), Phase.REJECTED), (("accepted",), Phase.PARKED), (("accepted", "started"), Phase.PARKED)]
)
def test_a_grant_that_was_withdrawn_judges_what_was_not_accepted_and_parks_what_was(
    kinds: tuple[str, ...], phase: Phase
) -> None:
    """What was accepted may be under way: it is neither called nor forgotten."""
    today = replace(LIMITS, grant=Grant(targets=LIMITS.grant.targets, operations=("List*",)))
    record = sent(5, CREATE, "c")
    replies = collect_replies([told(record, number, kind, resourceArn=ARN) for number, kind in enumerate(kinds, 1)])
    (job,) = rebuild([record], 100, replies, today, NOW, lambda _: 0.0).jobs.values()
    assert job.phase is phase
    assert job.resource_id == (ARN if "started" in kinds else "")
    assert bool(job.fault and job.fault.code == "GrantWithdrawn") is bool(kinds)


# --- chains -----------------------------------------------------------------------------------------------------------

DATASET_ARN = builders.arn(OPERATIONS["CreateTrainingDataset"])


def linked(offset: int, operation: str, command_id: str, data: Any = None, **extensions: str) -> TopicRecord:
    """A command with the key of the whole chain."""
    return replace(sent(offset, operation, command_id, data, **extensions), key=b"chain")


def chain(*replies: TopicRecord, model: tuple[TopicRecord, ...] = ()) -> tuple[Job, Job]:
    found = rebuilt([HEAD, NAMING], [*replies, *model]).jobs
    return found[job_key("/tests", "d")], found[job_key("/tests", "m")]


HEAD = linked(1, "CreateTrainingDataset", "d")
NAMING = linked(2, CREATE, "m", {"name": "m", "trainingDatasetArn": "command:d"})
MADE = (
    told(HEAD, 1, "accepted"),
    told(HEAD, 2, "succeeded", result={"trainingDatasetArn": DATASET_ARN}, attempts=1, durationSeconds=1.0),
)
WAITED = (told(NAMING, 1, "accepted"), told(NAMING, 2, "waiting", reason="Predecessor", predecessors=["d"]))


def test_what_waited_for_another_waits_again() -> None:
    _, job = chain(told(HEAD, 1, "accepted"), model=WAITED)
    assert (doing(job), job.told, chains.open_ids(job)) == (Await(), 2, ("d",))
    assert job.turn == 2
    assert decode(encode(job)) == job


def test_what_could_have_been_called_is_filled_in_and_searched_for() -> None:
    _, job = chain(*MADE, model=WAITED)
    assert (job.phase, doing(job)) == (Phase.UNCERTAIN, Search(0.0))
    assert job.command.params == {"name": "m", "trainingDatasetArn": DATASET_ARN}
    assert job.filled == {"trainingDatasetArn": DATASET_ARN}


def test_a_failed_one_is_left_to_the_service() -> None:
    head, job = chain(told(HEAD, 1, "failed", error={"code": "X", "message": "why"}), model=WAITED)
    assert head.phase is Phase.FAILED
    assert chains.open_ids(job) == ("d",)


@pytest.mark.parametrize("kept", [(HEAD, NAMING), (NAMING,)], ids=["without its replies", "not at all"])
def test_what_may_have_been_called_is_never_called_again_when_what_it_names_is_not_known(
    kept: tuple[TopicRecord, ...],
) -> None:
    """All of them may have succeeded, and its own call may have been under way when the changelog was lost."""
    found = rebuilt(list(kept), list(WAITED), since=HEAD.time + 0.5)
    job = found.jobs[job_key("/tests", "m")]
    assert (job.phase, job.fault and job.fault.code, job.command.params) == (Phase.PARKED, "ReplyUnknown", {})
    assert "m: its replies are no longer kept" in found.unknown[-1]
    assert decode(encode(job)) == job


def test_what_waits_for_one_that_is_known_to_go_on_was_not_called() -> None:
    naming = linked(3, CREATE, "m", {"name": "m", "trainingDatasetArn": "command:d"}, after='["o"]')
    other = linked(2, "CreateTrainingDataset", "o")
    found = rebuilt([HEAD, other, naming], [told(other, 1, "accepted"), told(naming, 1, "accepted")], since=NOW - 998.5)
    assert [job.phase for job in found.jobs.values()] == [Phase.PARKED, Phase.UNCERTAIN, Phase.QUEUED]


def test_what_has_started_is_watched_whatever_is_known_of_the_others() -> None:
    model = (*WAITED, told(NAMING, 3, "started", resourceArn=ARN, status="CREATE_PENDING"))
    _, job = chain(told(HEAD, 1, "parked", error={"code": "X", "message": "why"}), model=model)
    assert (job.phase, job.resource_id, job.command.params) == (Phase.RUNNING, ARN, {})


def test_a_parked_one_with_references_can_not_be_retried() -> None:
    """Retried, it would send a reference to AWS."""
    model = (*WAITED, told(NAMING, 3, "parked", error={"code": "X", "message": "why"}))
    _, job = chain(told(HEAD, 1, "accepted"), model=model)
    assert (job.phase, job.command.params) == (Phase.PARKED, {})


def test_a_watch_gives_what_it_has_watched() -> None:
    watch = linked(1, "TrackResource", "t", {"resourceArn": ARN})
    naming = linked(2, "CreateConfiguredAudienceModel", "c", CONFIGURED)
    ended = told(watch, 2, "succeeded", result={"status": "ACTIVE"}, attempts=1, durationSeconds=1.0)
    job = rebuilt([watch, naming], [ended, told(naming, 1, "accepted")]).jobs[job_key("/tests", "c")]
    assert job.filled == {"audienceModelArn": ARN}


CONFIGURED = messages.request("CreateConfiguredAudienceModel", audienceModelArn="command:t")
