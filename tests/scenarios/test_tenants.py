"""Several commands topics on one account: apart from each other, and each with its fair share."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from schemas.operations import AUDIENCE_MODEL
from tests.scenarios.test_load import MODEL, prepared
from tests.support.api import LOST_REQUEST
from tests.support.cluster import Rig
from tests.support.messages import request
from tests.support.process import commands_of

pytestmark = pytest.mark.looptime


async def test_the_same_id_in_two_tenants_is_two_commands() -> None:
    """Each makes a model of its own; neither is taken for the other's lost call, nor are their replies."""
    async with Rig(tenants=("films", "music")) as rig:
        dataset = await prepared(rig)
        for tenant in ("films", "music"):
            rig.send(MODEL, request(MODEL, **dataset, name=tenant), "same", tenant=tenant)
        await rig.until(lambda: [reply.kind for reply in rig.replies("same")].count("succeeded") == 2)
        replies = rig.replies("same")
        assert sorted(reply.extensions["tenant"] for reply in replies if reply.kind == "succeeded") == [
            "films",
            "music",
        ]
        assert len({reply.id for reply in replies}) == len(replies), "a subscriber may drop what has a known id"
        models = rig.api.items(AUDIENCE_MODEL)
        assert len(models) == 2
        assert len({str(item.members["description"]) for item in models}) == 2
        assert {event.extensions["tenant"] for event in rig.events() if event.data["commandId"] == "same"} == {
            "films",
            "music",
        }


async def test_a_lost_call_of_one_tenant_does_not_adopt_what_the_other_made() -> None:
    async with Rig(tenants=("films", "music")) as rig:
        dataset = await prepared(rig)
        rig.send(MODEL, request(MODEL, **dataset, name="films"), "same", tenant="films")
        await rig.until(lambda: len(rig.api.items(AUDIENCE_MODEL)) == 1)
        rig.api.inject(MODEL, LOST_REQUEST)
        rig.send(MODEL, request(MODEL, **dataset, name="music"), "same", tenant="music")
        await rig.until(lambda: [reply.kind for reply in rig.replies("same")].count("succeeded") == 2)
        assert len(rig.api.items(AUDIENCE_MODEL)) == 2


async def test_a_crowd_of_one_tenant_does_not_keep_another_out() -> None:
    """The account takes two at a time: the newcomer has the next slot, although thirty came before."""
    async with Rig(tenants=("crowd", "lone")) as rig:
        rig.api.working = 20.0
        dataset = await prepared(rig)
        crowd = [rig.send(MODEL, request(MODEL, **dataset), tenant="crowd", priority="9") for _ in range(8)]
        await rig.until(lambda: sum("waiting" in rig.kinds(command_id) for command_id in crowd) == 6)
        lone = rig.send(MODEL, request(MODEL, **dataset), tenant="lone")
        await rig.until(lambda: "waiting" in rig.kinds(lone))
        waiting = next(reply for reply in rig.replies(lone) if reply.kind == "waiting")
        assert (waiting.data["position"], waiting.data["reason"]) == (1, "ConcurrencyLimit")
        # A subscriber may read what was committed before the committer has its answer.
        await rig.until(lambda: (lone, "default", "ConcurrencyLimit", 1) in rig.nodes[0].story.queued)
        assert rig.nodes[0].slots.statistics()["default/audience-models"]["waiting"] == 7
        await rig.end(lone)
        assert sum(rig.ending(command_id) is not None for command_id in crowd) < 8
        names = [entry.params["name"] for entry in rig.api.log if entry.operation == MODEL]
        assert names.index(lone) <= 3  # two models may end at once: then the tenants are level, and priority decides
        for command_id in crowd:
            await rig.end(command_id)


async def test_a_tenants_rate_holds_its_own_commands_up_and_nobody_elses() -> None:
    async with Rig(tenants=("slow", "free"), tenant_writes={"slow": 1.0}) as rig:
        dataset = await prepared(rig)
        rig.api.quotas = {}
        began = rig.clock.monotonic()
        slow = [rig.send(MODEL, request(MODEL, **dataset), tenant="slow", partition=0) for _ in range(6)]
        tagged = {"resourceArn": dataset["trainingDatasetArn"], "tags": {"a": "b"}}
        await rig.end(rig.send("TagResource", tagged, tenant="free"))
        assert rig.clock.monotonic() - began < 1.0
        read = rig.send("ListAudienceModels", {}, tenant="slow", partition=0)
        await rig.end(read)
        assert rig.clock.monotonic() - began < 2.0, "a waiting command does not block its partition"
        for command_id in slow:
            await rig.end(command_id)
        calls = [entry.time for entry in rig.api.log if entry.operation == MODEL]
        assert all(later - sooner > 0.9 for sooner, later in pairwise(calls[1:]))


@pytest.mark.parametrize("graceful", [True, False])
async def test_a_quota_that_aws_calls_full_is_waited_for_over_a_restart(graceful: bool) -> None:
    async with Rig(tenants=("films",)) as rig:
        dataset = await prepared(rig)
        rig.api.quotas = {"audience-models": 0}  # others use the account up; our own count says free
        waiting = rig.send(MODEL, request(MODEL, **dataset), tenant="films")
        await rig.until(lambda: "waiting" in rig.kinds(waiting))
        await (rig.nodes[0].stop() if graceful else rig.nodes[0].crash())
        await rig.start()
        await asyncio.sleep(5.0)
        assert rig.ending(waiting) is None
        rig.api.quotas = {}
        await rig.end(waiting)
        assert rig.kinds(waiting) == ["accepted", "waiting", "started", "succeeded"]


async def test_what_cannot_be_a_command_is_told_of_its_own_topic() -> None:
    async with Rig(tenants=("films",)) as rig:
        await rig.start()
        rig.broker.produce(commands_of("films"), b"k", b"\xff", (), 0)
        await rig.until(lambda: rig.broker.read_committed("cleanroomsml.dead-letters"))
        [letter] = rig.broker.read_committed("cleanroomsml.dead-letters")
        assert dict(letter.headers)["dlq_topic"] == b"cleanroomsml.films.commands"


async def test_who_waits_for_the_rate_is_told_so() -> None:
    async with Rig(tenants=("slow",), tenant_writes={"slow": 0.1}) as rig:
        dataset = await prepared(rig)
        rig.api.quotas = {}
        first, second = (rig.send(MODEL, request(MODEL, **dataset), tenant="slow", partition=0) for _ in range(2))
        for command_id in (first, second):
            await rig.end(command_id)
        assert rig.kinds(first) == ["accepted", "started", "succeeded"]
        assert rig.kinds(second) == ["accepted", "waiting", "started", "succeeded"]
        waiting = next(reply for reply in rig.replies(second) if reply.kind == "waiting")
        assert (waiting.data["reason"], waiting.data["position"]) == ("RateBudget", 0)
        assert len([entry for entry in rig.api.log if entry.operation == MODEL]) == 2


async def test_the_jobs_of_a_removed_tenant_stay_as_they_are_and_go_on_when_it_is_back() -> None:
    async with Rig(tenants=("films",)) as rig:
        rig.api.working = 200.0
        dataset = await prepared(rig)
        films = rig.send(MODEL, request(MODEL, **dataset), tenant="films")
        await rig.until(lambda: "started" in rig.kinds(films))
        await rig.nodes[-1].stop()
        rig.options = replace(rig.options, tenants=())
        node = await rig.start()
        later = rig.send(MODEL, request(MODEL, **dataset), tenant="films")
        assert (await rig.perform(MODEL, request(MODEL, **dataset))).kind == "succeeded"
        assert rig.ending(films) is None
        assert rig.kinds(later) == []
        await node.stop()
        rig.options = rig.whole
        await rig.start()
        for command_id in (films, later):
            assert (await rig.end(command_id)).kind == "succeeded"
        assert rig.api.counts()[MODEL] == 3
