"""CloudEvents on Kafka, as a client writes and reads them: binary mode, ``ce_`` headers. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

COMMANDS: Final = "cleanroomsml.commands"
REPLIES: Final = "cleanroomsml.replies"
EVENTS: Final = "cleanroomsml.events"
DEAD_LETTERS: Final = "cleanroomsml.dead-letters"

SUCCEEDED: Final = "succeeded"
TERMINAL: Final = frozenset({SUCCEEDED, "failed", "rejected", "parked"})
"""Kinds of reply after which nothing more comes for a command."""

_REPLY: Final = "cleanroomsml.reply."
_EVENT: Final = "cleanroomsml."
_PREFIX: Final = "ce_"
_SOURCE: Final = "/demo"

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Command:
    """A command which was published: its id, operation, data, and the Unix time of it."""

    id: str
    operation: str
    data: Mapping[str, Any]
    time: float = 0.0

    def headers(self, correlation_id: str) -> Headers:
        """Headers of the Kafka record."""
        attributes = {
            "id": self.id,
            "source": _SOURCE,
            "specversion": "1.0",
            "type": self.type,
            "correlationid": correlation_id,
        }
        named = [(_PREFIX + name, value.encode()) for name, value in attributes.items()]
        return [*named, ("content-type", b"application/json")]

    def value(self) -> bytes:
        """Value of the Kafka record."""
        return json.dumps(self.data).encode()

    def line(self) -> str:
        """It as one line of JSON."""
        return json.dumps({"topic": COMMANDS, "time": self.time, "id": self.id, "type": self.type, "data": self.data})

    @property
    def type(self) -> str:
        """CloudEvents type."""
        return f"cleanroomsml.command.{self.operation}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record which was read.

    Attributes:
        topic: where it was.
        time: the broker's time, Unix seconds.
        headers: all headers; CloudEvents attributes under their own names, without the prefix.
        data: the value, decoded.
    """

    topic: str
    time: float
    headers: Mapping[str, str]
    data: Mapping[str, Any]

    @property
    def command_id(self) -> str:
        """Id of the command it belongs to; empty when it belongs to none."""
        return str(self.data.get("commandId") or self.headers.get("id" if self.topic == DEAD_LETTERS else "", ""))

    @property
    def operation(self) -> str:
        """The operation of that command."""
        return str(self.data.get("operation", ""))

    @property
    def what(self) -> str:
        """What it says, in one or two words: a reply's kind, a resource's status, or a dead letter's reason."""
        if self.topic == REPLIES:
            return self.headers.get("type", "").removeprefix(_REPLY)
        if self.topic == EVENTS:
            return str(self.data.get("status", ""))
        return self.headers.get("dlq_reason", "")

    @property
    def about(self) -> str:
        """What it is about: an operation, or a kind of resource."""
        if self.topic == EVENTS:
            return self.headers.get("type", "").removeprefix(_EVENT).rpartition(".")[0]
        return self.operation

    @property
    def terminal(self) -> bool:
        """Whether it is a command's last reply."""
        return self.topic == REPLIES and self.what in TERMINAL

    def line(self) -> str:
        """It as one line of JSON."""
        return json.dumps({"topic": self.topic, "time": self.time, "headers": self.headers, "data": self.data})


def decode(topic: str, milliseconds: int, headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Record:
    """A record from its parts as Kafka has them; a value that is no JSON object is kept as text."""
    named = {name.removeprefix(_PREFIX): text.decode(errors="replace") for name, text in headers}
    try:
        data = json.loads(value or b"{}")
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        data = {"text": (value or b"").decode(errors="replace")}
    return Record(topic, milliseconds / 1000, named, data)
