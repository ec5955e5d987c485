"""A flood of writes: calls are permitted when they can be made, so that hardly any permission grows old and is renewed.

The flood is of 5,500 commands over the default pool of 50 connections, or a tenth of both.
"""

import asyncio
from typing import Any

import pytest

from schemas import records
from schemas.cloudevents import format_time
from schemas.records import Job
from service.core.job import Phase
from service.core.rate_budget import Lane
from tests.support import api as fake
from tests.support.cluster import Rig
from tests.support.messages import CHANGELOG, request
from tests.support.process import Options

pytestmark = pytest.mark.looptime

CREATE, MODEL, TAG = "CreateTrainingDataset", "CreateAudienceModel", "TagResource"
POOL, FLOOD = 5, 550
MOST = 1.05
"""Intents committed for each call that left."""


def rig(**changes: Any) -> Rig:
    """A process whose budget is never short of tokens."""
    options: dict[str, Any] = {
        "pool": POOL,
        "reads_per_second": 1e6,
        "writes_per_second": 1e6,
        "partitions": 1,
        "max_batch": 50,
    }
    return Rig(Options(**{**options, **changes}))


def intents(rig: Rig, target: str = "default") -> int:
    """How many commits have permitted a call to a target: of records of jobs, those that are to call at once."""
    found = 0
    for number in range(rig.options.partitions):
        for record in rig.broker.read_committed(CHANGELOG, number):
            job = records.decode(record.value) if record.value else None
            if isinstance(job, Job) and job.phase is Phase.INTENDED and not job.due:
                found += job.command.target == target
    return found


def flood(rig: Rig, target: str = "default", count: int = FLOOD, **attributes: str) -> list[str]:
    """Writes of many publishers to one resource."""
    arn = rig.api.by_hand(CREATE, target, name=f"of {target}")
    data = request(TAG, resourceArn=arn, tags={"a": "b"})
    return [rig.send(TAG, data, target=target, **attributes) for _ in range(count)]


def cancel(rig: Rig, command_id: str) -> None:
    rig.send("CancelCommand", {"commandId": command_id, "commandSource": "/tests"}, f"cancel-{command_id}")


async def over(rig: Rig, sent: list[str], within: float = 1000.0) -> None:
    """Waits for the ends; looks seldom, since each look reads all replies."""
    await rig.until(lambda: rig.ended() >= set(sent), within, step=within / 20)


@pytest.mark.parametrize(("latency", "commit_latency"), [(0.0, 0.01), (0.0, 0.2), (0.05, 0.01), (1.0, 0.2)])
async def test_a_flood_costs_an_intent_for_each_call(latency: float, commit_latency: float) -> None:
    async with rig(commit_latency=commit_latency) as flooded:
        await flooded.start()
        flooded.api.latency = latency
        sent = flood(flooded)
        await over(flooded, sent)
        assert flooded.api.counts()[TAG] == FLOOD
        assert intents(flooded) <= MOST * FLOOD


async def test_what_waits_for_a_quota_has_a_turn_each_time() -> None:
    """The default budget and pool."""
    async with rig(reads_per_second=5.0, writes_per_second=1.0, pool=50) as flooded:
        await flooded.start()
        flooded.api.latency = 0.05
        flooded.api.always(CREATE, fake.QUOTA)
        sent = [flooded.send(CREATE) for _ in range(150)]
        await asyncio.sleep(600.0)
        assert flooded.api.counts()[CREATE] > 2 * len(sent)
        assert intents(flooded) <= MOST * flooded.api.counts()[CREATE]


async def test_what_was_searched_for_in_vain_has_a_turn_for_its_next_call() -> None:
    async with rig() as flooded:
        await flooded.start()
        flooded.api.latency = 1.0
        flooded.api.always(CREATE, fake.UNAVAILABLE)
        sent = [flooded.send(CREATE) for _ in range(300)]
        await asyncio.sleep(100.0)
        flooded.api.always(CREATE, None)
        await over(flooded, sent, within=20_000.0)
        assert flooded.api.counts()[CREATE] > len(sent)
        assert intents(flooded) <= MOST * flooded.api.counts()[CREATE]


async def test_an_update_reads_before_its_turn() -> None:
    """Reads are scarcer than writes: a wait for one holds up no other write, and no permission grows old in it."""
    async with rig(reads_per_second=2.0, writes_per_second=10.0, pool=50) as flooded:
        await flooded.start()
        dataset = flooded.api.by_hand(CREATE, name="read")
        model = flooded.api.by_hand(MODEL, name="read", trainingDatasetArn=dataset)
        configured = flooded.api.by_hand("CreateConfiguredAudienceModel", name="read", audienceModelArn=model)
        data = {"configuredAudienceModelArn": configured, "description": "new"}
        sent = [flooded.send("UpdateConfiguredAudienceModel", data) for _ in range(100)]
        await asyncio.sleep(10.0)
        tag = flooded.send(TAG, request(TAG, resourceArn=configured, tags={"a": "b"}))
        await flooded.end(tag, 1.0)
        await over(flooded, sent)
        assert intents(flooded) <= MOST * (len(sent) + 1)


@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_hung_target_keeps_its_own_calls_and_no_others(partitions: int) -> None:
    """Its calls hold its own connections until they time out; the other target's are made as fast as ever."""
    async with rig(targets=("default", "other"), partitions=partitions) as flooded:
        node = await flooded.start()
        flooded.api.hung.add("other")
        stuck, sent = flood(flooded, "other", FLOOD), flood(flooded)
        began = flooded.clock.monotonic()
        await over(flooded, sent, within=20.0)
        assert intents(flooded) <= MOST * FLOOD
        assert flooded.clock.monotonic() - began < flooded.options.call_timeout
        assert intents(flooded, "other") <= POOL, "none is permitted that can't leave"
        await asyncio.sleep(3 * flooded.options.call_timeout)
        made = [call for call in node.story.calls if call[0] == "other"]
        assert intents(flooded, "other") <= len(made) + POOL
        assert not flooded.ended() & set(stuck)
        flooded.api.hung.clear()
        await over(flooded, stuck)
        assert intents(flooded, "other") <= MOST * (len(made) + FLOOD)


@pytest.mark.parametrize("latency", [1.0, 1.5])
async def test_a_burst_passes_without_a_word_and_a_hung_target_is_told_of(latency: float) -> None:
    """Told is who waits for a connection, permitted (as calls took a second) or not."""
    async with rig(call_timeout=60.0) as flooded:
        await flooded.start()
        flooded.api.latency = latency
        sent = flood(flooded, count=100)
        await over(flooded, sent)
        assert {*flooded.kinds(sent[-1])} == {"accepted", "succeeded"}
        flooded.api.hung.add("default")
        stuck = flood(flooded, count=2 * POOL)
        await asyncio.sleep(25.0)
        assert not any("waiting" in flooded.kinds(command_id) for command_id in stuck)
        await asyncio.sleep(10.0)
        assert sum("waiting" in flooded.kinds(command_id) for command_id in stuck) == POOL


async def test_a_target_that_comes_to_hang_closes_few_windows() -> None:
    """Those that were permitted because calls had been quick: at most three for each connection."""
    async with rig() as flooded:
        await flooded.start()
        flooded.api.latency = 0.05
        sent = flood(flooded)
        await asyncio.sleep(2.0)
        flooded.api.hung.add("default")
        await asyncio.sleep(15.0)
        flooded.api.hung.clear()
        await over(flooded, sent)
        assert intents(flooded) <= FLOOD + 5 * POOL


async def test_commands_of_one_key_are_permitted_one_at_a_time() -> None:
    async with rig() as flooded:
        await flooded.start()
        sent = flood(flooded, count=50, key="same")
        flooded.api.latency = 3.0
        await over(flooded, sent)
        assert intents(flooded) == 50
        flooded.audit()


@pytest.mark.parametrize("attribute", ["notbefore", "retried"])
async def test_what_has_rested_is_permitted_when_it_can_be_called(attribute: str) -> None:
    """A start time that many name, and a throttled target's retries, are bursts as well."""
    async with rig() as flooded:
        await flooded.start()
        flooded.api.latency = 1.0
        if attribute == "notbefore":
            sent = flood(flooded, count=100, notbefore=format_time(flooded.clock.wall() + 60))
        else:
            sent = flood(flooded, count=100)
            flooded.api.inject(TAG, *[fake.UNAVAILABLE] * 100)
        await over(flooded, sent)
        assert intents(flooded) <= MOST * flooded.api.counts()[TAG]
        flooded.audit()


async def test_who_waits_for_its_turn_need_not_be_searched_for_after_a_crash() -> None:
    """It is durably not permitted to call, so its next owner just goes on; a clean stop gives nothing back either."""
    async with rig() as flooded:
        node = await flooded.start()
        flooded.api.hung.add("default")
        sent = [flooded.send(CREATE) for _ in range(20)]
        await flooded.until(lambda: len(flooded.answered()) == len(sent))
        await node.crash()
        flooded.api.hung.clear()
        await flooded.start()
        phases = [flooded.phase(command_id) for command_id in sent]
        assert phases.count(Phase.UNCERTAIN) <= POOL
        await over(flooded, sent)
        assert all(len(flooded.creates(command_id)) == 1 for command_id in sent)
        flooded.audit()


async def test_a_rebalance_that_changes_nothing_loses_no_one_who_waits() -> None:
    async with rig() as flooded:
        node = await flooded.start()
        flooded.api.latency = 1.0
        sent = [flooded.send(CREATE, key=f"k{number % 10}") for number in range(60)]
        await flooded.until(lambda: len(flooded.answered()) == len(sent))
        flooded.broker.group.rebalance()
        await over(flooded, sent)
        assert all(len(flooded.creates(command_id)) == 1 for command_id in sent)
        assert node.limiters["default"].turns(Lane.CREATE) == 0
        flooded.audit()


async def test_a_clean_stop_hands_over_who_waits() -> None:
    async with rig() as flooded:
        node = await flooded.start()
        flooded.api.latency = 1.0
        sent = [flooded.send(CREATE) for number in range(60)]
        await flooded.until(lambda: len(flooded.answered()) == len(sent))
        await node.stop()
        assert node.limiters["default"].turns(Lane.CREATE) == 0
        await flooded.start()
        assert [flooded.phase(command_id) for command_id in sent].count(Phase.UNCERTAIN) == 0
        await over(flooded, sent)
        assert all(len(flooded.creates(command_id)) == 1 for command_id in sent)
        flooded.audit()


async def test_what_does_not_call_gives_its_turn_back() -> None:
    """No slot, a cancellation in the same transaction, a record that breaks the service, one too many."""
    async with rig(open_jobs_limit=4) as flooded:
        node = await flooded.start()
        flooded.api.working = 1000.0
        data = request(MODEL, trainingDatasetArn=await flooded.made(CREATE))
        sent = [flooded.send(MODEL, data) for _ in range(12)]
        await flooded.until(lambda: len(flooded.answered()) == len(sent) + 1)
        early = flooded.send(CREATE)
        cancel(flooded, early)
        await flooded.end(early)
        await asyncio.sleep(5.0)
        assert flooded.api.counts()[MODEL] == 2
        assert node.limiters["default"].turns(Lane.CREATE) == 0


async def test_who_is_cancelled_while_it_waits_for_its_turn_asks_for_none() -> None:
    async with rig(pool=1) as flooded:
        node = await flooded.start()
        flooded.api.latency = 5.0
        first, second = flooded.send(CREATE), flooded.send(CREATE)
        await flooded.until(lambda: flooded.answered() >= {first, second})
        assert node.limiters["default"].statistics()["writes_waiting"] == 1.0
        waiting = second if flooded.job(second).due else first  # type: ignore[union-attr]
        cancel(flooded, waiting)
        assert (await flooded.end(waiting)).code == "Cancelled"
        assert node.limiters["default"].turns(Lane.CREATE) == 1
        await over(flooded, [first, second])
        assert node.limiters["default"].turns(Lane.CREATE) == 0


async def test_who_is_cancelled_during_a_rebalance_keeps_no_turn() -> None:
    """It waits for its turn again when the partition comes back, and is not called when it has it."""
    async with rig(pool=1) as flooded:
        node = await flooded.start()
        flooded.api.latency = 5.0
        first, second = flooded.send(CREATE), flooded.send(CREATE)
        await flooded.until(lambda: flooded.answered() >= {first, second})
        waiting = second if flooded.job(second).due else first  # type: ignore[union-attr]
        pausing = asyncio.create_task(node.shard(0).pause(1.0))
        await asyncio.sleep(0.1)
        cancel(flooded, waiting)
        assert (await flooded.end(waiting)).code == "Cancelled"
        await pausing
        node.shard(0).resume()
        await over(flooded, [first, second])
        await asyncio.sleep(10.0)
        assert node.limiters["default"].turns(Lane.CREATE) == 0
        flooded.audit()
