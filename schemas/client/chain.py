"""Several commands at once that refer to each other: the service performs each when those before it have succeeded."""

from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, Unpack

from ..events import Message
from .composing import Attributes, CommandRequest
from .errors import InvalidCommandError

if TYPE_CHECKING:
    from .job import JobHandle

R = TypeVar("R")


class Prepare(Protocol):
    """Checks and registers a command; see :meth:`schemas.client.Client.prepare`."""

    def __call__(
        self,
        request: CommandRequest[R],
        /,
        *,
        id: str = "",  # noqa: A002
        key: str = "",
        check: bool = True,
        **attributes: Unpack[Attributes],
    ) -> "tuple[JobHandle[R], Message]":
        """The command's handle, and its record."""
        ...


class Publish(Protocol):
    """Writes a prepared command."""

    def __call__(self, message: Message) -> Coroutine[Any, Any, tuple[str, int, int]]:
        """Writes it."""
        ...


class Chain:
    """Commands of one key: ``add`` checks one, and leaving the block sends all, in order.

    Nothing is sent when the block ends with an error. When Kafka fails in the middle, run the same block again: what
    was sent before has the same ids and is recognised as a repeat.
    """

    def __init__(self, prepare: Prepare, publish: Publish, key: str, attributes: Attributes) -> None:
        """Made by :meth:`schemas.client.Client.chain` only."""
        self._prepare, self._publish = prepare, publish
        self._key, self._attributes = key, attributes
        self._messages: list[Message] = []
        self.jobs: list[JobHandle[Any]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sends all, unless the block ends with an error.

        Raises:
            UnreachableError: The next one was not written.
            SendUnknownError: The next one may have been written.
        """
        if kind is None:
            for message in self._messages:
                await self._publish(message)

    def add(self, request: CommandRequest[R], /, *, id: str, **attributes: Unpack[Attributes]) -> "JobHandle[R]":  # noqa: A002
        """Adds a command; refer to what it makes by its handle's ``reference``.

        Args:
            request: Operation and members.
            id: Idempotency key; it must be the same when the chain is sent again.
            attributes: See :class:`schemas.client.Attributes`. ``after`` names commands, by their ids, that must have
                succeeded before.

        Raises:
            InvalidCommandError: The service would reject it, or it is in this chain already.
        """
        if any(job.id == id for job in self.jobs):
            raise InvalidCommandError(f"the chain has two commands with the id {id}")
        merged: Attributes = {**self._attributes, **attributes}
        job, message = self._prepare(request, id=id, key=self._key, **merged)
        self.jobs.append(job)
        self._messages.append(message)
        return job
