"""Records become typed values; what is not understood is skipped, never an error."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.client.changes import Received, ReplyReceived, StatusChanged, decode
from schemas.docs import examples
from schemas.events import Message, ReplyKind
from schemas.operations import RESOURCES


def received(message: Message) -> Received:
    return Received("t", 3, 42, 1.5, message.key, message.value, message.headers)


@pytest.mark.parametrize("kind", list(ReplyKind))
def test_every_reply_of_the_contract(kind: ReplyKind) -> None:
    found = decode(received(examples.reply_message(kind)))
    assert isinstance(found, ReplyReceived)
    assert found.kind is kind
    assert found.command_source == examples.SOURCE
    assert found.is_terminal == (kind.value in {"succeeded", "failed", "rejected", "parked"})
    assert bool(found.code) == (kind.value in {"failed", "rejected", "parked"})
    assert bool(found.resource_id) == (kind is ReplyKind.STARTED)
    assert (found.record.partition, found.record.offset) == (3, 42)


@pytest.mark.parametrize("kind", list(RESOURCES))
def test_every_event_of_the_contract(kind: str) -> None:
    found = decode(received(examples.event_message(RESOURCES[kind])))
    assert isinstance(found, StatusChanged)
    assert found.resource_kind == kind
    assert found.sequence >= 1
    assert found.resource_id


def changed(message: Message, type_: str = "", **data: object) -> Received:
    headers = tuple((name, type_.encode() if type_ and name == "ce_type" else value) for name, value in message.headers)
    value = orjson.dumps({**orjson.loads(message.value or b"{}"), **data})
    return received(Message(message.key, value, headers))


def test_what_a_later_release_adds_is_kept_or_skipped() -> None:
    reply = examples.reply_message(ReplyKind.ACCEPTED)
    kept = decode(changed(reply, more={"a": 1}))
    assert isinstance(kept, ReplyReceived)
    assert kept.data["more"] == {"a": 1}
    for type_ in ("cleanroomsml.reply.postponed", "com.example.other", "cleanroomsml.command.ListAudienceModels"):
        assert decode(changed(reply, type_)) is None
    assert decode(received(Message(b"k", b"[1]", reply.headers))) is None
    assert decode(received(Message(b"k", None, ()))) is None
    event = examples.event_message(next(iter(RESOURCES.values())))
    assert decode(received(Message(b"k", b"{}", event.headers))) is None


@pytest.mark.parametrize("name", ["commandId", "commandSource", "operation", "target", "status"])
@pytest.mark.parametrize("found", [None, 1, ["a"], {}])
def test_what_is_no_text_where_text_is_expected_is_skipped(name: str, found: object) -> None:
    event = examples.event_message(next(iter(RESOURCES.values())))
    assert decode(changed(event, "", **{name: found})) is None
    if name != "status":
        assert decode(changed(examples.reply_message(ReplyKind.ACCEPTED), "", **{name: found})) is None


@given(st.binary(max_size=60), st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=30)), max_size=6))
def test_no_record_raises(value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    decode(Received("t", 0, 0, 0.0, b"k", value, tuple(headers)))
