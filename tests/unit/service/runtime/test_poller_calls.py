"""How many calls it takes to follow jobs, counted in virtual time, and how late their ends are heard of."""

from random import Random
from statistics import mean

import pytest

from benchmarks.polling import Followed, Job, bursts, by_begin, ending, evenly, follow
from schemas.operations import EXPORT_JOB
from service.core.polling import Cadence

pytestmark = pytest.mark.looptime


def per_minute(followed: Followed, first: int = 0, last: int = 10) -> list[int]:
    """Calls of each minute."""
    return [sum(60 * minute <= at < 60 * (minute + 1) for at in followed.calls) for minute in range(first, last)]


@pytest.mark.parametrize(("number", "most"), [(32, 6), (1_000, 24), (10_000, 240)])
async def test_jobs_that_begin_at_any_time_share_the_lists(number: int, most: int) -> None:
    """Created evenly over the interval: a Get for each would be twice their number a minute."""
    minutes = 2 if number > 1_000 else 10
    followed = await follow(evenly(number, 30.0), 60.0 * minutes)
    assert max(per_minute(followed, 0, minutes)) <= most
    assert min(per_minute(followed, 1, minutes)) >= 2 * number / 100, "each is looked at every 30 s"


async def test_jobs_that_keep_coming_cost_no_calls_of_their_own() -> None:
    """1,000 over five minutes."""
    followed = await follow(evenly(1_000, 300.0), 600.0)
    assert max(per_minute(followed)) <= 24


async def test_jobs_that_begin_in_bursts_share_the_lists() -> None:
    followed = await follow(bursts(1_000, 100, 7.0), 600.0)
    assert max(per_minute(followed)) <= 24


async def test_restored_together_they_share_the_first_look() -> None:
    followed = await follow([Job(begins=0.0, age=5_000.0) for _ in range(1_000)], 20.0)
    assert len(followed.calls) == 10


async def test_the_young_are_looked_at_often_and_the_old_with_them() -> None:
    """1,000 old jobs and 100 young ones: pages at the pace of the young, and no more."""
    pace = Cadence(first=30.0, later=300.0, young_for=10_000.0)
    jobs = [Job(begins=each * 0.03, age=20_000.0) for each in range(1_000)] + [Job(begins=0.3 * n) for n in range(100)]
    followed = await follow(by_begin(jobs), 600.0, pace)
    assert max(per_minute(followed, 1)) <= 2 * 11


async def test_a_few_young_ones_are_asked_for_one_by_one() -> None:
    """A List at their pace would cost 22 pages a minute."""
    pace = Cadence(first=30.0, later=300.0, young_for=10_000.0)
    jobs = [Job(begins=each * 0.03, age=20_000.0) for each in range(1_000)] + [Job(begins=40.0 + n) for n in range(3)]
    followed = await follow(jobs, 1_260.0, pace)
    assert sum(per_minute(followed, 1, 21)) <= 20 * 6 + 20 / 5 * 11 + 11


async def test_finished_resources_never_make_it_dearer_than_gets() -> None:
    """A hundred of them for each job: pages would cost more; what the first Lists cost to learn that is bounded."""
    jobs = evenly(10, 30.0)
    followed = await follow(jobs, 600.0, finished=1_000)
    assert max(per_minute(followed, 1)) <= 20
    assert len(followed.calls) <= 20 * 10 + 6


async def test_what_only_a_list_shows_is_listed_and_no_more_often() -> None:
    followed = await follow(evenly(32, 30.0), 600.0, resource=EXPORT_JOB, finished=500)
    assert max(per_minute(followed)) <= 2 * 6


async def test_nothing_under_way_costs_nothing() -> None:
    followed = await follow([Job(begins=0.0, ends=5.0) for _ in range(100)], 3_600.0, finished=100)
    assert len(followed.latencies) == 100
    assert not [at for at in followed.calls if at > 40.0]


async def test_ends_are_heard_of_in_time_although_the_budget_is_small() -> None:
    """Ten pages and a read a second: a page is read again after ten seconds, and each end needs a Get beside.

    1,000 jobs would end in two hours at this pace; it is watched for half of one.
    """
    jobs = ending(250, 60.0, 1_800.0) + [Job(begins=0.0) for _ in range(750)]
    Random(2).shuffle(jobs)
    followed = await follow(jobs, 1_900.0, Cadence(5.0, 5.0, 0.0), reads_per_second=1.0)
    assert len(followed.latencies) == 250
    assert mean(followed.latencies) <= 6.0
    assert followed.p99 <= 12.0


async def test_a_burst_of_ends_does_not_stop_the_lists() -> None:
    """200 jobs end at once: a call of four is a page all the same."""
    jobs = [Job(0.0, ends=60.0 if number < 200 else 1e9) for number in range(1_000)]
    followed = await follow(jobs, 300.0, Cadence(5.0, 5.0, 0.0), reads_per_second=2.0)
    assert len(followed.latencies) == 200
    busy = [at for at in followed.calls if 61.0 <= at < 150.0]
    pages = [at for at in followed.pages if 61.0 <= at < 150.0]
    assert len(busy) >= 170
    assert 0.2 * len(busy) <= len(pages) <= 0.3 * len(busy)
