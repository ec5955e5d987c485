"""What the client needs of Kafka. :mod:`schemas.client.kafka` is Kafka's; the test kit's twin has another."""

from collections.abc import Mapping
from typing import Protocol

from ..events import Message
from .changes import Received

Positions = Mapping[tuple[str, int], int]
"""Next offset to read, by topic and partition."""


class ChangeReader(Protocol):
    """Reads the replies and events topics, committed records only, in order within a partition."""

    async def open(self, since: float | None = None) -> None:
        """Takes its positions: once this has returned, no later record is missed.

        Args:
            since: Epoch seconds of the first record to read; None for what is written from now on.

        Raises:
            UnreachableError: Kafka can't be reached or refuses access, or a topic is missing.
        """
        ...

    async def read(self) -> list[Received]:
        """The next records; waits for some, but not for long. Reconnects by itself and goes on where it was."""
        ...

    async def ends(self) -> Positions:
        """Where the partitions end now."""
        ...

    def positions(self) -> Positions:
        """How far it has read."""
        ...

    async def close(self) -> None:
        """Leaves neither a socket nor a task behind."""
        ...


class Transport(Protocol):
    """Sends commands and opens readers."""

    async def open(self) -> None:
        """Connects.

        Raises:
            UnreachableError: Kafka can't be reached or refuses access.
        """
        ...

    async def send(self, message: Message) -> tuple[str, int, int]:
        """Writes a command; returns topic, partition and offset. The key alone decides the partition.

        Raises:
            UnreachableError: It was certainly not written.
            SendUnknownError: It may have been written.
        """
        ...

    def reader(self) -> ChangeReader:
        """A reader, not open yet."""
        ...

    async def close(self) -> None:
        """Leaves neither a socket nor a task behind."""
        ...
