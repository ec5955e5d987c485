"""Writes changelogs under the fence of their shard, so that no other process writes at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)

from schemas import records
from schemas.kafka.client_shutdown import shut_down
from schemas.records import Record
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.producer import TransactionAttempt, as_log_error, open_producer, transact
from service.adapters.kafka.topic_reader import Reader, admin
from service.runtime.ports import LogError, OutRecord, TopicPartition

_LONG: Final = 600.0
"""Seconds for one transaction with a whole partition in it."""
_POLL_INTERVAL: Final = 0.2
_UNCOORDINATED: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
_ABSENT: Final = frozenset({"Empty", "Dead", ""})


@dataclass(frozen=True, slots=True)
class GroupState:
    """The consumer group: its state, as Kafka calls it, its members, and what it has committed."""

    state: str
    members: int
    offsets: Mapping[TopicPartition, int]

    @property
    def stopped(self) -> bool:
        """True when no replica of the service is running."""
        return self.state in _ABSENT and not self.members


async def group_state(settings: KafkaSettings) -> GroupState:
    """Asks for the group.

    Raises:
        LogError: Kafka could not be reached in time, or refuses.
    """
    async with admin(settings) as client, deadline(settings.admin_deadline, f"asking for group {settings.group_id}"):
        [response] = await _coordinated(lambda: _described(client, settings.group_id))
        offsets = await _coordinated(lambda: client.list_consumer_group_offsets(settings.group_id))
    for code, _, state, _, _, members, *_ in response.groups:
        if code:
            raise LogError(f"group {settings.group_id} can't be described: Kafka's error {code}")
        committed = {TopicPartition(*each): found.offset for each, found in offsets.items() if found.offset >= 0}
        return GroupState(str(state), len(members), committed)
    return GroupState("", 0, {})


async def _described(client: Any, group_id: str) -> Any:
    """The group's description; a broker that does not coordinate it yet, or no longer, says so within its answer."""
    [response] = described = await client.describe_consumer_groups([group_id])
    for code, *_ in response.groups:
        if (error := for_code(code)) in _UNCOORDINATED:
            raise error(group_id)
    return described


async def _coordinated(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Asks until there is a coordinator: a broker that has just started, or has no group yet, needs a moment."""
    while True:
        try:
            return await ask()
        except _UNCOORDINATED:
            await asyncio.sleep(_POLL_INTERVAL)


async def write_changelog(
    settings: KafkaSettings,
    tp: TopicPartition,
    changelog: str,
    content: Mapping[bytes, Record | None],
    *,
    empty_before: Reader | None = None,
    consumed: int | None = None,
) -> None:
    """Writes records, all or none; None is a tombstone. This fences the owner of the partition.

    Args:
        settings: How to connect.
        tp: The partition whose shard owns the changelog's one.
        changelog: Its changelog.
        content: Records by key.
        empty_before: Reads: the changelog's partition must still be empty after the fence.
        consumed: The group's offset is set to this, in the same transaction.

    Raises:
        LogError: Nothing was written, or Kafka did not say so in time.
    """
    long = replace(settings, transaction_timeout=max(_LONG, settings.transaction_timeout))
    producer = await open_producer(long, tp)
    clean = False
    try:
        if empty_before is not None:
            await require_empty(empty_before, TopicPartition(changelog, tp.partition))
        out = [
            OutRecord(changelog, key, records.encode(record) if record else None, (), tp.partition)
            for key, record in content.items()
        ]
        offsets = {} if consumed is None else {KafkaPartition(*tp): consumed}
        await _transact(producer, out, offsets, settings)
        clean = True
    finally:
        await shut_down(producer, settings.stop_deadline, dirty=not clean)


async def _transact(
    producer: object, out: Sequence[OutRecord], offsets: dict[KafkaPartition, int], settings: KafkaSettings
) -> None:
    try:
        await transact(producer, out, offsets, settings.group_id, TransactionAttempt(settings.batch_bytes))
    except Exception as error:
        raise as_log_error(error) from error


async def require_empty(source: Reader, tp: TopicPartition) -> None:
    """Searches for a record.

    Raises:
        LogError: There is one, or Kafka did not answer in time.
    """
    if tp in await non_empty_partitions(source, [tp.topic]):
        raise LogError(f"{tp.topic}-{tp.partition} is no longer empty: another client has written to it")


async def non_empty_partitions(source: Reader, topics: Collection[str]) -> set[TopicPartition]:
    """The partitions of these topics in which there is a committed record.

    Raises:
        LogError: Kafka did not answer in time, or a topic is missing.
    """
    return {record.topic_partition async for record in source.read(await source.ranges(topics))}
