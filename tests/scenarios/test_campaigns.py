"""Commands that name others, sent at once: each is called when those have succeeded, with what they have made."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.cloudevents import format_time
from schemas.operations import OPERATIONS, TRAINING_DATASET
from schemas.permissions import Grant
from service.runtime.ports import Failure
from tests.support.api import LOST_REPLY, LOST_REQUEST, Fault
from tests.support.cluster import Rig
from tests.support.messages import request
from tests.support.process import POLICY, Node

pytestmark = pytest.mark.looptime

DATASET, MODEL, CONFIGURED, JOB, EXPORT = (
    "CreateTrainingDataset",
    "CreateAudienceModel",
    "CreateConfiguredAudienceModel",
    "StartAudienceGenerationJob",
    "StartAudienceExportJob",
)
DENIED = Fault(Failure("AccessDeniedException", "no", http_status=403))
CHAIN = {
    "one": (DATASET, ""),
    "two": (MODEL, "trainingDatasetArn"),
    "three": (CONFIGURED, "audienceModelArn"),
    "four": (JOB, "configuredAudienceModelArn"),
    "five": (EXPORT, "audienceGenerationJobArn"),
}


def send(rig: Rig, operation: str, command_id: str, key: str = "campaign", **attributes: Any) -> str:
    members = attributes.pop("members", {})
    after = attributes.pop("after", None)
    named = {"after": json.dumps(after)} if after is not None else {}
    return rig.send(operation, request(operation, **members), command_id, key=key, **named, **attributes)


def campaign(rig: Rig, key: str = "campaign") -> list[str]:
    before = ""
    for name, (operation, member) in CHAIN.items():
        members = {member: f"command:{before}"} if member else {}
        before = send(rig, operation, name if key == "campaign" else f"{key}-{name}", key, members=members)
    return list(CHAIN)


def called(rig: Rig, operation: str) -> list[dict[str, Any]]:
    return [dict(entry.params) for entry in rig.api.log if entry.operation == operation]


def made(rig: Rig, command_id: str) -> str:
    end = rig.ending(command_id)
    assert end is not None
    assert end.kind == "succeeded", end
    return str(end.data["result"][OPERATIONS[end.data["operation"]].resource.identity])


def assert_linked(rig: Rig) -> None:
    """Each was called once, with what the one before it made."""
    before = ""
    for name, (operation, member) in CHAIN.items():
        (call,) = rig.creates(name)
        assert call.operation == operation
        assert not member or call.params[member] == made(rig, before)
        before = name


async def test_five_commands_at_once() -> None:
    async with Rig() as rig:
        await rig.start()
        names = campaign(rig)
        assert (await rig.end("five")).kind == "succeeded"
        assert_linked(rig)
        assert rig.kinds("two") == ["accepted", "waiting", "started", "succeeded"]
        waiting = rig.replies("two")[1].data
        assert (waiting["reason"], waiting["predecessors"]) == ("Predecessor", ["one"])
        arn = made(rig, "one")
        assert rig.replies("two")[2].data["request"] == {"trainingDatasetArn": arn}
        assert rig.replies("two")[3].data["request"] == {"trainingDatasetArn": arn}
        assert rig.replies("three")[-1].data["request"] == {"audienceModelArn": made(rig, "two")}
        await rig.numbered()
        rig.audit(names)
        assert sum(entry.operation in {row[0] for row in CHAIN.values()} for entry in rig.api.log) == 5


def _replies(rig: Rig) -> int:
    return sum(len(rig.replies(name)) for name in CHAIN)


@pytest.mark.parametrize("moment", range(12))
async def test_a_crash_at_any_moment(moment: int) -> None:
    """After each further reply, a new process goes on from the changelog alone."""
    async with Rig() as rig:
        node = await rig.start()
        campaign(rig)
        await rig.until(lambda: _replies(rig) > moment)
        node = await rig.restart(node)
        assert (await rig.end("five", 900.0)).kind == "succeeded"
        assert_linked(rig)
        await rig.numbered()
        rig.audit()


async def test_a_crash_after_every_reply() -> None:
    async with Rig() as rig:
        node, seen = await rig.start(), [0]
        campaign(rig)
        while not rig.ending("five"):
            await rig.until(lambda: _replies(rig) > seen[-1], 900.0)
            seen.append(_replies(rig))
            node = await rig.restart(node)
        assert_linked(rig)
        await rig.numbered()
        rig.audit()


@pytest.mark.parametrize("fault", [LOST_REPLY, LOST_REQUEST])
@pytest.mark.parametrize("operation", [row[0] for row in CHAIN.values()])
async def test_lost_calls_within_a_chain(fault: Any, operation: str) -> None:
    async with Rig() as rig:
        rig.api.inject(operation, fault)
        await rig.start()
        campaign(rig)
        assert (await rig.end("five", 900.0)).kind == "succeeded"
        assert_linked(rig)
        rig.audit()


async def test_one_that_fails_ends_all_that_follow_with_one_reply_each() -> None:
    async with Rig() as rig:
        rig.api.fail_jobs.add("audience-model")
        await rig.start()
        campaign(rig)
        assert (await rig.end("five")).code == "PredecessorFailed"
        assert [rig.ending(name).code for name in CHAIN if name != "one"] == [  # type: ignore[union-attr]
            "CREATE_FAILED",
            *["PredecessorFailed"] * 3,
        ]
        ends = {name: rig.replies(name)[-1].data for name in ("three", "four", "five")}
        assert [end["predecessors"] for end in ends.values()] == [["two"], ["three"], ["four"]]
        assert rig.kinds("five") == ["accepted", "waiting", "failed"]
        assert not called(rig, CONFIGURED)
        rig.audit()


async def test_a_rejected_one_ends_all_that_follow() -> None:
    async with Rig() as rig:
        await rig.start()
        rig.send(DATASET, {"name": ""}, "bad", key="campaign")
        send(rig, MODEL, "next", members={"trainingDatasetArn": "command:bad"})
        assert (await rig.end("next")).code == "PredecessorFailed"
        assert rig.kinds("next") == ["accepted", "failed"]


async def test_cancelling_one_in_the_middle() -> None:
    async with Rig() as rig:
        rig.api.working = 60.0
        await rig.start()
        campaign(rig)
        await rig.until(lambda: rig.phase("two") == "running")
        data = {"commandId": "three", "commandSource": "/tests"}
        assert (await rig.perform("CancelCommand", data, key="campaign")).kind == "succeeded"
        assert (await rig.end("five", 30.0)).code == "PredecessorFailed"
        assert rig.replies("three")[-1].code == "Cancelled"
        assert (await rig.end("two")).kind == "succeeded"
        assert not called(rig, CONFIGURED)
        rig.audit()


async def test_a_deadline_counts_while_it_waits() -> None:
    async with Rig() as rig:
        rig.api.working = 600.0
        await rig.start()
        send(rig, DATASET, "d")
        send(rig, MODEL, "m", members={"trainingDatasetArn": "command:d"})
        soon = _moment(rig, 20.0)
        send(rig, CONFIGURED, "c", members={"audienceModelArn": "command:m"}, deadline=soon)
        assert (await rig.end("c", 30.0)).code == "DeadlineExceeded"
        assert rig.replies("c")[-1].data["operation"] == CONFIGURED


async def test_a_start_time_counts_when_all_have_ended() -> None:
    async with Rig() as rig:
        await rig.start()
        send(rig, DATASET, "d")
        send(rig, MODEL, "m", members={"trainingDatasetArn": "command:d"}, notbefore=_moment(rig, 60.0))
        await rig.until(lambda: rig.kinds("m") == ["accepted", "waiting", "waiting"])
        assert [reply.data["reason"] for reply in rig.replies("m")[1:]] == ["Predecessor", "NotBefore"]
        began = rig.clock.monotonic()
        assert (await rig.end("m")).kind == "succeeded"
        assert rig.clock.monotonic() - began > 50.0


def _moment(rig: Rig, seconds: float) -> str:
    return format_time(rig.clock.wall() + seconds)


async def test_a_parked_one_is_waited_for_until_it_is_resolved() -> None:
    """However long that takes: what would have been forgotten meanwhile is kept, with the command that waits."""
    async with Rig(policy=replace(POLICY, retention=600.0)) as rig:
        node = await rig.start()
        rig.api.inject(DATASET, LOST_REPLY)
        rig.api.always("ListTrainingDatasets", DENIED)
        send(rig, DATASET, "d")
        send(rig, MODEL, "m", members={"trainingDatasetArn": "command:d"})
        await rig.until(lambda: rig.phase("d") == "parked", 3_000.0)
        for _ in range(4):
            await _days(rig, 300.0)
        node = await rig.restart(node)
        for _ in range(4):
            await _days(rig, 300.0)
        assert rig.kinds("m") == ["accepted", "waiting"]
        assert rig.phase("d") == "parked"
        rig.api.always("ListTrainingDatasets", None)
        (item,) = [each.key for each in rig.api.items(TRAINING_DATASET)]
        decision = {"commandId": "d", "commandSource": "/tests", "resolution": "adopt", "resourceArn": item}
        assert (await rig.perform("ResolveCommand", decision, key="campaign")).kind == "succeeded"
        assert (await rig.end("m")).kind == "succeeded"
        assert called(rig, MODEL)[0]["trainingDatasetArn"] == item


async def _days(rig: Rig, seconds: float) -> None:
    """Time passes, and records come: the retention is counted by both."""
    await asyncio.sleep(seconds)
    for partition in range(rig.options.partitions):
        await rig.perform("ListAudienceModels", partition=partition)


async def test_giving_a_parked_one_up_ends_what_waits_for_it() -> None:
    async with Rig() as rig:
        await rig.start()
        rig.api.inject(DATASET, LOST_REPLY)
        rig.api.always("ListTrainingDatasets", DENIED)
        send(rig, DATASET, "d")
        send(rig, MODEL, "m", members={"trainingDatasetArn": "command:d"})
        await rig.until(lambda: rig.phase("d") == "parked", 3_000.0)
        decision = {"commandId": "d", "commandSource": "/tests", "resolution": "fail"}
        assert (await rig.perform("ResolveCommand", decision, key="campaign")).kind == "succeeded"
        assert (await rig.end("m")).code == "PredecessorFailed"


async def test_what_is_not_known_here_is_rejected() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        await rig.perform(DATASET, request(DATASET), command_id="d", key="one")
        for key, name in (("two", "d"), ("one", "nothing")):
            end = await rig.end(send(rig, MODEL, f"m-{key}", key, members={"trainingDatasetArn": f"command:{name}"}))
            assert (end.kind, end.code) == ("rejected", "UnknownPredecessor")
            assert end.data["error"]["violations"][0]["path"] == "data.trainingDatasetArn"
            assert end.data["operation"] == MODEL
        assert not called(rig, MODEL)
        rig.audit()


async def test_what_has_ended_within_the_retention_counts_and_later_no_more() -> None:
    async with Rig(policy=replace(POLICY, retention=600.0), partitions=1) as rig:
        await rig.start()
        await rig.perform(DATASET, request(DATASET), command_id="d", key="campaign")
        end = await rig.end(send(rig, MODEL, "m", members={"trainingDatasetArn": "command:d"}))
        assert end.kind == "succeeded"
        assert rig.kinds("m") == ["accepted", "started", "succeeded"]
        await _days(rig, 700.0)
        await rig.until(lambda: rig.job("d") is None)
        end = await rig.end(send(rig, MODEL, "late", members={"trainingDatasetArn": "command:d"}))
        assert (end.kind, end.code) == ("rejected", "UnknownPredecessor")


async def test_the_same_command_again_is_answered_and_another_is_a_misuse() -> None:
    async with Rig() as rig:
        await rig.start()
        campaign(rig)
        await rig.end("five")
        for _ in range(2):
            send(rig, MODEL, "two", members={"trainingDatasetArn": "command:one"})
        send(rig, MODEL, "two", members={"trainingDatasetArn": made(rig, "one")})
        await rig.until(lambda: len(rig.replies("two")) == 7)
        told = rig.replies("two")
        assert [reply.kind for reply in told].count("succeeded") == 3
        assert [reply.code for reply in told if reply.kind == "rejected"] == ["IdMisuse"]
        assert len(called(rig, MODEL)) == 1


async def test_a_thousand_that_wait_for_one_come_in_their_order() -> None:
    async with Rig(writes_per_second=1_000.0, reads_per_second=1_000.0, open_jobs_limit=10_000) as rig:
        rig.api.quotas = {}
        node = await rig.start()
        send(rig, DATASET, "d")
        for number in range(1_000):
            send(rig, "TagResource", f"t-{number}", members={"resourceArn": "command:d", "tags": {"n": str(number)}})
        await rig.until(lambda: len(rig.ended()) > 300)
        node = await rig.restart(node)
        await rig.until(lambda: len(rig.ended()) == 1_001, 900.0)
        tagged = [int(call["tags"]["n"]) for call in called(rig, "TagResource")]
        assert list(dict.fromkeys(tagged)) == list(range(1_000))


async def test_those_that_wait_for_one_come_in_their_order() -> None:
    """Also when what they wait for ends after a restart, and some of them were written to the changelog later."""
    async with Rig() as rig:
        rig.api.working = 30.0
        node = await rig.start()
        dataset = await rig.made(DATASET)
        send(rig, MODEL, "m", members={"trainingDatasetArn": dataset})
        for number in range(6):
            first = send(rig, "ListAudienceModels", f"l-{number}")
            after = [first] if number % 2 == 0 else None
            members = {"resourceArn": "command:m", "tags": {"n": str(number)}}
            send(rig, "TagResource", f"t-{number}", members=members, after=after)
        await rig.until(lambda: rig.kinds("t-4") == ["accepted", "waiting", "waiting"])
        await rig.restart(node)
        assert (await rig.end("t-5")).kind == "succeeded"
        assert [call["tags"]["n"] for call in called(rig, "TagResource")] == list("012345")


async def test_an_end_is_seen_by_the_next_owner() -> None:
    """The process dies when the end is committed, and before what waits for it has gone on."""
    async with Rig(commit_latency=1.0) as rig:
        node = await rig.start()
        send(rig, DATASET, "d")
        send(rig, MODEL, "m", members={"trainingDatasetArn": "command:d"})
        await rig.until(lambda: rig.phase("d") == "succeeded", step=0.01)
        assert rig.phase("m") == "queued"
        await rig.restart(node)
        assert (await rig.end("m")).kind == "succeeded"


async def test_a_chain_of_two_hundred() -> None:
    async with Rig(writes_per_second=1_000.0, reads_per_second=1_000.0) as rig:
        node = await rig.start()
        send(rig, DATASET, "0")
        for number in range(1, 201):
            send(rig, "TagResource", str(number), members={"resourceArn": "command:0"}, after=[str(number - 1)])
        await rig.until(lambda: len(rig.ended()) > 50)
        await rig.restart(node)
        assert (await rig.end("200")).kind == "succeeded"
        assert len({entry.trace for entry in rig.api.log if entry.operation == "TagResource"}) == 200


async def test_a_failure_at_the_head_of_two_hundred() -> None:
    async with Rig() as rig:
        await rig.start()
        await rig.made(DATASET)
        rig.api.working = 30.0
        rig.api.fail_jobs.add("audience-model")
        send(rig, MODEL, "0")
        for number in range(1, 201):
            send(rig, "ListAudienceModels", str(number), after=[str(number - 1)])
        assert (await rig.end("200")).code == "PredecessorFailed"
        assert not called(rig, "ListAudienceModels")


@pytest.mark.parametrize("name", ["a b", "command:x", 'q"uote', "é😀", "x" * 255, "#%?\\..", "arn:aws:s3:::x"])
async def test_ids_of_any_characters(name: str) -> None:
    async with Rig() as rig:
        await rig.start()
        send(rig, DATASET, name, members={"name": "dataset"})
        send(rig, MODEL, "m", members={"trainingDatasetArn": f"command:{name}"}, after=[name])
        assert (await rig.end("m")).kind == "succeeded"


async def test_later_commands_of_the_key_go_first() -> None:
    async with Rig() as rig:
        rig.api.working = 60.0
        await rig.start()
        campaign(rig)
        await rig.until(lambda: rig.phase("two") == "running")
        assert (await rig.end(send(rig, "ListAudienceModels", "list"), 20.0)).kind == "succeeded"
        assert rig.kinds("three") == ["accepted", "waiting"]


async def test_waiting_commands_close_the_partition_for_nobody() -> None:
    async with Rig(open_jobs_limit=20, partitions=1) as rig:
        rig.api.working = 600.0
        await rig.start()
        dataset = await rig.made(DATASET)
        send(rig, MODEL, "m", members={"trainingDatasetArn": dataset})
        for number in range(40):
            send(rig, "ListAudienceModels", f"w-{number}", after=["m"])
        refused = [f"w-{number}" for number in range(40)]
        await rig.until(lambda: all(rig.replies(name) for name in refused))
        codes = {end.code for name in refused if (end := rig.ending(name)) is not None}
        assert codes == {"TooManyOpenCommands"}
        other = rig.send("ListAudienceModels", command_id="other", source="/others")
        assert (await rig.end(other, 20.0)).kind == "succeeded"


async def test_an_order_without_data() -> None:
    """What is deleted after an export is deleted when the export has ended, and not before."""
    async with Rig() as rig:
        await rig.start()
        campaign(rig)
        members = {"audienceGenerationJobArn": "command:four"}
        send(rig, "DeleteAudienceGenerationJob", "gone", members=members, after=["five"])
        assert (await rig.end("gone", 600.0)).kind == "succeeded"
        assert (await rig.end("five")).kind == "succeeded"


async def test_a_watch_in_a_chain() -> None:
    async with Rig() as rig:
        await rig.start()
        dataset = await rig.made(DATASET)
        send(rig, MODEL, "m", members={"trainingDatasetArn": dataset})
        rig.send("TrackResource", {"resourceArn": "command:m"}, "t", key="campaign")
        send(rig, CONFIGURED, "c", members={"audienceModelArn": "command:t"})
        assert (await rig.end("c")).kind == "succeeded"
        assert called(rig, CONFIGURED)[0]["audienceModelArn"] == made(rig, "m")


async def test_rules_that_have_changed_meanwhile_are_those_that_count() -> None:
    async with Rig() as rig:
        rig.api.working = 60.0
        node = await rig.start()
        campaign(rig)
        await rig.until(lambda: rig.phase("two") == "running")
        await node.crash()
        node = rig.begin()
        _forbid(node)
        end = await rig.end("three")
        assert (end.kind, end.code) == ("failed", "NotAllowed")
        assert "type" in [each["path"] for each in end.data["error"]["violations"]]
        assert (await rig.end("five")).code == "PredecessorFailed"
        assert not called(rig, CONFIGURED)


def _forbid(node: Node) -> None:
    limits = node.context.limits
    for topic, rules in limits.items():
        grant = Grant(targets=rules.grant.targets, operations=(DATASET, MODEL))
        limits[topic] = replace(rules, grant=grant)  # type: ignore[index]
