"""What is published: envelopes, ids, data and its models, and dead letters."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from schemas import cloudevents, events
from schemas.cloudevents import Envelope, Headers
from schemas.events import Message, ReplyKind
from schemas.operations import RESOURCES
from schemas.records import Command, ResourceState

NOW = 1_735_689_600.25
ARN = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-model/x"
COMMAND = Command(
    id="c-1",
    source="/s",
    operation="CreateAudienceModel",
    target="prod",
    params={"name": "n"},
    digest="0" * 64,
    correlation_id="corr",
    traceparent="tp",
    tracestate="ts",
)

ERROR = {"code": "X", "message": "m", "retryable": True, "httpStatus": 400, "statusDetails": {"statusCode": "Y"}}
DATA: dict[ReplyKind, dict[str, Any]] = {
    ReplyKind.ACCEPTED: {},
    ReplyKind.WAITING: {"reason": "quota", "position": 3},
    ReplyKind.STARTED: {"resourceArn": ARN, "status": "CREATE_PENDING"},
    ReplyKind.SUCCEEDED: {"result": {"audienceModelArn": ARN}, "attempts": 1},
    ReplyKind.FAILED: {"error": ERROR},
    ReplyKind.REJECTED: {"error": ERROR | {"violations": [{"path": "p", "rule": "r", "message": "m"}]}},
    ReplyKind.PARKED: {"error": ERROR, "found": []},
}


def _decoded(message: Message) -> Envelope:
    found = cloudevents.decode(message.key, message.value, message.headers)
    assert isinstance(found, Envelope)
    return found


def _reply(kind: ReplyKind = ReplyKind.ACCEPTED, command: Command = COMMAND, number: int = 1) -> Message:
    return events.reply(command, kind, DATA[kind], number=number, now=NOW, source="/svc")


def _changed(**changes: Any) -> Message:
    resource = ResourceState(ARN, "audience-model", 2, "ACTIVE", "n", NOW - 1)
    given: dict[str, Any] = {
        "resource": resource,
        "previous_status": "CREATE_IN_PROGRESS",
        "command": COMMAND,
        "region": "eu-west-1",
        "status_details": None,
        "description": {"name": "n", "createTime": datetime(2025, 1, 1, tzinfo=UTC)},
        "now": NOW,
        "source": "/svc",
    }
    return events.status_changed(**(given | changes))


@pytest.mark.parametrize("kind", ReplyKind)
def test_a_reply(kind: ReplyKind) -> None:
    message = _reply(kind)
    envelope = _decoded(message)
    assert message.key == b"c-1"
    assert (envelope.source, envelope.type) == ("/svc", f"cleanroomsml.reply.{kind.value}")
    assert envelope.time == "2025-01-01T00:00:00.250Z"
    assert envelope.extensions == {"correlationid": "corr", "traceparent": "tp", "tracestate": "ts"}
    data = orjson.loads(envelope.data)
    identity = {
        "commandId": "c-1",
        "commandSource": "/s",
        "operation": "CreateAudienceModel",
        "target": "prod",
    }
    assert data == identity | DATA[kind]
    events.REPLY_MODELS[kind].model_validate(data, strict=True)


def test_reply_ids_are_of_the_command_the_number_and_the_kind() -> None:
    other = msgspec.structs.replace(COMMAND, source="/other")
    messages = [
        _reply(),
        _reply(number=2),
        _reply(ReplyKind.FAILED),
        _reply(command=other),
        _reply(command=msgspec.structs.replace(COMMAND, id="c-2")),
    ]
    ids = [_decoded(message).id for message in messages]
    assert len(set(ids)) == len(ids)
    assert _decoded(_reply()).id == ids[0] == f"{events.command_digest(COMMAND)}/1-accepted"
    assert len(events.command_digest(COMMAND)) == 26


def test_nothing_is_carried_that_was_not_given() -> None:
    bare = Command(id="c", source="s", operation="", target="", params={}, digest="")
    assert _decoded(_reply(command=bare)).extensions == {}


def test_a_status_change() -> None:
    message = _changed()
    envelope = _decoded(message)
    assert message.key == ARN.encode()
    assert (envelope.id, envelope.subject) == (f"audience-model:{ARN}#2", ARN)
    assert envelope.type == "cleanroomsml.audience-model.status-changed"
    assert envelope.extensions["sequence"] == "0000000002"
    assert envelope.extensions["sequencetype"] == "Integer"
    assert envelope.extensions["correlationid"] == "corr"
    data = orjson.loads(envelope.data)
    assert data == {
        "resourceArn": ARN,
        "name": "n",
        "previousStatus": "CREATE_IN_PROGRESS",
        "status": "ACTIVE",
        "statusDetails": None,
        "observedTime": "2024-12-31T23:59:59.250Z",
        "commandId": "c-1",
        "commandSource": "/s",
        "operation": "CreateAudienceModel",
        "target": "prod",
        "region": "eu-west-1",
        "resource": {"name": "n", "createTime": "2025-01-01T00:00:00Z"},
    }
    events.StatusChangedData.model_validate(data, strict=True)


def test_a_status_change_before_the_end_has_no_description() -> None:
    data = orjson.loads(_decoded(_changed(description=None, previous_status=None)).data)
    assert "resource" not in data
    assert data["previousStatus"] is None
    events.StatusChangedData.model_validate(data, strict=True)


def test_a_resource_without_arn_has_an_id() -> None:
    resource = ResourceState("export/1", "audience-export-job", 1, "CREATE_PENDING")
    data = orjson.loads(_decoded(_changed(resource=resource, status_details={"statusCode": "x"})).data)
    assert data["resourceId"] == "export/1"
    assert "resourceArn" not in data
    assert data["name"] is None
    assert data["observedTime"] == "2025-01-01T00:00:00.250Z"
    events.StatusChangedData.model_validate(data, strict=True)


def test_kinds_that_share_an_arn_have_ids_of_their_own() -> None:
    ids = {_decoded(_changed(resource=ResourceState(ARN, kind, 1, "updated"))).id for kind in RESOURCES}
    assert len(ids) == len(RESOURCES)


def test_sequences_sort_as_text() -> None:
    numbers = [1, 9, 10, 99, 100, 2**31 - 1]
    found = [
        _decoded(_changed(resource=ResourceState(ARN, "audience-model", number, "ACTIVE"))).extensions["sequence"]
        for number in numbers
    ]
    assert found == sorted(found)
    assert list(map(int, found)) == numbers


@pytest.mark.parametrize("message", [_reply(), _changed()], ids=["reply", "event"])
def test_the_envelope_is_as_its_model_says_and_the_reference_reads_it(message: Message) -> None:
    named = {name: value for name, value in message.headers if value is not None}
    attributes = {name[3:]: value.decode() for name, value in named.items() if name != "content-type"}
    events.AttributesData.model_validate(attributes, strict=True)
    event = kafka.from_binary(kafka.KafkaMessage(named, message.key, message.value or b""), JSONFormat(), CloudEvent)
    assert event.get_attributes()["id"] == attributes["id"]
    assert event.get_data() == orjson.loads(message.value or b"")


@pytest.mark.parametrize("model", [*events.REPLY_MODELS.values(), events.StatusChangedData, events.AttributesData])
def test_models_export_a_schema_in_which_every_field_is_explained(model: Any) -> None:
    schema = model.model_json_schema()
    assert schema["description"]
    for name, member in schema["properties"].items():
        assert "description" in member or "$ref" in member or name == "specversion"


ORIGINAL: Headers = (("ce_id", b"1"), ("ce_id", b"2"), ("x", None), ("y", b"\xff"))


@pytest.mark.parametrize(("key", "value"), [(b"k", b"\xff\x00"), (None, None), (b"", b"")])
def test_a_dead_letter_is_the_original_and_a_label(key: bytes | None, value: bytes | None) -> None:
    found = events.dead_letter(
        key,
        value,
        ORIGINAL,
        reason="InvalidJson",
        message="é\ud800" + "m" * 2000,
        position=events.RecordPosition("t", 3, 2**40),
        now=NOW,
    )
    assert (found.key, found.value, found.headers[:4]) == (key, value, ORIGINAL)
    added = {name: (text or b"").decode() for name, text in found.headers[4:]}
    message = added.pop("dlq_message")
    assert message.startswith("é\\ud800m")
    assert len(message) < 1100
    assert added == {
        "dlq_reason": "InvalidJson",
        "dlq_topic": "t",
        "dlq_partition": "3",
        "dlq_offset": str(2**40),
        "dlq_time": "2025-01-01T00:00:00.250Z",
    }
