"""``python -m service backfill``: rebuilds a lost changelog from the other topics."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.partitioner import DefaultPartitioner

from schemas import records
from schemas.records import Command, Record, ResourceState
from service import tenancy
from service.adapters.kafka.topic_reader import Ranges, Reader, TopicRecord, reader
from service.adapters.kafka.topics import verify
from service.cli import console, output
from service.cli.console import EXIT_REFUSED, SettingsFile
from service.core.position import position_at
from service.operator.access.kafka_acls import REPAIR
from service.operator.repair import rebuild
from service.operator.repair.changelog_writer import GroupState, group_state, non_empty_partitions, write_changelog
from service.operator.repair.partition_standing import find
from service.operator.repair.rebuild import Rebuilt
from service.runtime.ports import TopicPartition, Unfit
from service.settings import Settings
from service.topology import changelogs as consumed
from service.topology import kafka_settings, topic_specs


def backfill(*, apply: bool = False, settings: SettingsFile = None) -> int:
    """Rebuild lost changelogs from commands, replies and events; without --apply, only print what would be written.

    Only empty partitions of changelogs are rebuilt, and only while the service is stopped. Create a missing topic
    first: python -m service topics. What ended keeps its reply; what may be running is searched for by the service
    when it starts; what can't be determined is parked for an operator.

    Args:
        apply: Write the changelogs.
        settings: Settings file.
    """
    return console.run(settings, lambda loaded: _backfill(loaded, apply=apply), REPAIR)


@dataclass(slots=True)
class _BackfillPlan:
    """The records to write, by consumed partition, and the messages to print."""

    content: dict[TopicPartition, dict[bytes, Record | None]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)


async def _backfill(settings: Settings, *, apply: bool) -> int:
    kafka = kafka_settings(settings)
    findings = await verify(kafka, topic_specs(settings))
    if unseen := sorted(each.topic for each in findings if each.setting == "right" and each.is_ == "Describe"):
        raise Unfit(f"hidden from us: {', '.join(unseen)}") from TopicAuthorizationFailedError(*unseen)
    if findings:
        for finding in findings:
            console.print_error(str(finding))
        return EXIT_REFUSED
    group = await group_state(kafka)
    if not group.stopped:
        name = settings.kafka.group_id
        console.print_error(
            f"group {name} is {group.state} with {output.count(group.members, 'member')}: stop the service first"
        )
        return EXIT_REFUSED
    changelogs = consumed(settings)
    async with reader(kafka, "repair") as source:
        full = await non_empty_partitions(source, tuple(changelogs.values()))
        for tp in sorted(full):
            console.print_line(f"left alone: {tp.topic} partition {tp.partition} is not empty", "dim")
        plan = await _plan(settings, source, group, changelogs, full)
        _show(plan)
        if not plan.content:
            console.print_error("no changelog partition is empty: there is nothing to rebuild")
            return EXIT_REFUSED
        if not apply:
            console.print_line("Nothing was written; --apply writes.", "dim")
            return 0
        for tp, content in plan.content.items():
            if content:
                await write_changelog(kafka, tp, changelogs[tp.topic], content, empty_before=source)
                changelog = f"{changelogs[tp.topic]} partition {tp.partition}"
                console.print_line(f"wrote {output.count(len(content), 'record')} to {changelog}", "green")
    return 0


async def _plan(
    settings: Settings,
    source: Reader,
    group: GroupState,
    changelogs: dict[str, str],
    full: set[TopicPartition],
) -> _BackfillPlan:
    plan, limits = _BackfillPlan(), tenancy.limits(settings)
    replies, kept_since = await _replies(settings, source, plan)
    for commands, changelog in settings.sources():
        ranges = await source.ranges([commands])
        for tp, (start, end) in ranges.items():
            if TopicPartition(changelog, tp.partition) in full:
                continue
            if start:
                plan.unknown.append(f"{commands} partition {tp.partition}: commands before offset {start} are deleted")
            if tp not in group.offsets and start < end:
                setting = f"python -m service offsets set --topic {commands} --partition {tp.partition}"
                plan.unknown.append(
                    f"{commands} partition {tp.partition}: the group has no offset; replies decide. First,"
                    f" say where to go on: {setting} --to OFFSET"
                )
            consumed = await _all(source, {tp: (start, end)})
            rebuilt = rebuild.rebuild(
                consumed, group.offsets.get(tp), replies, limits[commands], time.time(), kept_since
            )
            _take(plan, tp, rebuilt)
    await _resources(settings, source, plan, full)
    for tp, standing in (await find(kafka_settings(settings), changelogs, group)).items():
        if tp in plan.content and standing.kafka.committed is not None:
            plan.content[tp][records.POSITION_KEY] = position_at(standing.kafka, standing.kafka.committed)
            plan.counts["positions, as the group has committed them"] += 1
    return plan


def _take(plan: _BackfillPlan, tp: TopicPartition, rebuilt: Rebuilt) -> None:
    plan.content[tp] = dict(rebuilt.jobs)
    plan.counts += rebuilt.counts
    plan.unknown += rebuilt.unknown


async def _replies(
    settings: Settings, source: Reader, plan: _BackfillPlan
) -> tuple[dict[str, list[rebuild.PublishedReply]], Callable[[Command], float]]:
    """All replies, and since when those to a command are kept for certain where they went."""
    ranges = await source.ranges(settings.outputs())
    published = await _all(source, ranges)
    oldest: dict[TopicPartition, float] = {}
    for record in published:
        oldest[record.topic_partition] = min(oldest.get(record.topic_partition, record.time), record.time)
    cut = {tp: oldest.get(tp, time.time()) for tp, (start, _) in ranges.items() if start}
    own = {each.replies for each in settings.tenant_topics().values()}
    for tp in sorted(cut):
        if tp.topic in own:
            plan.unknown.append(f"{tp.topic} partition {tp.partition}: older replies are deleted")
    width = Counter(tp.topic for tp in ranges)

    def kept_since(command: Command) -> float:
        topics = {command.reply_to} & width.keys() or own
        partitions = [TopicPartition(topic, _partition(command.id.encode(), width[topic])) for topic in topics]
        return max((cut.get(tp, 0.0) for tp in partitions), default=0.0)

    return rebuild.collect_replies(published), kept_since


async def _resources(settings: Settings, source: Reader, plan: _BackfillPlan, full: set[TopicPartition]) -> None:
    topics = settings.topics
    changes = list(await source.ranges([topics.changes]))
    events = sorted({each.events for each in settings.tenant_topics().values()})
    ranges = await source.ranges(events)
    for tp, (start, _) in ranges.items():
        if start:
            gap = "a resource whose events are all deleted is numbered from 1 again"
            plan.unknown.append(f"{tp.topic} partition {tp.partition}: older events are deleted; {gap}")
    states = rebuild.resources(await _all(source, ranges))
    content: dict[int, dict[bytes, ResourceState]] = defaultdict(dict)
    for key, state in states.items():
        content[_partition(state.id.encode(), len(changes))][key] = state
    for tp in changes:
        if TopicPartition(topics.resources, tp.partition) not in full:
            plan.content[tp] = dict(content[tp.partition])
            plan.counts["resources with their last number and status"] += len(content[tp.partition])


def _partition(key: bytes, count: int) -> int:
    """Where our producers, and most others, put a key."""
    every = list(range(count))
    return int(DefaultPartitioner()(key, every, every))


async def _all(source: Reader, ranges: Ranges) -> list[TopicRecord]:
    async with aclosing(source.read(ranges)) as found:
        return [record async for record in found]


def _show(plan: _BackfillPlan) -> None:
    output.show_counts(plan.counts)
    for what in plan.unknown:
        console.print_line(f"not known: {what}", "yellow")
