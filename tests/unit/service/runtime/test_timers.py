"""Timers: in order, one a key, on a wall clock that may be set."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.runtime.timers import Timers
from tests.support.clock import EPOCH, LoopClock

pytestmark = pytest.mark.looptime


class Bench:
    def __init__(self) -> None:
        self.clock = LoopClock()
        self.fired: list[tuple[float, bytes, object]] = []
        self.timers: Timers[object] = Timers(
            self.clock.wall, lambda key, what: self.fired.append((self.clock.monotonic(), key, what))
        )

    @property
    def keys(self) -> list[bytes]:
        return [key for _, key, _ in self.fired]


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    task = asyncio.create_task(made.timers.run())
    await asyncio.sleep(0)
    yield made
    task.cancel()
    await asyncio.wait([task])


async def test_they_fire_in_order_of_time_and_not_of_setting() -> None:
    async with bench() as b:
        for seconds in (3, 1, 2):
            b.timers.set(bytes([seconds]), EPOCH + seconds, seconds)
        assert len(b.timers) == 3
        await asyncio.sleep(10.0)
        assert [(round(at, 1), key, what) for at, key, what in b.fired] == [(n, bytes([n]), n) for n in (1, 2, 3)]
        assert len(b.timers) == 0


async def test_of_the_same_time_in_order_of_setting() -> None:
    async with bench() as b:
        for key in (b"b", b"c", b"a"):
            b.timers.set(key, EPOCH + 1.0, None)
        await asyncio.sleep(2.0)
        assert b.keys == [b"b", b"c", b"a"]


async def test_what_is_past_fires_at_once() -> None:
    async with bench() as b:
        b.timers.set(b"k", 0.0, "old")
        await asyncio.sleep(0.001)
        assert b.keys == [b"k"]


@pytest.mark.parametrize("again", [1.0, 9.0])
async def test_setting_again_replaces(again: float) -> None:
    async with bench() as b:
        b.timers.set(b"k", EPOCH + 5.0, "first")
        b.timers.set(b"k", EPOCH + again, "second")
        await asyncio.sleep(20.0)
        assert [(round(at, 1), key, what) for at, key, what in b.fired] == [(again, b"k", "second")]


async def test_what_is_cancelled_does_not_fire() -> None:
    async with bench() as b:
        b.timers.set(b"a", EPOCH + 1.0, None)
        b.timers.set(b"b", EPOCH + 2.0, None)
        b.timers.cancel(b"a")
        b.timers.cancel(b"unknown")
        await asyncio.sleep(5.0)
        assert b.keys == [b"b"]


@pytest.mark.parametrize("again", [True, False], ids=["set anew", "cancelled"])
async def test_what_is_cancelled_or_replaced_takes_no_memory_behind_a_late_one(again: bool) -> None:
    async with bench() as b:
        b.timers.set(b"late", EPOCH + 1e9, None)
        for number in range(2000):
            key = b"again" if again else b"%d" % number
            b.timers.set(key, EPOCH + 10.0 + number, number)
            if not again:
                b.timers.cancel(key)
        assert len(b.timers._heap) < 100
        for number in range(1000):
            b.timers.set(b"%d" % number, EPOCH + 5.0, number)
        for number in range(1, 1000):
            b.timers.cancel(b"%d" % number)
        assert len(b.timers._heap) < 100
        await asyncio.sleep(5000.0)
        assert b.keys == [b"0", *([b"again"] if again else [])]


async def test_an_earlier_one_wakes_the_sleeper() -> None:
    async with bench() as b:
        b.timers.set(b"late", EPOCH + 1000.0, None)
        await asyncio.sleep(1.0)
        b.timers.set(b"soon", EPOCH + 2.0, None)
        await asyncio.sleep(2.0)
        assert b.keys == [b"soon"]


async def test_set_while_firing() -> None:
    async with bench() as b:
        b.timers = Timers(b.clock.wall, lambda key, what: None)
        fired: list[object] = []

        def fire(key: bytes, what: object) -> None:
            fired.append(what)
            if len(fired) < 3:
                again.set(key, b.clock.wall() + 1.0, len(fired))

        again = Timers(b.clock.wall, fire)
        task = asyncio.create_task(again.run())
        again.set(b"k", EPOCH, 0)
        await asyncio.sleep(5.0)
        task.cancel()
        await asyncio.wait([task])
        assert fired == [0, 1, 2]


async def test_a_wall_clock_set_forward_is_noticed_within_a_minute() -> None:
    async with bench() as b:
        b.timers.set(b"k", EPOCH + 86_400.0, None)
        await asyncio.sleep(1.0)
        b.clock.skew = 86_400.0
        await asyncio.sleep(60.0)
        assert b.keys == [b"k"]


async def test_a_wall_clock_set_back_delays() -> None:
    async with bench() as b:
        b.timers.set(b"k", EPOCH + 10.0, None)
        await asyncio.sleep(1.0)
        b.clock.skew = -100.0
        await asyncio.sleep(60.0)
        assert b.keys == []
        await asyncio.sleep(60.0)
        assert b.keys == [b"k"]
