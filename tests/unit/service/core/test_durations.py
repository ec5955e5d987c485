"""How long things usually take."""

from service.core.durations import FEWEST, KEPT, Durations, UsualDuration


def test_too_few_say_nothing() -> None:
    durations = Durations()
    for seconds in range(FEWEST - 1):
        durations.add("Train", float(seconds))
    assert durations.usual("Train") is None
    assert durations.usual("Other") is None


def test_the_median_of_the_latest() -> None:
    durations = Durations()
    for _ in range(KEPT):
        durations.add("Train", 10.0)
    for _ in range(KEPT):
        durations.add("Train", 500.0)
    assert durations.usual("Train") == UsualDuration(500.0, KEPT)
    durations.add("Other", 1.0)
    durations.fill("Other", [2.0, 90.0])
    assert durations.usual("Other") == UsualDuration(2.0, 3)


def test_earlier_ones_take_no_room_from_newer_ones() -> None:
    durations = Durations()
    for _ in range(KEPT - 1):
        durations.add("Train", 10.0)
    durations.fill("Train", [7.0, 3.0, 1.0])
    for _ in range(KEPT - 1):
        durations.add("Train", 10.0)
    assert durations.usual("Train") == UsualDuration(10.0, KEPT)
