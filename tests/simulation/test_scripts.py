"""Schedules that are not drawn but written: a process stands still at the moment that matters."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from tests.support.cluster import Rig
from tests.support.loop import SimulatedLoop
from tests.support.process import POLICY

CREATE = "CreateTrainingDataset"


def play(script: Callable[[SimulatedLoop], Coroutine[Any, Any, None]]) -> None:
    """Runs a script to its end."""
    loop = SimulatedLoop(Random(0))  # type: ignore[abstract] # no sockets
    try:
        loop.run_until_complete(script(loop))
    finally:
        loop.close()


def test_a_window_is_counted_from_the_begin_of_the_commit_and_not_from_its_answer() -> None:
    """The process stands still before it reads that its intent is committed; its successor settles meanwhile."""

    async def script(loop: SimulatedLoop) -> None:
        async with Rig(partitions=1, commit_latency=1.0) as rig:
            node = await rig.start()
            command_id = rig.send(CREATE)
            await rig.until(lambda: node.story.commands["accepted"], step=0.001)
            await asyncio.sleep(0.7)  # the records are written, and the end of the transaction is on its way
            loop.freeze(node.name)
            await rig.until(lambda: rig.phase(command_id) == "intended")
            rig.broker.evict(node.name)
            await rig.start()
            assert (await rig.end(command_id)).kind == "succeeded"
            assert loop.time() > POLICY.settle
            loop.thaw(node.name)
            await rig.until(lambda: node.story.told("shard_closed_dirty"))
            assert len(rig.creates(command_id)) == rig.api.counts()[CREATE] == 1

    play(script)


def test_a_frozen_process_does_nothing_and_misses_nothing() -> None:
    """The loop's own promise: timers come late, answers are there."""

    async def script(loop: SimulatedLoop) -> None:
        async with Rig(partitions=1) as rig:
            node = await rig.start()
            loop.freeze(node.name)
            command_id = rig.send(CREATE)
            loop.call_later(100.0, loop.thaw, node.name)
            began = loop.time()
            assert (await rig.end(command_id)).kind == "succeeded"
            assert loop.time() - began >= 100.0

    play(script)
