"""What was sent and what came back, in order; answers the questions which the demo asks of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.demo.records import DEAD_LETTERS, EVENTS, REPLIES, SUCCEEDED, Command, Record

FINAL: Final = frozenset({"ACTIVE", "created"})
"""Statuses of events with which a resource is ready."""


_NAMES: Final = {REPLIES: "reply", EVENTS: "event", DEAD_LETTERS: "dead letter"}


class UnwantedError(RuntimeError):
    """A command had another end than success; the message says which, and the service's reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline.

    Attributes:
        seconds: since the first command.
        record: ``command``, ``reply``, ``event`` or ``dead letter``.
        about: operation or kind of resource.
        what: what was said.
        sequence: an event's number among those of its resource; empty otherwise.
    """

    seconds: float
    record: str
    about: str
    what: str
    sequence: str = ""


@dataclass(slots=True)
class Timeline:
    """Commands and records of one run."""

    commands: list[Command] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def of(self, command: Command) -> Iterator[Record]:
        """The records which belong to a command, in the order in which they came."""
        return (record for record in self.records if record.command_id == command.id)

    def reply(self, command: Command) -> Record | None:
        """The command's last reply, when it is there."""
        return next((record for record in self.of(command) if record.terminal), None)

    def settled(self, command: Command) -> bool:
        """Whether a command is known to have succeeded: the last reply, and the event of its resource.

        Raises:
            UnwantedError: it did not succeed.
        """
        for record in self.of(command):
            if record.topic == DEAD_LETTERS or (record.terminal and record.what != SUCCEEDED):
                raise UnwantedError(complaint(command, record))
        ready = any(record.topic == EVENTS and record.what in FINAL for record in self.of(command))
        return ready and self.reply(command) is not None

    def result(self, command: Command) -> dict[str, Any]:
        """What the API gave, or the resource as it ended; empty while there is none."""
        reply = self.reply(command)
        return dict(reply.data.get("result") or {}) if reply else {}

    def phase(self, command: Command) -> str:
        """How far a command is, in one or two words."""
        latest = "sent"
        for record in self.of(command):
            if record.terminal:
                return record.what
            latest = str(record.data.get("status") or record.what)
        return latest

    def ended(self, command: Command) -> float | None:
        """When the last reply came, Unix seconds."""
        reply = self.reply(command)
        return reply.time if reply else None

    def rows(self) -> list[Row]:
        """Everything that was sent and read, by the broker's clock."""
        began = self.commands[0].time if self.commands else 0.0
        sent = [(c.time, 0, Row(c.time - began, "command", c.operation, "")) for c in self.commands]
        read = [(r.time, 1 + (r.topic == EVENTS), _row(r, r.time - began)) for r in self.records]
        return [row for *_, row in sorted(sent + read, key=lambda each: each[:2])]

    def count(self, topic: str) -> int:
        """How many records came from a topic."""
        return sum(record.topic == topic for record in self.records)


def _row(record: Record, seconds: float) -> Row:
    what, status = record.what, record.data.get("status")
    if record.topic == REPLIES and status and not record.terminal:
        what = f"{what} ({status})"
    sequence = record.headers.get("sequence", "") if record.topic == EVENTS else ""
    return Row(seconds, _NAMES.get(record.topic, record.topic), record.about, what, sequence.lstrip("0"))


def complaint(command: Command, record: Record) -> str:
    """Why a command did not succeed, in the service's words."""
    if record.topic == DEAD_LETTERS:
        return f"{command.operation} became a dead letter: {record.what}, {record.headers.get('dlq_message', '')}"
    error = record.data.get("error") or {}
    violations = [f"\n  {each.get('path')}: {each.get('message')}" for each in error.get("violations") or ()]
    return f"{command.operation} {record.what}: {error.get('code')}, {error.get('message')}{''.join(violations)}"
