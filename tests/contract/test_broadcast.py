"""Reaching every replica, for the in-memory twin and for aiokafka: at most once, in order, from now on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from service.runtime.ports import Broadcast
from tests.contract.test_log import world
from tests.contract.test_log_worlds import World, eventually

__all__ = ["world"]


@contextlib.asynccontextmanager
async def listening(broadcast: Broadcast) -> AsyncIterator[list[bytes]]:
    heard: list[bytes] = []
    task = asyncio.create_task(broadcast.run(heard.append))
    yield heard
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_each_hears_what_any_sends_once_and_in_order(world: World) -> None:
    one, two = world.broadcast(), world.broadcast()
    async with listening(one) as first, listening(two) as second:
        sent = 0

        def reached() -> bool:
            nonlocal sent
            one.send(b"%d" % sent)
            sent += 1
            return len(first) > 5 and len(second) > 5

        await eventually(reached, 60.0)
        for heard in (first, second):
            numbers = [int(value) for value in heard]
            assert numbers == sorted(set(numbers)), "none twice, none before an earlier one"


async def test_what_was_sent_before_is_not_heard(world: World) -> None:
    one = world.broadcast()
    async with listening(one) as first:

        def reached() -> bool:
            one.send(b"early")
            return bool(first)

        await eventually(reached, 60.0)
        await asyncio.sleep(1.0)
        two = world.broadcast()
        async with listening(two) as second:

            def heard_late() -> bool:
                one.send(b"late")
                return bool(second)

            await eventually(heard_late, 60.0)
            assert set(second) == {b"late"}
