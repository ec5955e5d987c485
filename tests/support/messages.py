"""What publishers send and subscribers read: commands of any row, replies and events as they are on the wire."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from schemas import cloudevents
from schemas.cloudevents import Envelope
from schemas.events import EVENT_SUFFIX, REPLY_PREFIX
from schemas.operations import COMMAND_PREFIX
from service.runtime.ports import InRecord, OutRecord
from tests.support import samples
from tests.support.log import MemoryBroker

COMMANDS = "cleanroomsml.commands"
CHANGELOG = "cleanroomsml.jobs"
CHANGES = "cleanroomsml.changes"
RESOURCES = "cleanroomsml.resources"
REPLIES = "cleanroomsml.replies"
EVENTS = "cleanroomsml.events"
DEAD_LETTERS = "cleanroomsml.dead-letters"

TERMINAL = frozenset({"succeeded", "failed", "rejected", "parked"})


@cache
def _sample(operation: str) -> dict[str, Any]:
    return samples.payload(operation, full=False)


def request(operation: str, **members: Any) -> dict[str, Any]:
    """A valid request: the least of every required member, and the given ones."""
    return deepcopy(_sample(operation)) | members


def command(
    operation: str, command_id: str, data: Any, *, source: str = "/tests", key: str = "", **extensions: str
) -> tuple[bytes, bytes, cloudevents.Headers]:
    """Key, value and headers of a command."""
    envelope = Envelope(
        id=command_id,
        source=source,
        type=f"{COMMAND_PREFIX}{operation}",
        time="",
        extensions=extensions,
        data=json.dumps(data).encode(),
    )
    value, headers = cloudevents.encode(envelope)
    return (key or command_id).encode(), value, headers


@dataclass(frozen=True)
class Heard:
    """A reply or an event as a subscriber has it."""

    topic: str
    partition: int
    key: str
    id: str
    type: str
    subject: str
    extensions: dict[str, str]
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        """What a reply says."""
        return self.type.removeprefix(REPLY_PREFIX)

    @property
    def number(self) -> int:
        """Which reply to its command it is."""
        return int(self.id.rpartition("/")[2].partition("-")[0])

    @property
    def status(self) -> str:
        """What an event says."""
        return str(self.data["status"])

    @property
    def sequence(self) -> int:
        """Which event of its resource it is."""
        return int(self.extensions["sequence"])

    @property
    def code(self) -> str:
        """The error of a reply."""
        return str(self.data["error"]["code"])

    @property
    def resource_kind(self) -> str:
        """Which kind of resource an event is about."""
        return self.type.removeprefix("cleanroomsml.").removesuffix(EVENT_SUFFIX)


def heard(record: OutRecord | InRecord) -> Heard:
    """Decodes one record."""
    envelope = cloudevents.decode(record.key, record.value, record.headers)
    assert isinstance(envelope, Envelope), envelope
    assert record.key is not None
    assert record.partition is not None
    return Heard(
        record.topic,
        record.partition,
        record.key.decode(),
        envelope.id,
        envelope.type,
        envelope.subject,
        dict(envelope.extensions),
        json.loads(envelope.data),
    )


class Subscriber:
    """Reads a topic with ``read_committed`` and remembers what it has read."""

    def __init__(self, broker: MemoryBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self._read: list[list[Heard]] = [[] for _ in range(broker.partitions)]
        self._next = [0] * broker.partitions

    def messages(self) -> list[Heard]:
        """Everything so far, partition by partition."""
        for number, known in enumerate(self._read):
            records = self._broker.partition(self._topic, number).committed(self._next[number])
            known.extend(heard(record) for record in records)
            self._next[number] = records[-1].offset + 1 if records else self._next[number]
        return [message for known in self._read for message in known]

    def of(self, key: str) -> Iterator[Heard]:
        """Everything under a key, in order."""
        return (message for message in self.messages() if message.key == key)
