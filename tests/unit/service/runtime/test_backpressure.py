"""Delivery pauses at the nearest limit and goes on below it, unless the partition is handed over."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from service.core.observations import Restored
from service.runtime.backpressure import Backpressure
from service.runtime.inbox import Inbox, Observed
from service.runtime.ports import TopicPartition
from service.runtime.store import Store
from tests.support.clock import LoopClock
from tests.support.cluster import Rig
from tests.support.messages import COMMANDS
from tests.support.process import Options, make_context
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

PARTITION = TopicPartition(COMMANDS, 0)
LIMIT = 20


class Membership:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause(self, partition: TopicPartition) -> None:
        self.calls.append("pause")

    def resume(self, partition: TopicPartition) -> None:
        self.calls.append("resume")


class Bench:
    def __init__(self) -> None:
        self.inbox, self.membership = Inbox(), Membership()
        self.asked = 0
        membership: Any = self.membership
        context = replace(make_context(Story(), LoopClock(), Options()), inbox_limit=LIMIT)
        self.pressure = Backpressure(PARTITION, self.inbox, membership, self._slow, context)
        self.pressure.begin(Store())

    def _slow(self) -> frozenset[tuple[str, str]]:
        self.asked += 1
        return frozenset()

    def fill(self, count: int) -> None:
        for _ in range(count):
            self.inbox.put(Observed(b"", Restored()))
        self.pressure.pause()

    async def drain(self, count: int) -> None:
        await self.inbox.take(count)
        self.pressure.resume()


async def test_delivery_pauses_at_the_limit_and_goes_on_with_a_tenth_of_it_free() -> None:
    bench = Bench()
    bench.fill(LIMIT - 1)
    assert bench.membership.calls == []
    bench.fill(1)
    assert bench.membership.calls == ["pause"]
    assert bench.pressure.paused
    await bench.drain(LIMIT // 10 - 1)
    assert bench.membership.calls == ["pause"]
    await bench.drain(1)
    assert bench.membership.calls == ["pause", "resume"]
    bench.pressure.end()


async def test_a_partition_that_is_handed_over_is_not_resumed() -> None:
    bench = Bench()
    bench.fill(LIMIT)
    bench.pressure.hold()
    await bench.drain(LIMIT)
    assert bench.membership.calls == ["pause"]
    bench.pressure.proceed()
    assert not bench.pressure.paused
    bench.fill(LIMIT)
    assert bench.membership.calls == ["pause", "pause"]
    bench.pressure.end()


async def test_a_paused_delivery_is_checked_again_until_the_shard_ends() -> None:
    bench = Bench()
    bench.fill(LIMIT)
    await bench.inbox.take(LIMIT)  # and no commit follows that would resume it
    await asyncio.sleep(10.0)
    assert bench.membership.calls == ["pause", "resume"]
    bench.fill(LIMIT)
    asked = bench.asked
    bench.pressure.end()
    await asyncio.sleep(60.0)
    assert bench.asked == asked


async def test_slow_targets_are_asked_for_once_a_second() -> None:
    bench = Bench()
    for _ in range(10):
        bench.pressure.regard_slow()
    assert bench.asked == 1
    await asyncio.sleep(1.0)
    bench.pressure.regard_slow()
    assert bench.asked == 2


async def test_an_inbox_full_of_large_records_pauses_delivery() -> None:
    async with Rig(partitions=1, inbox_bytes=500_000, commit_latency=0.5) as rig:
        node = await rig.start()
        sent = [rig.send("CreateAudienceModel", {"name": "n", "x" * 100_000: 1}) for _ in range(30)]
        await rig.until(lambda: node.shard(0).statistics()["delivery"] == "held")
        await rig.until(lambda: rig.ended() >= set(sent))
        assert node.shard(0).statistics()["delivery"] == "open"
