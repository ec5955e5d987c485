"""No record within the limits makes one that can't be written: measured with the encoder that writes them.

Every record goes through the intake into a batch, as in a shard. Everything in the batch is then built by aiokafka's
own builder and must be within the producer's limit, which is also the topics'.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas import sizes
from schemas.cloudevents import Headers
from schemas.commands import TopicRules
from schemas.operations import COMMANDS as OPERATIONS
from schemas.permissions import open_grant
from service.adapters.clock import SystemClock
from service.runtime import commands
from service.runtime.ports import InRecord, OutRecord, TopicPartition
from service.runtime.record_limits import RecordLimits
from service.runtime.store import Store
from service.runtime.transaction import Transaction
from tests.badinput.generated import any_record
from tests.badinput.records import Record, headers, identified
from tests.support import samples
from tests.support.clock import LoopClock
from tests.support.messages import COMMANDS, DEAD_LETTERS
from tests.support.process import Options, make_context
from tests.support.recording_telemetry import Story

MIB = sizes.MAX_VALUE
ARN = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-model/x"
SHORTENED = "record_shortened"

UNITS = ("x", '"', "\\", "\u0001", "\n", "\x7f", "é", "\u2028", "😀", "\ufffe", "0", "/", " ", "\u202e")
"""Texts that grow: in JSON up to sixfold, in UTF-8 fourfold."""


def written(record: Record, max_bytes: int) -> list[OutRecord]:
    """What a shard would commit for a record; everything in it can be written."""
    story, store, limit = Story(), Store(), sizes.largest_record(max_bytes)
    grant = open_grant({"default", "other"}, {"t.replies"})
    context = replace(
        make_context(story, LoopClock(), Options()),
        clock=SystemClock(),
        limits={COMMANDS: TopicRules(grant, "default", max_bytes=max_bytes)},
        ceilings=RecordLimits(limit),
    )
    batch = Transaction(TopicPartition(COMMANDS, 0), store, context)
    arrived = InRecord(COMMANDS, 0, 7, 0.0, record.key, record.value, record.headers)
    commands.receive(arrived, store, batch, context)
    out = batch.out()
    for one in out:
        assert _built(one) <= sizes.record_size(one.key, one.value, one.headers) <= limit
    assert [what for what, _ in story.problems if what == SHORTENED] == [], "bounded by construction, not by cutting"
    assert out
    return out


def _built(record: OutRecord) -> int:
    """Bytes that Kafka is sent for a record in a batch of its own."""
    own = list(record.headers)
    estimate = DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, own)
    assert estimate == sizes.record_size(record.key, record.value, record.headers)
    builder = DefaultRecordBatchBuilder(2, 0, 1, 2**62, 2**14, 2**30, 1)
    assert builder.append(0, 2**45, record.key, record.value, own) is not None
    return len(builder.build())


def _text(unit: str, size: int) -> str:
    return unit * max(1, size // len(json.dumps(unit).encode()) if not unit.isascii() else size // len(unit))


Place = Callable[[str, str], Record]


def _data(operation: str, data: Any) -> Record:
    return Record(json.dumps(data).encode(), headers(operation))


def _nested(operation: str, fill: str) -> Record:
    data: Any = samples.payload(operation, full=True) if operation in samples_known() else {}
    data = json.loads(json.dumps(data))
    node: Any = data
    while isinstance(node, dict) and (inner := [each for each in node.values() if isinstance(each, dict)]):
        node = inner[0]
    node[fill] = 1
    return _data(operation, data)


def samples_known() -> frozenset[str]:
    return frozenset(name for name, row in OPERATIONS.items() if row.resource.kind != "any")


PLACES: dict[str, Place] = {
    "member name": lambda op, fill: _data(op, {"resourceArn": ARN, fill: 1}),
    "nested member name": _nested,
    "member value": lambda op, fill: _data(op, {"description": fill, "resourceArn": fill, "name": fill}),
    "tag keys": lambda op, fill: _data(op, {"tags": {f"{n}{fill[: len(fill) // 60]}": "v" for n in range(60)}}),
    "many member names": lambda op, fill: _data(op, {f"{n}{fill[: len(fill) // 900]}": 1 for n in range(900)}),
    "array": lambda op, fill: _data(op, [fill]),
    "no JSON": lambda op, fill: Record(fill.encode(), headers(op)),
    "header name": lambda op, fill: Record(b"{}", headers(op, (fill, b"v"))),
    "attribute name": lambda op, fill: Record(b"{}", headers(op, ("ce_" + fill, b"v"))),
    "header value": lambda op, fill: Record(b"{}", headers(op, ("x", fill.encode()))),
    "header name, escaped": lambda op, fill: Record(b"{}", headers(op, ("\\xff" * len(fill.encode()), b"v"))),
    "empty headers": lambda op, fill: Record(b"{}", headers(op, *[("", None)] * (len(fill.encode()) // 3))),
    "id": lambda op, fill: Record(b"{}", headers(op, id=fill[:255])),
    "id and source": lambda op, fill: Record(b"{}", headers(op, id=fill[:255], source=fill[:255])),
    "correlation id": lambda op, fill: Record(b"{}", headers(op, correlationid=fill[:255], target=fill)),
    "type": lambda op, fill: Record(b"{}", headers(fill)),
    "key": lambda op, fill: Record(b"{}", headers(op), fill.encode()),
    "structured": lambda op, fill: Record(
        json.dumps({"specversion": "1.0", "id": "i", "source": "s", "type": "t", fill: fill}).encode(),
        (("content-type", b"application/cloudevents+json"),),
    ),
    "numbers": lambda op, fill: _data(op, {"maxResults": [10**15] * (len(fill) // 17)}),
}


def _cut(record: Record, max_bytes: int) -> Record:
    """As the commands topic would take it: its value within the limit, the whole within the topic's."""
    return Record(record.value and record.value[:max_bytes], record.headers, record.key)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("unit", ["x", "\u0001", '"', "😀"], ids=ascii)
def test_a_mebibyte_in_any_place_leaves_the_partition_running(place: str, unit: str) -> None:
    for operation in ("TrackResource", "CreateTrainingDataset"):
        out = written(_cut(PLACES[place](operation, _text(unit, MIB - 200)), MIB), MIB)
        assert all(len(path) <= sizes.MAX_PATH for path in _paths(out))


def _paths(out: list[OutRecord]) -> list[str]:
    """Where the replies say that something is wrong."""
    told = [json.loads(one.value or b"{}") for one in out if one.topic not in (DEAD_LETTERS, "jobs") and one.value]
    errors = [data["error"] for data in told if isinstance(data.get("error"), dict)]
    return [violation["path"] for error in errors for violation in error.get("violations", [])]


_operations = st.sampled_from([*sorted(OPERATIONS), "Nothing"])


@st.composite
def _large(draw: st.DrawFn) -> Record:
    size = draw(st.sampled_from((100, 2_000, 7_900, 60_000)))
    fill = "".join(draw(st.lists(st.sampled_from(UNITS), min_size=1, max_size=3)))
    record = PLACES[draw(st.sampled_from(sorted(PLACES)))](draw(_operations), _text(fill, size))
    more: Headers = tuple(
        draw(
            st.lists(
                st.tuples(
                    st.sampled_from(["x", "ce_target", "ce_replyto", "ce_deadline", "ce_tracestate", "CE_ID"]),
                    st.sampled_from([None, b"", b"\xff" * 500, b'"' * 5_000]),
                ),
                max_size=4,
            )
        )
    )
    return Record(record.value, (*record.headers, *more), record.key)


@given(any_record | _large(), st.sampled_from([1, 300, 8_192]))
@example(Record(b"{}", headers(), b"k" * 10**6), 1)
@settings(max_examples=700, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
def test_whatever_arrives_can_be_answered(record: Record, max_bytes: int) -> None:
    written(identified(record, "c-1"), max_bytes)


def test_a_record_that_cannot_be_wrapped_is_named_and_measured() -> None:
    """Read tolerantly, a header's name of bytes that are not UTF-8 is four times as long."""
    record = Record(b"{}", headers("CreateAudienceModel", ("\\xff" * 1_000_000, b"v"), id="c"))
    letters = [one for one in written(record, MIB) if one.topic == DEAD_LETTERS]
    (letter,) = letters
    told = {name: (text or b"").decode() for name, text in letter.headers}
    assert (letter.key, letter.value) == (b"key", None)
    assert (told["dlq_topic"], told["dlq_partition"], told["dlq_offset"]) == (COMMANDS, "0", "7")
    assert told["dlq_omitted"] == "value, headers"
    assert int(told["dlq_size"]) > 4_000_000
    assert len(told["dlq_sha256"]) == 64
