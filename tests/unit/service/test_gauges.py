"""What the metrics ask the service for at each scrape."""

import asyncio

import pytest

from service import gauges
from service.adapters.telemetry import PrometheusTelemetry
from tests.support.cluster import Rig

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
