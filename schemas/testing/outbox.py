"""What the twin publishes: numbered, encoded as the service does it, and read back strictly."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .. import events, records
from ..client.changes import Received
from ..events import Message, ReplyKind
from ..operations import Change
from ..records import ResourceState
from .reading import Published, read

SERVICE_SOURCE: Final = "cleanroomsml-service"


@dataclass(slots=True)
class Outbox:
    """Replies, events and dead letters.

    Attributes:
        prefix: First part of the topics' names.
        region: AWS Region, as in events.
        published: All replies and events, in order.
        dead_letters: All dead letters, in order.
        received: The records of replies and events, as a consumer gets them.
        listeners: Called after each of them.
    """

    prefix: str
    region: str
    published: list[Published] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    listeners: list[Callable[[], None]] = field(default_factory=list)
    dead_letters: list[Message] = field(default_factory=list)
    _states: dict[tuple[str, str], ResourceState] = field(default_factory=dict)
    _offsets: Counter[str] = field(default_factory=Counter)

    def reply(
        self, command: records.Command, kind: ReplyKind, data: Mapping[str, Any], number: int, now: float
    ) -> None:
        """Publishes a reply."""
        message = events.reply(command, kind, data, number=number, now=now, source=SERVICE_SOURCE)
        self._publish(message, command.reply_to or f"{self.prefix}.replies", now)

    def change(
        self,
        command: records.Command,
        kind: str,
        subject: str,
        status: str,
        now: float,
        *,
        name: str = "",
        full: Mapping[str, Any] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Publishes a change under its resource's next number, unless it is no news."""
        before = self._states.get((kind, subject))
        if before is not None and before.status == status != Change.UPDATED:
            return
        number = before.sequence + 1 if before else 1
        known = name or (before.name if before else "")
        state = self._states[kind, subject] = ResourceState(subject, kind, number, status, known, now)
        message = events.status_changed(
            resource=state,
            previous_status=before.status if before else None,
            command=command,
            region=self.region,
            status_details=details or None,
            description=full,
            now=now,
            source=SERVICE_SOURCE,
        )
        self._publish(message, f"{self.prefix}.events", now)

    def bury(self, message: Message, reason: str, text: str, now: float) -> None:
        """Publishes a dead letter."""
        letter = events.dead_letter(
            message.key,
            message.value,
            message.headers,
            reason=reason,
            message=text,
            position=events.RecordPosition(f"{self.prefix}.commands", 0, len(self.dead_letters)),
            now=now,
        )
        self.dead_letters.append(letter)

    def _publish(self, message: Message, topic: str, now: float) -> None:
        self.published.append(read(message, topic))
        offset = self._offsets[topic]
        self._offsets[topic] += 1
        self.received.append(Received(topic, 0, offset, now, message.key, message.value, message.headers))
        for listener in self.listeners:
            listener()
