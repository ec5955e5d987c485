"""Replies and events as the service publishes them, and a Kafka in memory that holds them."""

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from schemas import events
from schemas.events import Message, ReplyKind
from schemas.records import Command, ResourceState
from service.adapters.kafka.topic_reader import TopicRecord
from service.operator.commands.history import Notice, read_notice
from service.runtime.ports import TopicPartition

NOW: Final = 1_790_000_000.0
MODEL: Final = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-model/00000000-0000-4000-8000-000000000002"
REPLIES: Final = TopicPartition("cleanroomsml.replies", 0)
EVENTS: Final = TopicPartition("cleanroomsml.events", 0)

_offsets = itertools.count()


def sent(command_id: str = "weekly-1", operation: str = "CreateAudienceModel", **more: Any) -> Command:
    """A command as the service knows it."""
    named: dict[str, Any] = {"source": "/teams/op", "target": "default", "correlation_id": "campaign-7", **more}
    return Command(command_id, operation=operation, params={}, digest="", **named)


def record(message: Message, place: TopicPartition, at: float) -> TopicRecord:
    return TopicRecord(place, next(_offsets), at, message.key, message.value, message.headers)


def reply(
    command: Command, kind: ReplyKind, at: float = NOW, data: Mapping[str, Any] | None = None, number: int = 1
) -> TopicRecord:
    told = events.reply(command, kind, data or {}, number=number, now=at, source="service")
    return record(told, REPLIES, at)


def event(
    command: Command,
    status: str,
    at: float = NOW,
    sequence: int = 1,
    resource: str = MODEL,
    kind: str = "audience-model",
) -> TopicRecord:
    told = events.status_changed(
        resource=ResourceState(resource, kind, sequence, status, "taste", at),
        previous_status=None,
        command=command,
        region="eu-west-1",
        status_details=None,
        description=None,
        now=at,
        source="service",
    )
    return record(told, EVENTS, at)


def notice(found: TopicRecord) -> Notice:
    read = read_notice(found)
    assert read
    return read


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def trained(command: Command, at: float = NOW) -> list[TopicRecord]:
    """The whole life of a model, 100 s long."""
    return [
        reply(command, ReplyKind.ACCEPTED, at, number=1),
        reply(command, ReplyKind.WAITING, at + 1, {"reason": "ConcurrencyLimit", "position": 2}, 2),
        reply(command, ReplyKind.STARTED, at + 60, {"resourceArn": MODEL, "status": "CREATE_PENDING"}, 3),
        event(command, "CREATE_IN_PROGRESS", at + 61),
        reply(
            command,
            ReplyKind.SUCCEEDED,
            at + 100,
            {"result": {"audienceModelArn": MODEL, "status": "ACTIVE"}, "attempts": 1},
            4,
        ),
        event(command, "ACTIVE", at + 101, 2),
    ]


class PublishedTopics:
    """What `service.operator.commands.reading.published` connects to; a follower reads what is appended."""

    topics: tuple[str, ...] = ("cleanroomsml.replies", "cleanroomsml.events")

    def __init__(self) -> None:
        self.records: list[TopicRecord] = []
        self.coming: list[Sequence[TopicRecord]] = []
        """What a follower gets in turn; then empty lists for ever."""
        self.asked: list[str | None] = []
        self.before_follow: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def published(self, _settings: Any, tenant: str | None) -> AsyncIterator[Any]:
        self.asked.append(tenant)
        yield self

    async def ends(self) -> dict[TopicPartition, int]:
        return {REPLIES: len(self.records)}

    async def notices(self, since: float | None, key: bytes | None = None) -> AsyncGenerator[Notice, None]:
        for each in self.records:
            if (since is None or each.time >= since) and key in (None, each.key):
                yield notice(each)

    async def follow(self, _starts: Mapping[TopicPartition, int]) -> AsyncGenerator[list[Notice], None]:
        import asyncio

        self.before_follow()
        while True:
            yield [notice(each) for each in (self.coming.pop(0) if self.coming else ())]
            await asyncio.sleep(0)
