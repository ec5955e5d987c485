"""Kafka's id of a topic: it distinguishes a topic from one that was created with the same name later.

aiokafka 0.14 asks for metadata in versions that know no ids (KIP-516), so the request is spelled out here.
"""

from io import BytesIO
from typing import Any, ClassVar, Final
from uuid import UUID

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_NONE: Final = UUID(int=0)


class Uuid(AbstractType[UUID]):  # type: ignore[misc] # aiokafka has no types
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        """The bytes of an id."""
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        """Reads an id."""
        return UUID(bytes=data.read(16))


_BROKER: Final = (
    ("node_id", Int32),
    ("host", CompactString("utf-8")),
    ("port", Int32),
    ("rack", CompactString("utf-8")),
    ("tags", TaggedFields),
)
_PARTITION: Final = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)
_TOPIC: Final = (
    ("error_code", Int16),
    ("topic", CompactString("utf-8")),
    ("topic_id", Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)


class _MetadataResponseV10(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestV10(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponseV10
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicIdRequest(Request[_MetadataRequestV10]):  # type: ignore[misc]
    """Metadata of one topic, which is not created by asking."""

    API_KEY: ClassVar[int] = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequestV10]) -> _MetadataRequestV10:
        return request_struct_class([(_NONE, self._topic, {})], False, False, False, {})


async def topic_id(client: Any, topic: str) -> str:
    """The topic's id as Kafka's tools print it, or empty when there is no such topic."""
    answer = await client.send(client.get_random_node(), _TopicIdRequest(topic))
    for _, name, identity, *_ in answer.topics:
        if name == topic and identity != _NONE:
            return str(identity)
    return ""
