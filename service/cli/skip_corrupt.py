"""``python -m service skip-corrupt``: continues without an unreadable changelog record, if an operator insists."""

from typing import Annotated

from cyclopts import Parameter

from service.cli import console, output
from service.cli.console import EXIT_MISSING, EXIT_REFUSED, EXIT_USAGE, SettingsFile
from service.operator.access.kafka_acls import REPAIR
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, Corrupt, read_snapshot
from service.operator.repair.changelog_writer import write_changelog
from service.runtime.ports import TopicPartition
from service.settings import Settings
from service.topology import changelogs as consumed
from service.topology import kafka_settings


def skip_corrupt(
    *,
    topic: str,
    partition: int,
    offset: int | None = None,
    i_understand: Annotated[bool, Parameter(negative="", help="Write the tombstone.")] = False,
    settings: SettingsFile = None,
) -> int:
    """Let a halted shard continue without an unreadable changelog record; without --offset, list such records.

    Writes a tombstone for the record's key, under the fence of its shard; the shard restores without it soon. What the
    record said is forgotten: a command sent again is carried out again, a resource's events are numbered from 1 again.
    First try the release that wrote the record. A record that can be read is never skipped.

    Args:
        topic: The changelog.
        partition: Its partition.
        offset: The record.
        i_understand: See --help.
        settings: Settings file.
    """
    tp = TopicPartition(topic, partition)
    return console.run(settings, lambda loaded: _skip(loaded, tp, offset, apply=i_understand), REPAIR)


async def _skip(settings: Settings, tp: TopicPartition, offset: int | None, *, apply: bool) -> int:
    kafka, sources = kafka_settings(settings), {changelog: topic for topic, changelog in consumed(settings).items()}
    if tp.topic not in sources:
        console.print_error(f"{tp.topic} is no changelog of this service; its changelogs: {', '.join(sources)}")
        return EXIT_USAGE
    ledger = await read_snapshot(kafka, {sources[tp.topic]: tp.topic})
    here = [one for one in ledger.corrupt if one.topic_partition == tp]
    if offset is None:
        output.show_corrupt(here)
        console.print_line(f"{output.count(len(here), 'record')} of {tp.topic} partition {tp.partition} can't be read")
        return EXIT_REFUSED if here else 0
    corrupt = next((one for one in here if one.offset == offset), None)
    if corrupt is None:
        console.print_error(_why_not(ledger, tp, offset))
        return EXIT_MISSING
    output.show_corrupt([corrupt])
    if not apply:
        console.print_line(
            "Nothing was written. What it said will be forgotten; --i-understand goes on without it.", "dim"
        )
        return EXIT_REFUSED
    await _write_tombstone(settings, corrupt, sources[tp.topic])
    return 0


def _why_not(ledger: ChangelogSnapshot, tp: TopicPartition, offset: int) -> str:
    others = [one.offset for one in ledger.corrupt if one.topic_partition == tp]
    hint = f"; unreadable here: offset {', '.join(map(str, others))}" if others else "; nothing here is unreadable"
    return (
        f"offset {offset} of {tp.topic} partition {tp.partition} is readable, was replaced by a later record of"
        f" the same key, or does not exist: nothing to skip{hint}"
    )


async def _write_tombstone(settings: Settings, corrupt: Corrupt, topic: str) -> None:
    tp = TopicPartition(topic, corrupt.topic_partition.partition)
    await write_changelog(kafka_settings(settings), tp, corrupt.topic_partition.topic, {corrupt.key: None})
    console.print_line(
        f"wrote a tombstone; the shard {tp.topic}-{tp.partition} restores without it within a minute", "green"
    )
