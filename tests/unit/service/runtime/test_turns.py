"""A job has its turn before its call is permitted; what is not used is given back, and waits for nobody."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from schemas.operations import OPERATIONS, Kind, Operation
from schemas.records import Phase
from service.core.observations import Delayed, Due, Observation, StartReached
from service.core.rate_budget import Lane
from service.runtime.dispatch import CallTimeouts, Dispatch, RateLimitedApi
from service.runtime.inbox import Inbox, Observed
from service.runtime.limiter import Limiter, Turn
from service.runtime.turns import Rested, Turns, release_after, sends
from tests.support.builders import ROWS, command, job, named
from tests.support.clock import LoopClock
from tests.support.faulty_api import TwinApi
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

DELETE = OPERATIONS["DeleteConfiguredAudienceModel"]
NOTHING_SENT = (Kind.READ, Kind.TRACK, Kind.CANCEL, Kind.RESOLVE)
A, B, C = b"a", b"b", b"c"


def rested(name: str = "c-1", *, wall: bool = False) -> Rested:
    return Rested(job(DELETE, command=command(DELETE, id=name)), wall)


class Bench:
    """A target with few connections, so that as many calls have a turn at once; nothing is known of its calls."""

    def __init__(self, room: int = 1) -> None:
        self.clock, self.inbox = LoopClock(), Inbox()
        self.limiter = Limiter(
            self.clock, reads_per_second=50.0, writes_per_second=1000.0, connections=room, window=2.0
        )
        api, limiters, timeouts = TwinApi(self.clock), {"main": self.limiter}, CallTimeouts(write=10.0, read=5.0)
        self.dispatch = Dispatch(RateLimitedApi(api, limiters, self.clock, Story(), timeouts), self.clock)
        self.tasks: list[asyncio.Task[None]] = []
        self.ending = False
        self.turns = Turns(self.inbox, self.dispatch, self.spawn)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        if self.ending:
            work.close()
            return None
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    @property
    def used(self) -> int:
        """How many turns the target has given."""
        return self.limiter.turns(Lane.CREATE)

    async def other(self) -> Turn:
        """A turn that somebody else has."""
        return await self.limiter.take(Lane.CREATE)

    async def heard(self, seconds: float = 0.1) -> list[tuple[bytes, Observation]]:
        await asyncio.sleep(seconds)
        items = await self.inbox.take(100) if len(self.inbox) else []
        return [(item.key, item.observation) for item in items if isinstance(item, Observed)]


@pytest.mark.parametrize("row", ROWS, ids=named)
@pytest.mark.parametrize("phase", Phase)
def test_only_a_call_that_changes_something_needs_a_turn(row: Operation, phase: Phase) -> None:
    assert sends(job(row, phase)) == (phase in (Phase.INTENDED, Phase.QUEUED) and row.kind not in NOTHING_SENT)


def test_what_a_rest_ends_with_is_by_its_clock() -> None:
    assert rested().over == Due()
    assert rested(wall=True).over == StartReached()


async def test_a_command_that_is_accepted_takes_a_turn_if_there_is_one() -> None:
    b = Bench()
    assert b.turns.take_at_once(A, command(DELETE))
    assert not b.turns.take_at_once(B, command(DELETE))
    assert (b.turns.taken, len(b.turns), b.used) == (1, 0, 1)
    assert await b.heard() == []


async def test_a_turn_taken_anew_replaces_the_former_one() -> None:
    b = Bench(room=2)
    for _ in range(3):
        assert b.turns.take_at_once(A, command(DELETE))
    assert (b.turns.taken, b.used) == (1, 1)


async def test_who_takes_a_turn_at_once_waits_no_more() -> None:
    b = Bench()
    b.turns.ask(A, rested())
    assert b.turns.take_at_once(A, command(DELETE))
    assert (b.turns.taken, len(b.turns), b.used) == (1, 0, 1)
    assert await b.heard() == []


async def test_a_turn_that_the_commit_did_not_use_is_given_back() -> None:
    b = Bench(room=3)
    for key in (A, B):
        assert b.turns.take_at_once(key, command(DELETE))
    b.turns.ask(C, rested())
    assert await b.heard() == [(C, Due())]
    assert b.used == 3
    turn = b.turns.pop(A)
    b.turns.give_back_unused()
    assert (b.turns.taken, b.used) == (1, 2)  # what was observed as over is not in this commit yet
    b.turns.give_back_unused()
    assert b.turns.taken == 1
    b.turns.note(C)
    b.turns.give_back_unused()
    assert (b.turns.taken, b.used) == (0, 1)
    assert turn is not None
    turn.release()
    assert b.used == 0
    b.turns.ask(A, rested())  # it was noted for a former commit, not for the next one
    assert await b.heard() == [(A, Due())]
    b.turns.give_back_unused()
    assert (b.turns.taken, b.used) == (1, 1)


@pytest.mark.parametrize(("wall", "over"), [(False, Due()), (True, StartReached())])
async def test_a_wait_is_over_with_the_turn_in_hand(wall: bool, over: Observation) -> None:
    b = Bench()
    b.turns.ask(A, rested("c-9", wall=wall))
    assert [task.get_name() for task in b.tasks] == ["turn:c-9"]
    assert await b.heard() == [(A, over)]
    assert (b.turns.taken, len(b.turns), b.used) == (1, 0, 1)
    b.turns.ask(A, rested(wall=wall))  # asked again, it has its turn still
    assert await b.heard() == [(A, over)]
    assert (b.turns.taken, b.used, len(b.tasks)) == (1, 1, 1)


async def test_without_a_turn_it_waits_however_often_it_asks() -> None:
    b = Bench()
    other = await b.other()
    for _ in range(3):
        b.turns.ask(A, rested())
    b.turns.ask(B, rested())
    assert await b.heard(1.0) == []
    assert (b.turns.taken, len(b.turns), b.used, len(b.tasks)) == (0, 2, 1, 2)
    other.release()
    assert await b.heard() == [(A, Due())]
    assert (b.turns.taken, len(b.turns), b.used) == (1, 1, 1)
    turn = b.turns.pop(A)
    assert turn is not None
    assert b.turns.pop(A) is None
    assert b.used == 1
    turn.release()
    assert await b.heard() == [(B, Due())]


async def test_a_long_wait_is_told_once() -> None:
    b = Bench()
    await b.other()
    b.turns.ask(A, rested())
    assert await b.heard(29.0) == []
    assert await b.heard(100.0) == [(A, Delayed())]
    assert len(b.turns) == 1


async def test_who_is_dropped_gives_back_and_waits_no_more() -> None:
    b = Bench()
    assert b.turns.take_at_once(A, command(DELETE))
    b.turns.ask(B, rested())
    await asyncio.sleep(1.0)
    b.turns.drop(B)
    b.turns.drop(b"unknown")
    assert (len(b.turns), b.used) == (0, 1)
    b.turns.drop(A)
    assert (b.turns.taken, b.used) == (0, 0)
    assert await b.heard(100.0) == []
    assert [task.cancelled() for task in b.tasks] == [True]


async def test_who_is_dropped_may_ask_again() -> None:
    b = Bench()
    other = await b.other()
    b.turns.ask(A, rested())
    await asyncio.sleep(0)
    b.turns.drop(A)
    b.turns.ask(A, rested())
    assert await b.heard() == []
    other.release()
    assert await b.heard() == [(A, Due())]
    assert (b.turns.taken, len(b.turns), b.used) == (1, 0, 1)


async def test_a_turn_that_comes_as_its_job_is_dropped_is_given_back() -> None:
    b = Bench()
    other = await b.other()
    b.turns.ask(A, rested())
    await asyncio.sleep(1.0)
    other.release()
    assert b.used == 1  # granted, and not received yet
    b.turns.drop(A)
    assert await b.heard() == []
    assert (b.turns.taken, b.used) == (0, 0)


@pytest.mark.parametrize("ends", [False, True])
async def test_a_hand_over_and_an_end_give_all_turns_back(ends: bool) -> None:
    b = Bench()
    first, second = rested("b"), rested("c", wall=True)
    assert b.turns.take_at_once(A, command(DELETE))
    b.turns.ask(B, first)
    b.turns.ask(C, second)
    await asyncio.sleep(1.0)
    if ends:
        b.turns.end()
    else:
        assert b.turns.hold() == [(B, first), (C, second)]
    assert (b.turns.taken, len(b.turns), b.used) == (0, 0, 0)
    assert await b.heard(100.0) == []
    assert b.turns.hold() == []


async def test_a_defect_in_the_limiter_lets_the_job_go_on_without_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    b = Bench()

    async def breaks(*_: object) -> Turn:
        raise KeyError("a defect")

    monkeypatch.setattr(b.dispatch, "turn", breaks)
    b.turns.ask(A, rested())
    assert await b.heard() == [(A, Due())]
    assert (b.turns.taken, len(b.turns), b.used) == (0, 0, 0)


async def test_who_asks_before_the_shard_begins_asks_again() -> None:
    """A slot is free while a shard is restored: its job was taken for one that waits for its turn, for good."""
    b = Bench()
    b.ending = True  # as before it begins: no task can be started
    b.turns.ask(A, rested())
    b.ending = False
    assert await b.heard() == []
    b.turns.ask(A, rested())
    assert await b.heard() == [(A, Due())]


async def test_a_shard_that_ends_waits_for_nothing() -> None:
    b = Bench()
    b.ending = True
    b.turns.ask(A, rested())
    assert await b.heard() == []
    b.turns.end()
    assert (b.turns.taken, len(b.turns), b.used) == (0, 0, 0)


async def test_a_turn_ends_with_its_call() -> None:
    b = Bench()
    task = asyncio.create_task(asyncio.sleep(5.0))
    call: Any = task
    release_after(call, await b.other())
    await asyncio.sleep(4.0)
    assert b.used == 1
    await asyncio.sleep(1.1)
    assert b.used == 0


async def test_a_turn_ends_with_a_call_that_never_began() -> None:
    b = Bench()
    release_after(None, await b.other())
    assert b.used == 0
    call: Any = asyncio.create_task(asyncio.sleep(5.0))
    release_after(call, await b.other())
    assert b.used == 1
    call.cancel()
    await asyncio.sleep(0.1)
    assert (call.cancelled(), b.used) == (True, 0)
