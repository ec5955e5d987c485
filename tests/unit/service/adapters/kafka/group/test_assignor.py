"""aiokafka's protocol on the wire, an even distribution topic by topic, and nothing moves without need."""

from collections.abc import Mapping
from typing import Any

from service.adapters.kafka.group.assignor import EvenAssignor, own_class

TOPICS = {"commands": 6, "changes": 6}


class Cluster:
    """What the leader knows of the topics."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        self._topics = topics

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._topics[topic])) if topic in self._topics else None


class Group:
    """Members and the generations that they go through."""

    def __init__(self) -> None:
        self.members: dict[str, type[EvenAssignor]] = {}
        self.generation = 0

    def rebalance(self, topics: Mapping[str, int] = TOPICS, asleep: tuple[str, ...] = ()) -> dict[str, set[Any]]:
        """Who sleeps is not asked, and does not hear of the outcome."""
        awake = {name: member for name, member in self.members.items() if name not in asleep}
        given = EvenAssignor.assign(
            Cluster(topics), {name: member.metadata(topics or ["absent"]) for name, member in awake.items()}
        )
        self.generation += 1
        for name, member in awake.items():
            member.on_assignment(given[name])
            member.on_generation_assignment(self.generation)
        return {
            name: {(tp.topic, tp.partition) for tp in assignment.partitions()} for name, assignment in given.items()
        }


def everything(topics: Mapping[str, int] = TOPICS) -> set[tuple[str, int]]:
    return {(topic, number) for topic, count in topics.items() for number in range(count)}


def test_each_partition_has_one_owner_and_each_topic_is_spread() -> None:
    group = Group()
    group.members = {name: own_class() for name in "abc"}
    given = group.rebalance()
    assert sorted(each for held in given.values() for each in held) == sorted(everything())
    assert {sum(topic == name for topic, _ in held) for held in given.values() for name in TOPICS} == {2}


def test_a_newcomer_takes_no_more_than_its_share_and_others_keep_the_rest() -> None:
    group = Group()
    group.members = {name: own_class() for name in "ab"}
    before = group.rebalance()
    group.members["c"] = own_class()
    after = group.rebalance()
    assert {name: len(held) for name, held in after.items()} == {"a": 4, "b": 4, "c": 4}
    assert after["a"] <= before["a"]
    assert after["b"] <= before["b"]


def test_nothing_moves_when_nothing_has_changed() -> None:
    group = Group()
    group.members = {name: own_class() for name in "abc"}
    assert group.rebalance() == group.rebalance()


def test_what_somebody_had_in_an_older_generation_others_have_had_since() -> None:
    """Who comes back gets a share, but not by taking what it had from the one who has it now."""
    group = Group()
    group.members = {name: own_class() for name in "ab"}
    group.rebalance()
    group.members["c"] = own_class()
    before = group.rebalance(asleep=("a",))
    after = group.rebalance()
    assert sorted(each for held in after.values() for each in held) == sorted(everything())
    assert {name: len(held) for name, held in after.items()} == {"a": 4, "b": 4, "c": 4}
    assert after["b"] <= before["b"]
    assert after["c"] <= before["c"]


def test_a_topic_that_does_not_exist_has_no_partitions() -> None:
    group = Group()
    group.members = {"a": own_class()}
    assert group.rebalance({}) == {"a": set()}


def test_members_of_one_process_share_no_memory() -> None:
    one, other = own_class(), own_class()
    one.on_generation_assignment(7)
    assert (one.generation, other.generation, EvenAssignor.generation) == (7, -1, -1)
    assert one.name == other.name == "even-sticky"
