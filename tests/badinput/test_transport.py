"""Classes that only a broker can show: compression, bombs, clocks, transactions, and records without anything."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from tests.badinput.records import LIST, MODEL, Record, changed, command, headers, identified
from tests.badinput.stage import COMMANDS, PARTITION, Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="session")]

MIB = 1024 * 1024


def _resident(pid: int) -> int:
    """Bytes of memory of a process."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_05_a_batch_in_any_codec_simply_works(stage: Stage, codec: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap, compression_type=codec) as producer:
        records = [identified(command(LIST, {}), f"{codec}-{number}") for number in range(20)]
        futures = [
            await producer.send(COMMANDS, one.value, one.key, PARTITION, headers=list(one.headers)) for one in records
        ]
        await asyncio.gather(*futures)
    for number in range(20):
        assert (await stage.client.terminal(f"{codec}-{number}")).kind == "succeeded"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_04_a_bomb_is_refused_to_its_sender(stage: Stage, codec: str) -> None:
    """64 MiB of zeros are 64 KiB as gzip: the broker unpacks them, and measures what it would store."""
    process = stage.service.process
    assert process is not None
    before = _resident(process.pid)
    async with AIOKafkaProducer(
        bootstrap_servers=stage.kafka.bootstrap, compression_type=codec, max_request_size=128 * MIB
    ) as producer:
        for size in (2 * MIB, 64 * MIB):
            with pytest.raises(MessageSizeTooLargeError):
                await producer.send_and_wait(COMMANDS, bytes(size), b"bomb", PARTITION, headers=list(headers()))
    await stage.sentinel()
    assert _resident(process.pid) - before < 16 * MIB


async def test_04_a_bomb_of_many_small_records_is_refused(stage: Stage) -> None:
    """What many publishers send in one batch is less than a MiB unpacked; clients split larger ones by themselves."""
    async with AIOKafkaProducer(
        bootstrap_servers=stage.kafka.bootstrap, compression_type="gzip", max_batch_size=16 * MIB, max_request_size=MIB
    ) as producer:
        batch = producer.create_batch()
        while batch.append(key=b"bomb", value=bytes(60_000), timestamp=None) and batch.record_count() < 100:
            pass
        assert batch.record_count() == 100
        with pytest.raises(MessageSizeTooLargeError):
            await (await producer.send_batch(batch, COMMANDS, partition=PARTITION))
    await stage.sentinel()


async def test_03_what_is_larger_than_the_topic_takes_is_refused_to_its_sender(stage: Stage) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        await stage.send(Record(b"x" * (MIB + 65 * 1024), headers()))
    await stage.sentinel()


async def test_10_a_command_on_another_partition_than_its_key_s(stage: Stage) -> None:
    for partition in (0, 1):
        sent = await stage.send(command(LIST, {}), partition=partition)
        assert (await stage.terminal(sent)).kind == "succeeded"


@pytest.mark.parametrize("timestamp_ms", [0, 1, 2**31, 253_402_300_800_000, 2**60])
async def test_11_a_wrong_clock_does_no_harm(stage: Stage, timestamp_ms: int) -> None:
    """The broker stamps the time: a record from 1970 would be deleted at once, one from the future never."""
    sent = await stage.send(command(LIST, {}), timestamp_ms=timestamp_ms)
    assert (await stage.terminal(sent)).kind == "succeeded"


async def test_12_what_was_aborted_was_never_said(stage: Stage) -> None:
    aborted = identified(command("CreateTrainingDataset", {}), "aborted")
    before = stage.calls()
    async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap, transactional_id="somebody-else") as producer:
        await producer.begin_transaction()
        for number in range(3):
            one = identified(command(LIST, {}), f"aborted-{number}")
            await producer.send_and_wait(COMMANDS, one.value, one.key, PARTITION, headers=list(one.headers))
        await producer.send_and_wait(COMMANDS, aborted.value, aborted.key, PARTITION, headers=list(aborted.headers))
        await producer.abort_transaction()
    await stage.sentinel()
    assert [heard for heard in stage.client.heard if "aborted" in str(heard.data.get("commandId"))] == []
    after = stage.calls()
    assert after[LIST] - before.get(LIST, 0) == 1


async def test_34_the_same_command_again_is_answered_from_memory(stage: Stage) -> None:
    first = await stage.send(command(LIST, {"maxResults": 5}), "same")
    reply = await stage.terminal(first)
    before = stage.calls()
    await stage.send(command(LIST, {"maxResults": 5}), "same")
    await stage.sentinel()
    replies = stage.client.replies("same")
    assert [one.kind for one in replies] == ["accepted", "succeeded", "succeeded"]
    assert replies[-1].headers["ce_id"] == reply.headers["ce_id"]
    assert stage.calls()[LIST] - before[LIST] == 1, "the sentinel's"


async def test_35_the_same_id_for_another_command_is_a_misuse(stage: Stage) -> None:
    first = await stage.send(command(LIST, {"maxResults": 5}), "misused")
    await stage.terminal(first)
    before = stage.calls()
    sent = await stage.send(command(LIST, {"maxResults": 6}), "misused")
    await stage.sentinel()
    misuse = await stage.client.reply("misused", "rejected")
    assert misuse.data["error"]["code"] == "IdMisuse"
    assert [each["path"] for each in misuse.data["error"]["violations"]] == ["id", "data"]
    assert not stage.has_letter(sent), "it can be read, so nothing is lost by telling its sender only"
    assert stage.calls()[LIST] - before[LIST] == 1, "the sentinel's"


async def test_36_a_command_past_its_deadline_never_leaves(stage: Stage) -> None:
    before = stage.calls()
    sent = await stage.send(command("DeleteAudienceModel", _NO_MODEL, deadline="2001-01-01T00:00:00Z"))
    reply = await stage.terminal(sent)
    assert (reply.kind, reply.data["error"]["code"]) == ("failed", "DeadlineExceeded")
    assert stage.calls() == before


_NO_MODEL = {"audienceModelArn": "arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-model/none"}


async def test_60_a_command_that_is_not_known_here_can_not_be_named(stage: Stage) -> None:
    before = stage.calls()
    named = changed(MODEL, trainingDatasetArn="command:never-sent")
    for record in (named, command(LIST, {}, after='["never-sent"]')):
        sent = await stage.send(record)
        reply = await stage.terminal(sent)
        assert (reply.kind, reply.data["error"]["code"]) == ("rejected", "UnknownPredecessor")
        assert [each["rule"] for each in reply.data["error"]["violations"]] == ["reference"]
        assert not stage.has_letter(sent), "it can be read, so nothing is lost by telling its sender only"
    assert stage.calls() == before


async def test_the_service_is_well_and_has_kept_every_secret(stage: Stage) -> None:
    assert json.loads(stage.service.get("/readyz") or "{}")["ready"]
    stage.assert_no_secret_in_the_log()
    ours = [line for line in stage.service.lines() if str(line["logger"]).startswith("service")]
    assert ours
    assert [line for line in ours if line["level"] not in {"info", "warning"}] == [], "no defect was met"
