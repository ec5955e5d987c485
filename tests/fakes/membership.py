"""The consumer group of the in-memory Kafka: eager rebalances, sticky assignments."""

from typing import TYPE_CHECKING

from service.runtime.ports import TopicPartition

if TYPE_CHECKING:
    from tests.fakes.log import MemoryBroker, MemoryLog


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
        if member not in self._members:
            self._members.append(member)
        self.rebalance()

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

    def _assign(self) -> None:
        """Sticky: a member keeps what it had, as far as that is its fair share."""
        names = sorted(each.member_id for each in self._members)
        numbers = range(self._broker.partitions)
        everything = {TopicPartition(topic, number) for topic in self._broker.commands for number in numbers}
        share, extra = divmod(len(everything), len(names))
        kept: dict[str, set[TopicPartition]] = {}
        for index, name in enumerate(sorted(names, key=lambda each: -len(self._assignment.get(each, ())))):
            quota = share + (index < extra)
            kept[name] = set(sorted(self._assignment.get(name, frozenset()))[:quota])
        for partition in sorted(everything.difference(*kept.values())):
            min((kept[name] for name in names), key=len).add(partition)
        self._assignment = {name: frozenset(partitions) for name, partitions in kept.items()}
        self._complete = True
        self._broker.touch()
