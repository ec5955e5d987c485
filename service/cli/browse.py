"""``python -m service list``, ``show`` and ``events``: what replies and events say, for people and programs."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from heapq import nlargest
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from schemas.cloudevents import format_time
from schemas.events import ReplyKind
from schemas.operations import COMMANDS
from schemas.records import Command
from service.cli import command_output as output
from service.cli import console
from service.cli.console import EXIT_MISSING, EXIT_USAGE, CommandId, SettingsFile, print_error, print_line, printable
from service.cli.following import hint
from service.core.job import marker
from service.operator.access.kafka_acls import CLIENT
from service.operator.commands.history import CommandHistory, Notice
from service.operator.commands.reading import (
    CommandRecord,
    PublishedReader,
    histories,
    history_of,
    published,
    records_of,
    topics_of,
)
from service.operator.commands.selecting import ENDED, ORDERS, UNDER_WAY, CommandFilter, ordered
from service.operator.dead_letters.dead_letter import moment
from service.settings import Settings
from service.settings.tenants import DEFAULT_TENANT
from service.topology import kafka_settings

STATES: Final = (*(kind.value for kind in ReplyKind), UNDER_WAY, ENDED)
LISTED: Final = 50

Tenant = Annotated[str | None, Parameter(help="Only of this tenant; by default of all.")]


def component(tenant: str | None) -> str:
    """As which component Kafka is used: whose rights are missing, if it refuses."""
    return CLIENT if tenant in (None, DEFAULT_TENANT) else f"{tenant}-{CLIENT}"


def list_(
    *,
    state: Annotated[tuple[str, ...], Parameter(name=("--state", "--phase"))] = (),
    operation: tuple[str, ...] = (),
    tenant: Tenant = None,
    target: str | None = None,
    source: str | None = None,
    correlation: str | None = None,
    text: str = "",
    since: str | None = None,
    older_than: str | None = None,
    ended: str | None = None,
    sort: str = "age",
    json: bool = False,
    settings: SettingsFile = None,
) -> int:
    """List commands by what their replies and events say: those under way and parked, unless others are asked for.

    Args:
        state: A kind of reply (accepted, waiting, started, succeeded, failed, rejected, parked), open, or ended;
            --phase is the same option.
        operation: Only these, such as Create*; may be repeated.
        tenant: See --help.
        target: Only of this AWS target.
        source: Only from this source.
        correlation: Only with this correlation id.
        text: Only with this text in id, operation, resource, status, reason or error.
        since: Read only what was published since: 2025-01-31T12:00:00Z, or an age: 90s, 30m, 2h, 7d.
        older_than: Only those that were accepted before; same format as --since.
        ended: Also those that have ended since; same format as --since.
        sort: age (the oldest first), updated (the last news first), id, operation, or state.
        json: One JSON object per line, for other programs.
        settings: Settings file.
    """
    now = time.time()
    try:
        wanted = CommandFilter(
            states=_states(state),
            operations=operation,
            target=target,
            source=source,
            correlation=correlation,
            text=text,
            before=None if older_than is None else moment(older_than, now),
            ended_since=None if ended is None else moment(ended, now),
        )
        start = None if since is None else moment(since, now)
        if sort not in ORDERS:
            raise ValueError(f"--sort: found {sort!r}; expected one of {', '.join(ORDERS)}")
    except ValueError as error:
        print_error(str(error))
        return EXIT_USAGE
    return console.run(
        settings, lambda loaded: _list(loaded, tenant, wanted, start, sort, as_json=json), component(tenant)
    )


def show(
    command_id: CommandId,
    /,
    *,
    source: str | None = None,
    tenant: Tenant = None,
    json: bool = False,
    settings: SettingsFile = None,
) -> int:
    """Show all that is known of a command: its state, what it made, and what happened when.

    Where this user may read the commands topic, also its record, and the decisions of operators about it.

    Args:
        command_id: Its id.
        source: Its source; without it, all commands with the id are shown.
        tenant: See --help.
        json: One JSON object for each command, for other programs.
        settings: Settings file.
    """
    return console.run(
        settings, lambda loaded: _show(loaded, command_id, source, tenant, as_json=json), component(tenant)
    )


def events(
    *,
    resource: str | None = None,
    since: str | None = None,
    limit: int | None = None,
    tenant: Tenant = None,
    json: bool = False,
    settings: SettingsFile = None,
) -> int:
    """Show the status changes of a resource, or the last ones of all; at most 50 unless --limit is given.

    Args:
        resource: ARN, or the stable id of an export job.
        since: Published since: 2025-01-31T12:00:00Z, or an age: 90s, 30m, 2h, 7d.
        limit: Show only the N most recent.
        tenant: See --help.
        json: One JSON object per line, for other programs.
        settings: Settings file.
    """
    try:
        start = None if since is None else moment(since, time.time())
        if limit is not None and limit < 1:
            raise ValueError(f"--limit: found {limit}; expected at least 1")
    except ValueError as error:
        print_error(str(error))
        return EXIT_USAGE
    return console.run(
        settings,
        lambda loaded: _events(loaded, resource, start, limit or LISTED, tenant, as_json=json),
        component(tenant),
    )


def _states(given: Sequence[str]) -> frozenset[str]:
    """The states that are asked for.

    Raises:
        ValueError: There is no such state.
    """
    wanted = {word.strip().lower() for each in given for word in each.split(",")}
    if unknown := sorted(wanted - set(STATES)):
        raise ValueError(f"--state: found {', '.join(unknown)}; expected one of {', '.join(STATES)}")
    return frozenset(wanted)


async def _list(
    settings: Settings, tenant: str | None, wanted: CommandFilter, since: float | None, sort: str, *, as_json: bool
) -> int:
    async with published(settings, tenant) as source:
        found = await histories(source, since)
    every = list(found.commands.values())
    chosen = ordered((command for command in every if wanted.has(command)), sort)
    if as_json:
        sys.stdout.writelines(f"{output.command_json(command)}\n" for command in chosen)
        return 0
    screen, now = Console(), time.time()
    if chosen:
        rows = [output.row(command, now) for command in chosen]
        output.print_lines(screen, output.table(output.COLUMNS, rows, output.width_of(screen)))
    other = "" if wanted.states or wanted.ended_since is not None else "; --state ended shows the others"
    print_line(f"{len(chosen)} of {len(every)} known commands{other if len(chosen) < len(every) else ''}", "dim")
    return 0


async def _show(settings: Settings, command_id: str, source: str | None, tenant: str | None, *, as_json: bool) -> int:
    topics = topics_of(settings, tenant)
    async with published(settings, tenant) as reading:
        found = (await history_of(reading, command_id)).called(command_id, source)
        records = await _records(settings, topics.commands, command_id)
        searched = ", ".join([*reading.topics, *(topics.commands if records is not None else ())])
    if not found and not any(each.command_id == command_id for each in records or ()):
        print_error(f"no command {command_id} is known; read were {searched}. Kafka deletes what is old from them")
        return EXIT_MISSING
    if not found:
        found = [CommandHistory(("", each, command_id)) for each in _sources(records, command_id, source)]
    for number, command in enumerate(found):
        own = None if records is None else [each for each in records if _is_about(each, command)]
        if as_json:
            sys.stdout.write(f"{_command_json(command, own)}\n")
        else:
            if number:
                print_line("")
            _print_command(settings, command, own)
    return 0


async def _records(settings: Settings, topics: tuple[str, ...], command_id: str) -> list[CommandRecord] | None:
    return await records_of(kafka_settings(settings), topics, command_id)


def _sources(records: Sequence[CommandRecord] | None, command_id: str, source: str | None) -> list[str]:
    named = {each.source for each in records or () if each.command_id == command_id}
    return sorted(each for each in named if source in (None, each))


def _is_about(record: CommandRecord, command: CommandHistory) -> bool:
    return (record.command_id, record.source) == (command.id, command.source) or (
        record.about == command.id and record.about_source in ("", command.source)
    )


def _print_command(settings: Settings, command: CommandHistory, records: list[CommandRecord] | None) -> None:
    screen = Console()
    width, now = output.width_of(screen), time.time()
    own = None if records is None else [each for each in records if each.command_id == command.id]
    output.print_lines(screen, output.facts(_facts(settings, command, own, now), width))
    if command.timeline:
        print_line("timeline, in UTC", "bold")
    decisions = [each for each in records or () if each.about == command.id]
    happened = _happened(command.timeline, command.resources, command.error)
    entries = sorted([*happened, *_decided(decisions)], key=lambda entry: entry[0])
    for at, line in entries:
        line.rstrip()
        output.print_lines(screen, [Text.assemble(f"  {output.clock(at)}  ", line)])
    for remark in _remarks(command, own):
        print_line(remark, "yellow")
    for remedy in _remedies(command):
        print_line(remedy, "dim")


def _facts(
    settings: Settings, command: CommandHistory, records: list[CommandRecord] | None, now: float
) -> Iterator[tuple[str, str]]:
    yield "command", command.id
    yield "source", command.source
    yield "tenant", command.tenant
    yield "operation", command.operation or ", ".join(sorted({each.operation for each in records or ()}))
    yield "target", _target(settings, command.target)
    since = f", since {output.clock(command.since)}, {output.duration(now - command.since)}" if command.since else ""
    yield "state", (output.state(command) if command.state else "no reply yet") + since
    yield "accepted", output.clock(command.accepted) if command.accepted else ""
    yield "error", f"{command.error.get('code', '')}: {command.error.get('message', '')}" if command.error else ""
    yield "searched", command.searched
    for resource in command.resources:
        yield "resource", resource
    if command.operation in COMMANDS and COMMANDS[command.operation].creates:
        yield "marker", f"{_marker(command)} (in the description of what it makes, and in CloudTrail)"
    yield "attempts", "" if command.attempts is None else str(command.attempts)
    yield "correlation", command.correlation
    yield "trace", command.traceparent
    for record in records or ():
        yield "record", _record(record)
    if records is None:
        yield "record", "not known: this user must not read the commands topic"
    yield "not here", "next poll, next try, AWS's request ids: the status page and the log of the service have them"


def _target(settings: Settings, name: str) -> str:
    target = settings.targets.get(name)
    parts = [name, *([target.region, target.account or "", target.endpoint_url or ""] if target else [])]
    return " ".join(str(part) for part in parts if part)


def _marker(command: CommandHistory) -> str:
    return marker(Command(command.id, command.source, command.operation, command.target, {}, "", tenant=command.tenant))


def _record(record: CommandRecord) -> str:
    key = "none" if record.key is None else printable(record.key)
    return (
        f"{record.partition.topic} partition {record.partition.partition} offset {record.offset}, key {key}, "
        f"{output.clock(record.time)}"
    )


def _happened(
    notices: Sequence[Notice], resources: Sequence[str], shown: Mapping[str, Any]
) -> Iterator[tuple[float, Text]]:
    for notice in notices:
        word = notice.reply.value if notice.reply else "event"
        about = output.news(notice) if notice.reply else f"{notice.resource_kind} {notice.word}"
        for resource in resources:  # they stand above
            about = about.replace(f" {resource}", "").removesuffix(resource)
        if notice.error and notice.error == shown:  # it stands above, whole
            about = str(notice.error.get("code", ""))
        yield notice.time, Text.assemble((f"{word:9}", output.STYLES.get(word, "")), f"  {printable(about)}")


def _decided(records: Sequence[CommandRecord]) -> Iterator[tuple[float, Text]]:
    for record in records:
        yield record.time, Text(printable(f"{'sent':9}  {record.operation} by {record.source}, {record.command_id}"))


def _remarks(command: CommandHistory, records: list[CommandRecord] | None) -> Iterator[str]:
    partitions = sorted({each.partition for each in records or ()})
    if len(partitions) > 1:
        named = ", ".join(f"{each.topic} partition {each.partition}" for each in partitions)
        yield f"Its id was sent to {len(partitions)} partitions ({named}): a repeat needs the same key and partitioner."
    if len(command.resources) > 1:
        yield f"{len(command.resources)} resources are named: if it makes only one, it was carried out more than once."
    for stranger in command.strangers:
        yield f"{output.clock(stranger.time)}: another record with this id was rejected: {output.news(stranger)}"
    if command.repeats:
        again = (
            "A reply was repeated once" if command.repeats == 1 else f"Replies were repeated {command.repeats} times"
        )
        yield f"{again}, as the command was sent again."


def _remedies(command: CommandHistory) -> Iterator[str]:
    if command.state is ReplyKind.PARKED:
        source = ["--source", command.source]
        resolve = ["parked", "resolve", command.id, *source]
        yield f"it was done:      {hint(*resolve, '--adopt', 'ARN', '--wait')}"
        yield f"it was not done:  {hint(*resolve, '--retry', '--wait')}"
        yield f"give up:          {hint(*resolve, '--fail', '--wait')}"
    if command.correlation:
        yield f"its siblings:     {hint('list', '--correlation', command.correlation, '--state', 'open,ended')}"


def _command_json(command: CommandHistory, records: list[CommandRecord] | None) -> str:
    timeline = [
        {
            "time": format_time(notice.time),
            "kind": "reply" if notice.reply else "event",
            "type": notice.reply.value if notice.reply else notice.resource_kind,
            "sequence": notice.sequence or None,
            "data": dict(notice.data),
        }
        for notice in sorted(command.timeline, key=lambda notice: notice.time)
    ]
    known = None if records is None else [_record_json(each) for each in records]
    made = {"marker": _marker(command)} if command.operation in COMMANDS and COMMANDS[command.operation].creates else {}
    more = {"traceparent": command.traceparent, "repeats": command.repeats, "searched": command.searched}
    return output.command_json(command, **more, **made, records=known, timeline=timeline)


def _record_json(record: CommandRecord) -> dict[str, object]:
    return {
        "topic": record.partition.topic,
        "partition": record.partition.partition,
        "offset": record.offset,
        "time": format_time(record.time),
        "key": None if record.key is None else printable(record.key),
        "operation": record.operation,
        "command_id": record.command_id,
        "source": record.source,
    }


async def _events(
    settings: Settings, resource: str | None, since: float | None, limit: int, tenant: str | None, *, as_json: bool
) -> int:
    async with published(settings, tenant) as source:
        found = await _changes(source, resource, since)
    shown = sorted(nlargest(limit, found, key=_order), key=_order)
    if as_json:
        sys.stdout.writelines(f"{output.notice_json(notice)}\n" for notice in shown)
        return 0
    if not shown:
        print_line(f"no events{f' of {resource}' if resource else ''} in {', '.join(source.topics)}")
        return EXIT_MISSING if resource else 0
    screen = Console()
    rows = [
        (
            output.clock(notice.time),
            notice.resource_kind if resource else f"{notice.resource_kind}/{notice.resource.rpartition('/')[2]}",
            str(notice.sequence),
            notice.word,
            notice.key[2],
        )
        for notice in shown
    ]
    head = ("TIME", "KIND" if resource else "RESOURCE", "#", "STATUS", "COMMAND")
    lines = output.table(head, rows, output.width_of(screen), whole=("TIME", "#", "STATUS"))
    output.print_lines(screen, lines)
    counted = f"the latest {len(shown)} of {len(found)}" if len(found) > len(shown) else str(len(found))
    print_line(f"{counted} events; times are UTC", "dim")
    return 0


async def _changes(source: PublishedReader, resource: str | None, since: float | None) -> list[Notice]:
    key = None if resource is None else resource.encode("utf-8", "surrogateescape")
    async with aclosing(source.notices(since, key)) as notices:
        return [notice async for notice in notices if notice.reply is None]


def _order(notice: Notice) -> tuple[float, str, int]:
    return notice.time, notice.resource, notice.sequence
