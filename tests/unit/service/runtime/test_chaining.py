"""What a waiting command observes of its predecessors: where they stand, and its request with what they have made."""

from typing import Any

from schemas.commands import TopicRules
from schemas.operations import AUDIENCE_MODEL
from schemas.permissions import TargetFacts, open_grant
from schemas.records import Command, Job, Phase, job_key
from service.core import chains
from service.runtime import chaining
from service.runtime.store import Store

RULES = TopicRules(open_grant({"default"}, ()), "default", {"default": TargetFacts("111122223333", "eu-west-1", "aws")})
ARN = "arn:aws:cleanrooms-ml:eu-west-1:{}:audience-model/one"
MODEL = ARN.format("111122223333")
OUTPUT = {
    "destination": {"s3Destination": {"s3Uri": "s3://bucket/a"}},
    "roleArn": "arn:aws:iam::111122223333:role/r",
}
DATA = {"name": "c", "audienceModelArn": "command:m", "outputConfig": OUTPUT, "sharedAudienceMetrics": ["ALL"]}


def job(phase: Phase = Phase.SUCCEEDED, arn: str = MODEL) -> Job:
    return Job(Command("m", "/s", "CreateAudienceModel", "default", {}, "", order="k"), phase, 0.0, resource_id=arn)


def waiting(**more: Any) -> Job:
    ids = ("m", "x")
    command = Command("c", "/s", "CreateConfiguredAudienceModel", "default", DATA, "", order="k", **more)
    return chains.begun(Job(Command(**{**_fields(command), "predecessors": ids}), Phase.INTENDED, 0.0))


def _fields(command: Command) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.__struct_fields__}


def look(waits: Job, wall: float = 0.0, **jobs: Job | None) -> Any:
    return chaining.predecessors(waits, jobs.get, RULES, wall)


def test_nothing_is_filled_in_before_all_have_succeeded() -> None:
    for other in (None, job(Phase.RUNNING), job(Phase.PARKED), job(Phase.FAILED)):
        seen = look(waiting(), m=job(), x=other)
        assert seen.filled is None
        assert seen.jobs == {"m": job(), "x": other}
        (reference,) = seen.references
        assert (reference.id, reference.path, reference.kinds) == ("m", "data.audienceModelArn", (AUDIENCE_MODEL,))


def test_then_the_request_is_filled_in_and_judged() -> None:
    seen = look(waiting(), m=job(), x=job())
    assert seen.filled.request == {**DATA, "audienceModelArn": MODEL}
    assert seen.filled.members == {"audienceModelArn": MODEL}
    assert (seen.filled.code, seen.filled.violations) == ("", ())


def test_what_the_rules_refuse_is_told() -> None:
    seen = look(waiting(), m=job(arn=ARN.format("999900001111")), x=job())
    assert seen.filled.code == "NotAllowed"
    assert [each["path"] for each in seen.filled.violations] == ["data.audienceModelArn"]


def test_a_start_time_is_compared_with_the_wall_clock() -> None:
    later = waiting(not_before=100.0)
    assert look(later, 99.0, m=job(), x=job()).early
    assert not look(later, 100.0, m=job(), x=job()).early
    assert not look(waiting(), 0.0, m=job(), x=job()).early


def test_others_are_found_by_their_id_and_the_same_source() -> None:
    store = Store()
    store.put(job_key("/s", "m"), job())
    store.put(job_key("/t", "x"), job())
    find = chaining.finder(waiting(), store)
    assert find("m") == job()
    assert find("x") is None


def test_the_store_knows_who_waits_for_whom_until_it_waits_no_more() -> None:
    store, key, waits = Store(), job_key("/s", "c"), waiting()
    store.put(key, waits)
    store.put(job_key("/s", "d"), waits)
    assert store.awaiting(job_key("/s", "m")) == store.awaiting(job_key("/s", "x")) == [key, job_key("/s", "d")]
    store.put(key, None)
    store.put(job_key("/s", "d"), job())
    assert store.awaiting(job_key("/s", "m")) == store.awaiting(job_key("/s", "x")) == []
