"""What polls show, poll by poll: which statuses, absences, failures and defects are delivered, and when."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.operations import AUDIENCE_MODEL
from service.core.faults import fault
from service.core.observations import Broken, Failure, Observation, Seen, Unseen, Vanished
from service.core.outcomes import UNKNOWN_STATUS
from service.core.polling import Cadence, tick_of
from service.runtime.dispatch import ENDLESS
from service.runtime.errors import DEFECT
from service.runtime.poll_results import ABSENCES, DEFECTS, PollResults, lasting
from service.runtime.watches import WatchedResource
from tests.support.clock import ManualClock
from tests.support.recording_telemetry import Story

TICK, SETTLE, BLINDNESS = 1.0, 100.0, 60.0
OLD = Cadence(first=10.0, later=3000.0, young_for=0.0)
YOUNG = Cadence(first=10.0, later=3000.0, young_for=1e6)
CREATING, DONE, LEAVING = AUDIENCE_MODEL.arriving, "ACTIVE", AUDIENCE_MODEL.leaving
GET = AUDIENCE_MODEL.get_operation

DENIED = Failure("AccessDeniedException", "no", http_status=403)
UNAVAILABLE = Failure("ServiceUnavailable", "later", http_status=503)
THROTTLED = Failure("ThrottlingException", "slowly", http_status=429)
UNSENT = Failure("ConnectFailed", "no route", sent=False)


class Desk:
    """The results of one target, and what was delivered of its resources."""

    def __init__(self, settle: float = SETTLE) -> None:
        self.clock, self.story = ManualClock(), Story()
        self.results = PollResults("default", TICK, self.clock, self.story, settle, BLINDNESS)
        self.seen: list[Observation] = []

    def watch(
        self,
        status: str = "",
        cadence: Cadence = OLD,
        sink: Callable[[Observation], None] | None = None,
        name: str = "a",
        *,
        removal: bool = False,
    ) -> WatchedResource:
        """As the poller begins one."""
        now = self.clock.now()
        made = WatchedResource(
            AUDIENCE_MODEL.kind, name, status, now, cadence, sink or self.seen.append, removal=removal
        )
        made.pace = cadence.interval(0.0)
        made.seen_at = made.known = made.shown = now
        self.results.late[made] = None
        return made

    def shows(self, watch: WatchedResource, *statuses: Any, every: float = 10.0) -> list[Observation]:
        """These statuses, one poll each; returns what was delivered."""
        for status in statuses:
            self.clock.advance(every)
            self.results.deliver([watch], {"status": status})
        return self.taken()

    def misses(self, watch: WatchedResource, polls: int = 1, every: float = 10.0) -> list[Observation]:
        for _ in range(polls):
            self.clock.advance(every)
            self.results.absent([watch])
        return self.taken()

    def fails(self, watch: WatchedResource, seconds: float, failure: Failure = DENIED) -> list[Observation]:
        """One poll, so many seconds later."""
        self.clock.advance(seconds)
        self.results.unseen(AUDIENCE_MODEL, [watch], failure, GET)
        return self.taken()

    def taken(self) -> list[Observation]:
        taken, self.seen[:] = list(self.seen), []
        return taken


def seen(status: Any, seconds: float = 0.0) -> Seen:
    return Seen({"status": status}, seconds)


def vanished(times: int = 1) -> list[Observation]:
    return [Vanished()] * times


# Statuses


def test_each_status_is_delivered_once() -> None:
    desk = Desk()
    shown = desk.shows(desk.watch(), CREATING[0], CREATING[0], CREATING[1], CREATING[1], DONE, DONE, DONE)
    assert shown == [seen(CREATING[0]), seen(CREATING[1]), seen(DONE)]


def test_the_status_that_is_known_already_is_not_delivered() -> None:
    desk = Desk()
    assert desk.shows(desk.watch(DONE), DONE, DONE) == []


def test_a_status_that_was_left_behind_is_delivered_at_each_poll_with_its_time() -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    behind = [seen(CREATING[1], seconds) for seconds in (0.0, 10.0, 20.0)]
    assert desk.shows(watch, *[CREATING[1]] * 3) == behind
    assert desk.shows(watch, DONE, DONE) == [seen(DONE)], "it had lagged"
    assert desk.shows(watch, *[CREATING[1]] * 3) == behind, "its time begins again"
    assert desk.shows(watch, CREATING[0], CREATING[0]) == [seen(CREATING[0]), seen(CREATING[0], 10.0)]


def test_what_goes_ahead_leaves_the_rest_behind() -> None:
    desk = Desk()
    watch = desk.watch()
    assert desk.shows(watch, LEAVING[0], DONE, DONE) == [seen(LEAVING[0]), seen(DONE), seen(DONE, 10.0)]
    assert desk.shows(watch, "DELETE_FAILED", *[LEAVING[1]] * 2) == [
        seen("DELETE_FAILED"),
        seen(LEAVING[1]),
        seen(LEAVING[1], 10.0),
    ]


def test_each_poll_of_what_is_being_deleted_is_delivered_with_the_time_of_its_status() -> None:
    desk = Desk()
    watch = desk.watch(removal=True)
    assert desk.shows(watch, DONE, DONE, DONE) == [seen(DONE), seen(DONE, 10.0), seen(DONE, 20.0)]
    assert desk.shows(watch, LEAVING[0], LEAVING[0]) == [seen(LEAVING[0]), seen(LEAVING[0], 10.0)]


def test_what_was_seen_is_not_late_any_more() -> None:
    desk = Desk()
    one, other = desk.watch(name="a"), desk.watch(name="b")
    desk.shows(one, DONE)
    assert list(desk.results.late) == [other]
    assert (one.seen_at, one.known) == (desk.clock.now(),) * 2
    desk.shows(one, DONE)
    assert list(desk.results.late) == [other], "also what was not late"


@pytest.mark.parametrize("status", ["PURPLE", None, 7, ["ACTIVE"]])
def test_a_status_without_sense_is_delivered_once_and_shows_nothing(status: Any) -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    assert desk.shows(watch, *[status] * 5) == [seen(status)], "less than the time after which it counts as blind"
    assert (watch.farthest, watch.known) == (2, desk.clock.now() - 50.0)
    found = desk.shows(watch, status)
    assert [type(each) for each in found] == [Unseen]
    assert isinstance(found[0], Unseen)
    assert (found[0].fault.code, found[0].seconds, found[0].operation) == (UNKNOWN_STATUS, 60.0, "")
    assert repr(str(status)) in found[0].fault.message
    assert desk.shows(watch, *[status] * 5) == []
    assert [type(each) for each in desk.shows(watch, status)] == [Unseen], "again and again"
    assert desk.shows(watch, DONE, DONE) == [seen(DONE)]


def test_a_description_without_a_status_shows_nothing() -> None:
    desk = Desk()
    watch = desk.watch()
    for _ in range(6):
        desk.clock.advance(10.0)
        desk.results.deliver([watch], {"name": "n"})
    assert [type(each) for each in desk.taken()] == [Unseen]


# Absences


def test_three_absences_are_an_end_that_is_delivered_until_it_is_heard() -> None:
    desk = Desk(settle=0.0)
    watch = desk.watch(DONE)
    assert desk.misses(watch, ABSENCES - 1) == []
    assert desk.misses(watch) == vanished()
    assert desk.misses(watch, 2) == vanished(2)


def test_an_absence_has_to_last() -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    assert desk.misses(watch, 10) == [], "90 seconds since the first"
    assert desk.misses(watch, every=9.0) == []
    assert desk.misses(watch, every=1.0) == vanished(), "from then on"


def test_an_absence_that_lasts_needs_polls() -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    assert desk.misses(watch, ABSENCES - 1, every=1000.0) == []
    assert desk.misses(watch, every=0.0) == vanished()


@pytest.mark.parametrize("status", [DONE, CREATING[0], "PURPLE"])
def test_an_absence_begins_again_after_what_was_seen(status: str) -> None:
    desk = Desk()
    watch = desk.watch(status)
    desk.misses(watch, 10)
    assert Vanished() not in desk.shows(watch, status)
    assert watch.absences == 0
    assert desk.misses(watch, 10) == []
    assert desk.misses(watch) == vanished()


@pytest.mark.parametrize(
    ("status", "removal", "explained"),
    [
        (DONE, False, False),
        (CREATING[0], False, False),
        ("", False, False),
        ("PURPLE", False, False),
        ("DELETE_FAILED", False, False),
        (LEAVING[0], False, True),
        (LEAVING[1], False, True),
        (DONE, True, True),
        (CREATING[0], True, True),
        ("", True, True),
        ("PURPLE", True, True),
        (LEAVING[1], True, True),
        ("DELETE_FAILED", True, False),
    ],
)
def test_what_is_being_deleted_need_not_be_absent_for_long(status: str, removal: bool, explained: bool) -> None:
    desk = Desk()
    watch = desk.watch(status, removal=removal)
    assert desk.misses(watch, ABSENCES - 1) == []
    assert desk.misses(watch) == (vanished() if explained else [])
    assert desk.misses(watch, every=SETTLE) == vanished()


def test_a_poll_before_its_time_confirms_no_absence() -> None:
    """Another one has asked for the same resource."""
    desk = Desk(settle=0.0)
    watch, other = desk.watch(DONE, name="a"), desk.watch(DONE, name="a")
    watch.due = tick_of(desk.clock.now() + 35.0, TICK)
    for _ in range(3):
        desk.clock.advance(10.0)
        desk.results.absent([watch, other])
    assert (watch.absences, other.absences, desk.taken()) == (0, 3, vanished())
    assert list(desk.results.late) == [watch]
    assert desk.misses(watch, every=4.0) == []
    assert watch.absences == 0, "a tick too early"
    assert desk.misses(watch, every=1.0) == []
    assert (watch.absences, list(desk.results.late)) == (1, [])


def test_a_failed_poll_neither_confirms_an_absence_nor_ends_it() -> None:
    desk = Desk(settle=0.0)
    watch = desk.watch(DONE)
    desk.misses(watch, 2, every=1.0)
    desk.fails(watch, 1.0)
    assert watch.absences == 2
    assert desk.misses(watch, every=1.0) == vanished()


def test_the_next_poll_comes_when_the_absence_can_be_confirmed() -> None:
    desk = Desk()
    watch = desk.watch(DONE)

    def wait() -> float:
        return desk.results.confirming(watch, desk.clock.now())

    desk.misses(watch)
    assert wait() == 10.0, "two more polls are needed"
    desk.misses(watch)
    assert wait() == 90.0 + TICK / 2, "then only time"
    desk.misses(watch, every=85.0)
    assert wait() == 10.0, "and never more often than a new one"
    desk.misses(watch, every=500.0)
    assert wait() == 10.0, "until its end is heard"


def test_the_next_poll_after_an_absence_is_never_later_than_usual() -> None:
    desk = Desk(settle=10_000.0)
    young, old = desk.watch(DONE, YOUNG), desk.watch(DONE)
    leaving, quick = desk.watch(LEAVING[0]), desk.watch(DONE)
    quick.pace = 5.0
    for each in (young, old, leaving, quick):
        desk.results.absent([each])
        desk.results.absent([each])
    now = desk.clock.now()
    waits = [desk.results.confirming(each, now) for each in (young, old, leaving, quick)]
    assert waits == [10.0, 3000.0, 10.0, 5.0]


# Blindness


def test_failed_polls_are_observed_at_intervals() -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    expected = Unseen(fault(DENIED, retryable=True), BLINDNESS, GET)
    assert expected.fault.retryable
    assert desk.fails(watch, BLINDNESS - 1.0) == []
    assert desk.fails(watch, 1.0) == [expected]
    assert desk.fails(watch, BLINDNESS - 1.0) == []
    assert desk.fails(watch, 11.0) == [Unseen(expected.fault, BLINDNESS + 10.0, GET)], "since the last time"
    assert (
        desk.story.problems
        == [("poll_failed", {"target": "default", "resource_kind": AUDIENCE_MODEL.kind, "code": DENIED.code})] * 4
    )


def test_failed_polls_that_nothing_waits_for_are_no_problem() -> None:
    desk = Desk()
    desk.results.unseen(AUDIENCE_MODEL, [], DENIED, GET)
    assert (desk.story.problems, desk.seen) == ([], [])


def test_what_was_seen_in_between_ends_the_blindness() -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    for _ in range(3):
        assert desk.fails(watch, BLINDNESS - 10.0) == []
        assert desk.shows(watch, DONE) == [], "it was never blind"
    assert len(desk.fails(watch, BLINDNESS)) == 1
    assert desk.shows(watch, DONE, DONE) == [seen(DONE, 250.0)], "once, whatever the status"
    assert desk.fails(watch, BLINDNESS - 1.0) == []


def test_a_status_that_is_not_known_does_not_end_the_blindness() -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    assert len(desk.fails(watch, BLINDNESS)) == 1
    assert desk.shows(watch, "PURPLE", "PURPLE") == [seen("PURPLE")]
    assert watch.blind
    assert len(desk.fails(watch, 40.0)) == 1, "a minute since the last time"
    assert desk.shows(watch, DONE) == [seen(DONE)]
    assert not watch.blind


def test_what_a_former_owner_has_observed_counts() -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    watch.known = watch.seen_at = desk.clock.now() - 500.0
    watch.blind = desk.clock.now() - 30.0
    assert desk.fails(watch, 29.0) == []
    assert [each.seconds for each in desk.fails(watch, 1.0) if isinstance(each, Unseen)] == [60.0]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (DENIED, True),
        (Failure("NoSuchWordException", "?", http_status=400), True),
        (Failure(ENDLESS, "a List without an end"), True),
        (Failure(ENDLESS, "a List without an end", sent=False), True),
        (UNAVAILABLE, False),
        (THROTTLED, False),
        (UNSENT, False),
        (Failure("ReadTimeout", ""), False),
        (Failure("", ""), False),
    ],
)
def test_which_failures_last(failure: Failure, expected: bool) -> None:
    assert lasting(failure) is expected
    assert Desk().results.stuck(failure, []) is expected


@pytest.mark.parametrize("failure", [UNAVAILABLE, THROTTLED, UNSENT])
def test_what_passes_is_made_good_the_other_way_once_it_has_lasted(failure: Failure) -> None:
    desk = Desk()
    old, new = desk.watch(DONE), desk.watch(DONE)
    desk.clock.advance(BLINDNESS - 1.0)
    desk.results.deliver([new], {"status": DONE})
    assert not desk.results.stuck(failure, [new, old])
    desk.clock.advance(1.0)
    assert desk.results.stuck(failure, [new, old]), "one is enough"
    assert not desk.results.stuck(failure, [new])
    old.blind = desk.clock.now()
    assert not desk.results.stuck(failure, [new, old]), "it has been reported"
    desk.clock.advance(BLINDNESS)
    assert desk.results.stuck(failure, [old])


def test_an_absence_and_a_status_that_is_not_known_are_answers() -> None:
    desk = Desk()
    missed, odd = desk.watch(DONE), desk.watch(DONE)
    desk.misses(missed, every=BLINDNESS)
    desk.results.deliver([odd], {"status": "PURPLE"})
    assert not desk.results.stuck(UNAVAILABLE, [missed, odd])


# Defects


def test_the_third_error_in_a_row_is_delivered_and_each_one_after_it() -> None:
    desk = Desk()
    watch = desk.watch(DONE)
    for number in range(1, DEFECTS + 3):
        desk.results.broke([watch], KeyError("secret"))
        assert desk.taken() == ([Broken(DEFECT)] if number >= DEFECTS else [])
    assert desk.story.problems == [("poll_error", {"target": "default", "resource": "a", "error": "KeyError"})] * 5


@pytest.mark.parametrize(("polls", "expected"), [("ebbsbb", 0), ("bbsbbb", 1), ("bbfb", 1), ("bbab", 1), ("bbub", 0)])
def test_only_a_poll_that_shows_something_ends_the_errors(polls: str, expected: int) -> None:
    """b: it breaks, s: shows its status, u: an unknown one, f: fails, a: is absent, e: is created."""
    desk = Desk()
    watch = desk.watch(DONE)
    for poll in polls:
        match poll:
            case "b":
                desk.results.broke([watch], ValueError())
            case "f":
                desk.results.unseen(AUDIENCE_MODEL, [watch], UNAVAILABLE, GET)
            case "a":
                desk.results.absent([watch])
            case _:
                desk.results.deliver([watch], {"status": {"u": "PURPLE", "e": CREATING[0]}.get(poll, DONE)})
    assert desk.taken().count(Broken(DEFECT)) == expected


def test_an_error_of_many_names_a_few_and_counts_for_all() -> None:
    desk = Desk()
    watches = [desk.watch(name=name) for name in "abcde"]
    for _ in range(DEFECTS):
        desk.results.broke((each for each in watches), ValueError())
    assert desk.taken() == [Broken(DEFECT)] * 5
    assert {details["resource"] for _, details in desk.story.problems} == {"a, b, c"}
    assert len(desk.story.problems) == DEFECTS
    assert list(desk.results.late) == watches, "they were not seen"


def test_one_that_breaks_keeps_the_status_from_no_other_and_gets_it_again() -> None:
    broken: list[Observation] = []

    def breaks(observation: Observation) -> None:
        if isinstance(observation, Seen) and len(broken) < DEFECTS:
            broken.append(observation)
            raise RuntimeError("a payload")
        broken.append(observation)

    desk = Desk()
    bad, good = desk.watch(name="r", sink=breaks), desk.watch(name="r")
    for _ in range(DEFECTS + 1):
        desk.clock.advance(10.0)
        desk.results.deliver([bad, good], {"status": DONE})
    assert desk.taken() == [seen(DONE)]
    assert broken == [*[seen(DONE)] * DEFECTS, Broken(DEFECT), seen(DONE)]
    assert (bad.status, bad.defects) == (DONE, 0)
    assert desk.story.told("poll_error") == DEFECTS
    errors = {str(details["error"]) for _, details in desk.story.problems}
    assert all(error.startswith("RuntimeError at service.runtime.poll_results:") for error in errors), errors


def test_an_error_that_is_no_resources_is_reported_without_its_words() -> None:
    desk = Desk()
    desk.results.problem(ValueError("a payload"))
    assert desk.story.problems == [("poll_error", {"target": "default", "error": "ValueError"})]
    assert desk.seen == []


def test_a_sink_that_always_raises_keeps_nothing_from_the_others() -> None:
    desk = Desk()

    def raises(_: Observation) -> None:
        raise RuntimeError("a defect")

    broken, good = desk.watch(sink=raises), desk.watch()
    for number, status in enumerate([*CREATING, DONE] * DEFECTS):
        desk.clock.advance(10.0)
        desk.results.deliver([broken, good], {"status": status})
        assert desk.taken(), f"poll {number}"
    assert broken.defects > DEFECTS
