"""One partition's writer: what it takes before it serves, and what a record costs that breaks the service."""

from typing import Any

import pytest

from service.runtime import commands
from service.runtime.ports import InRecord, TopicPartition
from service.runtime.shard import State
from tests.support.cluster import Rig
from tests.support.messages import COMMANDS, DEAD_LETTERS

pytestmark = pytest.mark.looptime

READ = "ListTrainingDatasets"


async def test_a_shard_that_has_not_begun_takes_nothing() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        shard = node._make_shard(TopicPartition(COMMANDS, 7))
        shard.receive([InRecord(COMMANDS, 7, 4, 0.0, b"k", b"{}", ())])
        shard.passed(9)
        assert (shard.state, shard.position, shard.waiting) == (State.OPENING, 0, 0)


async def test_a_shard_is_paused_while_its_partition_may_move() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        shard = node.shard(0)
        await shard.pause(1.0)
        states = [shard.state]
        shard.resume()
        states.append(shard.state)
        assert states == [State.PAUSED, State.RUNNING]
        assert (await rig.perform(READ)).kind == "succeeded"


async def test_a_record_that_breaks_the_service_is_set_aside_and_the_next_one_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receive: Any = commands.receive
    broken: list[int] = []

    def breaks(record: InRecord, *more: Any) -> None:
        if not broken:
            broken.append(record.offset)
            raise KeyError("a defect")
        receive(record, *more)

    monkeypatch.setattr(commands, "receive", breaks)
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.send(READ, command_id="broken")
        await rig.end(rig.send(READ, command_id="next"))
        (letter,) = rig.broker.read_committed(DEAD_LETTERS)
        assert b"ServiceError" in dict(letter.headers).values()
        assert [what for what, _ in node.story.problems] == ["record_error"]
        assert rig.replies("broken") == []
