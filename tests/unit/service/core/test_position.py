"""Where a partition is read on: every way in which the group's offset, the changelog and the topics can disagree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import records
from schemas.records import Position, ResourceState
from service.core.position import (
    Disagreement,
    PartitionOffsets,
    Resume,
    consumed_up_to,
    position_at,
    reads_again,
    resume,
    safe_offset,
)


def found(
    committed: int | None,
    start: int = 0,
    end: int = 10,
    log_start: int = 0,
    topic_id: str = "one",
    group: str = "g",
    log_id: str = "log",
) -> PartitionOffsets:
    return PartitionOffsets(group, committed, start, end, log_start, topic_id, log_id)


RECORDED = Position(7, "g", "one", 0, "log")


@pytest.mark.parametrize(
    ("kafka", "recorded", "replayed", "offset", "notice"),
    [
        (found(None), None, 0, 0, ""),  # a new installation
        (found(None, start=3), None, 0, 3, ""),
        (found(5), None, 12, 5, ""),  # the changelog of a release that recorded no positions
        (found(0), None, 0, 0, ""),
        (found(7), RECORDED, 9, 7, ""),
        (found(9), RECORDED, 9, 9, ""),  # such a release has served it since
        (found(None), RECORDED, 9, 7, "no offset"),  # expired, or deleted
        (found(5, start=6), RECORDED, 9, 7, "behind"),
        (found(2), RECORDED, 9, 7, "behind"),  # set back, or stale
        (found(7, topic_id=""), RECORDED, 9, 7, ""),  # a broker that gives no ids
        (found(7), Position(7, "g"), 9, 7, ""),
        (found(7, log_start=4), Position(7, "g", "one", 4), 9, 7, ""),  # a release that recorded no ids of changelogs
        (found(7, log_id=""), RECORDED, 9, 7, ""),
    ],
)
def test_where_to_go_on(
    kafka: PartitionOffsets, recorded: Position | None, replayed: int, offset: int, notice: str
) -> None:
    decided = resume(kafka, recorded, replayed)
    assert isinstance(decided, Resume)
    assert decided.offset == offset
    assert bool(notice) == bool(decided.notice)
    assert notice in decided.notice


@pytest.mark.parametrize(
    ("kafka", "recorded", "replayed", "why", "lost"),
    [
        (found(None), None, 1, "the group has no offset, and the changelog is not empty", False),
        (found(None, log_start=4), None, 0, "the changelog begins at offset 4 and records no position", True),
        (found(5, log_start=4), None, 3, "the changelog begins at offset 4 and records no position", True),
        (found(5), None, 0, "the changelog is empty: it was lost", True),
        (found(8, start=9), RECORDED, 9, "records were deleted before they were read", False),
        (found(None, end=3), RECORDED, 9, "recreated", False),
        (found(None, topic_id="two"), RECORDED, 9, "recreated: its id is two, position 7 is of one", False),
        (found(7, log_start=1), RECORDED, 9, "the changelog begins at offset 1 and began at 0", True),
        (found(7, log_id="new"), RECORDED, 9, "recreated: its id is new, and the position in it is of log", True),
        (found(None, group="h"), RECORDED, 9, "belongs to the consumer group 'g', and this is 'h'", False),
        (found(7, group="h"), RECORDED, 9, "belongs to the consumer group 'g'", False),
    ],
)
def test_what_nobody_can_know(
    kafka: PartitionOffsets, recorded: Position | None, replayed: int, why: str, lost: bool
) -> None:
    decided = resume(kafka, recorded, replayed)
    assert isinstance(decided, Disagreement)
    assert why in decided.reason
    assert decided.lost is lost


offsets = st.integers(0, 12)


@given(
    committed=st.none() | offsets,
    at=st.none() | offsets,
    start=offsets,
    length=offsets,
    replayed=st.integers(0, 3),
    log_start=st.integers(0, 2),
)
def test_nothing_is_read_twice_and_nothing_skipped(
    committed: int | None, at: int | None, start: int, length: int, replayed: int, log_start: int
) -> None:
    kafka = found(committed, start, start + length, log_start)
    recorded = None if at is None else Position(at, "g", "one", log_start)
    decided = resume(kafka, recorded, replayed + (at is not None))
    known = [each for each in (committed, at) if each is not None]
    if isinstance(decided, Resume):
        assert start <= decided.offset <= start + length
        assert decided.offset == (max(known) if known else start)
        assert known or not replayed
        assert recorded is not None or not log_start
        assert position_at(kafka, decided.offset).offset == decided.offset
    else:
        assert decided.reason


@given(
    committed=st.none() | offsets,
    at=st.none() | offsets,
    start=offsets,
    length=offsets,
    replayed=st.integers(0, 3),
    log_start=st.integers(0, 2),
    topic=st.sampled_from(["one", "two", ""]),
    group=st.sampled_from(["g", "former", ""]),
)
def test_what_is_set_without_a_decision_reads_nothing_again_and_skips_nothing(
    committed: int | None,
    at: int | None,
    start: int,
    length: int,
    replayed: int,
    log_start: int,
    topic: str,
    group: str,
) -> None:
    kafka = found(committed, start, start + length, log_start)
    recorded = None if at is None else Position(at, group, topic, 0, "log")
    entries = replayed + (at is not None)
    chosen = safe_offset(kafka, recorded, entries)
    if chosen is None:
        return
    assert isinstance(resume(kafka, recorded, entries), Disagreement)
    assert not reads_again(kafka, recorded, entries, chosen)
    consumed = consumed_up_to(kafka, recorded)
    assert recorded is not None
    if consumed is None:
        assert start == chosen == start + length, "nothing is in the new topic"
    else:
        assert chosen == max(start, recorded.offset, (committed or 0) if group in ("", "g") else 0)
    after = found(chosen, start, start + length, log_start)
    assert resume(after, position_at(kafka, chosen), entries) == Resume(chosen)


@pytest.mark.parametrize(
    ("kafka", "recorded", "replayed", "offset"),
    [
        (found(8, start=9), RECORDED, 9, 9),  # deleted unread
        (found(None, group="h"), RECORDED, 9, 7),  # the group was renamed
        (found(9, group="h"), RECORDED, 9, 7),  # what it has committed for another changelog does not count
        (found(None, start=0, end=0, topic_id="two"), RECORDED, 9, 0),  # recreated, and empty
        (found(None, topic_id="two"), RECORDED, 9, None),  # recreated, and perhaps filled with old commands
        (found(None, end=3), RECORDED, 9, None),  # its end was lost: what is there now is not known
        (found(None), None, 1, None),
        (found(5), None, 0, None),
        (found(7, log_start=1), RECORDED, 9, None),
        (found(None, log_start=1, group="h"), RECORDED, 9, None),
        (found(7), RECORDED, 9, None),  # it does not halt
    ],
)
def test_what_is_set_without_a_decision(
    kafka: PartitionOffsets, recorded: Position | None, replayed: int, offset: int | None
) -> None:
    assert safe_offset(kafka, recorded, replayed) == offset


@pytest.mark.parametrize(
    ("kafka", "recorded", "replayed", "offset", "again"),
    [
        (found(7), RECORDED, 9, 6, True),
        (found(7), RECORDED, 9, 7, False),
        (found(None, end=3), RECORDED, 9, 3, False),
        (found(None, end=3), RECORDED, 9, 2, True),
        (found(None), None, 9, 9, True),
        (found(None), None, 9, 10, False),
        (found(None), None, 0, 0, False),
        (found(None, topic_id="two"), RECORDED, 9, 0, True),
    ],
)
def test_what_is_read_again(
    kafka: PartitionOffsets, recorded: Position | None, replayed: int, offset: int, again: bool
) -> None:
    assert reads_again(kafka, recorded, replayed, offset) is again


def test_a_release_that_knows_no_positions_reads_one_as_a_resource_that_is_none_of_its_business() -> None:
    value = records.encode(RECORDED)
    old = records._DECODER.decode(value)
    assert isinstance(old, ResourceState)
    assert (old.kind, old.id, old.sequence) == ("position", "position", 7)
    assert records.decode(value) == RECORDED
    assert records.key_of(RECORDED) == records.POSITION_KEY == records.key_of(old)
