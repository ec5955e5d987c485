"""Records that would be too large: a partition goes on, and only what is too large is shortened."""

import re
from uuid import UUID

import pytest

from schemas import sizes
from schemas.operations import AUDIENCE_MODEL
from service.core.observations import Failure
from service.runtime.ports import TopicPartition
from service.runtime.record_limits import FLOOR, RecordLimits
from tests.support.api import Fault
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


async def test_an_inbox_full_of_large_records_pauses_delivery() -> None:
    async with Rig(partitions=1, inbox_bytes=500_000, commit_latency=0.5) as rig:
        node = await rig.start()
        sent = [rig.send("CreateAudienceModel", {"name": "n", "x" * 100_000: 1}) for _ in range(30)]
        await rig.until(lambda: node.shard(0).statistics()["delivery"] == "held")
        await rig.until(lambda: rig.ended() >= set(sent))
        assert node.shard(0).statistics()["delivery"] == "open"


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
