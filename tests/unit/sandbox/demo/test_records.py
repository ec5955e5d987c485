"""CloudEvents on Kafka, as the demo writes and reads them."""

import json

import pytest

from sandbox.demo.records import DEAD_LETTERS, EVENTS, REPLIES, TERMINAL, Command, Record, decode


def test_a_command_is_a_binary_cloudevent() -> None:
    command = Command("c-1", "CreateAudienceModel", {"name": "x"})
    headers = dict(command.headers("run-1"))
    assert headers == {
        "ce_id": b"c-1",
        "ce_source": b"/demo",
        "ce_specversion": b"1.0",
        "ce_type": b"cleanroomsml.command.CreateAudienceModel",
        "ce_correlationid": b"run-1",
        "content-type": b"application/json",
    }
    assert json.loads(command.value()) == {"name": "x"}
    assert json.loads(command.line())["type"] == "cleanroomsml.command.CreateAudienceModel"


def test_reading_a_reply() -> None:
    value = b'{"commandId": "c-1", "operation": "CreateAudienceModel"}'
    record = decode(REPLIES, 1500, [("ce_type", b"cleanroomsml.reply.succeeded")], value)
    assert (record.what, record.about, record.command_id) == ("succeeded", "CreateAudienceModel", "c-1")
    assert record.terminal
    assert record.time == 1.5
    assert json.loads(record.line())["data"] == json.loads(value)


def test_reading_an_event() -> None:
    value = b'{"commandId": "c-1", "status": "ACTIVE"}'
    record = decode(EVENTS, 0, [("ce_type", b"cleanroomsml.audience-model.status-changed")], value)
    assert (record.what, record.about, record.terminal) == ("ACTIVE", "audience-model", False)


@pytest.mark.parametrize("value", [b"no json \xff", b"[1]", None])
def test_reading_a_dead_letter_whatever_its_value(value: bytes | None) -> None:
    record = decode(DEAD_LETTERS, 0, [("ce_id", b"c-1"), ("dlq_reason", b"NotJson")], value)
    assert (record.what, record.command_id) == ("NotJson", "c-1")


@pytest.mark.parametrize("kind", ["accepted", "started", "succeeded", "failed", "rejected", "parked"])
def test_a_commands_last_reply_is_known_by_its_kind(kind: str) -> None:
    record = decode(REPLIES, 0, [("ce_type", f"cleanroomsml.reply.{kind}".encode())], b"{}")
    assert record.terminal == (kind in TERMINAL)
    event = decode(EVENTS, 0, [("ce_type", f"cleanroomsml.reply.{kind}".encode())], b'{"status": "%s"}' % kind.encode())
    assert not event.terminal, "an event is no reply, whatever its words"


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (b"[1]", {"text": "[1]"}),
        (b"no json \xff", {"text": "no json \ufffd"}),
        (b"[" * 100_000, {"text": "[" * 100_000}),
        (b"", {}),
        (None, {}),
    ],
    ids=["array", "not UTF-8", "nested", "empty", "null"],
)
def test_a_value_that_is_no_object_is_kept_as_text(value: bytes | None, data: dict[str, str]) -> None:
    assert decode(REPLIES, 0, [], value).data == data


def test_headers_lose_their_prefix_and_the_last_of_a_name_counts() -> None:
    headers = [("ce_id", b"c-1"), ("dlq_reason", b"Oversize"), ("ce_id", b"\xff")]
    assert decode(DEAD_LETTERS, 0, headers, b"").headers == {"id": "\ufffd", "dlq_reason": "Oversize"}


def test_the_id_of_a_dead_letter_is_its_headers_and_of_other_records_their_datas() -> None:
    assert Record(REPLIES, 0, {"id": "r-1"}, {}).command_id == ""
    assert Record(EVENTS, 0, {"id": "e-1"}, {"commandId": "c-1"}).command_id == "c-1"
    assert Record(DEAD_LETTERS, 0, {"id": "c-1"}, {}).command_id == "c-1"
