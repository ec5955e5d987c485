"""Kafka's id of a topic, out of the bytes of a metadata answer."""

from io import BytesIO
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from service.adapters.kafka import topic_ids
from service.adapters.kafka.topic_ids import Uuid, topic_id

ID = UUID("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")


def compact(text: str) -> bytes:
    return bytes([len(text) + 1]) + text.encode()


def answer(*topics: tuple[str, UUID]) -> bytes:
    """Metadata as of version 10: throttle, brokers, cluster, controller, topics, rights, tags."""
    each = b"".join(
        b"\0\0" + compact(name) + identity.bytes + b"\0" + b"\1" + b"\x80\0\0\0" + b"\0" for name, identity in topics
    )
    broker = b"\0\0\0\1" + compact("localhost") + b"\0\0\x23\x84" + b"\0" + b"\0"
    head = b"\0\0\0\0" + b"\2" + broker + compact("cluster") + b"\0\0\0\1"
    return head + bytes([len(topics) + 1]) + each + b"\x80\0\0\0" + b"\0"


class Client:
    """Answers with bytes, and keeps the bytes that it was asked."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.asked = b""

    def get_random_node(self) -> int:
        return 1

    async def send(self, node: int, request: Any) -> Any:
        built = request.build(topic_ids._MetadataRequestV10)
        self.asked = built.encode()
        return built.RESPONSE_TYPE.decode(BytesIO(self._answer))


async def test_the_id_of_the_topic_that_was_asked_for() -> None:
    client = Client(answer(("other", UUID(int=1)), ("jobs", ID)))
    assert await topic_id(client, "jobs") == str(ID)


async def test_the_question_creates_no_topic() -> None:
    client = Client(answer())
    await topic_id(client, "jobs")
    assert client.asked == b"\2" + bytes(16) + compact("jobs") + b"\0" + b"\0\0\0" + b"\0"


@pytest.mark.parametrize("topics", [(), (("other", ID),), (("jobs", UUID(int=0)),)])
async def test_what_is_not_there_has_no_id(topics: tuple[tuple[str, UUID], ...]) -> None:
    assert await topic_id(Client(answer(*topics)), "jobs") == ""


def test_an_id_is_sixteen_bytes() -> None:
    assert Uuid.decode(BytesIO(Uuid.encode(ID))) == ID
    assert len(Uuid.encode(ID)) == 16


async def test_an_error_of_the_client_is_the_callers() -> None:
    async def send(*_: Any) -> Any:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await topic_id(SimpleNamespace(send=send, get_random_node=lambda: 1), "jobs")
