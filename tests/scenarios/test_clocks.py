"""The wall clock is stepped, or wrong from the start: nothing is done twice, late, early or never."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from schemas.cloudevents import format_time
from schemas.records import Job
from service.core.job import Phase
from tests.support import api as fake
from tests.support.cluster import Rig
from tests.support.loop import SimulatedLoop
from tests.support.messages import request
from tests.support.process import POLICY, Node

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"
BRIEF = replace(POLICY, accepted_limit=60.0, retention=100.0)
HOURS = (-86_400.0, -3600.0, 3600.0, 86_400.0)
LATE = 3600.0
"""Seconds by which a clock is wrong."""


async def stepping(node: Node, random: Random | None) -> None:
    """Steps the wall clock of a process, in either direction, every few seconds; without a random, never."""
    while random is not None:
        await asyncio.sleep(random.uniform(0.05, 3.0))
        node.clock.skew += random.choice((-1, 1)) * 10 ** random.uniform(0.0, 5.0)


def exporting(rig: Rig) -> dict[str, str]:
    """Members of an export, of a generation job that somebody else has made."""
    data = rig.api.by_hand(CREATE, name="data")
    model = rig.api.by_hand("CreateAudienceModel", name="old", trainingDatasetArn=data)
    configured = rig.api.by_hand("CreateConfiguredAudienceModel", name="old", audienceModelArn=model)
    job = rig.api.by_hand("StartAudienceGenerationJob", name="old", configuredAudienceModelArn=configured)
    return request("StartAudienceExportJob", audienceGenerationJobArn=job)


async def requests(random: Random | None) -> list[tuple[float, str, str]]:
    """What a process sends to AWS while it settles, backs off, waits for a slot, searches and polls."""
    async with Rig(partitions=1) as rig:
        rig.api.list_lag, rig.api.quotas = 5.0, {"audience-models": 1}
        node = await rig.start()
        arn = await rig.made(CREATE)
        steps = asyncio.create_task(stepping(node, random))
        rig.api.inject("CreateAudienceModel", fake.LOST_REPLY)
        rig.api.inject("CreateConfiguredAudienceModel", fake.LOST_REQUEST)
        rig.api.inject("StartAudienceExportJob", fake.INVALID)
        for _ in range(3):
            rig.api.inject("ListAudienceModels", fake.THROTTLED)
        for _ in range(2):
            rig.send("CreateAudienceModel", request("CreateAudienceModel", trainingDatasetArn=arn))
        for operation in ("CreateConfiguredAudienceModel", "ListTrainingDatasets"):
            rig.send(operation)
        rig.send("StartAudienceExportJob", exporting(rig))
        await rig.until(lambda: rig.ended() >= rig.sent.keys(), 900.0)
        await rig.numbered()
        steps.cancel()
        rig.audit()
        began = rig.api.log[0].time
        return [(round(entry.time - began, 3), entry.operation, entry.outcome) for entry in rig.api.log]


def test_steps_of_the_wall_clock_change_nothing() -> None:
    """Every request leaves at the very time at which it would leave if nobody had touched the clock."""

    def run(steps: Random | None) -> list[tuple[float, str, str]]:
        loop = SimulatedLoop(Random(0))  # type: ignore[abstract] # no sockets
        try:
            return loop.run_until_complete(requests(steps))
        finally:
            loop.close()

    untouched = run(None)
    assert len(untouched) > 25
    for seed in range(4):
        assert run(Random(seed)) == untouched, seed


@pytest.mark.parametrize("step", [31.0, -31.0, *HOURS])
async def test_settling_is_counted_in_true_seconds(step: float) -> None:
    """A step forward by `settle` let an empty search permit a repeat at once: two billed models."""
    async with Rig(partitions=1) as rig:
        rig.api.list_lag = 10.0
        node = await rig.start()
        rig.api.inject(CREATE, fake.LOST_REPLY)
        command_id = rig.send(CREATE)
        await rig.until(lambda: rig.phase(command_id) == Phase.UNCERTAIN, step=0.01)
        node.clock.skew += step
        assert (await rig.end(command_id)).kind == "succeeded"
        assert rig.clock.monotonic() < POLICY.settle
        assert len(rig.creates(command_id)) == 1


async def glitch(node: Node, rig: Rig) -> Node:
    """The clock is ahead by more than the retention, for a minute."""
    node.clock.skew += POLICY.retention + 100.0
    await asyncio.sleep(60.0)
    node.clock.skew -= POLICY.retention + 100.0
    return node


async def started_then(node: Node, rig: Rig) -> Node:
    """A process starts while the clock is ahead, and goes on with it."""
    await node.crash()
    other = rig.begin()
    other.clock.skew = POLICY.retention + 100.0
    await rig.until(lambda: other.ready)
    other.clock.skew = 0.0
    return other


@pytest.mark.parametrize("wrong", [glitch, started_then])
async def test_a_clock_that_is_ahead_forgets_nothing(wrong: Callable[[Node, Rig], object]) -> None:
    async with Rig(partitions=1) as rig:
        data = request(CREATE, name="once")
        node = await rig.start()
        await rig.perform(CREATE, data, command_id="once")
        await wrong(node, rig)  # type: ignore[misc]
        await rig.perform(CREATE)
        rig.send(CREATE, data, command_id="once")
        await rig.until(lambda: rig.kinds("once").count("succeeded") == 2)
        assert len(rig.creates("once")) == 1


async def test_a_broker_whose_clock_is_ahead_forgets_nothing() -> None:
    async with Rig(partitions=1) as rig:
        data = request(CREATE, name="once")
        await rig.start()
        await rig.perform(CREATE, data, command_id="once")
        rig.clock.skew = POLICY.retention + 100.0
        for _ in range(3):
            await rig.perform(CREATE)
        assert rig.job("once") is not None


async def test_an_end_by_a_clock_that_was_ahead_is_not_kept_as_much_longer() -> None:
    """The process started with a clock that was a year ahead; its successor counts from what it knows."""
    async with Rig(partitions=1, policy=BRIEF) as rig:
        node = rig.begin()
        node.clock.skew = 365 * 86_400.0
        await rig.perform(CREATE, command_id="once")
        await node.crash()
        await rig.start()
        await asyncio.sleep(BRIEF.retention + 1.0)
        await rig.perform(CREATE)
        await rig.until(lambda: rig.job("once") is None)


async def test_an_end_seen_by_an_owner_that_began_days_behind_is_kept_for_the_whole_retention() -> None:
    """Its clock was set right since, and it has consumed no record; its successor counts from the true end."""
    async with Rig(partitions=1, policy=BRIEF) as rig:
        node = await rig.start()
        rig.send(CREATE, command_id="once", notbefore=format_time(rig.clock.wall() + 90.0))
        await rig.until(lambda: rig.job("once"))
        await node.crash()
        node = rig.begin()
        node.clock.skew = -30 * 86_400.0
        await rig.until(lambda: node.ready)
        node.clock.skew = 0.0
        await rig.end("once")
        await rig.restart(node)
        await asyncio.sleep(BRIEF.retention - 10.0)
        await rig.perform(CREATE)
        assert rig.job("once") is not None


async def test_an_end_in_the_hands_of_owners_days_behind_counts_from_when_its_command_came_to_kafka() -> None:
    """Found by the simulator: both owners' clocks stay wrong, and the second one has consumed no record."""
    async with Rig(partitions=1, policy=BRIEF) as rig:
        rig.api.inject(CREATE, fake.LOST_REPLY)
        for _ in range(2):
            node = rig.begin()
            node.clock.skew = -30 * 86_400.0
            await rig.until(lambda: node.ready)  # noqa: B023
            if not rig.sent:
                rig.send(CREATE, command_id="once")
                await rig.until(lambda: rig.phase("once") == "uncertain")
                await node.crash()
        await rig.end("once")
        await node.crash()
        await rig.start()
        await rig.perform(CREATE)
        assert rig.job("once") is not None


def remembered(rig: Rig) -> int:
    """Commands of the first partition."""
    return sum(isinstance(record, Job) for record in rig.folded(0).values())


async def test_what_is_forgotten_is_forgotten_in_batches() -> None:
    async with Rig(partitions=1, max_batch=5, policy=BRIEF) as rig:
        node = await rig.start()
        for number in range(23):
            rig.send("ListTrainingDatasets", command_id=f"old-{number}")
        await rig.until(lambda: len(rig.ended()) == 23)
        await asyncio.sleep(BRIEF.retention + 1.0)
        assert remembered(rig) == 23
        before = len(node.story.commits)
        await rig.perform("ListTrainingDatasets", command_id="late")
        await rig.until(lambda: remembered(rig) == 1)
        assert (
            max(node.story.commits[before:]) <= 5 + 2 * 2 + 1
        )  # tombstones, the command that came late, and the position
        assert node.shard(0).statistics()["remembered"] == 1
        commits = len(node.story.commits)
        await asyncio.sleep(BRIEF.retention * 3)
        assert len(node.story.commits) == commits  # an idle partition is left alone


async def test_a_parked_command_that_ends_again_is_kept_from_its_second_end_on() -> None:
    async with Rig(partitions=1, policy=BRIEF) as rig:
        node = await rig.start()
        rig.api.list_lag = 10_000.0
        rig.api.inject("StartAudienceExportJob", fake.LOST_REPLY)
        command_id = rig.send("StartAudienceExportJob", exporting(rig))
        await rig.until(lambda: rig.ending(command_id), 300.0)
        await asyncio.sleep(BRIEF.retention - 40.0)
        decision = {"commandId": command_id, "commandSource": "/tests", "resolution": "fail"}
        assert rig.phase(command_id) == Phase.PARKED, rig.kinds(command_id)
        await rig.perform("ResolveCommand", decision)
        await asyncio.sleep(80.0)
        await rig.perform("ListTrainingDatasets")
        assert rig.phase(command_id) == Phase.FAILED
        assert node.ready


# Start times and deadlines


@pytest.mark.parametrize("step", [-300.0, 300.0, 86_400.0])
async def test_a_start_time_is_by_the_wall_clock_as_it_is_now(step: float) -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        command_id = rig.send(CREATE, notbefore=format_time(rig.clock.wall() + 600.0))
        await rig.until(lambda: len(rig.kinds(command_id)) == 2)
        node.clock.skew += step
        await asyncio.sleep(max(0.0, 599.0 - step))
        assert rig.api.log == []
        await rig.end(command_id, 62.0)


@pytest.mark.parametrize("operation", [CREATE, "ListTrainingDatasets"])
@pytest.mark.parametrize("step", [0.0, *HOURS])
async def test_nothing_is_issued_after_its_deadline_by_either_clock(operation: str, step: float) -> None:
    """Throttled for ever, so that only the deadline ends it; a step forward ends it at once or within a minute."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.api.always(operation, fake.THROTTLED)
        command_id = rig.send(operation, deadline=format_time(rig.clock.wall() + 50.0))
        await rig.until(lambda: len(rig.api.log) == 1)
        node.clock.skew += step
        reply = await rig.end(command_id)
        assert (reply.kind, reply.code) == ("failed", "DeadlineExceeded")
        assert rig.clock.monotonic() < 51.5
        limit = 50.0 if step <= 0 else 1.0
        assert rig.api.log[-1].time <= limit


async def test_a_process_that_started_with_a_clock_ahead_issues_once_it_is_right() -> None:
    """Its own time stays an hour ahead; a deadline is judged from when it is first seen."""
    async with Rig(partitions=1) as rig:
        node = rig.begin()
        node.clock.skew = LATE
        await rig.until(lambda: node.ready)
        node.clock.skew = 0.0
        reply = await rig.perform(CREATE, deadline=format_time(rig.clock.wall() + 50.0))
        assert reply.kind == "succeeded"


async def waiting_in_line(rig: Rig) -> str:
    rig.api.inject(CREATE, fake.LOST_REQUEST)
    rig.send(CREATE, key="same")
    return "same"


async def waiting_for_the_budget(rig: Rig) -> str:
    for _ in range(100):
        rig.send("ListTrainingDatasets")
    return ""


async def waiting_for_a_slot(rig: Rig) -> str:
    arn = rig.api.by_hand(CREATE, name="data")
    rig.api.working = 100.0
    rig.send("CreateAudienceModel", request("CreateAudienceModel", trainingDatasetArn=arn))
    return ""


@pytest.mark.parametrize(
    ("operation", "behind", "restart"),
    [
        ("ListAudienceModels", waiting_in_line, False),
        ("CreateConfiguredAudienceModel", waiting_in_line, False),
        ("ListAudienceModels", waiting_in_line, True),
        ("ListAudienceModels", waiting_for_the_budget, False),
        ("ListAudienceModels", waiting_for_the_budget, True),
        ("CreateAudienceModel", waiting_for_a_slot, False),
        ("CreateAudienceModel", waiting_for_a_slot, True),
    ],
)
async def test_whoever_waits_hears_of_its_deadline_in_time(operation: str, behind, restart: bool) -> None:  # type: ignore[no-untyped-def]
    async with Rig(partitions=1, reads_per_second=2.0, quotas={"audience-models": 1}) as rig:
        node = await rig.start()
        key = await behind(rig)
        attributes = {"key": key} if key else {}
        command_id = rig.send(operation, deadline=format_time(rig.clock.wall() + 5.0), **attributes)
        if restart:
            await rig.until(lambda: rig.kinds(command_id))
            await rig.restart(node)
        reply = await rig.end(command_id)
        assert reply.code == "DeadlineExceeded"
        assert 5.0 <= rig.clock.monotonic() < 6.0
        await asyncio.sleep(200.0)
        assert not [entry for entry in rig.api.log if entry.cause and entry.cause.command_id == command_id]
        rig.audit([command_id])


@pytest.mark.parametrize("operation", [CREATE, "ListTrainingDatasets"])
@pytest.mark.parametrize(("left", "step"), [(1.0, 0.0), (50.0, 3600.0)])
async def test_the_deadline_is_checked_when_the_request_is_written(operation: str, left: float, step: float) -> None:
    """A connection that took longer than the deadline left a write 1.3 s late; a clock may be set meanwhile, too."""
    async with Rig(partitions=1) as rig:
        rig.api.connect = 1.5
        node = await rig.start()
        command_id = rig.send(operation, deadline=format_time(rig.clock.wall() + left))
        await rig.until(lambda: rig.kinds(command_id))
        node.clock.skew += step
        assert (await rig.end(command_id, 2.0)).code == "DeadlineExceeded"
        assert rig.api.log == []


@pytest.mark.parametrize("operation", [CREATE, "ListTrainingDatasets"])
async def test_a_call_that_has_left_is_not_ended_by_its_deadline(operation: str) -> None:
    async with Rig(partitions=1) as rig:
        rig.api.latency = 3.0
        await rig.start()
        reply = await rig.perform(operation, deadline=format_time(rig.clock.wall() + 1.0))
        assert reply.kind == "succeeded"
        assert len(rig.api.log) == 1


async def test_a_deadline_that_passes_during_a_hand_over_is_not_missed() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.api.always(CREATE, fake.THROTTLED)
        command_id = rig.send(CREATE, deadline=format_time(rig.clock.wall() + 5.0))
        await rig.until(lambda: (job := rig.job(command_id)) and job.retries > 3)
        shard = node.shard(0)
        await shard.pause(0.1)
        await asyncio.sleep(10.0)
        assert rig.ending(command_id) is None
        shard.resume()
        assert (await rig.end(command_id, 1.0)).code == "DeadlineExceeded"


@pytest.mark.parametrize("how", ["cancelled", "too late"])
async def test_whoever_ends_in_the_commit_that_makes_it_first_in_line_is_not_called(how: str) -> None:
    """The head of the line ends in the same commit: the next one's call was begun with a window opened anew."""
    async with Rig(partitions=1) as rig:
        rig.api.latency = 1.0
        await rig.start()
        head = rig.send("ListTrainingDatasets", key="same")
        deadline = {} if how == "cancelled" else {"deadline": format_time(rig.clock.wall() + 1.6)}
        command_id = rig.send("TagResource", key="same", **deadline)
        await rig.until(lambda: len(rig.api.log) == 1, step=0.001)
        await asyncio.sleep(0.9)
        rig.broker.latency = 1.0
        rig.send("ListAudienceModels", key="other")  # its commit lasts until all of the next one is there
        await asyncio.sleep(0.5)
        if how == "cancelled":
            rig.send("CancelCommand", {"commandId": command_id, "commandSource": "/tests"}, key="same")
        reply = await rig.end(command_id)
        assert reply.code == ("Cancelled" if how == "cancelled" else "DeadlineExceeded")
        assert rig.ending(head)
        await asyncio.sleep(30.0)
        assert "TagResource" not in rig.api.counts()


# Trying, and commits that are too slow


@pytest.mark.parametrize("operation", ["ListAudienceModels", "TagResource"])
async def test_waiting_for_the_budget_is_not_trying(operation: str) -> None:
    """Behind 300 calls the first throttle ended a command that had been called once."""
    async with Rig(partitions=1, reads_per_second=1.0, writes_per_second=0.5) as rig:
        await rig.start()
        for _ in range(300):
            rig.send(operation)
        command_id = rig.send(operation, key="last")
        await rig.until(lambda: len(rig.api.log) > 299, 900.0)
        rig.api.inject(operation, fake.THROTTLED, fake.THROTTLED)
        await rig.end(command_id, 900.0)
        assert len([entry for entry in rig.api.log if entry.cause and entry.cause.command_id == command_id]) == 3


async def test_commits_slower_than_the_call_window_are_told_and_recovered_from() -> None:
    """No call left, nothing said so, and the intent was renewed as fast as Kafka could."""
    async with Rig(partitions=1, commit_latency=2.5) as rig:
        node = await rig.start()
        command_id = rig.send(CREATE)
        await asyncio.sleep(600.0)
        assert rig.kinds(command_id) == ["accepted", "waiting"]
        assert rig.replies(command_id)[1].data["reason"] == "CallWindow"
        assert 5 <= node.story.told("call_window_missed") <= 10
        assert len(node.story.commits) < 130
        rig.broker.latency = 0.01
        assert (await rig.end(command_id, 20.0)).kind == "succeeded"
        assert len(rig.api.log) == 1


async def test_one_slow_commit_delays_nobody() -> None:
    async with Rig(partitions=1, commit_latency=2.5) as rig:
        node = await rig.start()
        command_id = rig.send(CREATE)
        await rig.until(lambda: node.story.commands["accepted"] == 1, step=0.01)
        rig.broker.latency = 0.01
        assert (await rig.end(command_id, 5.0)).kind == "succeeded"
        assert "waiting" not in rig.kinds(command_id)


# What a former owner has written by a clock of its own


@pytest.mark.parametrize("former", HOURS)
async def test_a_former_owners_clock_hurries_and_delays_nothing(former: float) -> None:
    """Accepted and not listed yet, made and not readable yet, backing off: each wait begins anew."""
    async with Rig(partitions=1, policy=replace(POLICY, retention=1e6)) as rig:
        rig.api.list_lag = 60.0
        node = rig.begin()
        node.clock.skew = former
        await rig.until(lambda: node.ready)
        rig.api.always("TagResource", fake.THROTTLED)
        export = rig.send("StartAudienceExportJob", exporting(rig))
        tag = rig.send("TagResource")
        await rig.until(lambda: rig.phase(export) == Phase.ACCEPTED)
        await rig.until(lambda: (job := rig.job(tag)) and job.retries > 2)
        await node.crash()
        rig.api.always("TagResource", None)
        await rig.start()
        assert (await rig.end(tag, POLICY.backoff_cap + 1.0)).data["attempts"] == 1
        assert (await rig.end(export, 200.0)).kind == "succeeded"
        job = rig.job(export)
        assert isinstance(job, Job)
        assert job.finished_at > rig.clock.wall() - 100.0
