"""Who is in the consumer group, and where its partitions end: asked for seldom, and kept for a while.

Only Kafka knows what other replicas own. So Kafka is asked, when a page is open, and at most once in a few seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from service.runtime.ports import Clock, LogError, TopicPartition, Unfit

KEPT: Final = 10.0
"""Seconds for which an answer counts as the present one."""

_PAUSE: Final = 300.0
"""Seconds without a question after which a former silence says nothing of the time since."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A member of the consumer group.

    Attributes:
        name: Its instance id, or the address from which it has connected.
        member_id: The group's name for it.
        partitions: What it owns.
    """

    name: str
    member_id: str
    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """The group at a moment.

    Attributes:
        state: Kafka's word for it: `Stable`, `PreparingRebalance`, ...; empty when it is not known.
        replicas: Its members.
        ends: Where each consumed partition ends.
        error: Why it is not known, or not known any more.
        asked_at: Epoch seconds of the answer; 0 when there was none yet.
        unanswered: Seconds since the first question that Kafka has not answered; 0 when it has answered the last one,
            and when none was asked for minutes.
    """

    state: str = ""
    replicas: tuple[Replica, ...] = ()
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    error: str = ""
    asked_at: float = 0.0
    unanswered: float = 0.0

    def owner(self, partition: TopicPartition) -> Replica | None:
        """Who owns a partition; None when that is not known."""
        return next((replica for replica in self.replicas if partition in replica.partitions), None)


class GroupWatch:
    """Asks for the group when it is asked for it.

    Args:
        ask: Asks Kafka.
        clock: Time.
    """

    def __init__(self, ask: Callable[[], Awaitable[GroupSnapshot]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._known = GroupSnapshot()
        self._expires = 0.0
        self._asking_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def snapshot(self) -> GroupSnapshot:
        """What is known now; asks in the background when that is old."""
        now = self._clock.monotonic()
        if self._task is None and now >= self._expires:
            if self._asking_since is None or now >= self._expires + _PAUSE:
                self._asking_since = now
            self._task = asyncio.create_task(self._renew(), name="group-snapshot")
        return self._now_known()

    def _now_known(self) -> GroupSnapshot:
        since = self._asking_since
        return self._known if since is None else replace(self._known, unanswered=self._clock.monotonic() - since)

    async def settled(self) -> GroupSnapshot:
        """The same, after an answer that is under way has come."""
        self.snapshot()
        if self._task is not None:
            await asyncio.wait([self._task])
        return self._now_known()

    async def _renew(self) -> None:
        try:
            asked = await self._ask()
            self._known, self._asking_since = replace(asked, asked_at=self._clock.wall()), None
        except Unfit as error:  # a refusal is an answer
            self._known, self._asking_since = replace(self._known, error=str(error)), None
        except LogError as error:
            self._known = replace(self._known, error=str(error))
        except Exception as error:  # a page that lacks an owner is better than none
            self._known, self._asking_since = replace(self._known, error=f"unexpected {type(error).__name__}"), None
        finally:
            self._expires = self._clock.monotonic() + KEPT
            self._task = None

    async def close(self) -> None:
        """Asks no longer."""
        self._expires = float("inf")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
