"""Which member of the group gets which partitions: even in each topic, even in all, and as little moved as that allows.

Evenness in all alone would not do: shards of commands call AWS, shards of changes only number events. A member that had
all partitions and gives half of them away must not keep one sort and give away the other.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Member(NamedTuple):
    """A member of the group.

    Attributes:
        topics: What it subscribes to.
        before: Partitions that it had, by topic.
    """

    topics: frozenset[str]
    before: Mapping[str, frozenset[int]]


def assign(topics: Mapping[str, int], members: Mapping[str, Member]) -> dict[str, dict[str, list[int]]]:
    """Distributes the partitions; the same for the same arguments, whatever their order.

    Args:
        topics: Number of partitions by topic.
        members: By name. A partition that several say they had counts for the first of them by name.

    Returns:
        Partitions by topic, by member. Of each topic, and in all, two members that subscribe to the same topics differ
        by one partition at most.
    """
    assigned: dict[str, dict[str, list[int]]] = {name: {} for name in members}
    totals = dict.fromkeys(members, 0)
    for topic, count in sorted(topics.items()):
        names = sorted(name for name, member in members.items() if topic in member.topics)
        if not names:
            continue
        for name, partitions in _assign_topic(range(count), names, _had(topic, names, members), totals).items():
            totals[name] += len(partitions)
            if partitions:
                assigned[name][topic] = partitions
    return assigned


def _had(topic: str, names: list[str], members: Mapping[str, Member]) -> dict[str, list[int]]:
    """What each one had of a topic; each partition once."""
    seen: set[int] = set()
    had = {}
    for name in names:
        had[name] = sorted(members[name].before.get(topic, frozenset()) - seen)
        seen.update(had[name])
    return had


def _assign_topic(
    partitions: range, names: list[str], had: Mapping[str, list[int]], totals: Mapping[str, int]
) -> dict[str, list[int]]:
    share, extra = divmod(len(partitions), len(names))
    # Who has least so far may have one more; among equals, who had more keeps more.
    ranked = sorted(names, key=lambda name: (totals[name], -len(had[name]), name))
    quota = {name: share + (rank < extra) for rank, name in enumerate(ranked)}
    kept = {name: [each for each in had[name] if each in partitions][: quota[name]] for name in names}
    free = iter(sorted(set(partitions).difference(*kept.values())))
    return {name: sorted([*kept[name], *(next(free) for _ in range(quota[name] - len(kept[name])))]) for name in names}
