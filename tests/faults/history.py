"""What an auditor is given: plain data, gathered from outside, of everything that was sent, published, called and kept.

Nothing here knows the service: a history could be that of any program which claims to keep the contract.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TERMINAL = frozenset({"succeeded", "failed", "rejected", "parked"})
_REFERENCE = "command:"

Identity = tuple[str, str, str]
"""A command: tenant, source, id."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A command as it was published."""

    tenant: str
    source: str
    id: str
    operation: str
    data: Mapping[str, Any]
    partition: int
    at: float
    acknowledged: bool = True
    misuse: bool = False
    """Sent under the id of an earlier command, with other content."""
    key: str = ""
    """Of the record; the id if it is empty."""
    extensions: Mapping[str, str] = field(default_factory=dict)
    """CloudEvents extensions, beside those that every command of the load has."""

    @property
    def names(self) -> frozenset[str]:
        """Ids of the commands that it names, in its data or after which it comes."""
        after = json.loads(self.extensions.get("after", "[]"))
        return frozenset(after) | {name for _, name in references(self.data)}

    @property
    def identity(self) -> Identity:
        """Which command it is."""
        return (self.tenant, self.source, self.id)


def references(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where a value names commands, and their ids."""
    if isinstance(value, str) and value.startswith(_REFERENCE):
        yield path, value.removeprefix(_REFERENCE)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from references(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from references(each, (*path, number))


@dataclass(frozen=True, slots=True)
class Told:
    """A record as a read_committed subscriber has it."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: Mapping[str, str]
    data: Any
    """The value as JSON; None for a tombstone; text when it is not JSON."""
    at: float = 0.0
    """When it was read, monotonic."""

    @property
    def id(self) -> str:
        """CloudEvents id."""
        return self.headers.get("ce_id", "")

    @property
    def type(self) -> str:
        """CloudEvents type."""
        return self.headers.get("ce_type", "")

    @property
    def kind(self) -> str:
        """Last word of a reply's type."""
        return self.type.rsplit(".", 1)[-1]

    @property
    def command(self) -> Identity:
        """The command that it is about."""
        data = self.data if isinstance(self.data, dict) else {}
        return (self.headers.get("ce_tenant", ""), data.get("commandSource", ""), data.get("commandId", ""))


@dataclass(frozen=True, slots=True)
class Batch:
    """A record batch as it lies in a partition's log, committed or not."""

    partition: int
    offset: int
    producer: int
    epoch: int
    transactional: bool
    control: bool
    """A marker that ends a transaction."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything, after the world has come to rest."""

    sent: Sequence[Sent] = ()
    replies: Sequence[Told] = ()
    events: Sequence[Told] = ()
    changelog: Sequence[Told] = ()
    """Jobs, in order of their partitions."""
    numbers: Sequence[Told] = ()
    """The changelog of resources."""
    dead_letters: Sequence[Told] = ()
    requests: Sequence[Mapping[str, Any]] = ()
    """The sandbox's request log."""
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The sandbox's state, by ARN."""
    batches: Mapping[str, Sequence[Batch]] = field(default_factory=dict)
    """Of each changelog topic, as they lie on the broker's disk."""
    lag: Mapping[str, int] = field(default_factory=dict)
    """Records of the commands topics which the group has not consumed, by partition."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise."""

    invariant: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.message}"
