"""Output of dead letters; no content of a record can move the terminal's cursor or imitate the output."""

import json
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.cloudevents import format_time
from service.cli.console import printable
from service.operator.dead_letters.dead_letter import DeadLetter
from service.operator.dead_letters.replay import ReplayResult

WIDE: Final = 200
_LONGEST: Final = 60


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def size(count: int) -> str:
    """Bytes for people."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"


def source(letter: DeadLetter) -> str:
    """Topic, partition and offset of the original."""
    headers = letter.dlq_headers
    return f"{headers.get('topic', '?')}/{headers.get('partition', '?')}/{headers.get('offset', '?')}"


def as_json(letter: DeadLetter) -> str:
    """A line for other programs; the value is not in it, since it may hold secrets."""
    headers = letter.dlq_headers
    known: dict[str, Any] = {
        "partition": letter.partition,
        "offset": letter.offset,
        "time": format_time(letter.time),
        "reason": letter.reason,
        "message": headers.get("message", ""),
        "topic": letter.topic,
        "source_partition": letter.source_partition,
        "source_offset": headers.get("offset", ""),
        "key": None if letter.key is None else printable(letter.key),
        "command_id": letter.command_id or None,
        "size": letter.size,
    }
    return json.dumps(known)


Row = tuple[Text | str, ...]
"""The cells of one dead letter in the list."""


def row(letter: DeadLetter) -> Row:
    """A row of the list."""
    return (
        f"{letter.partition} {letter.offset}",
        format_time(letter.time)[:19].replace("T", " "),
        Text(printable(letter.reason) or "?"),
        Text(_short(printable(source(letter)))),
        Text(_short(printable(letter.key))),
        Text(_short(printable(letter.command_id))),
        "none" if letter.value is None else size(letter.size),
    )


def screen() -> Console:
    """The console; for a pipe or a file it is as wide as the table, so that no line is folded."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=WIDE)


def show_list(console: Console, rows: Sequence[Row], found: int, topic: str) -> None:
    """Prints a table, the most recent dead letter last."""
    if not found:
        console.print(f"No dead letters in {topic} match.", highlight=False, soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("letter", "time", "reason", "from", "key", "command id"):
        table.add_column(name, overflow="fold", no_wrap=name in {"letter", "time"})
    table.add_column("size", justify="right", no_wrap=True)
    for cells in rows:
        table.add_row(*cells)
    console.print(table)
    shown = f"the latest {len(rows)} of {found}" if found > len(rows) else f"{found}"
    noun = "dead letter" if found == 1 else "dead letters"
    hint = f"\n{shown} {noun} in {topic}; times are UTC. To see one: dlq show PARTITION OFFSET"
    console.print(hint, style="dim", highlight=False, soft_wrap=True)


def show_letter(console: Console, letter: DeadLetter, *, value: bool) -> None:
    """Prints one dead letter: reason, origin, headers, and the value if requested."""
    headers = letter.dlq_headers
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in (
        ("reason", letter.reason),
        ("message", headers.get("message", "")),
        ("time", format_time(letter.time)),
        ("from", source(letter)),
        ("key", "(none)" if letter.key is None else printable(letter.key)),
        ("command id", letter.command_id or "(it names none)"),
        ("value", "(none)" if letter.value is None else size(letter.size)),
    ):
        facts.add_row(name, Text(printable(text)))
    console.print(facts)
    _show_headers(console, letter)
    if value and letter.value is not None:
        console.print("\n[bold]value[/]")
        console.print(Text(printable(letter.value, keep="\n\t")), soft_wrap=True)
    elif letter.value is not None:
        console.print("\nThe value may hold secrets; --value prints it.", style="dim", highlight=False)


def _show_headers(console: Console, letter: DeadLetter) -> None:
    console.print(f"\n[bold]headers[/] ({len(letter.original_headers)} of the original)", highlight=False)
    headers = Table(box=None, pad_edge=False, show_header=False)
    headers.add_column(no_wrap=False, overflow="fold")
    headers.add_column(overflow="fold")
    for name, text in letter.original_headers:
        headers.add_row(Text(printable(name)), Text("(null)" if text is None else printable(text)))
    console.print(headers)


def show_replay(console: Console, outcome: ReplayResult, *, applied: bool) -> None:
    """Prints what was, or would be, sent back."""
    for topic, count in sorted(outcome.sent.items()):
        console.print(f"{count:6}  {'sent to' if applied else 'would go to'} {topic}", highlight=False, soft_wrap=True)
    for reason, count in sorted(outcome.skipped.items()):
        console.print(Text(f"{count:6}  skipped: {printable(reason)}", style="yellow"), soft_wrap=True)
    if not outcome.sent and not outcome.skipped:
        console.print("No dead letters match.", highlight=False)
    if outcome.sent and not applied:
        console.print("\nNothing was sent; --apply sends.", style="dim", highlight=False)
