"""The group as its coordinator describes it: members, what each owns, and where the consumed partitions end."""

import re
from collections.abc import Collection
from typing import Any, Final

from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeGroupsRequest

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.offsets import Offsets
from service.runtime.group_snapshot import GroupSnapshot, Replica
from service.runtime.ports import LogError, TopicPartition, Unfit

_SUFFIX: Final = re.compile(r"-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""Kafka names a static member by its instance id, any other by its client id, and adds a UUID."""

_MOVED: Final = frozenset({14, 15, 16})
"""Kafka's errors for a coordinator that is loading, not there, or another broker by now."""


class GroupDescription:
    """Describes the group over a helper's connection.

    Args:
        settings: Names of group and client.
        topics: What the group consumes.
        offsets: The helper.
    """

    def __init__(self, settings: KafkaSettings, topics: Collection[str], offsets: Offsets) -> None:
        self._settings = settings
        self._topics = sorted(topics)
        self._offsets = offsets

    async def snapshot(self) -> GroupSnapshot:
        """Asks for it.

        Raises:
            Unfit: Kafka refuses.
            LogError: Kafka did not answer in time, or the group's coordinator moves.
        """
        partitions = [
            TopicPartition(topic, number)
            for topic in self._topics
            for number in sorted(await self._offsets.numbers(topic))
        ]
        ends = await self._offsets.ends(partitions) if partitions else {}
        response = await self._offsets.ask_coordinator(DescribeGroupsRequest([self._settings.group_id]))
        for code, _, state, _, _, members, *_ in response.groups:
            if code in _MOVED:
                await self._offsets.close()
            if code:
                kind = LogError if code in _MOVED else Unfit
                raise kind(f"the group can't be described: {for_code(code).__name__}")
            return GroupSnapshot(str(state), tuple(self._replica(member) for member in members), ends)
        return GroupSnapshot(ends=ends)

    def _replica(self, member: Any) -> Replica:
        member_id, client_id, host, _, assigned, *_ = member
        static = _SUFFIX.sub("", member_id)
        name = host.lstrip("/") if static == client_id else static
        return Replica(name, member_id, owned(assigned))


def owned(assignment: bytes) -> frozenset[TopicPartition]:
    """The partitions of a member's assignment; none while the group rebalances."""
    if not assignment:
        return frozenset()
    decoded = ConsumerProtocol.ASSIGNMENT.decode(assignment)
    return frozenset(TopicPartition(topic, number) for topic, numbers in decoded.assignment for number in numbers)
