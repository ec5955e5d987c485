"""Records near every limit, of every shape that has once been too much, among the ordinary load."""

import asyncio
import json
import struct
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c_py

from tests.faults.lab import Lab
from tests.faults.runner import Mark
from tests.faults.workers import until

_LONG = 1_000_000
_BATCH = 1_200_000
_PLAIN = b"A" * _LONG
_ARN = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/x"
_WINDOW = "9999-12-31T23:59:59-12:00"

Headers = list[tuple[str, bytes]]


def shapes() -> dict[str, tuple[str, bytes, Headers]]:
    """By name: operation, value and further headers."""
    dated = {"name": "n", "trainingDatasetArn": _ARN.replace("audience-model", "training-dataset")}
    return {
        "long member name": ("TrackResource", _json({"resourceArn": _ARN, "x" * _LONG: 1}), []),
        "member name of quotes": ("TrackResource", _json({"resourceArn": _ARN, '"' * (_LONG // 2): 1}), []),
        "member name of control characters": ("TrackResource", _json({"resourceArn": _ARN, "\1" * 170_000: 1}), []),
        "many member names": ("TrackResource", _json({f"{n:06}\2": n for n in range(40_000)}), []),
        "header name that is not UTF-8": ("CreateAudienceModel", b"{}", [(_PLAIN.decode(), b"v")]),
        "many headers": ("CreateAudienceModel", b"{}", [(f"h{n}", b"v") for n in range(20_000)]),
        "long header value": ("CreateAudienceModel", b"{}", [("h", b"\xff" * _LONG)]),
        "no JSON": ("CreateAudienceModel", b"\xff" * _LONG, []),
        "date beyond UTC": ("CreateAudienceModel", _json({**dated, "trainingDataEndTime": _WINDOW}), []),
    }


async def every_shape(lab: Lab, mark: Mark) -> None:
    """Each shape to each partition of each tenant."""
    letters = len(lab.subscriber.told[lab.topic("dead-letters")])
    sent = 0
    async with AIOKafkaProducer(
        bootstrap_servers=lab.station.broker.bootstrap, max_request_size=_BATCH, max_batch_size=_BATCH
    ) as producer:
        _send_raw_names(producer)
        for name, (operation, value, more) in shapes().items():
            for tenant, topic in lab.commands.items():
                target = lab.load.grounds[list(lab.commands).index(tenant)].target
                for partition in range(2):
                    identity = f"{name} {lab.number} {partition}".replace(" ", "-")
                    headers = [*_envelope(identity, operation, target), *more]
                    lab.load.foreign(tenant, "/poison", identity, operation, partition)
                    await producer.send_and_wait(topic, value, b"poison", partition, headers=headers)
                    sent += 1
    mark.now()
    mark.figures["poison records"] = sent
    await until(
        lambda: len(lab.subscriber.told[lab.topic("dead-letters")]) >= letters + sent,
        60,
        lambda: f"{len(lab.subscriber.told[lab.topic('dead-letters')]) - letters} of {sent} became dead letters",
    )
    await asyncio.sleep(2)


def _envelope(identity: str, operation: str, target: str) -> Headers:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": identity,
        "ce_source": "/poison",
        "ce_type": f"cleanroomsml.command.{operation}",
        "ce_target": target,
        "content-type": "application/json",
    }
    return [(name, text.encode()) for name, text in attributes.items()]


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()


class _Raw(_DefaultRecordBatchBuilderPy):  # type: ignore[misc]
    """Header names go out as bytes that are not UTF-8, as librdkafka's C interface would send them."""

    def build(self) -> bytearray:
        raw = bytearray(super().build())
        at = raw.find(_PLAIN)
        if at >= 0:
            raw[at : at + _LONG] = b"\xff" * _LONG
            struct.pack_into(">I", raw, 17, calc_crc32c_py(bytes(raw[21:])))
        return raw


def _send_raw_names(producer: Any) -> None:
    """Of this producer alone: others in this process publish at the same time."""
    accumulator = producer._message_accumulator
    plain = accumulator.create_builder

    def create(*arguments: Any, **options: Any) -> Any:
        builder = plain(*arguments, **options)
        builder._builder = _Raw(2, 0, 0, -1, -1, 0, _BATCH)
        return builder

    accumulator.create_builder = create
