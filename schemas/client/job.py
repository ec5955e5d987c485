"""A command that was sent, and what is known of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ..events import ReplyKind
from .changes import MISUSE, CommandChange, ReplyReceived
from .composing import REFERENCE
from .errors import (
    CommandError,
    FailedError,
    InvalidCommandError,
    ParkedError,
    PublisherError,
    RejectedError,
)

if TYPE_CHECKING:
    from .requests import CancelCommand, CancelCommandResult

R = TypeVar("R")

_RAISED: Final[dict[ReplyKind, type[CommandError]]] = {
    ReplyKind.FAILED: FailedError,
    ReplyKind.REJECTED: RejectedError,
    ReplyKind.PARKED: ParkedError,
}

Canceller = Callable[["JobHandle[Any]", "CancelCommand", str], Coroutine[Any, Any, "JobHandle[CancelCommandResult]"]]


class JobHandle(Generic[R]):
    """A command under way or ended. What its client reads about the command arrives here as long as this is kept.

    Attributes:
        id: The command's id.
        source: The command's source.
        key: Kafka key; None for a command of which only the id is known.
    """

    def __init__(self, command_id: str, source: str, key: bytes | None, digest: str, cancel: Canceller) -> None:
        """Made by a client only.

        Args:
            command_id: The command's id.
            source: The command's source.
            key: Kafka key.
            digest: Of its content; empty if that is not known.
            cancel: Sends a cancellation.
        """
        self.id, self.source, self.key = command_id, source, key
        self._digest = digest
        self._target = ""
        self._cancel = cancel
        self._changes: list[CommandChange] = []
        self._seen: set[str] = set()
        self._early: list[CommandChange] | None = None
        self._broken: PublisherError | None = None
        self._news = asyncio.Event()

    def __repr__(self) -> str:
        last = self.last_reply
        return f"<JobHandle {self.id} of {self.source}: {last.kind if last else 'no reply yet'}>"

    @property
    def reference(self) -> str:
        """Stands for the ARN of what this command makes, in later commands of the same source and key."""
        return f"{REFERENCE}{self.id}"

    # --- what is known -------------------------------------------------------------------------------------------

    @property
    def changes(self) -> tuple[CommandChange, ...]:
        """All replies and events that were read, in their order."""
        return tuple(self._changes)

    @property
    def last_reply(self) -> ReplyReceived | None:
        """The latest reply."""
        return next((one for one in reversed(self._changes) if isinstance(one, ReplyReceived)), None)

    @property
    def end(self) -> ReplyReceived | None:
        """The terminal reply, if there is one; of a parked command, the real end once an operator has decided."""
        ends = [one for one in self._changes if isinstance(one, ReplyReceived) and one.is_terminal]
        final = [one for one in ends if one.kind is not ReplyKind.PARKED]
        return final[0] if final else ends[-1] if ends else None

    @property
    def target(self) -> str:
        """The AWS target that the command named, or its replies name; empty if neither is known."""
        if self._target or self._digest:  # what was sent from here: a repeat of its cancellation is the same command
            return self._target
        return next((one.target for one in self._changes if one.target), "")

    # --- waiting -------------------------------------------------------------------------------------------------

    async def accepted(self, timeout: float | None = None) -> None:
        """Waits until the service has the command: its intent is durable.

        Args:
            timeout: Seconds; None waits without limit.

        Raises:
            RejectedError: The command is invalid or not allowed.
            TimeoutError: There was no reply in time.
        """
        async with asyncio.timeout(timeout):
            await self._until(lambda: self.last_reply is not None)
        end = self.end
        if end is not None and end.kind is ReplyKind.REJECTED:
            raise RejectedError(end)

    async def outcome(self, timeout: float | None = None) -> ReplyReceived:
        """Waits for the terminal reply and returns it, whatever it is: errors as values.

        Args:
            timeout: Seconds; None waits without limit.

        Raises:
            TimeoutError: The command did not end in time; it goes on.
        """
        async with asyncio.timeout(timeout):
            await self._until(lambda: self.end is not None)
        return cast(ReplyReceived, self.end)

    async def result(self, timeout: float | None = None) -> R:
        """Waits for the end and returns the result: AWS's response, or the resource's final description.

        Args:
            timeout: Seconds; None waits without limit.

        Raises:
            RejectedError: The command is invalid or not allowed.
            FailedError: AWS refused, the job failed, the deadline passed, or the command was cancelled.
            ParkedError: The outcome is not known. Calling this again after an operator's decision gives the real end.
            TimeoutError: The command did not end in time; it goes on.
        """
        end = await self.outcome(timeout)
        if end.kind is not ReplyKind.SUCCEEDED:
            raise _RAISED[end.kind](end)
        return cast(R, end.data["result"])

    async def __aiter__(self) -> AsyncIterator[CommandChange]:
        """Yields replies and events from the first one on, and ends behind the terminal reply.

        The event of a resource's last status may be published after that reply, which holds the same description.
        """
        given = 0
        while True:
            await self._until(lambda: len(self._changes) > given or self.end is not None)  # noqa: B023
            if given == len(self._changes):
                return
            given += 1
            yield self._changes[given - 1]

    async def cancel(self, *, delete_resource: bool = False, id: str = "") -> "JobHandle[CancelCommandResult]":  # noqa: A002
        """Sends a ``CancelCommand`` for this one, under its key.

        Args:
            delete_resource: Whether what the command makes, or has made, is deleted once it can be.
            id: Of the cancellation; by default derived, so that a repeat is the same command.

        Raises:
            InvalidCommandError: This command's key is not known; give it to :meth:`Client.job`.
        """
        from .requests import CancelCommand

        request = CancelCommand(commandId=self.id, commandSource=self.source, deleteResource=delete_resource or None)
        return await self._cancel(self, request, id)

    # --- the client's side ---------------------------------------------------------------------------------------

    def agree(self, key: bytes | None, digest: str, target: str = "") -> None:
        """Notes what is said of the command, by a repeat too.

        Raises:
            InvalidCommandError: It has another key or other content.
        """
        if digest and self._digest and digest != self._digest:
            raise InvalidCommandError(f"the id {self.id} belongs to an earlier command with other content")
        if key is not None and self.key is not None and key != self.key:
            raise InvalidCommandError(f"{self.id} was sent with another key; a repeat needs the same one")
        self.key = key if self.key is None else self.key
        self._digest = self._digest or digest
        self._target = self._target or target

    def hold(self) -> None:
        """Keeps what arrives apart until :meth:`release`: earlier records are about to be read."""
        if self._early is None:
            self._early = []

    def release(self) -> None:
        """Appends what has arrived since :meth:`hold`."""
        early, self._early = self._early or [], None
        for change in early:
            self.add(change)

    def add(self, change: CommandChange, *, earlier: bool = False) -> None:
        """Takes a reply or event of this command; repeats, and answers to another command with its id, are ignored.

        Args:
            change: What was read.
            earlier: Whether it belongs before what is held.
        """
        if self._early is not None and not earlier:
            self._early.append(change)
            return
        if change.id in self._seen or self._is_misuse(change):
            return
        self._seen.add(change.id)
        self._changes.append(change)
        self._wake()

    def fail(self, error: PublisherError | None) -> None:
        """Ends all waits: nothing will be read any more; with None, until then they go on."""
        self._broken = error
        self._wake()

    def _is_misuse(self, change: CommandChange) -> bool:
        """Whether a rejection answers other content under the same id; its number is taken from that digest."""
        if not isinstance(change, ReplyReceived) or change.code != MISUSE:
            return False
        number = change.id.rpartition("/")[2].partition("-")[0]
        return not self._digest or number != str(int(self._digest[:12], 16))

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            if self._broken is not None:
                raise self._broken
            await self._news.wait()
