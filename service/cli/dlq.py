"""The command line of dead letters."""

import sys
import time
from contextlib import aclosing
from dataclasses import dataclass
from heapq import heappush, heappushpop
from typing import Annotated, Final, Generic, TypeVar

from cyclopts import Parameter

from service import topology
from service.adapters.kafka.client_options import KafkaSettings
from service.cli import dlq_output
from service.cli.console import EXIT_MISSING, EXIT_REFUSED, EXIT_USAGE, SettingsFile, group, print_error, run
from service.operator.access.kafka_acls import DLQ
from service.operator.dead_letters.dead_letter import DeadLetter, Selection, selection
from service.operator.dead_letters.reading import read, read_one
from service.operator.dead_letters.replay import ReplayResult, ReplaySender, sender, why_not_replayable
from service.settings import Settings, SettingsError

T = TypeVar("T")

app = group("dlq", "List dead letters, show one, or send the originals back.", sort_key=4)

Tenant = Annotated[str | None, Parameter(help="Read the dead letters of this tenant, if it has a topic of its own.")]

LISTED = 50
_CHUNK = 100


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Selection of dead letters."""

    reason: Annotated[tuple[str, ...], Parameter(help="A code, such as ValidationFailed; may be repeated.")] = ()
    since: Annotated[
        str | None, Parameter(help="Written since: 2025-01-31T12:00:00Z, or an age: 90s, 30m, 2h, 7d.")
    ] = None
    until: Annotated[str | None, Parameter(help="Written before; same format as --since.")] = None
    key: Annotated[str | None, Parameter(help="The original's key.")] = None
    topic: Annotated[tuple[str, ...], Parameter(help="The topic the original was in; may be repeated.")] = ()
    limit: Annotated[int | None, Parameter(help="Show only the N most recent.")] = None

    def selection(self) -> Selection | None:
        """For the reader; None, with a complaint on the screen, when a filter makes no sense."""
        try:
            if self.limit is not None and self.limit < 1:
                raise ValueError(f"--limit is {self.limit}; it must be at least 1")
            return selection(
                reason=self.reason, since=self.since, until=self.until, key=self.key, topic=self.topic, now=time.time()
            )
        except ValueError as error:
            print_error(str(error))
            return None


_ALL: Final = Filters()


@app.command(name="list", sort_key=1)
def list_(filters: Filters = _ALL, *, json: bool = False, tenant: Tenant = None, settings: SettingsFile = None) -> int:
    """List dead letters, the most recent last; at most 50 unless --limit is given.

    Args:
        filters: Selection of dead letters.
        json: One JSON object per line, for other programs.
        tenant: Read the dead letters of this tenant.
        settings: Settings file.
    """
    selected = filters.selection()
    if selected is None:
        return EXIT_USAGE
    limit = filters.limit or LISTED
    return run(
        settings, lambda loaded: _list(_DeadLetterContext.of(loaded, tenant), selected, limit, as_json=json), DLQ
    )


@app.command(sort_key=2)
def show(
    partition: int, offset: int, /, *, value: bool = False, tenant: Tenant = None, settings: SettingsFile = None
) -> int:
    """Show one dead letter: the reason, its headers, and with --value its value.

    Args:
        partition: Of the dead-letters topic: the first number in the list.
        offset: The second number in the list.
        value: Print the value too, which may hold secrets.
        tenant: Read the dead letters of this tenant.
        settings: Settings file.
    """
    return run(
        settings, lambda loaded: _show(_DeadLetterContext.of(loaded, tenant), partition, offset, value=value), DLQ
    )


@app.command(sort_key=3)
def replay(
    filters: Filters = _ALL, *, apply: bool = False, tenant: Tenant = None, settings: SettingsFile = None
) -> int:
    """Send the originals back to the command topics they came from; without --apply, only print what would be sent.

    An original goes back as it was, with its own key, headers and value, to its own partition. It keeps its id, so
    sending it twice is safe: a command that was rejected is remembered, and the same id with the same content gets the
    same rejection again. To send a corrected command, publish it with a new id. A record that still is not a valid
    command becomes a dead letter again. Replay helps if the cause was a setting, a topic, or a defect of the service.

    Args:
        filters: Selection of dead letters.
        apply: Send the originals.
        tenant: Read the dead letters of this tenant.
        settings: Settings file.
    """
    selected = filters.selection()
    if selected is None:
        return EXIT_USAGE
    return run(
        settings,
        lambda loaded: _replay(_DeadLetterContext.of(loaded, tenant), selected, filters.limit, apply=apply),
        DLQ,
    )


@dataclass(frozen=True, slots=True)
class _DeadLetterContext:
    """Connection to Kafka, the topic of the dead letters, and the topics they may go back to."""

    kafka: KafkaSettings
    topic: str
    commands: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, tenant: str | None) -> "_DeadLetterContext":
        topics = settings.tenant_topics()
        if tenant is not None and tenant not in topics:
            raise SettingsError(f"no tenant is called {tenant!r}; there are: {', '.join(topics)}")
        topic = topics[tenant].dead_letters if tenant is not None else settings.topics.dead_letters
        commands = tuple(commands for commands, _ in settings.sources())
        return cls(topology.kafka_settings(settings), topic, commands)


_SortKey = tuple[float, int, int]
"""Time, partition and offset of a dead letter, the order of the list."""


class _Latest(Generic[T]):
    """Keeps the rendered rows of the most recent dead letters only."""

    def __init__(self, limit: int | None) -> None:
        self.found = 0
        self._limit = limit
        self._kept: list[tuple[_SortKey, T]] = []

    def add(self, letter: DeadLetter, said: T) -> None:
        self.found += 1
        item = ((letter.time, letter.partition, letter.offset), said)
        if self._limit is None or len(self._kept) < self._limit:
            heappush(self._kept, item)
        else:
            heappushpop(self._kept, item)

    def sorted(self) -> list[tuple[_SortKey, T]]:
        return sorted(self._kept, key=lambda item: item[0])


async def _list(desk: _DeadLetterContext, selected: Selection, limit: int, *, as_json: bool) -> int:
    rows, lines = _Latest[dlq_output.Row](limit), _Latest[str](limit)
    async with aclosing(read(desk.kafka, desk.topic, selected)) as letters:
        async for letter in letters:
            if as_json:
                lines.add(letter, dlq_output.as_json(letter))
            else:
                rows.add(letter, dlq_output.row(letter))
    if as_json:
        sys.stdout.writelines(f"{line}\n" for _, line in lines.sorted())
    else:
        dlq_output.show_list(dlq_output.screen(), [row for _, row in rows.sorted()], rows.found, desk.topic)
    return 0


async def _show(desk: _DeadLetterContext, partition: int, offset: int, *, value: bool) -> int:
    letter = await read_one(desk.kafka, desk.topic, partition, offset)
    if isinstance(letter, str):
        print_error(f"{desk.topic} has no dead letter at {partition} {offset}: {letter} (dlq list shows them)")
        return EXIT_MISSING
    dlq_output.show_letter(dlq_output.screen(), letter, value=value)
    return 0


async def _replay(desk: _DeadLetterContext, selected: Selection, limit: int | None, *, apply: bool) -> int:
    outcome, wanted = ReplayResult(), _Latest[tuple[str, str]](limit)
    async with sender(desk.kafka, desk.commands) as sending:
        async with aclosing(read(desk.kafka, desk.topic, selected)) as letters:
            async for letter in letters:
                wanted.add(letter, (letter.topic, why_not_replayable(letter, sending.existing)))
        rows = wanted.sorted()
        outcome.skipped.update(why for _, (_, why) in rows if why)
        if not apply:
            outcome.sent.update(source for _, (source, why) in rows if not why)
        else:
            chosen = {position for position, (_, why) in rows if not why}
            await _send_chosen(desk, selected, chosen, sending, outcome)
    dlq_output.show_replay(dlq_output.screen(), outcome, applied=apply)
    return EXIT_REFUSED if outcome.refused else 0


async def _send_chosen(
    desk: _DeadLetterContext, selected: Selection, chosen: set[_SortKey], sending: ReplaySender, outcome: ReplayResult
) -> None:
    """Reads the dead letters again, so that they need not all be in memory at once."""
    chunk: list[DeadLetter] = []
    async with aclosing(read(desk.kafka, desk.topic, selected)) as letters:
        async for letter in letters:
            if (letter.time, letter.partition, letter.offset) in chosen:
                chunk.append(letter)
            if len(chunk) >= _CHUNK:
                await sending.send(chunk, outcome)
                chunk.clear()
    await sending.send(chunk, outcome)
