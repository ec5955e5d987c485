"""The consumer group of the in-memory Kafka: eager rebalances, sticky assignments."""

from typing import TYPE_CHECKING

from service.core.partition_assignment import Member, assign
from service.runtime.ports import TopicPartition

if TYPE_CHECKING:
    from tests.support.log import MemoryBroker
    from tests.support.member import MemoryLog


class Group:
    """The eager rebalance: everybody gives up everything, then everybody is told what it has."""

    def __init__(self, broker: "MemoryBroker") -> None:
        self.generation = 0
        self._broker = broker
        self._members: list[MemoryLog] = []
        self._joined: set[str] = set()
        self._complete = True
        self._assignment: dict[str, frozenset[TopicPartition]] = {}

    def join(self, member: "MemoryLog") -> None:
        """A newcomer with a known instance id takes its holder's place; nobody else notices."""
        holder = self.holder(member)
        if member not in self._members:
            self._members.append(member)
        if holder is None:
            self.rebalance()
            return
        self._members.remove(holder)
        holder.superseded = True
        self._assignment[member.member_id] = self._assignment.pop(holder.member_id, frozenset())
        self._joined.discard(holder.member_id)
        self._broker.touch()

    def holder(self, member: "MemoryLog") -> "MemoryLog | None":
        """Who has the member's instance id, when it is not itself."""
        named = (each for each in self._members if each is not member and each.instance_id)
        return next((each for each in named if each.instance_id == member.instance_id), None)

    def has(self, name: str, partition: TopicPartition) -> bool:
        """Whether the member has the partition, as far as the group knows."""
        return partition in self._assignment.get(name, frozenset())

    def leave(self, member: "MemoryLog") -> None:
        self._assignment.pop(member.member_id, None)
        member.evicted = False
        if member in self._members:
            self._members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        self.generation += 1
        self._joined.clear()
        self._complete = False
        self._broker.touch()

    async def sync(self, member: "MemoryLog") -> tuple[int, frozenset[TopicPartition]]:
        """Waits until every member has come, again when one more comes; returns generation and partitions."""
        while True:
            generation = self.generation
            self._joined.add(member.member_id)
            if self._members and self._joined >= {each.member_id for each in self._members}:
                self._assign()
            while member.evicted or (generation == self.generation and not self._complete):
                await member.woken()
            if generation == self.generation:
                return generation, self._assignment[member.member_id]

    def _before(self, name: str, topics: frozenset[str]) -> dict[str, frozenset[int]]:
        had = self._assignment.get(name, frozenset())
        return {topic: frozenset(each.partition for each in had if each.topic == topic) for topic in topics}

    def _assign(self) -> None:
        """As the group's leader does it: with the service's own distribution."""
        members = {
            each.member_id: Member(each.topics, self._before(each.member_id, each.topics)) for each in self._members
        }
        topics = dict.fromkeys(self._broker.commands, self._broker.partitions)
        self._assignment = {
            name: frozenset(TopicPartition(topic, number) for topic, numbers in placed.items() for number in numbers)
            for name, placed in assign(topics, members).items()
        }
        self._complete = True
        self._broker.touch()
