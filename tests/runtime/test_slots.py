"""The registry of concurrency slots: who has one, who waits, who is woken."""

from service.runtime.ports import TopicPartition
from service.runtime.slots import Claim, SlotRegistry

HERE, THERE = TopicPartition("commands", 0), TopicPartition("commands", 1)


class Bench:
    def __init__(self, limit: int = 2) -> None:
        self.woken: list[bytes] = []
        limits = {name: {"models": limit, "exports": 1} for name in ("one", "two")}
        self.slots = SlotRegistry(limits, lambda claim: self.woken.append(claim.key))
        self.since: dict[str, float] = {}

    def request(self, name: str, priority: int = 0, target: str = "one", partition: TopicPartition = HERE) -> int:
        since = self.since.setdefault(name, float(len(self.since)))
        return self.slots.request(target, "models", Claim(partition, name.encode()), priority=priority, since=since)

    def release(self, name: str, partition: TopicPartition = HERE) -> list[bytes]:
        self.woken.clear()
        self.slots.release(Claim(partition, name.encode()))
        return self.woken

    def counts(self, place: str = "one/models") -> tuple[int, int]:
        state = self.slots.statistics()[place]
        return state["taken"], state["waiting"]


def test_free_slots_are_given_and_then_one_waits() -> None:
    b = Bench()
    assert [b.request(name) for name in "abcd"] == [0, 0, 1, 2]
    assert b.counts() == (2, 2)


def test_asking_again_changes_nothing() -> None:
    b = Bench()
    for _ in range(2):
        assert [b.request(name) for name in "abc"] == [0, 0, 1]
    assert b.counts() == (2, 1)


def test_the_first_in_the_queue_is_woken() -> None:
    b = Bench()
    for name in "abcd":
        b.request(name)
    assert b.release("a") == [b"c"]
    assert b.request("c") == 0
    assert b.release("b") == [b"d"]


def test_priority_first_and_then_arrival() -> None:
    b = Bench()
    for name in "ab":
        b.request(name)
    assert [b.request(name, priority) for name, priority in (("c", 1), ("d", 5), ("e", 5))] == [1, 1, 2]
    assert b.release("a") == [b"d"]


def test_who_comes_new_does_not_overtake_who_was_woken() -> None:
    b = Bench()
    for name in "abc":
        b.request(name)
    b.release("a")
    assert b.request("new") > 0
    assert b.request("c") == 0


def test_who_is_more_urgent_does() -> None:
    b = Bench()
    for name in "abc":
        b.request(name)
    b.release("a")
    assert b.request("new", priority=9) == 0
    assert b.request("c") == 1


def test_targets_and_quotas_are_apart() -> None:
    b = Bench()
    for name in "ab":
        b.request(name)
    assert b.request("c", target="two") == 0
    assert b.slots.request("one", "exports", Claim(HERE, b"x"), priority=0, since=0.0) == 0
    assert b.counts("two/models") == b.counts("one/exports") == (1, 0)


def test_what_runs_counts_even_beyond_the_limit() -> None:
    b = Bench()
    for name in "abc":
        b.slots.occupy("one", "models", Claim(HERE, name.encode()))
    assert b.request("d") == 1
    assert b.counts() == (3, 1)
    assert b.release("a") == []
    assert b.release("b") == [b"d"]


def test_back_into_the_queue_when_aws_says_full() -> None:
    b = Bench()
    assert b.request("a") == 0
    b.slots.queue("one", "models", Claim(HERE, b"a"), priority=0, since=1.0)
    assert b.counts() == (0, 1)
    assert b.request("a") == 0


def test_a_new_owner_is_told_who_waits() -> None:
    b = Bench(limit=1)
    for name, priority in (("low", 0), ("high", 9)):
        b.slots.queue("one", "models", Claim(HERE, name.encode()), priority=priority, since=1.0)
    b.slots.occupy("one", "models", Claim(THERE, b"running"))
    assert b.counts() == (1, 2)
    assert b.release("running", THERE) == [b"high"]


def test_leaving_the_queue_frees_nothing() -> None:
    b = Bench()
    for name in "abcd":
        b.request(name)
    assert b.release("c") == []
    assert b.counts() == (2, 1)
    assert b.release("unknown") == []


def test_who_was_woken_and_leaves_passes_the_slot_on() -> None:
    b = Bench()
    for name in "abcd":
        b.request(name)
    assert b.release("a") == [b"c"]
    assert b.release("c") == [b"d"]


def test_a_partition_that_goes_takes_its_claims_along() -> None:
    b = Bench()
    b.request("a", partition=THERE)
    b.request("b", partition=THERE)
    b.request("c", partition=THERE)
    b.request("d")
    b.woken.clear()
    b.slots.forget(THERE)
    assert b.counts() == (0, 1)
    assert b"d" in b.woken
    b.slots.forget(THERE)
    assert b.request("d") == 0


def test_since_when_the_oldest_waits() -> None:
    b = Bench()
    assert [b.request(name) for name in "abcd"] == [0, 0, 1, 2]
    assert b.slots.oldest() == {"one/models": 2.0}
    b.release("c")
    assert b.slots.oldest() == {"one/models": 3.0}
    b.release("d")
    assert b.slots.oldest() == {"one/models": float("inf")}
