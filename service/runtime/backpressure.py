"""While a shard has more to do than it should hold, its delivery pauses: the rest waits in its topic."""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from service.core.capacity import WaitingLimits
from service.runtime.context import Context
from service.runtime.inbox import Inbox
from service.runtime.ports import Membership, TopicPartition
from service.runtime.store import Store


class Backpressure:
    """Pauses and resumes the delivery of one partition.

    Args:
        partition: Which one.
        inbox: What waits to be stepped.
        membership: Delivers.
        slow: Says which targets' reads or writes AWS has throttled for long.
        context: Has the limits.

    Attributes:
        paused: True while nothing is delivered because there is too much to do.
    """

    def __init__(
        self,
        partition: TopicPartition,
        inbox: Inbox,
        membership: Membership,
        slow: Callable[[], frozenset[tuple[str, str]]],
        context: Context,
    ) -> None:
        self.paused = False
        self._partition = partition
        self._inbox = inbox
        self._membership = membership
        self._slow = slow
        self._context = context
        self._store = Store()
        self._serving = False
        self._held = False
        self._regarded = -math.inf
        self._check: asyncio.TimerHandle | None = None

    def begin(self, store: Store) -> None:
        """The shard serves from now on; pauses at once if what it has restored is too much."""
        self._store = store
        self._serving = True

    def end(self) -> None:
        """The shard has ended."""
        self._serving = False
        if self._check is not None:
            self._check.cancel()

    def hold(self) -> None:
        """The partition is handed over: a delivery that pauses is not resumed."""
        self._held = True

    def proceed(self) -> None:
        """The partition has stayed here; its delivery has started again."""
        self._held = self.paused = False

    def pause(self) -> None:
        """What is not taken in waits in its topic, which has more room than our memory."""
        if not self.paused and self._load >= 1:
            self.paused = True
            self._membership.pause(self._partition)
            self._check_again()

    def resume(self) -> None:
        """Delivery goes on as soon as there is room again."""
        if self.paused and not self._held and self._load <= _RELIEF:
            self.paused = False
            self._membership.resume(self._partition)

    def regard_slow(self) -> None:
        """Which targets are slow changes within minutes, and to ask a thousand of them takes as long as a commit."""
        now = self._context.clock.monotonic()
        if now - self._regarded >= _REGARD:
            self._regarded = now
            self._store.census.regard(self._slow())

    def _check_again(self) -> None:
        """While delivery pauses: a target may have become too slow to wait for, and nothing else would say so."""
        if self._check is not None:
            self._check.cancel()
            self._check = None
        if self.paused and self._serving:
            self._store.census.regard(self._slow())
            self.resume()
            self._check = asyncio.get_running_loop().call_later(_CHECK_INTERVAL, self._check_again)

    @property
    def _load(self) -> float:
        """How much there is to do, as a share of the nearest limit."""
        inbox, context = len(self._inbox), self._context
        return max(
            inbox / context.inbox_limit,
            self._inbox.bytes / context.inbox_bytes,
            (inbox + self._store.census.callable) / WaitingLimits(context.open_jobs_limit).callable,
        )


_REGARD: Final = 1.0
"""Seconds for which it is not asked again which targets are slow."""

_CHECK_INTERVAL: Final = 5.0
"""Seconds after which a paused delivery is checked again."""

_RELIEF: Final = 0.9
"""Share of a limit at which delivery goes on."""
