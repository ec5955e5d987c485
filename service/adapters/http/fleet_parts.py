"""Parts of the fleet page: times, states, one command in a row, steps of a timeline."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from service.adapters.http.markup import Child, Markup, address, tag
from service.core.command_state import ENDED, CommandState, NextStep
from service.runtime.fleet_answers import CommandSummary, PartitionName, TimelineStep

_SYMBOLS: Final = {
    CommandState.ACCEPTED: "◌",
    CommandState.WAITING: "◷",
    CommandState.STARTED: "▶",
    CommandState.PARKED: "!",
    CommandState.SUCCEEDED: "✓",
    CommandState.FAILED: "✕",
    CommandState.REJECTED: "⊘",
}
_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NEXT: Final = {
    NextStep.CALL: "call",
    NextStep.RETRY: "next try",
    NextStep.SEARCH: "next search",
    NextStep.POLL: "next poll",
}


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def age(at: datetime | None, now: datetime | None) -> Markup | None:
    """How long ago; the script goes on counting."""
    if at is None or now is None:
        return None
    text = duration((now - at).total_seconds())
    return tag("time", text, datetime=_iso(at), title=_iso(at), data_age=True)


def until(at: datetime | None, now: datetime | None) -> Markup | None:
    """How long until then; the script goes on counting."""
    if at is None or now is None:
        return None
    left = (at - now).total_seconds()
    text = f"in {duration(left)}" if left > 0 else "now"
    return tag("time", text, datetime=_iso(at), title=_iso(at), data_until=True)


def clock(at: datetime | None) -> Markup | None:
    """The time itself, in UTC."""
    return tag("time", at.strftime("%Y-%m-%d %H:%M:%S UTC"), datetime=_iso(at)) if at is not None else None


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pill(state: CommandState) -> Markup:
    """A state, by symbol, word and colour."""
    symbol = tag("span", _SYMBOLS[state], aria_hidden="true")
    return tag("span", symbol, f" {state.value}", class_=f"pill {state.value}")


def link_to_command(command_id: str, source: str) -> Markup:
    """A link to a command's page."""
    return tag("a", command_id, href=address("/command", source=source, id=command_id), class_="id")


def link_to_resource(resource_id: str, text: str = "") -> Markup:
    """A link to a resource's page."""
    return tag("a", text or resource_id, href=address("/resource", id=resource_id), class_="id")


def partition_name(partition: PartitionName) -> str:
    """A partition in one word."""
    return f"{partition.topic}-{partition.number}"


def command_row(command: CommandSummary, now: datetime | None) -> Markup:
    """A command in a table."""
    about = (tag("span", command.name, class_="name"), " · ") if command.name not in ("", command.id) else None
    where = tag("span", command.owner or "owner unknown", class_=None if command.owner else "faint")
    tenant = (" · ", command.tenant) if command.tenant else None
    over = command.state in ENDED
    age_from = command.ended_at if over else command.accepted_at
    return tag(
        "tr",
        tag(
            "th",
            link_to_command(command.id, command.source),
            tag("div", about, command.source, tenant, class_="faint"),
            scope="row",
        ),
        _cell("operation", words(command.operation), tag("div", command.target, class_="faint")),
        _cell("state", pill(command.state), tag("div", command.status, class_="status") if command.status else None),
        _cell("ended" if over else "age", age(age_from, now), " ago" if over else None),
        _cell("why and next", *reasons(command, now)),
        _cell("owner", where, _number(command.partition)),
        data_key=f"{command.source} {command.id} {partition_name(command.partition)}",
    )


def words(operation: str) -> Markup:
    """An operation's name, which can be broken between its words, and not within one."""
    parts = [(tag("wbr") if index else None, word) for index, word in enumerate(_WORD.split(operation))]
    return tag("span", parts, class_="operation")


def _number(partition: PartitionName) -> Markup:
    return tag("div", f"partition {partition.number}", class_="faint", title=partition_name(partition))


def _cell(label: str, *children: Child) -> Markup:
    return tag("td", *children, data_label=label)


def reasons(command: CommandSummary, now: datetime | None) -> Iterable[Child]:
    """Why a command stands where it does, and what is next."""
    if command.state is CommandState.STARTED:
        yield progress(command, now)
    if command.reason:
        yield tag("span", command.reason, class_="reason")
    if command.position is not None:
        yield f" position {command.position} of {command.waiting} in the queue"
    if command.explanation and command.position is None:
        yield tag("div", command.explanation)
    if command.error is not None:
        yield tag("div", tag("span", command.error.code, class_="code"), class_="error")
    yield next_step(command, now)


def progress(command: CommandSummary, now: datetime | None) -> Markup | None:
    """How long AWS has worked, beside how long it usually does."""
    if command.since is None or now is None:
        return None
    elapsed = (now - command.since).total_seconds()
    usual = command.usual_seconds
    bar = tag("progress", max=round(usual), value=round(min(elapsed, usual)), aria_hidden="true") if usual else None
    words = f" of usually {duration(usual)}" if usual else None
    over = tag("span", " longer than usual", class_="over") if usual and elapsed > 2 * usual else None
    return tag("div", bar, age(command.since, now), words, over, class_="progress")


def next_step(command: CommandSummary, now: datetime | None) -> Markup | None:
    """What comes next without a person."""
    word = _NEXT.get(command.next_step)
    if word is None:
        return None
    if command.next_at is not None:
        seen = (", seen ", age(command.seen_at, now), " ago") if command.seen_at else None
        return tag("div", f"{word} ", until(command.next_at, now), seen, class_="faint")
    if command.poll_seconds is not None:
        return tag("div", f"polled by its owner about every {duration(command.poll_seconds)}", class_="faint")
    return None


def timeline(steps: Iterable[TimelineStep], now: datetime | None) -> Markup:
    """The life of a command."""
    return tag("ol", [_step(step, now) for step in steps], class_="timeline")


def _step(step: TimelineStep, now: datetime | None) -> Markup:
    if step.what == "unseen":
        return tag("li", "steps in between, which this replica has not seen", class_="unseen")
    if step.what == "next":
        word = _NEXT[NextStep(step.reason)]
        when = until(step.at, now) or "when its owner has it due"
        return tag("li", tag("span", word, class_="what"), " ", when, class_="next")
    known = step.what in frozenset(CommandState)
    what = pill(CommandState(step.what)) if known else tag("span", "received by Kafka", class_="what")
    call = f"call {step.attempt}" if step.attempt else ""
    details = [part for part in (step.status, step.reason, step.error, call) if part]
    at = (clock(step.at), tag("span", " (", age(step.at, now), " ago)", class_="faint"))
    return tag("li", what, " ", tag("span", ", ".join(details), class_="details"), tag("div", at, class_="when"))


def meter(name: str, *value: Child) -> Markup:
    """A name and its value, in a list of such pairs."""
    return tag("div", tag("dt", name), tag("dd", *value))


def command_lines(lines: Iterable[str]) -> Markup | None:
    """Lines for a shell, each with a button that copies it."""
    copy = tag("button", "Copy", type="button", data_copy=True, hidden=True)
    shown = [tag("li", tag("code", line, tabindex="0"), copy) for line in lines]
    return tag("ul", shown, class_="lines") if shown else None
