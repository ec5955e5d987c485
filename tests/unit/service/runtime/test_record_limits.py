"""Records that would be too large: a partition goes on, and only what is too large is shortened."""

import asyncio
import dataclasses
import re
from uuid import UUID

import pytest

from schemas import sizes
from schemas.operations import AUDIENCE_MODEL
from service.core.observations import Failure
from service.runtime.ports import TopicPartition
from service.runtime.record_limits import FLOOR, RecordLimits
from tests.support.api import QUOTA, Fault
from tests.support.cluster import Rig
from tests.support.messages import CHANGELOG, COMMANDS, DEAD_LETTERS, REPLIES, request
from tests.support.process import Node

pytestmark = pytest.mark.looptime

CREATE, READ, DATASET = "CreateAudienceModel", "GetAudienceModel", "CreateTrainingDataset"
HUGE = "\u0001" * 1_000_000
"""Six times as long in JSON."""

DIRTY = "shard_closed_dirty"


def dirty(node: Node) -> int:
    return node.story.told(DIRTY)


async def test_a_result_that_is_too_large_fails_its_read_alone() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        arn = await rig.made(CREATE, trainingDatasetArn=await rig.made(DATASET))
        rig.api.item(arn).members["kmsKeyArn"] = HUGE
        ended = await rig.perform(READ, {"audienceModelArn": arn})
        assert (ended.kind, ended.data["error"]["code"]) == ("failed", "ResultTooLarge")
        assert str(sizes.largest_record()) in ended.data["error"]["message"]
        again = rig.send(READ, {"audienceModelArn": arn}, ended.key)
        await rig.until(lambda: len(rig.replies(again)) == 3)
        assert (await rig.perform("ListTrainingDatasets", {})).kind == "succeeded"
        assert dirty(node) == 0


async def test_a_job_whose_description_is_too_large_succeeds_with_its_short_members() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        command_id = rig.send(CREATE, request(CREATE, trainingDatasetArn=await rig.made(DATASET)))
        await rig.until(lambda: rig.phase(command_id) == "running")
        (item,) = rig.api.items(AUDIENCE_MODEL)
        item.members["kmsKeyArn"] = HUGE
        ended = await rig.end(command_id)
        assert (ended.kind, ended.data["truncated"]) == ("succeeded", True)
        assert ended.data["result"]["status"] == "ACTIVE"
        assert "kmsKeyArn" not in ended.data["result"]
        await rig.numbered()
        last = [event for event in rig.events() if event.data["status"] == "ACTIVE"][-1]
        assert last.data["truncated"] is True
        assert last.data["resource"]["name"] == ended.data["result"]["name"]
        assert dirty(node) == 0
        rig.audit([command_id])


async def test_an_error_of_any_length_is_told_in_short() -> None:
    failure = Failure("C" * 100_000, HUGE, http_status=400, extra={"more": HUGE})
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.api.inject(CREATE, Fault(failure))
        ended = await rig.perform(CREATE)
        assert ended.kind == "failed"
        assert len(ended.data["error"]["code"]) == sizes.MAX_CODE
        assert len(ended.data["error"]["message"]) == sizes.MAX_ERROR
        assert node.story.problems == []


async def test_a_job_that_failed_for_a_long_reason_is_told_in_short() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        command_id = rig.send(CREATE, request(CREATE, trainingDatasetArn=await rig.made(DATASET)))
        await rig.until(lambda: rig.phase(command_id) == "running")
        (item,) = rig.api.items(AUDIENCE_MODEL)
        rig.api.set_status(item.key, "CREATE_FAILED", {"statusCode": HUGE, "message": HUGE})
        error = (await rig.end(command_id)).data["error"]
        assert len(error["statusDetails"]["message"]) == sizes.MAX_ERROR
        assert dirty(node) == 0


async def test_a_topic_whose_limit_was_lowered_is_written_to_in_short() -> None:
    """The broker refuses what the producer would send: once or twice, and then nothing of it is sent any more."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        arn = await rig.made(CREATE, trainingDatasetArn=await rig.made(DATASET))
        rig.api.item(arn).members["kmsKeyArn"] = "x" * 400_000
        rig.broker.topic_bytes[REPLIES] = 150_000
        ended = await rig.perform(READ, {"audienceModelArn": arn})
        assert ended.data["error"]["code"] == "ResultTooLarge"
        assert 1 <= dirty(node) <= 2
        before = dirty(node)
        assert (await rig.perform(READ, {"audienceModelArn": arn})).kind == "failed"
        assert dirty(node) == before


async def test_a_command_whose_job_record_is_refused_is_rejected() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.broker.topic_bytes[CHANGELOG] = 100_000
        command_id = rig.send("CreateTrainingDataset")
        query = {"roleArn": "arn:aws:iam::123456789012:role/r", "sqlParameters": {"queryString": "x" * 300_000}}
        job = request("StartAudienceGenerationJob", seedAudience=query, collaborationId=str(UUID(int=0)))
        refused = rig.send("StartAudienceGenerationJob", job)
        assert (await rig.end(command_id)).kind == "succeeded"
        ended = await rig.end(refused)
        assert (ended.kind, ended.data["error"]["code"]) == ("rejected", "TooLarge")
        assert len(rig.broker.read_committed(DEAD_LETTERS)) == 1
        assert dirty(node) <= 2
        assert rig.broker.committed(TopicPartition(COMMANDS, 0)) == 2


@pytest.mark.parametrize("topic", [CHANGELOG, REPLIES])
async def test_records_that_are_too_large_together_are_all_written(topic: str) -> None:
    """The records of many commands are one batch; none of them is too large by itself."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.broker.topic_bytes[topic] = 64 * 1024
        sent = [rig.send(DATASET, {**request(DATASET), "description": "d" * 200}) for _ in range(200)]
        await rig.until(lambda: rig.ended() >= set(sent))
        assert {rig.kinds(each)[-1] for each in sent} == {"succeeded"}
        assert dirty(node) == 1
        (told,) = [str(details["error"]) for what, details in node.story.problems if what.startswith(DIRTY)]
        assert "BatchRefused" in told
        rig.audit()


async def test_among_records_that_are_refused_together_only_the_large_one_is_shortened() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        arn = await rig.made(CREATE, trainingDatasetArn=await rig.made(DATASET))
        rig.api.item(arn).members["kmsKeyArn"] = "x" * 100_000
        rig.broker.topic_bytes[REPLIES] = 64 * 1024
        large = rig.send(READ, {"audienceModelArn": arn})
        sent = [rig.send(DATASET) for _ in range(200)]
        await rig.until(lambda: rig.ended() >= {large, *sent})
        assert {rig.kinds(each)[-1] for each in sent} == {"succeeded"}
        ending = rig.ending(large)
        assert ending is not None
        assert ending.data["error"]["code"] == "ResultTooLarge"
        assert "at most 65536 can be written" in ending.data["error"]["message"]
        refusals = [str(details["error"]) for what, details in node.story.problems if what.startswith(DIRTY)]
        (named,) = [each for each in refusals if "refuses a record" in each]
        assert re.search(r"a record of 10\d{4} bytes, it takes 65536", named)
        assert len(refusals) <= 2


async def test_a_topic_that_refuses_even_little_halts_with_its_name() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.broker.topic_bytes[CHANGELOG] = 10
        rig.send(CREATE)
        await rig.until(lambda: node.assignment.standing)
        (reason,) = node.assignment.standing.values()
        assert CHANGELOG in reason
        assert "max.message.bytes" in reason


async def test_a_transaction_holds_no_more_than_it_should() -> None:
    """A burst of large records, all in one transaction, would not end within the deadline of a commit."""
    async with Rig(partitions=1, batch_bytes=1_000_000, commit_latency=0.2) as rig:
        node = await rig.start()
        sent = [rig.send("CreateAudienceModel", {"name": "n", "x" * 100_000: 1}) for _ in range(40)]
        await rig.until(lambda: rig.ended() >= set(sent))
        # Each rejection is a job record, a reply and a dead letter; the position is one more.
        assert max(node.story.commits) <= 3 * 10 + 1


LONG_JOB = "StartAudienceGenerationJob"


async def _left_open(rig: Rig, phase: str) -> str:
    """A command with a record of 400 KB that its process left in this phase."""
    node = await rig.start()
    rig.api.pending = 100.0
    if phase == "intended":
        rig.api.slowness = lambda: 9.0
    query = {"roleArn": "arn:aws:iam::111122223333:role/r", "sqlParameters": {"queryString": "x" * 400_000}}
    model = rig.api.by_hand("CreateConfiguredAudienceModel", name="c")
    data = request(LONG_JOB, seedAudience=query, collaborationId=str(UUID(int=0)), configuredAudienceModelArn=model)
    if phase == "queued":
        rig.api.always(LONG_JOB, QUOTA)
    command_id = rig.send(LONG_JOB, data)
    await rig.until(lambda: rig.phase(command_id) == phase)
    await asyncio.sleep(3.0)
    await node.crash()
    rig.api.slowness = lambda: 0.0
    rig.api.always(LONG_JOB, None)
    return command_id


@pytest.mark.parametrize("phase", ["intended", "queued", "running"])
async def test_a_command_ends_although_the_largest_message_was_lowered_meanwhile(phase: str) -> None:
    async with Rig(partitions=1) as rig:
        command_id = await _left_open(rig, phase)
        rig.options = dataclasses.replace(rig.options, max_bytes=100_000)
        node = await rig.start()
        assert (await rig.end(command_id, within=3000)).kind == "succeeded"
        assert CHANGELOG not in {details.get("topic", CHANGELOG) for _, details in node.story.problems}
        assert rig.api.counts()[LONG_JOB] <= (2 if phase == "queued" else 1)
        rig.audit([command_id])


async def test_a_known_command_is_parked_where_its_topic_takes_no_such_record_any_more() -> None:
    async with Rig(partitions=1) as rig:
        command_id = await _left_open(rig, "intended")
        rig.broker.topic_bytes[CHANGELOG] = 100_000
        await rig.start(ready=False)
        parked = await rig.end(command_id, within=3000)
        assert parked.kind == "parked"
        assert rig.api.counts()[LONG_JOB] == 1
        assert (await rig.perform("ListTrainingDatasets", {})).kind == "succeeded"


def test_a_known_record_may_grow_by_what_is_derived_until_its_topic_refuses() -> None:
    limits = RecordLimits(100_000)
    assert limits.of("t", 400_000) == sizes.largest_command(400_000)
    assert limits.lower("t", 400_000, 200_000)
    assert limits.of("t", 400_000) == 200_000


def test_a_limit_is_halved_down_to_a_floor() -> None:
    ceilings = RecordLimits(100_000)
    assert ceilings.of("t") == 100_000
    assert ceilings.lower("t", 80_000)
    assert (ceilings.of("t"), ceilings.of("u")) == (40_000, 100_000)
    assert ceilings.lower("t", 30_000)
    assert ceilings.of("t") == FLOOR
    assert not ceilings.lower("t", FLOOR)


def test_a_limit_that_is_known_is_taken() -> None:
    ceilings = RecordLimits(100_000)
    assert ceilings.lower("t", 80_000, 70_000)
    assert ceilings.of("t") == 70_000
    assert ceilings.lower("t", 60_000, 70_000)  # it was raised meanwhile, or what was read is of another moment
    assert ceilings.of("t") == 30_000
