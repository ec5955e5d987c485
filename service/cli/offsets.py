"""``python -m service offsets``: where each partition continues, and an operator's decision about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

from aiokafka.errors import GroupAuthorizationFailedError
from cyclopts import Parameter

from schemas import records
from service.adapters.kafka.client_options import KafkaSettings
from service.cli import console, output
from service.cli.console import EXIT_REFUSED, EXIT_USAGE, SettingsFile
from service.core.position import (
    Disagreement,
    PartitionOffsets,
    consumed_up_to,
    position_at,
    reads_again,
    safe_offset,
)
from service.operator.access.kafka_acls import REPAIR
from service.operator.repair.changelog_writer import GroupState, group_state, write_changelog
from service.operator.repair.partition_standing import Standing, find
from service.runtime.errors import causes
from service.runtime.ports import LogError, TopicPartition
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


@app.command(name="set", sort_key=3)
def set_(
    *,
    topic: str,
    partition: int | None = None,
    to: str,
    apply: bool = False,
    i_understand: Annotated[
        bool, Parameter(negative="", help="Read again what was consumed; what is forgotten is performed again.")
    ] = False,
    settings: SettingsFile = None,
) -> int:
    """Set where a partition continues; without --apply, only print the consequences.

    Writes the position to the changelog and the group's offset, in one transaction and under the fence of its shard,
    while the service is stopped. A record that is read again is recognised as long as the changelog remembers its
    command; a forgotten one is performed again. A record that is skipped is never performed.

    Args:
        topic: A commands topic, or the topic of changes.
        partition: Its partition; all that halt if it is not given.
        to: An offset within the partition, or `earliest`, or `latest`.
        apply: Set it.
        i_understand: See --help.
        settings: Settings file.
    """
    wanted = _Wanted(topic, partition, to, again=i_understand)
    return console.run(settings, lambda loaded: _set(loaded, wanted, apply=apply), REPAIR)


@app.command(name="reset", sort_key=2)
def reset(*, apply: bool = False, settings: SettingsFile = None) -> int:
    """Set each halted partition whose next offset is certain; without --apply, only print what would be set.

    Nothing is read again, and nothing that is still in the topic is skipped. It helps if the consumer group was
    renamed, if records were deleted before they were read, and if a topic was recreated and is still empty. The other
    halted partitions are printed with the reason, and left to `offsets set`. Works only while the service is stopped.

    Args:
        apply: Set them.
        settings: Settings file.
    """
    return console.run(settings, lambda loaded: _reset(loaded, apply=apply), REPAIR)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What `offsets set` was asked for."""

    topic: str
    partition: int | None
    to: str
    again: bool


async def _show(settings: Settings) -> int:
    kafka = kafka_settings(settings)
    halted = 0
    for tp, found in (await find(kafka, consumed_topics(settings), await group_state(kafka))).items():
        halted += bool(found.halts)
        console.print_line(f"{tp.topic} partition {tp.partition} {found}", "red" if found.halts else "")
    return EXIT_REFUSED if halted else 0


async def _set(settings: Settings, wanted: _Wanted, *, apply: bool) -> int:
    kafka, changelogs = kafka_settings(settings), consumed_topics(settings)
    if wanted.topic not in changelogs:
        console.print_error(f"{wanted.topic} is not consumed by this service; it consumes: {', '.join(changelogs)}")
        return EXIT_USAGE
    group = await group_state(kafka)
    if why := _running(kafka.group_id, group):
        console.print_error(why)
        return EXIT_REFUSED
    every = await find(kafka, {wanted.topic: changelogs[wanted.topic]}, group)
    chosen = {tp: found for tp, found in every.items() if wanted.partition in (None, tp.partition)}
    if wanted.partition is None:
        chosen = {tp: found for tp, found in chosen.items() if found.halts}
    if not chosen:
        return _nothing_to_set(wanted)
    offsets: dict[TopicPartition, int] = {}
    for tp, found in chosen.items():
        console.print_line(f"{tp.topic} partition {tp.partition} {found}")
        offset = _offset(wanted.to, found.kafka)
        if offset is None:
            console.print_error(f"--to {wanted.to}: not an offset from {found.kafka.start} to {found.kafka.end}")
            return EXIT_USAGE
        former, why = await _former(kafka, found)
        if why:
            console.print_error(why)
            return EXIT_REFUSED
        chosen[tp] = _as_consumed(found, former.offsets.get(tp))
        for line in _meaning(offset, chosen[tp]):
            console.print_line(line)
        offsets[tp] = offset
    return await _write(kafka, changelogs, chosen, offsets, again=wanted.again, apply=apply)


def _nothing_to_set(wanted: _Wanted) -> int:
    if wanted.partition is not None:
        console.print_error(f"{wanted.topic} has no partition {wanted.partition}")
        return EXIT_USAGE
    console.print_line(f"no partition of {wanted.topic} halts: there is nothing to set", "green")
    return 0


async def _reset(settings: Settings, *, apply: bool) -> int:
    kafka, changelogs = kafka_settings(settings), consumed_topics(settings)
    group = await group_state(kafka)
    halted = {tp: found for tp, found in (await find(kafka, changelogs, group)).items() if found.halts}
    if not halted:
        console.print_line("no partition halts: there is nothing to reset", "green")
        return 0
    if why := _running(kafka.group_id, group):
        console.print_error(why)
        return EXIT_REFUSED
    offsets: dict[TopicPartition, int] = {}
    for tp, found in halted.items():
        console.print_line(f"{tp.topic} partition {tp.partition} {found}")
        former, why = await _former(kafka, found)
        ahead = former.offsets.get(tp)
        offset = None if found.unreadable else safe_offset(found.kafka, found.recorded, found.replayed, ahead)
        if offset is None or why:
            console.print_line(f"  left as it is: {why or _undecided(tp, found)}", "red")
            continue
        halted[tp] = _as_consumed(found, ahead)
        for line in _meaning(offset, halted[tp]):
            console.print_line(f"  {line}")
        console.print_line(f"  continues at {offset}")
        offsets[tp] = offset
    code = await _write(kafka, changelogs, halted, offsets, again=False, apply=apply) if offsets else 0
    return code or (EXIT_REFUSED if len(offsets) < len(halted) else 0)


def _undecided(tp: TopicPartition, found: Standing) -> str:
    if found.unreadable:
        return "the record comes first: python -m service skip-corrupt"
    decided = found.decided
    if isinstance(decided, Disagreement) and decided.lost and not found.replayed:
        return "the changelog comes first: python -m service backfill"
    setting = f"python -m service offsets set --topic {tp.topic} --partition {tp.partition} --to OFFSET"
    return f"you must decide: {setting}"


async def _write(
    kafka: KafkaSettings,
    changelogs: Mapping[str, str],
    chosen: Mapping[TopicPartition, Standing],
    offsets: Mapping[TopicPartition, int],
    *,
    again: bool,
    apply: bool,
) -> int:
    """Sets the partitions, each in a transaction of its own; nothing at all if one of them must not be set."""
    repeated = [
        tp
        for tp, offset in offsets.items()
        if reads_again(chosen[tp].kafka, chosen[tp].recorded, chosen[tp].replayed, offset)
    ]
    if apply and repeated and not again:
        names = ", ".join(f"{tp.topic} partition {tp.partition}" for tp in repeated)
        console.print_error(f"{names}: would read again what was consumed; add --i-understand if that is what you want")
        return EXIT_REFUSED
    if not apply:
        insist = " --i-understand" if repeated and not again else ""
        console.print_line(f"Nothing was written; --apply{insist} sets it.", "dim")
        return 0
    for tp, offset in offsets.items():
        content = {records.POSITION_KEY: position_at(chosen[tp].kafka, offset)}
        await write_changelog(kafka, tp, changelogs[tp.topic], content, consumed=offset)
        console.print_line(f"{tp.topic} partition {tp.partition} will be read from offset {offset}", "green")
    return 0


async def _former(kafka: KafkaSettings, found: Standing) -> tuple[GroupState, str]:
    """The group that the changelog belongs to, if it is another one, and why it must be stopped first, if it must be.

    Its offset counts where it is ahead, as a release leaves it that records no positions.
    """
    former, unknown = found.recorded.group if found.recorded else "", GroupState("", 0, {})
    if former in ("", kafka.group_id):
        return unknown, ""
    try:
        group = await group_state(replace(kafka, group_id=former))
    except LogError as error:
        if not any(isinstance(each, GroupAuthorizationFailedError) for each in causes(error)):
            raise
        right = f"grant it Describe on group {former}"
        return unknown, f"group {former} must be stopped, and this user can't see whether it is: {right}"
    return group, _running(former, group)


def _as_consumed(found: Standing, former: int | None) -> Standing:
    """The same, with what the former group has consumed."""
    if former is None:
        return found
    return replace(found, kafka=replace(found.kafka, committed=max(former, found.kafka.committed or 0)))


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
    consumed = consumed_up_to(found.kafka, found.recorded)
    if consumed is None:
        yield (
            f"It is unknown what was consumed: records from offset {offset} on are read, earlier ones are not. Commands"
            " among them that the changelog has forgotten are PERFORMED AGAIN if they were performed before."
        )
    elif offset < consumed:
        yield (
            f"Offsets {offset} to {consumed - 1} would be read again. Commands that the changelog remembers are"
            " recognised; forgotten ones are PERFORMED AGAIN, which may be billed."
        )
    elif offset > max(consumed, found.kafka.start):
        first = max(consumed, found.kafka.start)
        yield f"Offsets {first} to {offset - 1} would be skipped: commands among them are never performed."
    start = found.kafka.start
    if consumed is not None and consumed < min(offset, start):
        yield f"Offsets {consumed} to {start - 1} were deleted before they were read: they can't be performed."
