"""Records that stop aiokafka itself; each has a partition of its own, for as long as one stops it."""

import struct
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer

from tests.badinput.records import CANARY, command
from tests.badinput.stage import COMMANDS, Stage, told_of

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="session")]

NOTHING, BAD_NAME = 2, 3


async def test_01_a_record_of_nothing_at_all(stage: Stage) -> None:
    """Neither key nor value nor headers: aiokafka refuses to produce such a record, librdkafka does not."""
    offset = _produce_nothing(stage.kafka.bootstrap)
    await stage.sentinel(NOTHING, 15)
    letter = stage.client.letters[NOTHING, offset]
    assert told_of(letter)["dlq_reason"] == "NotCloudEvent"
    assert not letter.value
    assert not letter.key


def _produce_nothing(servers: str) -> int:
    taken: list[int | None] = []
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(
        COMMANDS, value=None, key=None, partition=NOTHING, on_delivery=lambda _, message: taken.append(message.offset())
    )
    assert producer.flush(10) == 0
    assert taken[0] is not None
    return taken[0]


async def test_07_a_header_s_name_that_is_not_utf_8(stage: Stage) -> None:
    """No client library writes one, but a hostile one may: Kafka itself does not look."""
    offset = await _produce_bad_name(stage.producer)
    await stage.sentinel(BAD_NAME, 15)
    assert (BAD_NAME, offset) in stage.client.letters


async def _produce_bad_name(producer: AIOKafkaProducer, size: int = 4) -> int:
    batch = producer.create_batch()
    name = "name" + "A" * (size - 4)
    batch.append(key=b"k", value=CANARY.encode(), timestamp=None, headers=[(name, b"v")])
    batch.close()
    built = bytearray(batch._build())
    place = built.index(b"name")
    built[place : place + size] = b"\xff" * size
    built[17:21] = struct.pack(">I", calc_crc32c(bytes(built[21:])))
    batch._buffer = built
    taken: Any = await (await producer.send_batch(batch, COMMANDS, partition=BAD_NAME))
    return int(taken.offset)


async def test_07_a_header_s_name_that_grows_beyond_what_can_be_wrapped(stage: Stage) -> None:
    """Read tolerantly, it is four times as long: its dead letter measures the record instead of holding it."""
    offset = await _produce_bad_name(stage.producer, 1_000_000)
    await stage.sentinel(BAD_NAME, 15)
    letter = stage.client.letters[BAD_NAME, offset]
    told = told_of(letter)
    assert (letter.key, letter.value, told["dlq_omitted"]) == (b"k", None, "value, headers")
    assert int(told["dlq_size"]) > 4_000_000
    assert stage.service.log.read_text(errors="replace").count("closed dirty") == 0


async def test_03_a_member_s_name_of_a_megabyte(stage: Stage) -> None:
    """A violation quotes a name that the sender made up: in part, or the job record would not fit."""
    arn = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-model/x"
    sent = await stage.send(command("TrackResource", {"resourceArn": arn, "x" * 1_000_000: 1}))
    await stage.sentinel(seconds=15)
    await stage.letter(sent)
    reply = await stage.terminal(sent)
    assert reply.kind == "rejected"
    assert len(reply.data["error"]["violations"][0]["path"]) == 200
    assert stage.service.log.read_text(errors="replace").count("closed dirty") == 0
