"""``python -m service offsets``: where each partition continues, and an operator's decision about it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from schemas import records
from service.cli import console, output
from service.cli.console import EXIT_REFUSED, EXIT_USAGE, SettingsFile
from service.core.position import Disagreement, PartitionOffsets, position_at
from service.operator.access.kafka_acls import REPAIR
from service.operator.repair.changelog_writer import GroupState, group_state, write_changelog
from service.operator.repair.partition_standing import Standing, find
from service.runtime.ports import TopicPartition
from service.settings import Settings
from service.topology import changelogs as consumed_topics
from service.topology import kafka_settings

EARLIEST: Final = "earliest"
LATEST: Final = "latest"

app = console.group(
    "offsets", "Show where each partition continues, and set it if that can't be determined.", sort_key=9
)


@app.command(name="show", sort_key=1)
def show(*, settings: SettingsFile = None) -> int:
    """Show each partition's range, the group's offset, the position in the changelog, and where it would be read on.

    Args:
        settings: Settings file.
    """
    return console.run(settings, _show, REPAIR)


@app.command(name="set", sort_key=2)
def set_(
    *,
    topic: str,
    partition: int,
    to: str,
    apply: bool = False,
    settings: SettingsFile = None,
) -> int:
    """Set where a partition continues; without --apply, only print the consequences.

    Writes the position to the changelog and the group's offset, in one transaction and under the fence of its shard,
    while the service is stopped. A record that is read again is recognised as long as the changelog remembers its
    command; a forgotten one is performed again. A record that is skipped is never performed.

    Args:
        topic: A commands topic, or the topic of changes.
        partition: Its partition.
        to: An offset within the partition, or `earliest`, or `latest`.
        apply: Set it.
        settings: Settings file.
    """
    tp = TopicPartition(topic, partition)
    return console.run(settings, lambda loaded: _set(loaded, tp, to, apply=apply), REPAIR)


async def _show(settings: Settings) -> int:
    kafka = kafka_settings(settings)
    halted = 0
    for tp, found in (await find(kafka, consumed_topics(settings), await group_state(kafka))).items():
        halted += bool(found.halts)
        console.print_line(f"{tp.topic} partition {tp.partition} {found}", "red" if found.halts else "")
    return EXIT_REFUSED if halted else 0


async def _set(settings: Settings, tp: TopicPartition, to: str, *, apply: bool) -> int:
    kafka, changelogs = kafka_settings(settings), consumed_topics(settings)
    if tp.topic not in changelogs:
        console.print_error(f"{tp.topic} is not consumed by this service; it consumes: {', '.join(changelogs)}")
        return EXIT_USAGE
    group = await group_state(kafka)
    if why := _running(kafka.group_id, group):
        console.print_error(why)
        return EXIT_REFUSED
    found = (await find(kafka, {tp.topic: changelogs[tp.topic]}, group)).get(tp)
    if found is None:
        console.print_error(f"{tp.topic} has no partition {tp.partition}")
        return EXIT_USAGE
    console.print_line(f"{tp.topic} partition {tp.partition} {found}")
    offset = _offset(to, found.kafka)
    if offset is None:
        console.print_error(f"--to {to}: not an offset from {found.kafka.start} to {found.kafka.end}")
        return EXIT_USAGE
    former = found.recorded.group if found.recorded else ""
    if former not in ("", kafka.group_id) and (
        why := _running(former, await group_state(replace(kafka, group_id=former)))
    ):
        console.print_error(why)
        return EXIT_REFUSED
    for line in _meaning(offset, found):
        console.print_line(line)
    if not apply:
        console.print_line("Nothing was written; --apply sets it.", "dim")
        return 0
    content = {records.POSITION_KEY: position_at(found.kafka, offset)}
    await write_changelog(kafka, tp, changelogs[tp.topic], content, consumed=offset)
    console.print_line(f"{tp.topic} partition {tp.partition} will be read from offset {offset}", "green")
    return 0


def _running(name: str, group: GroupState) -> str:
    if group.stopped:
        return ""
    return f"group {name} is {group.state} with {output.count(group.members, 'member')}: stop the service first"


def _offset(to: str, found: PartitionOffsets) -> int | None:
    ends = {EARLIEST: found.start, LATEST: found.end}
    offset = ends.get(to, int(to) if to.isdecimal() else -1)
    return offset if found.start <= offset <= found.end else None


def _meaning(offset: int, found: Standing) -> Iterator[str]:
    decided = found.decided
    if isinstance(decided, Disagreement) and decided.lost:
        yield (
            "What the changelog has lost is forgotten: those commands are not followed any more, and if they are sent"
            " again, they are PERFORMED AGAIN, which may be billed."
        )
    recorded = found.recorded.offset if found.recorded else None
    consumed = max((each for each in (found.kafka.committed, recorded) if each is not None), default=None)
    if consumed is None:
        yield f"It is unknown what was consumed: records from offset {offset} on are read, earlier ones are not."
    elif offset < consumed:
        yield (
            f"Offsets {offset} to {consumed - 1} would be read again. Commands that the changelog remembers are"
            " recognised; forgotten ones are PERFORMED AGAIN, which may be billed."
        )
    elif offset > consumed:
        yield f"Offsets {consumed} to {offset - 1} would be skipped: commands among them are never performed."
