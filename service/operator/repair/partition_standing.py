"""How each partition stands, as its shard would find it when it opens: where it goes on, or why it halts.

Judged from Kafka alone, with the rights of a reader. A shard halts for other reasons too, which only its replica knows:
a record that no client can unpack, a right that is missing in the midst of the work, a defect of the service.
"""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass

from schemas import records
from schemas.records import Position
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.offsets import Offsets
from service.adapters.kafka.topic_reader import reader
from service.core.position import Disagreement, PartitionOffsets, Resume, resume
from service.operator.repair.changelog_writer import GroupState, group_state
from service.runtime.ports import TopicPartition


@dataclass(frozen=True, slots=True)
class Standing:
    """A partition as a shard would find it."""

    kafka: PartitionOffsets
    recorded: Position | None
    replayed: int
    unreadable: str = ""
    """A record of the changelog that can't be read, for which the shard halts whatever the offsets are."""

    @property
    def decided(self) -> Resume | Disagreement:
        """Where the shard would go on, as far as the offsets say, or why not."""
        return resume(self.kafka, self.recorded, self.replayed)

    @property
    def halts(self) -> str:
        """Why the shard would halt; empty when it would not."""
        decided = self.decided
        return self.unreadable or (decided.reason if isinstance(decided, Disagreement) else "")

    def has_moved_since(self, earlier: "Standing") -> bool:
        """Whether something was consumed in between."""
        return (self.kafka.committed, self.recorded) != (earlier.kafka.committed, earlier.recorded)

    def __str__(self) -> str:
        kafka, decided = self.kafka, self.decided
        on = "" if isinstance(decided, Disagreement) else f"continues at {decided.offset}"
        what = f"halts: {self.halts}" if self.halts else on
        recorded = "none" if self.recorded is None else self.recorded.offset
        committed = "none" if kafka.committed is None else kafka.committed
        last = f"has the offsets {kafka.start} to {kafka.end - 1}" if kafka.end > kafka.start else "is empty"
        ahead = f"{last} (next: {kafka.end}); the group's offset is {committed}, the changelog's is {recorded}"
        return f"{ahead}: {what}"


async def find(kafka: KafkaSettings, changelogs: dict[str, str], group: GroupState) -> dict[TopicPartition, Standing]:
    """Every partition of the consumed topics, with what its changelog records.

    Raises:
        LogError: Kafka did not answer in time, or a topic is missing.
        CorruptRecord: A recorded position can't be read.
    """
    replayed: dict[TopicPartition, int] = {}
    recorded: dict[TopicPartition, bytes | None] = {}
    unreadable: dict[TopicPartition, dict[bytes, int]] = {}
    async with reader(kafka, "repair") as source:
        ranges = await source.ranges(list(changelogs))
        logs = await source.ranges(list(changelogs.values()))
        async with aclosing(source.read(logs)) as every:
            async for each in every:
                replayed[each.topic_partition] = replayed.get(each.topic_partition, 0) + 1
                if each.key == records.POSITION_KEY:
                    recorded[each.topic_partition] = each.value
                elif _readable(each.value):
                    unreadable.get(each.topic_partition, {}).pop(each.key or b"", None)
                else:
                    unreadable.setdefault(each.topic_partition, {})[each.key or b""] = each.offset
    offsets = Offsets(kafka)
    try:
        ids = {topic: await offsets.topic_id(topic) for topic in (*changelogs, *changelogs.values())}
    finally:
        await offsets.close()
    found = {}
    for tp, (start, end) in ranges.items():
        log = TopicPartition(changelogs[tp.topic], tp.partition)
        log_start = logs[log][0] if log in logs else 0
        standing = PartitionOffsets(
            kafka.group_id, group.offsets.get(tp), start, end, log_start, ids[tp.topic], ids[log.topic]
        )
        why = _unreadable(log, unreadable.get(log, {}))
        found[tp] = Standing(standing, _decoded(recorded.get(log)), replayed.get(log, 0), why)
    return found


def _readable(value: bytes | None) -> bool:
    try:
        records.decode(value) if value is not None else None
    except records.CorruptRecord:
        return False
    return True


def _unreadable(log: TopicPartition, offsets: Mapping[bytes, int]) -> str:
    if not offsets:
        return ""
    first = min(offsets.values())
    return f"{log.topic} partition {log.partition} has a record at offset {first} that can't be read; see skip-corrupt"


def _decoded(value: bytes | None) -> Position | None:
    record = records.decode(value) if value is not None else None
    return record if isinstance(record, Position) else None


async def halted(kafka: KafkaSettings, changelogs: dict[str, str]) -> tuple[int, dict[TopicPartition, Standing]]:
    """How many partitions there are, and those that halt, while the service may be running.

    What is read of a partition at work is of different moments, and can disagree for that reason alone. So what seems
    to halt is checked once more: a halted partition does not move.

    Raises:
        LogError: Kafka did not answer in time, or a topic is missing.
        CorruptRecord: A recorded position can't be read.
    """
    first = await find(kafka, changelogs, await group_state(kafka))
    seeming = {tp: standing for tp, standing in first.items() if standing.halts}
    if not seeming:
        return len(first), {}
    again = {topic: log for topic, log in changelogs.items() if any(tp.topic == topic for tp in seeming)}
    second = await find(kafka, again, await group_state(kafka))
    still = {
        tp: standing
        for tp, standing in second.items()
        if standing.halts and tp in seeming and not standing.has_moved_since(seeming[tp])
    }
    return len(first), still
