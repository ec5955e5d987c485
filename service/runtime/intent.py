"""A durable permission to call, as a shard's activities hold it: it grows old, may be renewed, revoked or too late."""

import asyncio
from collections.abc import Callable

from service.core.observations import Delayed, Late, Observation
from service.runtime.context import Context
from service.runtime.inbox import Inbox, Observed


class Intent:
    """The commit that permits a job's call, and the way to renew or revoke it.

    It outlives the call until the outcome is stepped, so that a cancellation knows whether the call has left.

    Args:
        key: Of the job.
        committed_at: When its intent was committed, in monotonic seconds.
        inbox: The shard's.
        context: The shard's.
        expired: Whether the job's deadline has passed.
        read: Whether the call changes nothing: then no window counts, and it may be broken off at any time.
    """

    def __init__(
        self,
        key: bytes,
        committed_at: float,
        inbox: Inbox,
        context: Context,
        expired: Callable[[], bool],
        *,
        read: bool,
    ) -> None:
        self.expired = expired
        self.over = False
        self.answer: Observation | None = None
        self.task: asyncio.Task[None] | None = None
        self._key = key
        self._committed_at = committed_at
        self._inbox = inbox
        self._context = context
        self._read = read
        self._renewal: asyncio.Future[bool] | None = None
        self._sent = False
        self._revoked = False

    @property
    def sent(self) -> bool:
        """True when the call may have left."""
        return self._sent

    def open(self) -> bool:
        """Law 1: a call leaves only within the window of its intent's commit."""
        age = self._context.clock.monotonic() - self._committed_at
        return not self._revoked and (self._read or age <= self._context.policy.call_window)

    def permit(self) -> bool:
        """The same, asked when the request is about to be written: from here on it may have left."""
        permitted = self.open() and not self.expired()
        self._sent = self._sent or permitted
        return permitted

    def expire(self) -> bool:
        """Stops the call because its deadline has passed; False when it may have left, so that its outcome counts."""
        return not self._sent and self.revoke()

    def revoke(self) -> bool:
        """Stops the call for good; False when it may have left and may have an effect."""
        self._revoked = self._revoked or self._read or not self._sent
        if self._revoked and self.task is not None:
            self.task.cancel()
            self.over = True
        return self._revoked

    def delayed(self) -> None:
        """Says that the call waits for the budget."""
        if not self._revoked:
            self._inbox.put(Observed(self._key, Delayed()))

    async def renew(self) -> bool:
        """Commits the intent again; False when there is no longer anything to call."""
        if self._revoked:
            return False
        self._renewal = asyncio.get_running_loop().create_future()
        self._inbox.put(Observed(self._key, Late()))
        return await self._renewal

    def committed(self, at: float, *, permitted: bool) -> None:
        """A commit has renewed the intent, or the job wants no call any more: then one that has not left is over.

        Over, and not only closed: what permits a call later needs an intent of its own.
        """
        if permitted:
            self._committed_at = at
        elif not self._sent:
            self.revoke()
        if self._renewal is not None and not self._renewal.done():
            self._renewal.set_result(permitted)
