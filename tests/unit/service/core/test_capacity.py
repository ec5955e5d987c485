"""How much a partition takes on: nobody closes it for others, and what waits is bounded."""

from random import Random

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from schemas.operations import COMMANDS
from schemas.records import Command, Job, Phase
from service.core import capacity, holding, outcomes
from service.core.capacity import (
    READS,
    TOO_MANY,
    TOO_MANY_ENDED,
    WEIGHT,
    WRITES,
    Census,
    Ends,
    Pool,
    WaitingLimits,
    buckets,
    pool,
    waits,
)
from service.core.job import ended, keeps_line, replace
from service.core.transitions import CALL_WINDOW
from tests.support import costs
from tests.support.builders import NOW

LIMITS = WaitingLimits(40)


def job(source: str = "a", operation: str = "ListTrainingDatasets", **changes: object) -> Job:
    order = str(changes.pop("order", ""))
    not_before = float(str(changes.pop("not_before", 0.0)))
    command = Command("c", source, COMMANDS[operation].name, "default", {}, "d", order=order, not_before=not_before)
    return replace(Job(command, Phase.INTENDED, NOW), **changes)


def early(source: str = "a") -> Job:
    """A command that asks to wait."""
    return job(source, not_before=NOW + 9, due=NOW + 9)


QUEUED = {"phase": Phase.QUEUED}


def filled(census: Census, sample: Job, most: int = 1000) -> int:
    """Takes commands on, each of which comes to wait, until one is refused; how many were."""
    for number in range(most):
        if census.refusal(sample, LIMITS) is not None:
            return number
        census.count(f"{sample.command.source}/{pool(sample)}/{number}".encode(), sample, 100)
    return most


@pytest.mark.parametrize(
    ("sample", "where", "waiting"),
    [
        (job(), Pool.CALLS, False),
        (job(due=1.0), Pool.CALLS, False),
        (job(due=NOW + 1, retries=1), Pool.CALLS, True),
        (job(retries=1), Pool.CALLS, True),
        (job(reason=CALL_WINDOW), Pool.CALLS, True),
        (job(**QUEUED), Pool.CALLS, True),
        (job(phase=Phase.UNCERTAIN), Pool.CALLS, True),
        (job(phase=Phase.RUNNING), Pool.CALLS, True),
        (job(held=holding.UNKNOWN_TARGET), Pool.CALLS, True),
        (early(), Pool.ASKED, True),
        (job(operation="TrackResource", phase=Phase.RUNNING), Pool.ASKED, True),
        (job(operation="CancelCommand", phase=Phase.QUEUED, awaits="x"), Pool.DECISIONS, True),
    ],
)
def test_what_waits_and_where(sample: Job, where: Pool, waiting: bool) -> None:
    assert (pool(sample), waits(sample)) == (where, waiting)


def test_one_source_takes_half_and_leaves_room_for_every_other() -> None:
    census = Census()
    taken = [filled(census, job(f"source-{number}", **QUEUED)) for number in range(8)]
    assert taken[0] == 20
    assert all(taken)
    assert sum(taken) <= 60, "the limit, and reserves"
    refused = census.refusal(job("source-0"), LIMITS)
    assert refused is not None
    assert (refused.code, refused.retryable) == (TOO_MANY, True)


def test_commands_that_ask_to_wait_take_no_room_from_calls_nor_from_cancellations() -> None:
    census = Census()
    assert filled(census, early()) == 10
    assert census.refusal(job(), LIMITS) is None
    cancelling = job(operation="CancelCommand", phase=Phase.QUEUED, awaits="x")
    assert filled(census, cancelling) == 10


def test_what_came_to_wait_at_once_leaves_a_newcomer_its_reserve() -> None:
    """Calls that were taken on as callable, and whose target then stopped answering."""
    census = Census()
    for number in range(55):
        census.count(str(number).encode(), job(**QUEUED))
    assert census.refusal(job("a"), LIMITS) is not None
    assert census.refusal(job("newcomer"), LIMITS) is None
    assert sum(filled(census, job(f"source-{number}", **QUEUED)) for number in range(20)) == 5, "and ends all the same"


def test_what_stands_behind_a_waiting_command_of_its_key_is_not_callable() -> None:
    census = Census()
    for number in range(30):
        census.count(str(number).encode(), job(order="k", turn=number))
    assert census.callable == 30
    census.count(b"0", job(order="k", phase=Phase.UNCERTAIN))
    assert (census.callable, census.waiting()["blocked"]) == (0, 29)
    assert census.refusal(job("b", order="k"), LIMITS) is not None
    assert census.refusal(job("b", order="other"), LIMITS) is None
    census.count(b"0", None)
    assert census.callable == 29


def test_large_commands_count_as_several() -> None:
    census = Census()
    for number in range(3):
        census.count(str(number).encode(), job(**QUEUED), 10 * WEIGHT)
    assert census.waiting()["calls"] == 33
    assert census.refusal(job(**QUEUED), LIMITS) is not None


def test_calls_to_a_target_that_is_throttled_for_long_wait() -> None:
    census = Census()
    for number in range(20):
        census.count(f"a{number}".encode(), job("a", "CreateAudienceModel", order="k"))
        census.count(f"b{number}".encode(), job("b"))
    assert census.callable == 40
    census.regard(frozenset({("default", WRITES), ("other", READS)}))
    assert (census.callable, census.waiting()["calls"]) == (20, 20)
    assert census.refusal(job("a", "CreateAudienceModel"), LIMITS) is not None
    assert census.refusal(job("newcomer"), LIMITS) is None
    census.regard(frozenset())
    assert (census.callable, census.waiting()["calls"]) == (40, 0)


@pytest.mark.parametrize(
    ("sample", "needed"),
    [
        (job(), {READS}),
        (job(operation="CreateAudienceModel"), {WRITES}),
        (job(operation="DeleteAudienceModel"), {WRITES}),
        (job(operation="UpdateConfiguredAudienceModel"), {WRITES}),
        (job(operation="CancelCommand"), set()),
        (job(operation="ResolveCommand"), set()),
        (job(operation="TrackResource"), set()),
    ],
)
def test_whose_tokens_a_call_needs(sample: Job, needed: set[str]) -> None:
    assert buckets(sample) == {("default", calls) for calls in needed}


def test_an_update_that_keeps_our_marker_reads_first() -> None:
    update = job(operation="UpdateConfiguredAudienceModel")
    update = replace(update, command=replace(update.command, params={"description": "new"}))
    assert buckets(update) == {("default", WRITES), ("default", READS)}


def test_a_command_of_a_newer_release_needs_no_tokens() -> None:
    unknown = job()
    assert buckets(replace(unknown, command=replace(unknown.command, operation="StartSomething"))) == frozenset()


def test_what_nothing_can_be_done_with_is_not_callable() -> None:
    census = Census()
    census.count(b"a", job())
    census.keep(b"a")
    assert (census.callable, census.waiting()["calls"]) == (0, 1)
    census.count(b"a", None)
    census.keep(b"a")
    assert census.waiting()["calls"] == 0


WRITE = "CreateTrainingDataset"
OVERDUE = outcomes.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("sample", "remembered"),
    [
        (job(operation=WRITE, phase=Phase.SUCCEEDED), True),
        (job(operation=WRITE, phase=Phase.FAILED, fault=outcomes.CANCELLED), True),
        (job(operation=WRITE, phase=Phase.FAILED, fault=OVERDUE), False),
        (job(operation=WRITE, phase=Phase.FAILED, fault=replace(OVERDUE, http_status=400)), True),
        (job(operation=WRITE, phase=Phase.PARKED, fault=replace(OVERDUE, http_status=500)), True),
        (job(operation=WRITE, phase=Phase.PARKED, fault=OVERDUE), True),
        (job(operation=WRITE, phase=Phase.REJECTED), False),
        (job(operation="CreateAudienceModel", phase=Phase.PARKED), True),
        (job(operation="DeleteAudienceModel", phase=Phase.SUCCEEDED), True),
        (job(phase=Phase.SUCCEEDED), False),
        (job(operation="TrackResource", phase=Phase.SUCCEEDED), False),
        (job(operation="CancelCommand", phase=Phase.SUCCEEDED), False),
        (job(operation="ResolveCommand", phase=Phase.FAILED), False),
        (job(operation="ResolveCommand", phase=Phase.SUCCEEDED), True),
    ],
)
def test_what_must_be_remembered_for_the_whole_retention(sample: Job, remembered: bool) -> None:
    assert outcomes.lasting(sample) is remembered


def test_an_operation_of_a_newer_release_must_be_remembered() -> None:
    newer = job(phase=Phase.SUCCEEDED)
    assert outcomes.lasting(replace(newer, command=replace(newer.command, operation="StartSomething")))


def test_one_source_has_half_of_what_is_remembered_and_leaves_room_for_every_other() -> None:
    ends, room = Ends(), 80_000
    taken = []
    for number in range(6):
        sample, count = job(f"source-{number}", WRITE, phase=Phase.SUCCEEDED), 0
        while ends.refusal(sample, room) is None:
            ends.count(sample, 600, 1)
            count += 1
        taken.append(count)
    assert taken[0] == 35, "of 70: an eighth is for what may be forgotten early"
    assert all(taken)
    assert ends.lasting <= room - room // 8
    refused = ends.refusal(job("source-0", WRITE), room)
    assert refused is not None
    assert (refused.code, refused.retryable) == (TOO_MANY_ENDED, True)
    assert all(ends.refusal(job("source-0", each), room) is None for each in ("ListTrainingDatasets", "CancelCommand"))


@pytest.mark.parametrize(("lasting", "most"), [(0, 80_000), (30_000, 50_000), (70_000, 10_000)])
def test_what_may_be_forgotten_early_has_what_is_left(lasting: int, most: int) -> None:
    ends = Ends()
    for _ in range(lasting // 1000):
        ends.count(job(operation=WRITE, phase=Phase.SUCCEEDED), 600, 1)
    count = 0
    while not ends.excess(80_000):
        ends.count(job(phase=Phase.SUCCEEDED), 600, 1)
        count += 1
    assert count == most // 1000 + 1
    ends.count(job(phase=Phase.SUCCEEDED), 600, -1)
    assert not ends.excess(80_000)


samples = st.builds(
    lambda source, order, due, phase, operation: job(source, operation, order=order, due=due, phase=phase, turn=1),
    st.sampled_from("abc"),
    st.sampled_from(["", "k", "l"]),
    st.sampled_from([0.0, NOW]),
    st.sampled_from(Phase),
    st.sampled_from(["ListTrainingDatasets", "TrackResource", "CancelCommand", "CreateAudienceModel"]),
)


slownesses = st.frozensets(st.tuples(st.sampled_from(["default", "other"]), st.sampled_from([READS, WRITES])))


@drawn(
    st.lists(
        st.tuples(st.integers(0, 9), st.none() | samples, st.integers(0, 3 * WEIGHT), st.none() | slownesses),
        max_size=60,
    )
)
def test_the_books_are_those_of_the_jobs_there_are(
    changes: list[tuple[int, Job | None, int, frozenset[tuple[str, str]] | None]],
) -> None:
    census, jobs = Census(), {}
    slow: frozenset[tuple[str, str]] = frozenset()
    for key, sample, size, slowness in changes:
        census.count(bytes([key]), sample, size)
        jobs[key] = (sample, 1 + size // WEIGHT)
        if slowness is not None:
            census.regard(slow := slowness)

    def waits(each: Job) -> bool:
        return capacity.waits(each) or not slow.isdisjoint(buckets(each))

    there = [(each, weight) for each, weight in jobs.values() if each is not None and not ended(each)]
    resting = {each.command.order for each, _ in there if waits(each) and keeps_line(each) and each.command.order}
    going = [(each.command.order, weight) for each, weight in there if not waits(each)]
    blocked = sum(weight for order, weight in going if order in resting)
    assert census.callable == sum(weight for _, weight in going) - blocked
    expected = {str(kind): sum(weight for each, weight in there if waits(each) and pool(each) is kind) for kind in Pool}
    assert census.waiting() == {**expected, "blocked": blocked}


def test_the_bound() -> None:
    """Whatever publishers do, what a partition holds stays below three times its limit and one delivery."""
    draw = Random("bound")
    census, delivery, number, most = Census(), 12, 0, 0
    callable_now: list[bytes] = []
    for _ in range(3000):
        if census.callable < LIMITS.callable:
            for _ in range(delivery):
                kind = draw.choice((early, job, lambda source: job(source, operation="CancelCommand", **QUEUED)))
                sample = kind(f"source-{draw.randrange(200)}")
                if census.refusal(sample, LIMITS) is None:
                    number += 1
                    key = str(number).encode()
                    census.count(key, sample)
                    callable_now += [key] if not waits(sample) else []
        for key in callable_now:
            census.count(key, job(f"source-{draw.randrange(200)}", **QUEUED))
        callable_now = []
        most = max(most, census.callable + sum(census.waiting().values()))
    assert most <= 3 * LIMITS.open_jobs + delivery
    assert most > LIMITS.open_jobs


def test_that_the_same_targets_are_slow_is_said_at_each_commit_and_costs_nothing() -> None:
    """With a hundred thousand jobs it took several milliseconds of each commit."""
    taken = []
    for size in (1_000, 10_000):
        census = Census()
        for number in range(size):
            census.count(str(number).encode(), job())
        with costs.lines() as counted:
            census.regard(frozenset())
        taken.append(counted.count)
    assert taken[0] == taken[1] < 10
