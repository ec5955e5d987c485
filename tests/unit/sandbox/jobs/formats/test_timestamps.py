"""Times as text, against Python's own calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jobs.formats import timestamps
from sandbox.jobs.formats.types import UnreadableError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = 1_704_164_645_000_000
"""2024-01-02 03:04:05 UTC."""
naive = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@given(naive)
def test_hive_and_iso_text_is_read_to_the_microsecond(moment: datetime) -> None:
    expected = micros(moment.replace(tzinfo=UTC))
    for text in (moment.isoformat(" ", "microseconds"), moment.isoformat("T", "microseconds")):
        assert timestamps.hive(text) == timestamps.with_offset(text) == expected


@given(naive.filter(lambda moment: 2 < moment.year < 9998), st.integers(-14 * 60, 14 * 60))
def test_an_offset_is_taken_off(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = aware.isoformat("T", "microseconds")
    assert timestamps.with_offset(text) == timestamps.with_offset(text[:-3] + text[-2:]) == micros(aware)
    assert timestamps.hive(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01", 0),
        ("1969-12-31 23:59:59", -1),
        ("1970-1-1 0:0:1", 1),
        (" 1970-01-01 00:00:01 ", 1),
        ("2024-02-29", 19782 * 86400),
        ("1-01-01", (date(1, 1, 1) - date(1970, 1, 1)).days * 86400),
    ],
)
def test_moments_of_hive(text: str, seconds: int) -> None:
    assert timestamps.hive(text) == seconds * 1_000_000


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [("5", 500_000), ("05", 50_000), ("000001", 1), ("0000019", 1), ("123456789", 123_456)],
)
def test_finer_digits_are_cut_also_before_1970(fraction: str, expected: int) -> None:
    assert timestamps.hive(f"1970-01-01 00:00:00.{fraction}") == expected
    assert timestamps.hive(f"1969-12-31 23:59:59.{fraction}") == expected - 1_000_000


NO_TIMES = [
    "",
    "1970",
    "1970-01",
    "1970-00-01",
    "2023-02-29",
    "1970-01-01 24:00:00",
    "1970-01-01 00:60:00",
    "1970-01-01 00:00:60",
    "1970-01-01 00:00",
    "1970-01-01 00:00:00.",
    "1970-01-01 00:00:00.1234567890",
    "0000-01-01",
    "10000-01-01",
    "-1970-01-01",
    "1970-01-01  00:00:00",
    "\u0661970-01-01",
    "now",
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_none(text: str) -> None:
    assert timestamps.hive(text) is None
    assert timestamps.with_offset(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05Z", MOMENT),
        ("2024-01-02 03:04:05z", MOMENT),
        ("2024-01-02T05:34:05+02:30", MOMENT),
        ("2024-01-01T22:04:05-0500", MOMENT),
        ("2024-01-02T03:04:05", MOMENT),
        ("2024-01-02", MOMENT // 86_400_000_000 * 86_400_000_000),
        ("2024-01-02T03:04:05 Z", None),
        ("2024-01-02T03:04:05+2", None),
        ("2024-01-02Z", None),
        ("Z", None),
    ],
)
def test_offsets(text: str, expected: int | None) -> None:
    assert timestamps.with_offset(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-02", 1),
        ("1969-12-31", -1),
        (" 2024-2-29 ", 19782),
        ("1970-01-02 whatever follows\nit", 1),
        ("1970-01-02x", None),
        ("1970-01-02T00:00:00", None),
        ("2023-02-29", None),
        ("0000-01-01", None),
        ("", None),
    ],
)
def test_days(text: str, expected: int | None) -> None:
    assert timestamps.days(text) == expected


@pytest.mark.parametrize(
    ("patterns", "text", "expected"),
    [
        ("yyyy/MM/dd HH:mm:ss", "2024/01/02 03:04:05", MOMENT),
        ("dd.MM.yyyy'T'HH:mm:ss", "02.01.2024T03:04:05", MOMENT),
        ("d.M.yyyy H:m:s", "2.1.2024 3:4:5", MOMENT),
        ("d.M.yyyy H:m:s", "02.01.2024 03:04:05", MOMENT),
        ("uuuuMMddHHmmss", "20240102030405", MOMENT),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2024-01-02T05:04:05.250+0200", MOMENT + 250_000),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2024-01-02T03:04:05.250Z", MOMENT + 250_000),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2024-01-01T22:04:05-05:00", MOMENT),
        ("HH:mm:ss", "03:04:05", 11_045_000_000),
        ("yyyy 'o''clock'", "2024 o'clock", micros(datetime(2024, 1, 1, tzinfo=UTC))),
        ("yyyy''MM", "2024'01", micros(datetime(2024, 1, 1, tzinfo=UTC))),
        ("yyyy\\,MM", "2024,01", micros(datetime(2024, 1, 1, tzinfo=UTC))),
        ("(yyyy)", "(2024)", micros(datetime(2024, 1, 1, tzinfo=UTC))),
        ("millis", "1704164645000", MOMENT),
        ("MILLIS", "-1.9", -1000),
        ("yyyy,millis", "1704164645000", MOMENT),
        ("yyyy,millis", " 2024 ", micros(datetime(2024, 1, 1, tzinfo=UTC))),
        ("yyyy", "2024-01-02 03:04:05", MOMENT),
        ("", "2024-01-02 03:04:05", MOMENT),
        ("yyyy/MM/dd", "2024/02/30", None),
        ("yyyy/MM/dd", "24/01/02", None),
        ("yyyy.MM", "2024x01", None),
        ("millis", "12a", None),
    ],
)
def test_patterns_are_tried_in_turn_and_then_the_default(patterns: str, text: str, expected: int | None) -> None:
    assert timestamps.of_patterns(patterns, timestamps.hive)(text) == expected


@pytest.mark.parametrize("pattern", ["yyyy-MMM-dd", "EEE yyyy", "yyyy hh a", "z", "GG"])
def test_a_letter_that_is_not_known_is_refused_with_its_pattern(pattern: str) -> None:
    with pytest.raises(UnreadableError, match=f"timestamp.formats: .* in '{pattern}' is not supported"):
        timestamps.of_patterns(f"millis,{pattern}", timestamps.hive)
