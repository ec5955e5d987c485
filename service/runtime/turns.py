"""Turns to call of one shard's jobs: taken before the commit that permits the call, so that no permission grows old.

A job that waits for its turn is durably *not* permitted to call (``due`` lies in the past). So a new owner need not
search for what it has done, however many waited.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from schemas.operations import Kind
from schemas.records import Command
from service.core.job import Job, Phase, row
from service.core.observations import Delayed, Due, Observation, StartReached
from service.runtime.dispatch import Dispatch
from service.runtime.inbox import Inbox, Observed
from service.runtime.limiter import Turn

_UNGATED: Final = frozenset({Kind.READ, Kind.TRACK, Kind.CANCEL, Kind.RESOLVE})
"""What sends nothing, or may be sent at any time after its commit."""

Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None] | None"]


@dataclass(frozen=True, slots=True)
class Rested:
    """A job whose wait is over, by the wall clock or by the owner's time."""

    job: Job
    wall: bool = False

    @property
    def over(self) -> Observation:
        """What to observe then."""
        return StartReached() if self.wall else Due()


def sends(job: Job) -> bool:
    """True for a job that rests before a call which must leave within its window."""
    resting = job.phase is Phase.INTENDED or (job.phase is Phase.QUEUED and not job.awaits)
    return resting and row(job.command).kind not in _UNGATED


class Turns:
    """Who of a shard has a turn, and who waits for one.

    Args:
        inbox: The shard's.
        dispatch: Gives turns.
        spawn: Starts a task of the shard; None before the shard begins, and when it is ending.
    """

    def __init__(self, inbox: Inbox, dispatch: Dispatch, spawn: Spawn) -> None:
        self._inbox = inbox
        self._dispatch = dispatch
        self._spawn = spawn
        self._taken: dict[bytes, Turn] = {}
        self._noted: list[bytes] = []
        self._waiting: dict[bytes, tuple[Rested, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def taken(self) -> int:
        """How many have a turn and are not permitted yet."""
        return len(self._taken)

    def take_at_once(self, key: bytes, command: Command) -> bool:
        """Takes a turn for a command that is being accepted, if there is one."""
        turn = self._dispatch.turn_at_once(command)
        if turn is None:
            return False
        self.drop(key)
        self._taken[key] = turn
        self.note(key)
        return True

    def note(self, key: bytes) -> None:
        """The next commit is to permit the call for which the job has its turn."""
        self._noted.append(key)

    def give_back_unused(self) -> None:
        """A commit was planned: who was noted and has its turn still was not permitted to call."""
        noted, self._noted = self._noted, []
        for key in noted:
            self._release(key)

    def ask(self, key: bytes, rested: Rested) -> None:
        """Has the wait of a job observed as over when it has a turn."""
        if key in self._taken:
            self._inbox.put(Observed(key, rested.over))
        elif key not in self._waiting:
            task = self._spawn(self._wait(key, rested), f"turn:{rested.job.command.id}")
            if task is not None:  # a slot may be free before the shard begins, or while it ends: no task, no wait
                self._waiting[key] = (rested, task)

    async def _wait(self, key: bytes, rested: Rested) -> None:
        delayed = partial(self._inbox.put, Observed(key, Delayed()))
        with suppress(Exception):  # a defect shows again, and is reported, when the call itself asks
            self._taken[key] = await self._dispatch.turn(rested.job.command, delayed)
        del self._waiting[key]
        self._inbox.put(Observed(key, rested.over))

    def pop(self, key: bytes) -> Turn | None:
        """The turn of a job, which is from now on the caller's to release."""
        return self._taken.pop(key, None)

    def drop(self, key: bytes) -> None:
        """A job is not to call now: gives its turn back, or stops waiting for one."""
        if (waiting := self._waiting.pop(key, None)) is not None:
            _, task = waiting
            task.cancel()
        self._release(key)

    def _release(self, key: bytes) -> None:
        if (turn := self._taken.pop(key, None)) is not None:
            turn.release()

    def hold(self) -> list[tuple[bytes, Rested]]:
        """Gives all turns back; returns who waits, to be asked for again."""
        waiting = [(key, rested) for key, (rested, _) in self._waiting.items()]
        self.end()
        return waiting

    def end(self) -> None:
        """Gives all turns back and waits for none."""
        for key in [*self._waiting, *self._taken]:
            self.drop(key)


def release_after(task: asyncio.Task[None] | None, turn: Turn) -> None:
    """A turn ends with its call, also if that is cancelled before it begins."""
    if task is None:
        turn.release()
    else:
        task.add_done_callback(lambda _: turn.release())
