"""Where a partition is read on after a take-over, and what makes it impossible to know.

Three things must agree: the group's offset, the position that the changelog records, and the topics themselves. The
changelog's position is committed with the state that it belongs to, so it decides. The group's offset counts where it
is ahead, which a release without recorded positions leaves behind.
"""

from dataclasses import dataclass

from schemas.records import Position


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """What Kafka says about a partition, read after the fence.

    Attributes:
        group: Our consumer group.
        committed: Its offset; None when it has none.
        start: First offset that the partition holds.
        end: The offset behind its last record.
        log_start: First offset that its changelog holds.
        topic_id: Kafka's id of the topic; empty when the broker gives none.
        log_id: The same of its changelog's topic.
    """

    group: str
    committed: int | None
    start: int
    end: int
    log_start: int = 0
    topic_id: str = ""
    log_id: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to go on.

    Attributes:
        offset: Of the first record to read.
        notice: What an operator may want to know; empty when all agree.
    """

    offset: int
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Why the position to continue from can't be determined.

    Attributes:
        reason: What was found.
        lost: Whether the changelog, or a part of it, is what is missing.
    """

    reason: str
    lost: bool = False


def resume(found: PartitionOffsets, recorded: Position | None, replayed: int) -> Resume | Disagreement:
    """Decides where to read on; never at the beginning beside a changelog that is not empty.

    Args:
        found: What Kafka says.
        recorded: What the changelog says; None when it records no position.
        replayed: Records that were read from the changelog.
    """
    if recorded is not None and (why := foreign(found, recorded)):
        return why
    decided = _from_changelog(found, recorded) if recorded is not None else _from_group(found, replayed)
    if isinstance(decided, Resume) and not found.start <= decided.offset <= found.end:
        return Disagreement(
            f"the position {decided.offset} is out of range [{found.start}, {found.end}]: "
            + (
                "records were deleted before they were read"
                if decided.offset < found.start
                else "the topic was recreated, or its end was lost"
            )
        )
    return decided


def position_at(found: PartitionOffsets, offset: int) -> Position:
    """The position in the form in which it is recorded."""
    return Position(offset, found.group, found.topic_id, found.log_start, found.log_id)


def consumed_up_to(found: PartitionOffsets, recorded: Position | None) -> int | None:
    """How far the topic that is there now was consumed; None when that is unknown."""
    if recorded is not None and _recreated(found, recorded):
        return None
    known = [each for each in (found.committed, recorded.offset if recorded else None) if each is not None]
    return max(known, default=None)


def reads_again(found: PartitionOffsets, recorded: Position | None, replayed: int, offset: int) -> bool:
    """Whether a partition that goes on at an offset may read what was consumed before."""
    consumed = consumed_up_to(found, recorded)
    if consumed is None:
        return bool(replayed) and offset < found.end
    return offset < min(consumed, found.end)


def safe_offset(
    found: PartitionOffsets, recorded: Position | None, replayed: int, former: int | None = None
) -> int | None:
    """Where a partition that halts can go on without a decision: nothing is read again, nothing that is there skipped.

    None when it does not halt, and when only a person can decide: the changelog has lost something, what was consumed
    is unknown, or the end of the topic was lost.

    Args:
        found: What Kafka says.
        recorded: What the changelog says.
        replayed: Records that were read from the changelog.
        former: The offset of the group that the changelog belongs to, if it is another one; None when it has none.
    """
    if recorded is None or isinstance(resume(found, recorded, replayed), Resume):
        return None
    own = Position(recorded.offset, found.group, found.topic_id, recorded.log_start, recorded.log_id)
    if foreign(found, own) is not None:
        return None
    if _recreated(found, recorded):
        return found.start if found.start == found.end else None
    committed = found.committed if recorded.group in ("", found.group) else former
    offset = max(recorded.offset, committed or 0, found.start)
    return offset if offset <= found.end else None


def foreign(found: PartitionOffsets, recorded: Position) -> Disagreement | None:
    """Whether the recorded position belongs to another group, another topic or a changelog that held more.

    It holds for a running shard as well, from its opening on.
    """
    if recorded.group and recorded.group != found.group:
        return Disagreement(
            f"the changelog belongs to the consumer group {recorded.group!r}, and this is {found.group!r}: a group that"
            " still runs would not be fenced; stop it first"
        )
    if _recreated(found, recorded):
        return Disagreement(
            f"the topic was deleted and recreated: its id is {found.topic_id}, position {recorded.offset} is of"
            f" {recorded.topic_id}"
        )
    if recorded.log_id and found.log_id and recorded.log_id != found.log_id:
        return Disagreement(
            f"the changelog was deleted and recreated: its id is {found.log_id}, and the position in it is of"
            f" {recorded.log_id}; what was recorded before is not in it",
            lost=True,
        )
    if found.log_start > recorded.log_start:
        return Disagreement(
            f"the changelog begins at offset {found.log_start} and began at {recorded.log_start}: records of it were"
            " deleted, and compaction does not do that",
            lost=True,
        )
    return None


def _recreated(found: PartitionOffsets, recorded: Position) -> bool:
    return bool(recorded.topic_id and found.topic_id) and recorded.topic_id != found.topic_id


def _from_changelog(found: PartitionOffsets, recorded: Position) -> Resume:
    if found.committed is None:
        return Resume(recorded.offset, f"the group has no offset; the changelog records {recorded.offset}")
    if found.committed < recorded.offset:
        return Resume(
            recorded.offset,
            f"the group's offset {found.committed} is behind {recorded.offset}, which the changelog records and which"
            " counts",
        )
    return Resume(found.committed)


def _from_group(found: PartitionOffsets, replayed: int) -> Resume | Disagreement:
    if found.log_start:
        return Disagreement(
            f"the changelog begins at offset {found.log_start} and records no position: its first records were deleted,"
            " and compaction does not do that",
            lost=True,
        )
    if found.committed is None:
        if not replayed:
            return Resume(found.start)  # a new installation: what was sent before its first start is performed
        return Disagreement(
            "the group has no offset, and the changelog is not empty but records no position: read from the beginning,"
            " commands that were forgotten would be performed again"
        )
    if not replayed and found.committed > 0:
        return Disagreement(
            f"the group's offset is {found.committed}, but the changelog is empty: it was lost, and what was consumed"
            " before is not remembered",
            lost=True,
        )
    return Resume(found.committed)
