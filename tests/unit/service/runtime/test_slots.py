"""The registry of concurrency slots: who has one, who waits, who is woken."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from schemas.records import Command, Job, Phase
from service.core.job import replace
from service.runtime.ports import TopicPartition
from service.runtime.slots import FREE_SLOT_GRACE, Claim, SlotRegistry

HERE, THERE = TopicPartition("commands", 0), TopicPartition("commands", 1)


class Bench:
    def __init__(self, limit: int = 2) -> None:
        self.woken: list[bytes] = []
        limits = {name: {"models": limit, "exports": 1} for name in ("one", "two")}
        self.now = 0.0
        self.slots = SlotRegistry(limits, lambda claim: self.woken.append(claim.key), lambda: self.now)
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


def test_only_what_runs_explains_that_a_quota_is_full() -> None:
    """Two that only call would each take the other's slot for the reason of AWS's refusal."""
    b = Bench(3)
    assert [b.request(name) for name in "ab"] == [0, 0]
    assert b.slots.busy("one", "models") == 0
    b.slots.occupy("one", "models", Claim(THERE, b"a"))
    b.slots.occupy("two", "models", Claim(THERE, b"b"))
    assert [b.slots.busy(target, "models") for target in ("one", "two")] == [1, 1]
    b.slots.occupy("one", "models", Claim(HERE, b"a"))
    assert b.slots.busy("one", "models") == 2
    b.slots.queue("one", "models", Claim(HERE, b"a"), priority=0, since=0.0)
    b.release("a", THERE)
    assert b.slots.busy("one", "models") == 0


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


def test_a_partition_that_goes_wakes_each_who_may_come_once() -> None:
    """Not once for each of the thousands that leave."""
    b = Bench()
    for number in range(50):
        b.request(f"there{number}", partition=THERE)
    for name in "abc":
        b.request(name)
    b.woken.clear()
    b.slots.forget(THERE)
    assert b.woken == [b"a", b"b"]
    assert b.slots.keys(THERE) == []
    assert len(b.slots.keys(HERE)) == 3


def elsewhere(name: str, phase: Phase = Phase.QUEUED, *, accepted_at: float = 0.0, due: float = 0.0) -> Job:
    return Job(Command(name, "/s", "CreateAudienceModel", "one", {}, ""), phase, accepted_at=accepted_at, due=due)


def shared(limit: int = 2) -> Bench:
    """THERE belongs to another replica."""
    b = Bench(limit)
    b.slots = SlotRegistry({"one": {"audience-models": limit}}, lambda claim: b.woken.append(claim.key), lambda: b.now)
    b.slots.entrust(THERE)
    return b


def note(b: Bench, name: str, phase: Phase | None, accepted_at: float = 0.0, due: float = 0.0) -> list[bytes]:
    b.woken.clear()
    job = elsewhere(name, phase, accepted_at=accepted_at, due=due) if phase else None
    b.slots.note(Claim(THERE, name.encode()), job)
    return b.woken


def ask(b: Bench, name: str, since: float) -> int:
    return b.slots.request("one", "audience-models", Claim(HERE, name.encode()), priority=0, since=since)


@pytest.mark.parametrize("phase", [Phase.UNCERTAIN, Phase.ACCEPTED, Phase.RUNNING])
def test_what_runs_elsewhere_has_a_slot(phase: Phase) -> None:
    b = shared(limit=1)
    note(b, "x", phase)
    assert ask(b, "a", since=1.0) == 1


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, None])
def test_an_end_elsewhere_frees_the_slot_and_wakes_who_waits_here(phase: Phase | None) -> None:
    b = shared(limit=1)
    note(b, "x", Phase.RUNNING)
    ask(b, "a", since=1.0)
    assert note(b, "x", phase) == [b"a"]
    assert ask(b, "a", since=1.0) == 0


def test_who_waits_longer_elsewhere_comes_first() -> None:
    b = shared(limit=1)
    note(b, "x", Phase.RUNNING)
    note(b, "y", Phase.QUEUED, accepted_at=1.0)
    assert ask(b, "a", since=2.0) == 2
    note(b, "x", Phase.SUCCEEDED)
    assert ask(b, "a", since=2.0) == 2
    note(b, "y", Phase.RUNNING)
    assert ask(b, "a", since=2.0) == 1


def test_an_intent_elsewhere_comes_when_its_turn_is() -> None:
    b = shared(limit=1)
    note(b, "early", Phase.INTENDED, accepted_at=1.0)
    assert ask(b, "a", since=2.0) == 2
    b = shared(limit=1)
    note(b, "late", Phase.INTENDED, accepted_at=3.0)
    assert ask(b, "a", since=2.0) == 0


def test_an_intent_that_rests_wants_nothing() -> None:
    b = shared(limit=1)
    note(b, "x", Phase.INTENDED, accepted_at=1.0, due=99.0)
    assert ask(b, "a", since=2.0) == 0


def test_who_does_not_come_holds_others_up_for_a_while_only() -> None:
    b = shared(limit=1)
    note(b, "gone", Phase.QUEUED, accepted_at=1.0)
    assert ask(b, "a", since=2.0) == 2
    b.now = FREE_SLOT_GRACE
    assert ask(b, "a", since=2.0) == 2
    b.now = FREE_SLOT_GRACE + 1
    assert ask(b, "a", since=2.0) == 0
    assert ask(b, "b", since=3.0) > 0


def test_the_grace_begins_again_with_every_slot_that_is_free() -> None:
    b = shared(limit=1)
    note(b, "slow", Phase.QUEUED, accepted_at=1.0)
    b.now = FREE_SLOT_GRACE + 1
    note(b, "x", Phase.RUNNING)
    note(b, "x", None)
    assert ask(b, "a", since=2.0) == 2


def test_of_a_target_that_is_not_ours_nothing_is_counted() -> None:
    b = shared(limit=1)
    job = elsewhere("x", Phase.RUNNING)
    b.slots.note(Claim(THERE, b"x"), replace(job, command=replace(job.command, target="unknown")))
    assert ask(b, "a", since=1.0) == 0


def test_statistics_tell_ours_from_all() -> None:
    b = shared()
    note(b, "x", Phase.RUNNING)
    note(b, "y", Phase.RUNNING)
    ask(b, "a", since=1.0)
    assert b.slots.statistics()["one/audience-models"] == {
        "limit": 2,
        "taken": 2,
        "waiting": 1,
        "taken_here": 0,
        "waiting_here": 1,
    }


def test_since_when_the_oldest_waits() -> None:
    b = Bench()
    assert [b.request(name) for name in "abcd"] == [0, 0, 1, 2]
    assert b.slots.oldest() == {"one/models": 2.0}
    b.release("c")
    assert b.slots.oldest() == {"one/models": 3.0}
    b.release("d")
    assert b.slots.oldest() == {"one/models": float("inf")}


def lines_of(work: Callable[[], object]) -> int:
    """How many lines of ours a piece of work runs; each item that a loop or a comprehension takes counts."""
    counted = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal counted
        if not frame.f_code.co_filename.endswith(("core/quotas.py", "runtime/slots.py")):
            return None
        counted += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return counted


def life(jobs: int) -> Callable[[], None]:
    """Jobs that run for one target and wait at another, half of them of a replica that never comes for its slots."""

    def work() -> None:
        b = Bench(limit=4)
        b.slots.entrust(THERE)
        for number in range(jobs):
            b.request(f"w{number}", number % 10, partition=(HERE, THERE)[number % 2])
            b.slots.occupy("two", "models", Claim(THERE, f"{number}".encode()))
            b.slots.busy("two", "models")
            if number % 10 == 0:
                b.slots.statistics()
                b.slots.oldest()
        for number in range(4):
            b.release(f"w{number}", (HERE, THERE)[number % 2])
        b.now = 2 * FREE_SLOT_GRACE
        for number in range(1, jobs, 2):
            claim = Claim(HERE, f"w{number - 1}".encode())
            if b.request(f"w{number - 1}", 0) == 0:
                b.slots.occupy("one", "models", claim)
                b.slots.release(claim)
        b.slots.adopt(THERE)
        b.slots.entrust(THERE)
        b.slots.forget(THERE)

    return work


def test_each_step_costs_about_the_same_however_many_wait() -> None:
    few, many = lines_of(life(300)), lines_of(life(3_000))
    assert many / few < 10 * 1.1
