"""The group's assignor: aiokafka's sticky protocol on the wire, our own distribution (core/placement.py).

aiokafka's sticky assignor balances the sum only. A member that had two topics of 12 partitions gave all partitions of
one topic to the second member, which then made all calls to AWS.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from service.core.partition_assignment import Member, assign


class EvenAssignor(StickyPartitionAssignor):  # type: ignore[misc] # aiokafka has no types
    """Members report what they had, as in aiokafka's; the leader distributes evenly topic by topic."""

    name = "even-sticky"

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> dict[str, ConsumerProtocolMemberAssignment]:
        """See aiokafka's ``AbstractPartitionAssignor``."""
        parsed = {name: cls.parse_member_metadata(metadata) for name, metadata in members.items()}
        newest = max((member.generation for member in parsed.values()), default=0)
        topics = {topic for member in parsed.values() for topic in member.subscription}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        assigned = assign(
            counts,
            {
                # What a member had in an older generation, others have had since.
                name: Member(frozenset(member.subscription), _by_topic(member) if member.generation == newest else {})
                for name, member in parsed.items()
            },
        )
        return {
            name: ConsumerProtocolMemberAssignment(cls.version, sorted(partitions.items()), b"")
            for name, partitions in assigned.items()
        }


def own_class() -> type[EvenAssignor]:
    """A class for one member: what it was given last is kept in the class, which two in one process would share."""
    return type("Even", (EvenAssignor,), {})


def _by_topic(member: Any) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for partition in member.partitions:
        found[partition.topic].add(partition.partition)
    return {topic: frozenset(numbers) for topic, numbers in found.items()}
