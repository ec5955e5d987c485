"""What can go wrong for a publisher, as one tree: everything that the client raises is a :class:`PublisherError`.

- :class:`InvalidCommandError`: not sent, the service would reject it.
- :class:`UnreachableError`: Kafka can't be reached, or refuses access.
- :class:`SendUnknownError`: whether it was written is unknown; sending the same id again is safe.
- :class:`CommandError`: how a command ended: :class:`RejectedError`, :class:`FailedError` or :class:`ParkedError`.

A wait that takes longer than its ``timeout`` raises Python's own ``TimeoutError``; the command goes on.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .changes import ReplyReceived


class PublisherError(Exception):
    """Base of everything that the client raises."""


class InvalidCommandError(PublisherError, ValueError):
    """The service would reject this command; the message names everything that is wrong with it. Nothing was sent."""


class UnreachableError(PublisherError):
    """Kafka can't be reached or refuses access, or a topic is missing."""


class SendUnknownError(UnreachableError):
    """Kafka did not confirm a command in time, so it may have been written. Sending the same id again is safe."""


class NotConnectedError(PublisherError):
    """The client is not open: use it as ``async with Client(settings) as client``."""


class CommandError(PublisherError):
    """A command did not succeed.

    Attributes:
        reply: The terminal reply.
    """

    def __init__(self, reply: "ReplyReceived") -> None:
        self.reply = reply
        super().__init__(f"{reply.operation or 'command'} {reply.command_id} {reply.kind}: {self.code}: {self.message}")

    @property
    def error(self) -> Mapping[str, Any]:
        """The reply's ``error``."""
        found = self.reply.data.get("error")
        return found if isinstance(found, dict) else {}

    @property
    def code(self) -> str:
        """AWS's error code, or the service's."""
        return str(self.error.get("code", ""))

    @property
    def message(self) -> str:
        """What was found, what was expected, what to do next."""
        return str(self.error.get("message", ""))

    @property
    def retryable(self) -> bool:
        """True when the same command under a new id may succeed."""
        return bool(self.error.get("retryable"))


class RejectedError(CommandError):
    """The command is invalid or not allowed; AWS was never called."""

    @property
    def violations(self) -> Sequence[Mapping[str, str]]:
        """Everything that is wrong: path, rule and message of each."""
        return self.error.get("violations") or ()


class FailedError(CommandError):
    """AWS refused, the job failed, the deadline passed, or the command was cancelled."""

    @property
    def http_status(self) -> int | None:
        """Status of AWS's answer, if there was one."""
        return self.error.get("httpStatus")

    @property
    def status_details(self) -> Mapping[str, Any]:
        """AWS's ``statusDetails`` of a failed job."""
        return self.error.get("statusDetails") or {}


class ParkedError(CommandError):
    """The outcome can't be known safely; the end until an operator decides. Do not repeat it under another id."""
