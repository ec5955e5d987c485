"""Whether AWS answers at a target, and how often that is said."""

import pytest

from service.core.reachability import Reachability

HOUR = 3600.0


def warnings(times: list[float]) -> list[float]:
    state = Reachability()
    said: list[float] = []
    for now in times:
        state, warn = state.failed("ConnectFailed", now)
        said += [now] if warn else []
    return said


def test_a_failure_is_reported_at_once_and_then_ever_more_rarely() -> None:
    times = [10.0 * number for number in range(3000)]
    assert warnings(times) == [0.0, 60.0, 300.0, 900.0, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR]


def test_a_pause_brings_one_warning_and_not_all_that_were_missed() -> None:
    assert warnings([0.0, 1000.0, 1010.0, 3599.0, 3600.0]) == [0.0, 1000.0, 3600.0]


def test_an_answer_is_news_once_and_only_after_a_warning() -> None:
    state, news = Reachability().answered()
    assert (state, news) == (Reachability(), False)
    state, warn = state.failed("ReadTimeout", 5.0)
    assert warn
    state, news = state.answered()
    assert (news, state.tries, state.silent(6.0)) == (True, 0, 0.0)
    assert state.answered() == (state, False)


def test_a_target_that_answers_every_other_call_is_reported_once_a_minute() -> None:
    state = Reachability()
    said: list[int] = []
    for second in range(200):
        state, warn = state.failed("ConnectionClosed", float(second))
        state, news = state.answered()
        said += [second] if warn else []
        assert warn == news
    assert said == [0, 60, 120, 180]


def test_a_failure_that_lasts_is_reported_although_the_last_warning_was_just_before() -> None:
    state, _ = Reachability().failed("ConnectFailed", 0.0)
    state, _ = state.answered()
    state, warn = state.failed("ConnectFailed", 5.0)
    assert not warn
    state, warn = state.failed("ConnectFailed", 61.0)
    assert warn


@pytest.mark.parametrize(
    ("seconds", "tries", "words"),
    [
        (0.0, 1, "no answer for 0 s (ConnectFailed, 1 try)"),
        (59.0, 2, "no answer for 59 s (ConnectFailed, 2 tries)"),
        (14 * 60.0 + 59, 96, "no answer for 14 min (ConnectFailed, 96 tries)"),
        (3 * HOUR + 300, 2, "no answer for 3 h 5 min (ConnectFailed, 2 tries)"),
    ],
)
def test_a_person_reads_since_when_why_and_how_often(seconds: float, tries: int, words: str) -> None:
    state = Reachability()
    for number in range(tries):
        state, _ = state.failed("ConnectFailed", 7.0 + (seconds if number else 0.0))
    assert state.words(7.0 + seconds) == words
    assert state.silent(7.0 + seconds) == seconds


def test_what_is_not_called_any_more_is_not_said_to_be_silent() -> None:
    state, _ = Reachability().failed("ConnectFailed", 0.0)
    assert (state.silent(HOUR), state.silent(HOUR + 1), state.words(HOUR + 1)) == (HOUR, 0.0, "")
