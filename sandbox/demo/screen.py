"""The demo while it runs: a live table on a terminal, one line per change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

_REFRESHES_PER_SECOND = 8
_WIDE = 100
_LINE = "{:7.1f} s  {:31}{}"


@dataclass(slots=True)
class _ProgressRow:
    """One row: something that takes a while.

    Attributes:
        name: what it is.
        purpose: what it is for; shown where there is room.
        state: how far it is.
        began: when, on the monotonic clock; None before it.
        ended: when; None while it lasts.
        failed: whether it ended badly.
    """

    name: str
    purpose: str
    state: str = ""
    began: float | None = None
    ended: float | None = None
    failed: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far."""
        return None if self.began is None else (self.ended or time.monotonic()) - self.began


class Screen:
    """All stages, and the console on which they are shown."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._stages: list[_ProgressRow] = []
        self._began = time.monotonic()
        self._live: Live | None = None
        self._spinner = Spinner("line" if console.options.ascii_only else "dots", style="cyan")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the stages during the block; on a terminal they stay where they are and change."""
        if not self.console.is_terminal:
            yield
            return
        with Live(get_renderable=self.table, console=self.console, refresh_per_second=_REFRESHES_PER_SECOND) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def add(self, name: str, purpose: str) -> _ProgressRow:
        """Announce a stage that will come."""
        stage = _ProgressRow(name, purpose)
        self._stages.append(stage)
        return stage

    def move(self, stage: _ProgressRow, state: str) -> None:
        """A stage has begun, or is further than before."""
        if stage.began is None:
            stage.began = time.monotonic()
        if state != stage.state:
            stage.state = state
            self._print(stage)

    def end(self, stage: _ProgressRow, state: str) -> None:
        """A stage has ended well."""
        self.move(stage, state)
        stage.ended = time.monotonic()

    def fail(self) -> None:
        """What is under way has failed."""
        for stage in self._stages:
            if stage.began is not None and stage.ended is None:
                stage.ended, stage.failed = time.monotonic(), True

    def note(self, text: str) -> None:
        """Say what takes time within the stage that is under way."""
        for stage in self._stages:
            if stage.began is not None and stage.ended is None:
                self.move(stage, text)

    def table(self) -> Table:
        """The stages as a table, as wide as the console allows."""
        wide = self.console.width >= _WIDE
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=1)
        table.add_column(no_wrap=True, min_width=29)
        if wide:
            table.add_column(no_wrap=True, style="dim", min_width=35)
        table.add_column(no_wrap=True, overflow="ellipsis", min_width=19)
        table.add_column(justify="right", no_wrap=True, min_width=7)
        for stage in self._stages:
            seconds = stage.seconds
            taken = "" if seconds is None else f"{seconds:.1f} s"
            purpose = [stage.purpose] if wide else []
            table.add_row(self._mark(stage), Text(stage.name), *purpose, Text(stage.state, _style(stage)), taken)
        return table

    def _mark(self, stage: _ProgressRow) -> Text | Spinner | str:
        good, bad = ("+", "x") if self.console.options.ascii_only else ("✓", "✗")
        if stage.failed:
            return Text(bad, "bold red")
        if stage.ended is not None:
            return Text(good, "bold green")
        return "" if stage.began is None else self._spinner

    def _print(self, stage: _ProgressRow) -> None:
        if self._live is None:
            text = _LINE.format(time.monotonic() - self._began, stage.name, stage.state)
            self.console.print(Text(text), soft_wrap=True)


def _style(stage: _ProgressRow) -> str:
    if stage.failed:
        return "red"
    return "green" if stage.ended is not None else "cyan"
