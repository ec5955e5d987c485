"""The root task group: what is started, what is told, and in which order it stops."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from service.core import holding
from service.runtime.app import App
from service.runtime.errors import UNUSABLE
from service.runtime.ports import TopicPartition
from service.runtime.shard import State
from tests.support.cluster import Rig
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime


class Parts:
    """Everything that an app runs, without insides; ``events`` is what happened, in order."""

    def __init__(self, *, follows: bool = True, closes: float = 1.0) -> None:
        self.events: list[str] = []
        self.closes = closes
        self.story = Story()
        shard = SimpleNamespace(
            name="commands-0",
            waiting=7,
            oldest_running={"audience-model": 5.0},
            held={"unknown_target": 2},
            phases=lambda: {"running": 3, "queued": 1},
            statistics=lambda: {"state": "running"},
        )
        self.assignment = SimpleNamespace(
            ready=True,
            started=True,
            superseded="",
            standing={},
            shards={TopicPartition("commands", 0): shard, TopicPartition("commands", 1): shard},
            begin=lambda _group: self.events.append("begin"),
            close=self._close,
            abandon=lambda: self.events.append("abandon"),
        )
        limiter = SimpleNamespace(statistics=lambda: {"rate": 1.0}, budgets=lambda: {"read": "b1", "write": "b2"})
        poller = self._running("poller")
        app: Any = App
        self.app: App = app(
            log=SimpleNamespace(membership=SimpleNamespace(consume=self._consume), follow=self._follow),
            assignment=self.assignment,
            pollers={"eu": poller},
            limiters={"eu": limiter},
            slots=SimpleNamespace(statistics=lambda: {"eu/x": {"taken_here": 1}}, oldest=lambda: {"eu/x": 5.0}),
            standby=SimpleNamespace(
                follows=follows, statistics=lambda: {"commands-1": {"current": True}, "commands-2": {"current": False}}
            ),
            telemetry=self.story,
            stop_deadline=5.0,
        )

    def _running(self, name: str) -> Any:
        class Poller:
            async def run(_self) -> None:  # noqa: N805 - the bench is self
                await self._run(name)

            def lag(_self) -> float:  # noqa: N805
                return 0.5

            def __len__(_self) -> int:  # noqa: N805
                return 4

        return Poller()

    async def _run(self, name: str) -> None:
        self.events.append(f"{name} runs")
        try:
            await asyncio.sleep(1_000_000)
        finally:
            self.events.append(f"{name} ends")

    async def _consume(self, assignee: Any) -> None:
        assert assignee is self.assignment
        await self._run("group")

    async def _follow(self, _follower: Any) -> None:
        await self._run("standby")

    async def _close(self) -> None:
        self.events.append("closing")
        await asyncio.sleep(self.closes)
        self.events.append("closed")


async def stopped(parts: Parts) -> list[str]:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(10, stop.set)
    await parts.app.run(stop)
    return parts.events


async def test_shards_are_closed_before_the_group_is_left_and_pollers_end() -> None:
    events = await stopped(Parts())
    assert events[0] == "begin"
    assert set(events[1:4]) == {"poller runs", "standby runs", "group runs"}
    assert events[4:6] == ["closing", "closed"]
    assert set(events[6:]) == {"group ends", "poller ends", "standby ends"}


async def test_a_stop_that_takes_too_long_is_cut_and_told() -> None:
    parts = Parts(closes=1_000.0)
    began = asyncio.get_running_loop().time()
    events = await stopped(parts)
    assert asyncio.get_running_loop().time() - began == pytest.approx(15.0)
    assert "closed" not in events
    assert events.index("abandon") < events.index("group ends")
    assert parts.story.told("stop_timeout") == 1


async def test_without_copies_nothing_is_followed() -> None:
    assert not [event for event in await stopped(Parts(follows=False)) if "standby" in event]


async def test_a_part_that_breaks_ends_all_others() -> None:
    parts = Parts()

    async def breaks(_assignee: Any) -> None:
        await asyncio.sleep(1)
        raise RuntimeError("a defect")

    parts.app._log.membership.consume = breaks  # type: ignore[method-assign, assignment]
    with pytest.raises(ExceptionGroup) as raised:
        await parts.app.run(asyncio.Event())
    assert raised.group_contains(RuntimeError, match="a defect")
    assert "poller ends" in parts.events


def test_readiness_is_the_assignments_and_a_halted_partition_is_told_beside_it() -> None:
    parts = Parts()
    parts.assignment.standing = {TopicPartition("commands", 1): "it was deleted"}
    assert parts.app.status()["ready"] is True
    assert parts.app.status()["halted"] == {"commands-1": "it was deleted"}
    parts.assignment.ready = False
    assert parts.app.status()["ready"] is False


def test_numbers_are_summed_over_shards() -> None:
    app = Parts().app
    assert app.jobs() == {"running": 6, "queued": 2}
    assert app.inboxes() == {"commands-0": 7}
    held = app.held()
    assert held["unknown_target"] == 4
    assert {*holding.REASONS, UNUSABLE} <= held.keys()


def test_what_targets_and_copies_are_doing() -> None:
    app: Any = Parts().app
    assert app.budgets() == {("eu", "read"): "b1", ("eu", "write"): "b2"}
    assert app.lags() == {"eu": 0.5}
    assert app.copies() == {"commands-1": 1, "commands-2": 0}
    assert app.oldest_waiting() == {"eu/x": 5.0}
    assert app.status()["targets"] == {"eu": {"answers": "yes", "rate": 1.0, "watches": 4}}


async def test_the_status_of_a_process_at_work() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        await rig.made("CreateTrainingDataset")
        status = node.app.status()
        assert (status["ready"], status["started"], status["superseded"]) == (True, True, "")
        assert status["jobs"] == {"succeeded": 1}
        assert set(status["shards"]) == {"cleanroomsml.commands-0", "cleanroomsml.changes-0"}  # type: ignore[call-overload]


def test_which_job_has_been_running_for_longest() -> None:
    parts = Parts()
    other = SimpleNamespace(oldest_running={"audience-model": 7.0, "audience-export-job": 9.0})
    shards: dict[Any, Any] = parts.assignment.shards
    shards[TopicPartition("commands", 1)] = other
    assert parts.app.oldest_running() == {"audience-model": 5.0, "audience-export-job": 9.0}
    assert parts.app.unanswered() == {"eu": 0.0}


def test_what_waits_is_summed_and_the_oldest_is_of_all() -> None:
    parts = Parts()
    shards: dict[Any, Any] = parts.assignment.shards
    shards.clear()
    shards[TopicPartition("commands", 0)] = SimpleNamespace(kept_waiting={"CallWindow": (2, 9.0)})
    shards[TopicPartition("commands", 1)] = SimpleNamespace(
        kept_waiting={"CallWindow": (1, 7.0), "NotBefore": (4, 1.0)}
    )
    assert parts.app.waiting() == {"CallWindow": (3, 7.0), "NotBefore": (4, 1.0)}


def test_what_is_not_consumed_is_known_where_it_is_served_and_its_end_is_known() -> None:
    """A partition that restores does not know yet what its predecessor has consumed."""
    parts = Parts()
    shards: dict[Any, Any] = parts.assignment.shards
    shards.clear()
    states = (State.RUNNING, State.PAUSED, State.RESTORING, State.RUNNING)
    for number, state in enumerate(states):
        shards[TopicPartition("commands", number)] = SimpleNamespace(state=state, consumed=40)
    ends = {TopicPartition("commands", number): end for number, end in enumerate((50, 30, 99))}
    assert parts.app.unread(ends) == {TopicPartition("commands", 0): 10, TopicPartition("commands", 1): 0}
