"""Commands, replies and events for people and for programs: tables, lines, and JSON."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from schemas.cloudevents import format_time
from schemas.events import ReplyKind
from service.cli.console import printable
from service.operator.commands.history import CommandHistory, Notice
from service.operator.commands.selecting import word_of

STYLES: Final[Mapping[str, str]] = {
    "succeeded": "green",
    "failed": "red",
    "rejected": "red",
    "parked": "yellow",
    "waiting": "cyan",
}
"""The colour of a state, the only one in a line."""

_GAP: Final = "  "
_LEAST: Final = 8
"""Cells that a column keeps when a table is too wide."""


def duration(seconds: float) -> str:
    """A time span for people, in two units at most."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m" if whole >= 600 else f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def clock(time: float) -> str:
    """UTC, to the second."""
    return format_time(time)[:19].replace("T", " ")


_WHOLE: Final = ("FOR", "TOOK", "TIME")


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None, *, whole: Sequence[str] = _WHOLE
) -> list[Text]:
    """Aligned lines, the head first; too long cells lose their middle, a state its end.

    Args:
        head: Names of the columns; the one called STATE has its first word coloured.
        rows: Cells.
        width: Cells of the screen; None for a pipe, where nothing is cut.
        whole: Names of columns that are never cut.
    """
    cells = [[printable(each) for each in row] for row in rows]
    widths = [max(cell_len(line[column]) for line in [list(head), *cells]) for column in range(len(head))]
    if width is not None:
        kept = {column for column, name in enumerate(head) if name in whole}
        widths = _fitting(widths, width - len(_GAP) * (len(head) - 1), kept)
    state = head.index("STATE") if "STATE" in head else -1
    lines = [_line(head, widths, -1)]
    lines[0].stylize("bold")
    return lines + [_line(row, widths, state) for row in cells]


def _fitting(widths: list[int], room: int, kept: Collection[int]) -> list[int]:
    """The widest columns give way, cell by cell, but for those that are kept whole."""
    found = list(widths)
    others = [column for column in range(len(found)) if column not in kept]
    while sum(found) > room and others:
        widest = max(others, key=lambda column: found[column])
        if found[widest] <= _LEAST:
            break
        found[widest] -= 1
    return found


def _line(cells: Sequence[str], widths: Sequence[int], state: int) -> Text:
    line = Text()
    for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        last = column == len(widths) - 1
        shown = _cut(cell, width) if column == state else shortened(cell, width)
        line.append(shown if last else set_cell_size(shown, width) + _GAP, _style(cell) if column == state else "")
    line.rstrip()
    return line


def _style(state: str) -> str:
    return STYLES.get(state.partition(" ")[0], "")


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


def shortened(text: str, width: int) -> str:
    """Text of at most this width; what is left out is in the middle, as names differ at their ends."""
    if cell_len(text) <= width:
        return text
    head = (width - 1) // 2
    tail, behind = "", width - 1 - head
    for char in reversed(text):
        if cell_len(char + tail) > behind:
            break
        tail = char + tail
    return f"{set_cell_size(text, head).rstrip()}…{tail}"


COLUMNS: Final = ("COMMAND", "OPERATION", "STATE", "FOR")


def row(command: CommandHistory, now: float) -> tuple[str, ...]:
    """A command's cells under ``COLUMNS``."""
    since = command.since or command.updated
    return command.id, command.operation, state(command), duration(now - since) if since else ""


def state(command: CommandHistory) -> str:
    """A command's state in the words of its replies, and what explains it."""
    return " ".join(part for part in (word_of(command), _explanation(command)) if part)


def _explanation(command: CommandHistory) -> str:
    if command.state is ReplyKind.WAITING:
        position = f"#{command.position}" if command.position else ""
        return " ".join(part for part in (position, command.reason, *command.predecessors[:1]) if part)
    if command.error:
        return str(command.error.get("code", ""))
    return command.status


def news(notice: Notice) -> str:
    """What a reply or an event says, in a line."""
    data = notice.data
    if notice.error:
        return f"{notice.error.get('code', '')}: {notice.error.get('message', '')}"
    if notice.reply is ReplyKind.WAITING:
        predecessors = data.get("predecessors")
        named = f" {', '.join(map(str, predecessors))}" if isinstance(predecessors, list) else ""
        position = f", position {data['position']} in the queue" if data.get("position") else ""
        return f"{data.get('reason', '')}{named}{position}"
    if notice.reply is ReplyKind.SUCCEEDED:
        return _result(data.get("result"))
    return " ".join(part for part in (str(data.get("status") or ""), notice.resource) if part)


def _result(result: Any) -> str:
    """The identity of what there is now, else the names of what was answered; never its content."""
    if not isinstance(result, Mapping):
        return ""
    arns = [str(value) for name, value in result.items() if name.endswith("Arn") and isinstance(value, str)]
    status = str(result.get("status") or "")
    return " ".join([*([status] if status else []), *arns[:1]]) or _listed(result)


def _listed(result: Mapping[str, Any]) -> str:
    """How many of what a List has answered; the names of any other answer."""
    counts = [f"{name}: {len(value)}" for name, value in sorted(result.items()) if isinstance(value, list)]
    return f"{', '.join(counts)} (--json prints them)" if counts else ", ".join(sorted(map(str, result)))


def notice_line(notice: Notice) -> Text:
    """A line for a pipe: time, command, what happened."""
    shown = ("event", f"{notice.resource_kind} {news(notice)}")
    if notice.reply:
        shown = (notice.reply.value, news(notice))
    line = Text(f"{clock(notice.time)}  {printable(notice.key[2])}  ")
    line.append(shown[0], STYLES.get(shown[0], ""))
    line.append(f"  {printable(shown[1])}" if shown[1] else "")
    return line


def notice_json(notice: Notice) -> str:
    """A line for programs: everything that was published."""
    tenant, source, command_id = notice.key
    return _json(
        {
            "time": format_time(notice.time),
            "kind": "reply" if notice.reply else "event",
            "type": notice.reply.value if notice.reply else notice.resource_kind,
            "command_id": command_id,
            "source": source,
            "tenant": tenant,
            "correlation_id": notice.correlation,
            "sequence": notice.sequence or None,
            "data": dict(notice.data),
        }
    )


def described(command: CommandHistory) -> dict[str, Any]:
    """A command for programs."""
    return {
        "command_id": command.id,
        "source": command.source,
        "tenant": command.tenant,
        "operation": command.operation,
        "target": command.target,
        "correlation_id": command.correlation,
        "state": word_of(command),
        "since": _time(command.since),
        "accepted": _time(command.accepted),
        "updated": _time(command.updated),
        "reason": command.reason,
        "position": command.position or None,
        "predecessors": list(command.predecessors),
        "resources": command.resources,
        "status": command.status,
        "error": dict(command.error) or None,
        "attempts": command.attempts,
    }


def command_json(command: CommandHistory, **more: Any) -> str:
    """A line for programs."""
    return _json(described(command) | more)


def _time(seconds: float) -> str | None:
    return format_time(seconds) if seconds else None


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content)


def width_of(console: Console) -> int | None:
    """Cells of the screen; None for a pipe or a file."""
    return console.width if console.is_terminal else None


def print_lines(console: Console, lines: Iterable[Text]) -> None:
    """Prints lines as they are: one that is too long is not folded by us."""
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def facts(pairs: Iterable[tuple[str, str]], width: int | None) -> Iterator[Text]:
    """Names and values, one below the other; long values go on below where they began."""
    shown = [(name, printable(value)) for name, value in pairs if value]
    indent = max((len(name) for name, _ in shown), default=0) + 2
    for name, value in shown:
        rest = list(_folded(value, width - indent)) if width else [value]
        yield Text.assemble((f"{name:{indent}}", "bold"), rest[0])
        yield from (Text(" " * indent + part) for part in rest[1:])


def _folded(text: str, width: int) -> Iterator[str]:
    """Broken at spaces where there are any, so that an address or a command line stays whole if it can."""
    room = max(width, _LEAST)
    while cell_len(text) > room:
        cut = text.rfind(" ", 0, room + 1)
        at = cut if cut > 0 else room
        yield text[:at]
        text = text[at:].lstrip()
    yield text
