"""``python -m service cancel``: stops a command whose call has not left, wherever it is."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Final

from cyclopts import Parameter

from schemas.events import ReplyKind
from schemas.operations import Kind
from service import tenancy
from service.adapters.kafka.topic_reader import partitions
from service.cli import command_output as output
from service.cli import console
from service.cli.browse import component
from service.cli.console import EXIT_MISSING, EXIT_USAGE, CommandId, SettingsFile, print_error, print_line
from service.cli.following import EXIT_FAILED, EXIT_REJECTED, EXIT_TIME, hint
from service.cli.send import Tenant
from service.operator.commands.history import OPEN, CommandHistory, Notice
from service.operator.commands.reading import ROLE, PublishedReader, history_of, published, records_of, topics_of
from service.operator.repair.command_sender import Outgoing, build_command, sender, validation_error
from service.runtime.ports import TopicPartition
from service.settings import Settings
from service.settings.tenants import recorded_name
from service.topology import kafka_settings

ANSWER_SECONDS: Final = 60.0


def cancel(
    command_id: CommandId,
    /,
    *,
    source: str | None = None,
    delete: bool = False,
    key: str | None = None,
    wait: Annotated[float, Parameter(metavar="SECONDS")] = ANSWER_SECONDS,
    tenant: Tenant = None,
    settings: SettingsFile = None,
) -> int:
    """Cancel a command that has not been sent to AWS yet, and wait for the answer.

    The partition of the command is found: from its record if this user may read the commands topic, else by asking
    each partition. AWS can't stop a job: with --delete, what the command makes is deleted once it has ended.

    Args:
        command_id: Its id.
        source: Its source; needed if several sources use the id.
        delete: Delete what it has made, or will have made.
        key: Its Kafka key, if you know it.
        wait: Seconds to wait for the answer.
        tenant: See --help.
        settings: Settings file.
    """
    return console.run(
        settings,
        lambda loaded: _cancel(loaded, command_id, source, tenant, key, wait, delete=delete),
        component(tenant),
    )


async def _cancel(
    settings: Settings,
    command_id: str,
    source: str | None,
    tenant: str | None,
    key: str | None,
    seconds: float,
    *,
    delete: bool,
) -> int:
    async with published(settings, tenant) as reading:
        found = (await history_of(reading, command_id)).called(command_id, source)
        if len(found) != 1:
            return _which(found, command_id, reading)
        command = found[0]
        if not command.open and command.state is not ReplyKind.PARKED and not delete:
            print_error(f"{command_id} has ended: {output.state(command)}. Nothing was sent")
            return EXIT_FAILED
        records = await _records(settings, command, key, delete=delete)
        rules = tenancy.limits(settings)
        if why := next((why for each in records if (why := validation_error(each, rules[each.topic]))), ""):
            print_error(f"the service would reject it: {why}")
            return EXIT_REJECTED
        starts = await reading.ends()
        async with sender(kafka_settings(settings), ROLE) as sending:
            for record in records:
                await sending.send(record)
        asked = "its partition" if len(records) == 1 else f"{len(records)} partitions"
        print_line(f"sent to {asked} of {records[0].topic}; waiting for the answer", "dim")
        return await _answer(reading, starts, records, seconds)


def _which(found: Sequence[CommandHistory], command_id: str, reading: PublishedReader) -> int:
    if not found:
        print_error(f"no command {command_id} is known; read were {', '.join(reading.topics)}")
        return EXIT_MISSING
    named = ", ".join(each.source for each in found)
    print_error(f"{len(found)} commands are called {command_id}: choose one with --source ({named})")
    return EXIT_USAGE


async def _records(settings: Settings, command: CommandHistory, key: str | None, *, delete: bool) -> list[Outgoing]:
    """A cancellation for each partition in which the command may be."""
    every = settings.tenant_topics()
    tenant = next((name for name in every if recorded_name(name) == command.tenant), next(iter(every)))
    topic, kafka = topics_of(settings, tenant).commands[0], kafka_settings(settings)
    data = {"commandId": command.id, "commandSource": command.source, **({"deleteResource": True} if delete else {})}
    target = command.target if command.target in settings.targets else ""

    def cancellation(partition: int | None) -> Outgoing:
        return build_command(Kind.CANCEL, topic, partition, data, target=target, key=key or command.id)

    if key is not None:
        return [cancellation(None)]
    known = await records_of(kafka, (topic,), command.id)
    own = {each.partition.partition for each in known or () if (each.command_id, each.source) == command.key[:0:-1]}
    numbers = own or (await partitions(kafka, [topic])).get(topic, frozenset())
    return [cancellation(number) for number in sorted(numbers)]


async def _answer(
    reading: PublishedReader, starts: Mapping[TopicPartition, int], records: Sequence[Outgoing], seconds: float
) -> int:
    """What the service says: of several partitions, only the one that has the command says something else."""
    left = {record.command_id for record in records}
    last: Notice | None = None
    try:
        async with asyncio.timeout(seconds), aclosing(reading.follow(starts)) as batches:
            async for notices in batches:
                for notice in notices:
                    if notice.key[2] not in left or notice.reply in (None, ReplyKind.ACCEPTED):
                        continue
                    last = notice
                    if notice.error.get("code") != _UNKNOWN:
                        return _said(notice)
                    left.discard(notice.key[2])
                if not left and last:
                    return _said(last)
    except TimeoutError:
        pass
    print_error(f"no answer within {seconds:g} s; to see it later: {hint('watch', *sorted(left))}")
    return EXIT_TIME


_UNKNOWN: Final = "UnknownCommand"


def _said(notice: Notice) -> int:
    if notice.reply is ReplyKind.SUCCEEDED:
        result = notice.data.get("result") or {}
        done = [word for word in ("cancelled", "deleted") if result.get(word)]
        print_line(" and ".join(done) or "there was nothing to cancel or delete", "green")
        return 0
    if notice.reply in OPEN:
        print_line(f"{notice.word}: {output.news(notice)}; to follow it: {hint('watch', notice.key[2])}", "cyan")
        return 0
    print_error(f"{notice.word}: {output.news(notice)}")
    return EXIT_REJECTED if notice.reply is ReplyKind.REJECTED else EXIT_FAILED
