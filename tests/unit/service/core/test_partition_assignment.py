"""Distribution of partitions: even by topic and in all, sticky, deterministic."""

from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.partition_assignment import Member, assign

TOPICS = {"changes": 12, "commands": 12}


def group(placed: dict[str, dict[str, list[int]]], *names: str) -> dict[str, Member]:
    """The members of the next generation, with what they had."""
    before = {name: {topic: frozenset(each) for topic, each in placed.get(name, {}).items()} for name in names}
    return {name: Member(frozenset(TOPICS), before[name]) for name in names}


def sizes(placed: dict[str, dict[str, list[int]]]) -> dict[str, dict[str, int]]:
    return {name: {topic: len(each) for topic, each in topics.items()} for name, topics in placed.items()}


def moved(old: dict[str, dict[str, list[int]]], new: dict[str, dict[str, list[int]]]) -> int:
    """Partitions that were somebody else's before."""
    return sum(
        len(set(each) - set(old.get(name, {}).get(topic, ())))
        for name, topics in new.items()
        for topic, each in topics.items()
    )


def test_one_has_all() -> None:
    assert sizes(assign(TOPICS, group({}, "a"))) == {"a": TOPICS}


def test_a_second_gets_half_of_each_topic() -> None:
    """The reason for this module."""
    alone = assign(TOPICS, group({}, "a"))
    both = assign(TOPICS, group(alone, "a", "b"))
    assert sizes(both) == {name: {"changes": 6, "commands": 6} for name in "ab"}
    assert moved(alone, both) == 12


def test_who_stays_keeps_when_one_goes() -> None:
    three = assign(TOPICS, group({}, *"abc"))
    two = assign(TOPICS, group(three, *"ab"))
    assert moved(three, two) == 8
    assert sizes(two) == {name: {"changes": 6, "commands": 6} for name in "ab"}


def test_odd_ones_do_not_all_go_to_the_same() -> None:
    topics = {f"t{number}": 1 for number in range(6)}
    placed = assign(topics, {name: Member(frozenset(topics), {}) for name in "abc"})
    assert [len(each) for each in placed.values()] == [2, 2, 2]


def test_only_who_subscribes_is_given() -> None:
    members = {"old": Member(frozenset({"commands"}), {}), "new": Member(frozenset(TOPICS), {})}
    placed = assign(TOPICS, members)
    assert set(placed["old"]) == {"commands"}
    assert len(placed["new"]["changes"]) == 12


def test_a_topic_of_nobody_and_one_without_partitions() -> None:
    assert assign({"x": 3, "y": 0}, {"a": Member(frozenset({"y"}), {})}) == {"a": {}}


def test_a_claim_of_two_counts_once() -> None:
    both = {name: Member(frozenset({"t"}), {"t": frozenset({0, 1, 2, 3})}) for name in "ab"}
    placed = assign({"t": 4}, both)
    assert sorted(placed["a"]["t"] + placed["b"]["t"]) == [0, 1, 2, 3]


def test_what_no_longer_exists_is_not_given() -> None:
    placed = assign({"t": 2}, {"a": Member(frozenset({"t"}), {"t": frozenset({0, 7})})})
    assert placed == {"a": {"t": [0, 1]}}


names = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7, unique=True)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["t1", "t2", "t3", "t4"]), st.integers(1, 13), min_size=1), st.lists(names))
def test_whatever_comes_and_goes(topics: dict[str, int], generations: list[list[str]]) -> None:
    placed: dict[str, dict[str, list[int]]] = {}
    for present in generations:
        before = {name: {topic: frozenset(each) for topic, each in placed.get(name, {}).items()} for name in present}
        members = {name: Member(frozenset(topics), before[name]) for name in present}
        new = assign(topics, members)
        assert new == assign(dict(reversed(topics.items())), dict(reversed(members.items())))
        for topic, count in topics.items():
            held = [new[name].get(topic, []) for name in present]
            assert sorted(number for each in held for number in each) == list(range(count))
            assert max(map(len, held)) - min(map(len, held)) <= 1
        totals = [sum(map(len, new[name].values())) for name in present]
        assert max(totals) - min(totals) <= 1
        again = assign(topics, {name: Member(frozenset(topics), _frozen(new[name])) for name in present})
        assert again == new, "nothing moves when nothing changes"
        placed = new


def _frozen(topics: dict[str, list[int]]) -> dict[str, frozenset[int]]:
    return {topic: frozenset(each) for topic, each in topics.items()}
