"""Follows commands until they have ended: a live table on a terminal, lines in a pipe, JSON for programs.

The exit code says the outcome; of several commands, the highest: what is undecided ranks above what was refused.
"""

import asyncio
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Any, Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from schemas.events import ReplyKind
from service.cli import command_output as output
from service.cli.console import print_error, print_line
from service.operator.commands.history import CommandHistory, Histories, Notice
from service.operator.commands.reading import PublishedReader
from service.runtime.ports import LogError, TopicPartition

EXIT_FAILED: Final = 4
EXIT_REJECTED: Final = 5
EXIT_PARKED: Final = 6
EXIT_TIME: Final = 124

_CODES: Final[Mapping[ReplyKind, int]] = {
    ReplyKind.SUCCEEDED: 0,
    ReplyKind.FAILED: EXIT_FAILED,
    ReplyKind.REJECTED: EXIT_REJECTED,
    ReplyKind.PARKED: EXIT_PARKED,
}
_SECONDS: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_ROWS: Final = 20

Wait = bool | str
"""What an option with an optional number of seconds has: whether it is given, or the number."""


def seconds_of(wait: Wait) -> float | None:
    """How long to wait; None for ever.

    Raises:
        ValueError: It is no time span.
    """
    if isinstance(wait, bool):
        return None
    found = _SECONDS.fullmatch(wait)
    if not found:
        raise ValueError(
            f"--wait: found {wait!r}; expected seconds, or 90s, 30m, 2h; a file or an operation stands before it"
        )
    return float(found[1]) * _UNITS[found[2]]


class Watched:
    """The commands that are waited for, and what is known of them.

    Attributes:
        known: What replies and events said.
    """

    def __init__(
        self,
        identities: Mapping[tuple[str, str], str] | None,
        *,
        source: str | None = None,
        correlation: str | None = None,
    ) -> None:
        """Waits for these; for none in particular if None.

        Args:
            identities: Operation by source and id; the source may be empty, for any.
            source: Only commands from this source.
            correlation: Only commands with this correlation id.
        """
        self.known = Histories()
        self._wanted = dict(identities) if identities is not None else None
        self._source = source
        self._correlation = correlation

    @property
    def named(self) -> bool:
        """Whether there are commands that are waited for."""
        return self._wanted is not None

    def take(self, notices: Sequence[Notice]) -> list[Notice]:
        """Those of the notices that are news of what is waited for."""
        return [each for each in notices if self._concerns(each) and self._news(each)]

    def _concerns(self, notice: Notice) -> bool:
        _, source, command_id = notice.key
        if self._source not in (None, source) or self._correlation not in (None, notice.correlation):
            return False
        return self._wanted is None or bool({(source, command_id), ("", command_id)} & self._wanted.keys())

    def _news(self, notice: Notice) -> bool:
        before = self.known.commands.get(notice.key)
        strangers = len(before.strangers) if before else 0
        command, news = self.known.add(notice)
        if len(command.strangers) > strangers and command.state is None:
            # Another record has this id, and nothing else is known: this is the answer to the command that was sent.
            command.state, command.since, command.error = ReplyKind.REJECTED, notice.time, notice.error
            return True
        return news

    def commands(self) -> list[CommandHistory]:
        """In the order in which they are waited for; of some, nothing may be known yet."""
        if self._wanted is None:
            return list(self.known.commands.values())
        found = []
        for (source, command_id), operation in self._wanted.items():
            called = self.known.called(command_id, source or None)
            found += called or [CommandHistory(("", source, command_id), operation)]
        return found

    def going(self) -> list[str]:
        """Ids of those that are waited for, and go on."""
        return [each.id for each in self.commands() if each.open and not _unheard(each)] if self.named else []

    def unheard(self) -> list[str]:
        """Ids that were given, of which neither a reply nor an event is known: they can be mistyped."""
        return [each.id for each in self.commands() if _unheard(each)]

    @property
    def ended(self) -> bool:
        """Whether all that is waited for has ended, or is parked."""
        return self._wanted is not None and all(not each.open for each in self.commands())

    def exit_code(self) -> int:
        """What became of them."""
        return max((code_of(each) for each in self.commands()), default=0)


def _unheard(command: CommandHistory) -> bool:
    """What was sent from here has an operation at once."""
    return not (command.operation or command.updated)


def code_of(command: CommandHistory) -> int:
    """What became of a command, as an exit code."""
    return _CODES.get(command.state, EXIT_TIME) if command.state else EXIT_TIME


class Screen(Protocol):
    """Shows what happens."""

    def opened(self) -> AbstractContextManager[Any]:
        """For as long as it shows something."""
        ...

    def news(self, notices: Sequence[Notice]) -> None:
        """Shows what was published."""
        ...


class Lines:
    """A line for each reply and event."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console()

    def opened(self) -> AbstractContextManager[Any]:
        """Needs nothing."""
        return nullcontext()

    def news(self, notices: Sequence[Notice]) -> None:
        """Prints them at once, whatever reads them."""
        for notice in notices:
            if self._json:
                sys.stdout.write(f"{output.notice_json(notice)}\n")
            else:
                output.print_lines(self._console, [output.notice_line(notice)])
        if notices:
            sys.stdout.flush()


class LiveTable:
    """A table of the commands that changes in front of a person."""

    def __init__(self, watched: Watched, console: Console) -> None:
        self._watched = watched
        self._console = console
        self._begun = time.monotonic()

    def opened(self) -> AbstractContextManager[Any]:
        """The table stays when it ends."""
        return Live(get_renderable=self.text, console=self._console, refresh_per_second=4, transient=False)

    def news(self, notices: Sequence[Notice]) -> None:
        """It is shown a moment later."""

    def text(self) -> Text:
        """The table as of now."""
        commands, now = self._watched.commands(), time.time()
        ended = sum(not each.open for each in commands)
        going = [each for each in commands if each.open]
        shown = commands if len(commands) <= _ROWS else going[:_ROWS]
        head = (*output.COLUMNS[:-1], "TOOK")
        lines = output.table(head, [self._row(each, now) for each in shown], self._console.width)
        if len(shown) < len(commands):
            lines.append(Text(f"and {len(commands) - len(shown)} others", "dim"))
        spent = output.duration(time.monotonic() - self._begun)
        lines.append(Text(f"{ended} of {len(commands)} ended, {spent}", "dim"))
        return Text("\n").join(lines)

    def _row(self, command: CommandHistory, now: float) -> tuple[str, ...]:
        if command.state is None and not command.updated:
            return command.id, command.operation, "sent", output.duration(time.monotonic() - self._begun)
        if not command.open and command.accepted:  # how long it took, not how long ago it was
            return (*output.row(command, now)[:3], output.duration(command.since - command.accepted))
        return output.row(command, now)


def screen(watched: Watched, *, as_json: bool, table: bool = True) -> Screen:
    """What suits the output; ``table`` is False where each news is wanted by itself."""
    console = Console()
    return LiveTable(watched, console) if console.is_terminal and table and not as_json else Lines(as_json=as_json)


async def follow(
    source: PublishedReader,
    starts: Mapping[TopicPartition, int],
    watched: Watched,
    shown: Screen,
    seconds: float | None,
) -> int:
    """Shows what is published until all have ended or the time is up; the exit code.

    Args:
        source: Reads replies and events.
        starts: From where on.
        watched: What is waited for.
        shown: Shows it.
        seconds: How long; None for ever.

    Raises:
        LogError: Kafka failed, or has not answered for too long; a note says that the commands go on.
    """
    try:
        with shown.opened():
            async with asyncio.timeout(seconds), aclosing(source.follow(starts)) as batches:
                async for notices in batches:
                    shown.news(watched.take(notices))
                    if watched.ended:
                        break
    except TimeoutError:
        _show_time_is_up(watched)
        return EXIT_TIME
    except asyncio.CancelledError:
        if going := watched.going():
            print_error(f"interrupted; the commands go on. To follow them: {hint('watch', *going)}")
        raise
    except LogError as error:
        if going := watched.going():
            error.add_note(f"the commands go on. To follow them: {hint('watch', *going)}")
        raise
    if isinstance(shown, LiveTable):
        show_ends(watched.commands())
    return watched.exit_code()


def _show_time_is_up(watched: Watched) -> None:
    if going := watched.going():
        print_error(f"time is up: {', '.join(going)}: not ended. They go on; to follow: {hint('watch', *going)}")
    if unheard := watched.unheard():
        listed = hint("list", "--state", "open,ended")
        print_error(f"time is up: {', '.join(unheard)}: nothing was heard of it. Check the id: {listed}")


def show_ends(commands: Sequence[CommandHistory]) -> None:
    """The errors of those that did not succeed, whole, and what can be done about them."""
    for command in commands:
        if command.error:
            print_line(f"{command.id}: {command.error.get('code', '')}: {command.error.get('message', '')}", "red")
        if command.state is ReplyKind.PARKED:
            print_line(f"To decide: {hint('parked', 'resolve', command.id)} with --adopt ARN, --retry or --fail", "dim")


def hint(*words: str) -> str:
    """A command line to be copied."""
    return shlex.join(["python", "-m", "service", *words])
