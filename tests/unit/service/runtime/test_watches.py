"""What is watched of a kind: who counts, what a List is worth, and when the next one begins."""

from dataclasses import replace

import pytest

from schemas.operations import AUDIENCE_MODEL, EXPORT_JOB, Resource
from service.core.observations import Failure, Observation
from service.core.polling import NEVER, Cadence
from service.runtime.watches import KindWatches, WatchedResource

PACE = Cadence(first=10.0, later=50.0, young_for=100.0)
GETS_ONLY = replace(AUDIENCE_MODEL, list_operation="")
LACK = 10
FAILED = Failure("AccessDeniedException", "no")
ARRIVING, LEAVING = AUDIENCE_MODEL.arriving, AUDIENCE_MODEL.leaving
DONE = min(AUDIENCE_MODEL.done)


def unheard(observation: Observation) -> None:
    raise AssertionError(observation)


def watch(name: str = "a", status: str = "", born: float = 0.0, cadence: Cadence = PACE) -> WatchedResource:
    return WatchedResource(AUDIENCE_MODEL.kind, name, status, born, cadence, unheard)


def watching(
    number: int, kind: Resource = AUDIENCE_MODEL, now: float = 0.0
) -> tuple[KindWatches, list[WatchedResource]]:
    """So many resources of a kind, each watched once."""
    watches, watched = KindWatches(kind), [watch(f"r{n}") for n in range(number)]
    for each in watched:
        watches.add(each, now)
    return watches, watched


def test_a_watch_begins_with_the_status_that_is_known() -> None:
    assert watch().farthest == -1
    assert watch(status="UNHEARD_OF").farthest == -1
    assert [watch(status=status).farthest for status in (*ARRIVING, DONE)] == list(range(len(ARRIVING) + 1))


def test_a_status_that_was_left_behind_is_a_read_that_lags() -> None:
    known = watch(status=DONE)
    assert [known.back(status) for status in ARRIVING] == [True] * len(ARRIVING)
    assert [known.back(status) for status in (DONE, *LEAVING, "UNHEARD_OF")] == [False] * (len(LEAVING) + 2)
    assert not watch().back(ARRIVING[0])


def test_a_rank_that_the_table_does_not_know_is_the_callers() -> None:
    assert (watch().rank("UNHEARD_OF", 7), watch().rank(ARRIVING[0], 7)) == (7, 0)


def test_two_watches_are_as_many_as_they_are() -> None:
    """They are members of dictionaries, by themselves and not by what they hold."""
    assert len({watch(), watch()}) == 2


def test_who_is_watched_is_found_by_its_id_in_order() -> None:
    watches, [one, other] = watching(2)
    again = watch("r0")
    watches.add(again, 0.0)
    assert (watches.of("r0"), watches.of("r1"), watches.of("r2")) == ((one, again), (other,), ())
    watches.remove(one)
    assert (watches.of("r0"), one.gone, again.gone) == ((again,), True, False)
    watches.remove(again)
    assert (watches.of("r0"), watches.of("r1")) == ((), (other,))


def test_a_list_is_worth_its_calls_when_it_shows_more_than_one() -> None:
    """On a tie Gets."""
    watches, watched = watching(1)
    assert (watches.interval, watches.by_list(watched[0])) == (NEVER, False)
    assert not watches.moved
    watches, watched = watching(3)
    assert (watches.interval, watches.moved) == (10.0, True)
    assert all(watches.by_list(each) for each in watched)
    watches.moved = False
    for each in watched[:2]:
        watches.remove(each)
    assert (watches.interval, watches.moved) == (NEVER, True)


def test_a_resource_counts_once_however_many_watch_it() -> None:
    watches, _ = watching(1)
    more = [watch("r0") for _ in range(5)]
    for each in more:
        watches.add(each, 0.0)
    assert watches.interval == NEVER
    watches.remove(more.pop())
    assert watches.interval == NEVER
    watches.add(watch("r1"), 0.0)
    watches.add(watch("r2"), 0.0)
    assert watches.interval == 10.0


def test_when_its_first_watch_ends_a_resource_counts_by_the_next_one() -> None:
    watches, [first, second, third] = watching(3)
    slow = watch("r0", cadence=replace(PACE, first=1000.0))
    watches.add(slow, 0.0)
    watches.remove(first)
    assert watches.interval == 10.0
    watches.remove(third)
    assert watches.interval == 10.0  # a List each 10 s is less than a Get each 10 s and another each 1000 s
    watches.remove(second)
    assert watches.interval == NEVER
    watches.remove(slow)
    assert watches.of("r0") == ()


def test_with_age_the_pace_becomes_slower_and_lists_rarer() -> None:
    watches, watched = watching(3)
    for each in watched:
        watches.age(each, 99.0)
    assert [each.pace for each in watched] == [10.0] * 3
    for each in watched:
        watches.age(each, 100.0)
    assert ([each.pace for each in watched], watches.interval) == ([50.0] * 3, 50.0)


def test_a_list_serves_those_whose_pace_it_keeps() -> None:
    watches, _ = watching(0)
    old, young = [watch(f"o{n}", born=-1000.0) for n in range(6)], watch("young")
    for each in (*old, young):
        watches.add(each, 0.0)
    assert watches.interval == 50.0
    assert all(watches.by_list(each) for each in old)
    assert not watches.by_list(young)


def test_what_lists_lack_is_asked_for_by_gets_for_a_while() -> None:
    watches, watched = watching(3)
    lacking = watched[0]
    watches.lacks(lacking, 5.0)
    watches.lacks(lacking, 9.0)
    assert (lacking.lacking, watches.by_list(lacking), watches.by_list(watched[1])) == (5.0, False, True)
    again = 5.0 + LACK * 10.0
    for each in watched:
        each.born = 100.0  # so that the pace stays
    watches.age(lacking, again)
    assert lacking.lacking == 5.0
    watches.age(lacking, again + 0.1)
    assert (lacking.lacking, watches.by_list(lacking)) == (0.0, True)


def test_what_lists_lack_does_not_count_for_them() -> None:
    watches, watched = watching(3)
    for each in watched[:2]:
        watches.lacks(each, 5.0)
    assert watches.interval == NEVER
    watches.waiting[watched[0]] = None
    watches.shows(watched[0])
    watches.shows(watched[1])
    assert (watches.interval, watches.waiting) == (10.0, {})
    assert [each.lacking for each in watched] == [0.0] * 3


def test_a_pace_that_changes_does_not_make_lists_show_what_they_lack() -> None:
    watches, watched = watching(3)
    watches.lacks(watched[0], 95.0)
    watches.age(watched[0], 100.0)
    assert (watched[0].pace, watched[0].lacking) == (50.0, 95.0)


@pytest.mark.parametrize("how", ["remove", "unlist", "shows"])
def test_who_needs_no_list_any_more_waits_for_none(how: str) -> None:
    watches, [one, other, _] = watching(3)
    for each in (one, other):
        watches.waiting[each] = watches.expected[each] = None
        watches.failed[each] = FAILED
    getattr(watches, how)(one)
    assert [list(group) for group in (watches.waiting, watches.expected, watches.failed)] == [[other]] * 3
    assert one.gone == (how == "remove")


def test_a_kind_with_lists_only_is_listed_at_the_fastest_pace() -> None:
    watches, [slow] = watching(1, EXPORT_JOB, now=1000.0)
    assert (watches.interval, watches.by_list(slow)) == (50.0, True)
    fast = watch("fast", born=1000.0)
    watches.add(fast, 1000.0)
    assert watches.interval == 10.0
    watches.unlistable(2000.0)
    assert watches.interval == 10.0
    assert watches.by_list(slow)
    watches.remove(fast)
    watches.remove(slow)
    assert watches.interval == NEVER


def test_a_kind_with_gets_only_is_never_listed() -> None:
    watches, watched = watching(100, GETS_ONLY)
    assert (watches.interval, watches.listable(0.0)) == (NEVER, False)
    assert not any(watches.by_list(each) for each in watched)


def test_lists_that_are_refused_are_tried_again_in_time() -> None:
    watches, watched = watching(3)
    assert watches.listable(0.0)
    watches.moved = False
    watches.unlistable(60.0)
    assert (watches.listable(59.0), watches.interval, watches.moved) == (False, NEVER, True)
    watches.waiting[watched[0]] = None
    assert watches.list_at() is None
    assert (watches.listable(60.0), watches.interval) == (True, 10.0)
    assert watches.list_at() == 10.0


def test_what_only_lists_show_waits_for_one_even_if_they_are_refused() -> None:
    watches, watched = watching(3, EXPORT_JOB)
    watches.unlistable(60.0)
    watches.waiting[watched[0]] = None
    assert not watches.listable(0.0)
    assert watches.list_at() == 10.0


def test_long_lists_are_left_to_gets() -> None:
    watches, _ = watching(3)
    watches.learn(2)
    assert watches.interval == 10.0
    watches.learn(3)
    assert watches.interval == NEVER
    watches.learn(1)
    assert watches.interval == 10.0
    alone, _ = watching(1)
    alone.learn(0)  # an empty List was one call all the same
    assert alone.interval == NEVER


def test_a_list_is_given_up_when_gets_are_far_cheaper() -> None:
    """Twice the Gets that it saves."""
    watches, watched = watching(3)
    assert [watches.too_long(pages) for pages in (5, 6)] == [False, True]
    watches.failed[watched[0]] = FAILED
    assert not watches.too_long(1000)
    assert not watching(3, EXPORT_JOB)[0].too_long(1000)


def test_the_next_list_begins_an_interval_after_the_last_one_if_somebody_waits() -> None:
    watches, watched = watching(3)
    watches.began = 7.0
    assert watches.list_at() is None
    watches.waiting[watched[0]] = None
    assert watches.list_at() == 17.0
    watches.listing = True
    assert watches.list_at() is None


def test_whose_get_fails_is_listed_at_its_own_pace() -> None:
    watches, [only] = watching(1)
    watches.began = 7.0
    watches.failed[only] = FAILED
    assert (watches.interval, watches.list_at()) == (NEVER, 17.0)
    slow = watch("slow", born=-1000.0)
    watches.add(slow, 0.0)
    watches.waiting[slow] = None
    assert watches.list_at() == 17.0  # the failed one comes first
    watches.unlist(only)
    assert watches.list_at() == 57.0
