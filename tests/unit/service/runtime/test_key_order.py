"""Commands with equal Kafka keys reach the API in order; others don't wait for each other."""

import asyncio
import itertools
from random import Random

import pytest

from schemas import records
from schemas.cloudevents import format_time
from service.core.job import GIVEN_BACK, replace
from service.runtime.key_order import KeyOrder
from service.runtime.ports import Failure
from tests.support.api import HANG_AFTER, LOST_REPLY, LOST_REQUEST, NOT_SENT, THROTTLED, UNAVAILABLE, Fault
from tests.support.cluster import Rig
from tests.support.messages import CHANGELOG, request
from tests.support.process import Node

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


RESTARTS = ("crash", "stop", "rebalance")


@pytest.mark.parametrize("how", RESTARTS)
async def test_what_is_searched_for_keeps_its_turn_over_a_restart(how: str) -> None:
    """The creation reaches AWS first, although the next command could be sent while the lost call settles."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        dataset = await rig.made(CREATE)
        model = rig.api.by_hand("CreateAudienceModel", name="m", trainingDatasetArn=dataset)
        rig.api.log.clear()
        rig.api.inject("CreateConfiguredAudienceModel", LOST_REQUEST)
        creation = request("CreateConfiguredAudienceModel", audienceModelArn=model)
        first = rig.send("CreateConfiguredAudienceModel", creation, key="same")
        second = rig.send("DeleteAudienceModel", {"audienceModelArn": model}, key="same")
        await rig.until(lambda: rig.phase(first) == "uncertain")
        await asyncio.sleep(1.0)
        await restarted(rig, node, how)
        assert (await rig.end(first)).kind == "succeeded"
        assert (await rig.end(second)).code == "ConflictException"
        rig.audit()


@pytest.mark.parametrize("how", RESTARTS)
async def test_a_creation_whose_call_a_restart_cuts_short_keeps_its_turn(how: str) -> None:
    """The process ends during the call, or stops before the answer: the next one is called once a search shows it."""
    async with Rig(partitions=1, stop_deadline=0.5) as rig:
        node = await rig.start()
        dataset = await rig.made(CREATE)
        model = rig.api.by_hand("CreateAudienceModel", name="m", trainingDatasetArn=dataset)
        rig.api.log.clear()
        rig.api.list_lag, rig.api.latency = 5.0, 3.0
        creation = request("CreateConfiguredAudienceModel", audienceModelArn=model)
        first = rig.send("CreateConfiguredAudienceModel", creation, key="same")
        second = rig.send("TagResource", {"resourceArn": model, "tags": {"a": "b"}}, key="same")
        await rig.until(lambda: rig.api.log)
        await restarted(rig, node, how)
        rig.api.latency = 0.05
        assert [(await rig.end(each)).kind for each in (second, first)] == ["succeeded", "succeeded"]
        assert begun(rig)[0] == "CreateConfiguredAudienceModel"
        assert begun(rig)[-1] == "TagResource"
        assert set(begun(rig)[1:-1]) == (set() if how == "rebalance" else {"ListConfiguredAudienceModels"})
        rig.audit()


@pytest.mark.parametrize("how", RESTARTS)
async def test_what_is_tried_again_later_keeps_its_turn_over_a_restart(how: str) -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.api.always(CREATE, THROTTLED)
        first, second = rig.send(CREATE, key="same"), rig.send(READ, key="same")
        await asyncio.sleep(20.0)
        await restarted(rig, node, how)
        await asyncio.sleep(5.0)
        rig.api.always(CREATE, None)
        assert [(await rig.end(each)).kind for each in (first, second)] == ["succeeded", "succeeded"]
        assert begun(rig)[-1] == READ
        assert begun(rig).count(READ) == 1


async def test_a_lost_write_that_aws_performs_after_the_next_one_overwrites_it() -> None:
    """A window of docs/guarantees.md: nobody can know, so both have succeeded, and neither is sent once more."""
    update, member = "UpdateConfiguredAudienceModel", "minMatchingSeedSize"
    async with Rig(partitions=1) as rig:
        await rig.start()
        model = rig.api.by_hand("CreateAudienceModel", name="m", trainingDatasetArn=await rig.made(CREATE))
        arn = await rig.made("CreateConfiguredAudienceModel", audienceModelArn=model)
        rig.api.inject(update, Fault(Failure("ReadTimeout", "no answer; AWS performs it 3 s later")))
        sent = [rig.send(update, {"configuredAudienceModelArn": arn, member: n}, key="same") for n in (100, 200)]
        asyncio.get_running_loop().call_later(3.0, lambda: rig.api.item(arn).members.update({member: 100}))
        assert [(await rig.end(each)).kind for each in sent] == ["succeeded", "succeeded"]
        assert rig.clock.monotonic() < 3.0
        assert rig.api.item(arn).members[member] == 200
        await asyncio.sleep(600.0)
        assert rig.api.item(arn).members[member] == 100
        assert rig.api.counts()[update] == 3
        rig.audit()


async def test_who_waits_for_a_start_time_holds_nobody_up_and_comes_last_then() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        later = rig.send(CREATE, key="same", notbefore=format_time(rig.clock.wall() + 60.0))
        await rig.perform(READ, key="same")
        rig.api.latency = 4.0
        await asyncio.sleep(58.0)
        others = [rig.send(TAG, key="same") for _ in range(3)]
        await asyncio.sleep(3.0)
        await rig.restart(node)
        await rig.until(lambda: rig.ended() >= {later, *others})
        assert calls(rig)[-1] == later


async def test_turns_are_in_the_records_and_not_in_the_order_of_the_changelog() -> None:
    """Compaction leaves the last record of each key; which comes first says nothing about who arrived first."""
    async with Rig(partitions=1) as rig:
        rig.api.always(CREATE, THROTTLED)
        node = await rig.start()
        sent = [rig.send(operation, key="same") for operation in (CREATE, READ, TAG)]  # accepted in one commit
        await asyncio.sleep(5.0)
        await node.crash()
        jobs = rig.folded(0)
        for key in reversed(jobs):
            rig.broker.produce(CHANGELOG, key, records.encode(jobs[key]), partition=0)
        rig.broker.compact(CHANGELOG, 0)
        rig.api.always(CREATE, None)
        await rig.start()
        await rig.until(lambda: rig.ended() == set(sent))
        turns = [command_id for command_id, _ in itertools.groupby(calls(rig))]
        assert turns == sent


async def test_what_an_older_release_has_given_back_is_in_line_before_what_comes_later() -> None:
    """Its records have no turns."""
    async with Rig(partitions=1) as rig:
        rig.api.always(CREATE, THROTTLED)
        node = await rig.start()
        first, second = rig.send(CREATE, key="same"), rig.send(READ, key="same")
        rig.send(CREATE, key="other", command_id="other")  # its search makes the restore end with a commit
        await asyncio.sleep(5.0)
        await node.stop()
        for key, job in rig.folded(0).items():
            if isinstance(job, records.Job):
                due = 0.0 if job.command.id == "other" else GIVEN_BACK
                given_back = replace(job, turn=0, retries=0, due=due)
                rig.broker.produce(CHANGELOG, key, records.encode(given_back), partition=0)
        third = rig.send(TAG, key="same")
        rig.api.log.clear()
        rig.api.always(CREATE, None)
        await rig.start()
        await rig.until(lambda: rig.ended() >= {first, second, third})
        assert [command_id for command_id in calls(rig) if command_id != "other"] == [first, second, third]


def calls(rig: Rig) -> list[str]:
    """Commands in the order of their requests, searches left out."""
    return [entry.cause.command_id for entry in rig.api.log if entry.cause]


async def restarted(rig: Rig, node: Node, how: str) -> Node:
    if how == "rebalance":
        rig.broker.group.rebalance()
        return node
    await (node.crash() if how == "crash" else node.stop())
    return await rig.start()


WRITES = ("TagResource", "UntagResource", "UpdateConfiguredAudienceModel", "PutConfiguredAudienceModelPolicy")
TROUBLE = (LOST_REPLY, LOST_REQUEST, THROTTLED, NOT_SENT, HANG_AFTER, UNAVAILABLE)


@pytest.mark.parametrize("seed", range(12))
async def test_any_commands_amid_any_restarts(seed: int) -> None:
    """By what AWS receives: nobody calls before all who came earlier under its key have called for the last time."""
    draw = Random(f"order/{seed}")
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        dataset = rig.api.by_hand(CREATE, name="d")
        model = rig.api.by_hand("CreateAudienceModel", name="m", trainingDatasetArn=dataset)
        configured = rig.api.by_hand("CreateConfiguredAudienceModel", name="c", audienceModelArn=model)
        known = {"resourceArn": model, "configuredAudienceModelArn": configured, "audienceModelArn": model}
        rig.api.worlds["default"].tags[model] = {}
        rig.api.chance = lambda operation: draw.choice(TROUBLE) if draw.random() < 0.3 else None
        rig.api.slowness = lambda: draw.choice((0.0, 0.5, 3.0))
        rig.api.list_lag = 4.0
        sent: dict[str, list[str]] = {"one": [], "two": []}
        for _ in range(4):
            for _ in range(5):
                key, operation = draw.choice(list(sent)), draw.choice((*WRITES, CREATE, READ))
                data = {**request(operation), **{name: known[name] for name in known if name in request(operation)}}
                sent[key].append(rig.send(operation, data, key=key))
            await asyncio.sleep(draw.choice((0.1, 1.0, 5.0)))
            node = await restarted(rig, node, draw.choice(RESTARTS))
        rig.api.chance = lambda _: None
        await rig.until(lambda: rig.ended() >= set(rig.sent), 1200.0)
        for key, expected in sent.items():
            order = [command_id for command_id in calls(rig) if command_id in expected]
            turns = [command_id for command_id, _ in itertools.groupby(order)]
            assert turns == [command_id for command_id in expected if command_id in turns], (key, order)


def test_lines() -> None:
    lines = KeyOrder()
    assert lines.first(b"free")
    for key in (b"1", b"2", b"3", b"1"):
        lines.join("x", key)
    lines.join("", b"free")
    assert [lines.first(key) for key in (b"1", b"2", b"3", b"free")] == [True, False, False, True]
    assert lines.leave(b"2") is None
    assert lines.leave(b"1") == b"3"
    assert lines.leave(b"unknown") is None
    assert lines.leave(b"3") is None
    assert len(lines) == 0
