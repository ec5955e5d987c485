"""Signs of life: who has been silent for too long, and by how much the event loop is late."""

import asyncio

import pytest

from service.adapters.http import Liveness
from tests.support.clock import ManualClock


def test_who_has_never_beaten_is_not_missed() -> None:
    assert Liveness(ManualClock(), {"loop": 1, "kafka": 1}).silent() == []


def test_silence_begins_after_the_limit() -> None:
    clock = ManualClock()
    liveness = Liveness(clock, {"loop": 30, "kafka": 30})
    for part in ("loop", "kafka"):
        liveness.beat(part)
    clock.advance(30)
    assert liveness.silent() == []
    liveness.beat("kafka")
    clock.advance(1)
    assert liveness.silent() == ["loop"]
    assert liveness.ages() == {"loop": 31, "kafka": 1}
    clock.advance(30)
    assert liveness.silent() == ["kafka", "loop"]


@pytest.mark.looptime
async def test_the_loop_beats_while_it_is_watched() -> None:
    clock = ManualClock()
    liveness = Liveness(clock, {"loop": 1, "kafka": 1})
    task = asyncio.create_task(liveness.watch())
    await asyncio.sleep(0.1)
    for _ in range(20):
        clock.advance(0.9)
        await asyncio.sleep(0.5)
        assert liveness.silent() == []
    task.cancel()
    clock.advance(2)
    assert liveness.silent() == ["loop"]


@pytest.mark.looptime
async def test_watch_measures_lag() -> None:
    lags: list[float] = []
    clock = ManualClock()
    liveness = Liveness(clock, {"loop": 1, "kafka": 1}, lag=lags.append)
    task = asyncio.create_task(liveness.watch())
    await asyncio.sleep(0.25)
    clock.advance(0.9)
    await asyncio.sleep(0.5)
    task.cancel()
    assert lags == [pytest.approx(0.4)]
    assert liveness.silent() == []
