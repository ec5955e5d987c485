"""Laboratories meet before something strikes all of them; who has gone is not waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Act = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Meeting:
    act: Act
    arrived: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Future[None] | None = None


class Rendezvous:
    """A barrier behind which one acts for all, and which nobody can hold up by failing before it."""

    def __init__(self) -> None:
        self._parties = 0
        self._meeting: _Meeting | None = None

    def expect(self, parties: int) -> None:
        """So many will take part in what comes."""
        self._parties, self._meeting = parties, None

    async def together(self, act: Act) -> None:
        """Does something once for all, when all who are still there have come; returns, or raises, when it is done."""
        if self._meeting is None:
            self._meeting = _Meeting(act)
        meeting = self._meeting
        meeting.arrived += 1
        self._begin_when_complete()
        await meeting.begun.wait()
        assert meeting.task is not None
        await asyncio.shield(meeting.task)

    def leave(self) -> None:
        """One takes no part any more."""
        self._parties -= 1
        self._begin_when_complete()

    def _begin_when_complete(self) -> None:
        meeting = self._meeting
        if meeting is not None and meeting.arrived >= self._parties:
            self._meeting = None
            meeting.task = asyncio.ensure_future(meeting.act())
            meeting.begun.set()
