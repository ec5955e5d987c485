"""What the metrics ask the service for at each scrape."""

import asyncio
import platform
from pathlib import Path
from unittest.mock import Mock

import pytest

from service import gauges
from service.adapters.expiries import Expiries
from service.adapters.memory import ContainerMemory
from service.adapters.telemetry import PrometheusTelemetry
from service.runtime.app import App
from service.runtime.ports import TopicPartition
from tests.support.clock import LoopClock
from tests.support.cluster import Rig

ASKED = {"target_unanswered_seconds", "jobs", "inbox_length", "slots_taken", "slots_waiting", "slots_limit"}

pytestmark = pytest.mark.looptime


async def test_whether_another_process_has_our_place_is_asked_for() -> None:
    async with Rig() as rig:
        node, telemetry = await rig.start(), PrometheusTelemetry(["default"])
        gauges.register(telemetry, node.app, node.clock)
        await node.assignment.superseded_by_peer("another process has it")
        assert telemetry.registry.get_sample_value("crml_superseded") == 1
        await node.assignment.assigned(frozenset())
        assert telemetry.registry.get_sample_value("crml_superseded") == 0


async def test_whose_copies_are_current_is_asked_for() -> None:
    async with Rig() as rig:
        nodes = [await rig.start(), await rig.start()]
        await rig.until(lambda: all(node.ready and len(node.assignment.shards) == 2 for node in nodes))
        telemetry = PrometheusTelemetry(["default"])
        gauges.register(telemetry, nodes[0].app, nodes[0].clock)
        await asyncio.sleep(2.0)
        for partition in nodes[1].assignment.shards:
            labels = {"partition": f"{partition.topic}-{partition.partition}"}
            assert telemetry.registry.get_sample_value("crml_standby_current", labels) == 1


async def test_jobs_inboxes_and_slots_are_asked_for() -> None:
    """The slots of this replica's jobs, and who waits for one, by quota."""
    statistics = {"eu/audience-models": {"taken_here": 2, "waiting_here": 7, "limit": 2, "taken": 5}}
    app = Mock(App, jobs=lambda: {"running": 2}, inboxes=lambda: {"c-0": 7}, slots=lambda: statistics)
    app.unanswered = lambda: {"eu": 0.0, "us": 95.0}
    found = {name: values for name, _, _, values in gauges.gauges(app, LoopClock(), dict) if name in ASKED}
    assert {name: values() for name, values in found.items()} == {
        "jobs": {("running",): 2},
        "inbox_length": {("c-0",): 7},
        "slots_taken": {("eu/audience-models",): 2},
        "slots_waiting": {("eu/audience-models",): 7},
        "slots_limit": {("eu/audience-models",): 2},
        "target_unanswered_seconds": {("eu",): 0.0, ("us",): 95.0},
    }


async def test_the_oldest_running_job_of_each_kind_is_asked_for_beside_its_limit() -> None:
    """Series begin at 0, or an alert would see no job until the first one has run."""
    clock = LoopClock()
    app = Mock(App, oldest_running=lambda: {"audience-model": clock.now() - 95.0})
    limits = {"audience-model": 90.0}
    found = {name: values for name, _, _, values in gauges.gauges(app, clock, dict, limits)}
    ages = dict(found["running_oldest_seconds"]())
    assert ages.pop(("audience-model",)) == pytest.approx(95.0)
    assert set(ages.values()) == {0.0}
    assert ("audience-export-job",) in ages
    assert found["running_limit_seconds"]() == {("audience-model",): 90.0}


async def test_who_waits_for_what_is_asked_for_by_reason() -> None:
    """Every reason has a series from the beginning; a word that is not known is counted as `other`."""
    clock = LoopClock()
    waiting = {
        "CallWindow": (3, clock.now() - 95.0),
        "NotBefore": (2, clock.now() + 50.0),
        "New": (1, clock.now() - 5.0),
    }
    app = Mock(App, waiting=lambda: waiting)
    found = {name: values for name, _, _, values in gauges.gauges(app, clock, dict)}
    counts, ages = dict(found["waiting"]()), dict(found["waiting_oldest_seconds"]())
    assert counts.keys() == ages.keys() >= {("Predecessor",), ("TargetUnavailable",), ("UnknownTarget",)}
    assert {label: count for (label,), count in counts.items() if count} == {
        "CallWindow": 3,
        "NotBefore": 2,
        "other": 1,
    }
    shown = {label: age for (label,), age in ages.items() if age}
    assert shown == {"CallWindow": pytest.approx(95.0), "other": pytest.approx(5.0)}


async def test_what_is_not_consumed_yet_is_asked_for_by_partition() -> None:
    ends = {TopicPartition("c", 0): 50}
    app = Mock(App, unread=lambda known: {TopicPartition("c", 0): known[TopicPartition("c", 0)] - 8})
    found = {name: values for name, _, _, values in gauges.gauges(app, LoopClock(), dict, ends=lambda: ends)}
    assert found["commands_lag"]() == {("c-0",): 42.0}


def test_what_runs_and_what_it_has_is_asked_for(tmp_path: Path) -> None:
    telemetry = PrometheusTelemetry(["default"])
    for name, text in (("memory.max", "1000"), ("memory.current", "600"), ("memory.stat", "")):
        (tmp_path / name).write_text(text)
    expiries = Expiries(None, None, {}, lambda: {"eu": 5_000.0})
    gauges.register_process(telemetry, "1.2.3", expiries, ContainerMemory(tmp_path))
    value = telemetry.registry.get_sample_value
    labels = {"version": "1.2.3", "python": platform.python_version(), "api_version": "2023-09-06"}
    assert value("crml_build_info", labels) == 1
    assert value("crml_expiry_timestamp_seconds", {"credential": "aws_session", "target": "eu"}) == 5_000.0
    assert (value("crml_memory_used_bytes"), value("crml_memory_limit_bytes")) == (600, 1000)
