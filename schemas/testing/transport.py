"""The client's transport to a twin: users' tests need no Kafka."""

import asyncio
from collections.abc import Callable

from ..client.changes import Received
from ..client.transport import Positions
from ..events import Message
from .outbox import Outbox


class TwinTransport:
    """Gives commands to a twin, and reads what it publishes."""

    def __init__(self, take: Callable[[Message], object], outbox: Outbox) -> None:
        """Made by :meth:`schemas.testing.Twin.client`.

        Args:
            take: Takes a command.
            outbox: What the twin publishes.
        """
        self._take, self._outbox = take, outbox
        self._sent = 0

    async def open(self) -> None:
        """See :class:`schemas.client.transport.Transport`."""

    async def send(self, message: Message) -> tuple[str, int, int]:
        """See :class:`schemas.client.transport.Transport`."""
        self._take(message)
        self._sent += 1
        return f"{self._outbox.prefix}.commands", 0, self._sent - 1

    def reader(self) -> "TwinReader":
        """See :class:`schemas.client.transport.Transport`."""
        return TwinReader(self._outbox)

    async def close(self) -> None:
        """See :class:`schemas.client.transport.Transport`."""


class TwinReader:
    """Reads what a twin has published, from a time or from now on; each topic is one partition."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._next = 0
        self._more = asyncio.Event()

    async def open(self, since: float | None = None) -> None:
        """See :class:`schemas.client.transport.ChangeReader`."""
        records = self._outbox.received
        later = (number for number, each in enumerate(records) if since is not None and each.time >= since)
        self._next = next(later, len(records))
        self._outbox.listeners.append(self._more.set)

    async def read(self) -> list[Received]:
        """See :class:`schemas.client.transport.ChangeReader`."""
        if self._next == len(self._outbox.received):
            self._more.clear()
            await self._more.wait()
        found = self._outbox.received[self._next :]
        self._next += len(found)
        return found

    async def ends(self) -> Positions:
        """See :class:`schemas.client.transport.ChangeReader`."""
        return _ends(self._outbox.received)

    def positions(self) -> Positions:
        """See :class:`schemas.client.transport.ChangeReader`."""
        return _ends(self._outbox.received[: self._next])

    async def close(self) -> None:
        """See :class:`schemas.client.transport.ChangeReader`."""
        if self._more.set in self._outbox.listeners:
            self._outbox.listeners.remove(self._more.set)


def _ends(records: list[Received]) -> Positions:
    return {(each.topic, each.partition): each.offset + 1 for each in records}
