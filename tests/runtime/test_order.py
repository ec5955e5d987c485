"""Commands with equal Kafka keys reach the API in order; others don't wait for each other."""

import itertools

import pytest

from service.runtime.lines import Lines
from tests.fakes.api import LOST_REPLY, THROTTLED
from tests.runtime.rig import Rig

pytestmark = pytest.mark.looptime

CREATE, READ, TAG = "CreateTrainingDataset", "ListTrainingDatasets", "ListAudienceModels"


def begun(rig: Rig) -> list[str]:
    """Operations in the order in which the API received them."""
    return [entry.operation for entry in rig.api.log]


async def test_equal_keys_keep_their_order() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.latency = 1.0
        await rig.start()
        for operation in (CREATE, READ, TAG):
            rig.send(operation, key="same")
        await rig.until(lambda: len(rig.ended()) == 3)
        assert begun(rig) == [CREATE, READ, TAG]
        times = [entry.time for entry in rig.api.log]
        assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(times))
        rig.audit()


async def test_other_keys_do_not_wait() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.latency = 2.0
        await rig.start()
        began = rig.clock.monotonic()
        for number in range(5):
            rig.send(READ, key=f"key-{number}")
        await rig.until(lambda: len(rig.ended()) == 5)
        assert rig.clock.monotonic() - began < 4.0


async def test_a_throttled_command_is_not_overtaken() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.inject(CREATE, THROTTLED)
        await rig.start()
        rig.send(CREATE, key="same")
        rig.send(READ, key="same")
        await rig.until(lambda: len(rig.ended()) == 2)
        assert begun(rig) == [CREATE, CREATE, READ]


async def test_a_lost_outcome_is_found_out_before_the_next_one_goes() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.inject(CREATE, LOST_REPLY)
        await rig.start()
        first, second = rig.send(CREATE, key="same"), rig.send(TAG, key="same")
        await rig.until(lambda: len(rig.ended()) == 2)
        assert begun(rig) == [CREATE, READ, TAG]
        assert [reply.kind for reply in (await rig.end(first), await rig.end(second))] == ["succeeded"] * 2
        rig.audit()


async def test_the_order_survives_a_crash() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.latency = 2.0
        node = await rig.start()
        for operation in (READ, TAG, READ, TAG):
            rig.send(operation, key="same")
        await rig.until(lambda: len(rig.api.log) == 2)
        await rig.restart(node)
        await rig.until(lambda: len(rig.ended()) == 4)
        assert begun(rig)[2:] == [TAG, READ, TAG]
        rig.audit()


async def test_the_order_survives_a_stop() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.latency = 2.0
        node = await rig.start()
        for operation in (READ, TAG, READ, TAG):
            rig.send(operation, key="same")
        await rig.until(lambda: len(rig.api.log) == 1)
        await node.stop()
        await rig.start()
        await rig.until(lambda: len(rig.ended()) == 4)
        assert begun(rig)[-3:] == [TAG, READ, TAG]
        rig.audit()


def test_lines() -> None:
    lines = Lines()
    assert lines.join("", b"free")
    assert lines.join("x", b"1")
    assert not lines.join("x", b"2")
    assert not lines.join("x", b"3")
    assert lines.join("x", b"1"), "joining again changes nothing"
    assert lines.leave(b"2") is None
    assert lines.leave(b"1") == b"3"
    assert lines.leave(b"unknown") is None
    assert lines.leave(b"3") is None
    assert len(lines) == 0
