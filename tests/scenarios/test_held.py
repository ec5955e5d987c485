"""A process that does not know what a job names keeps it as it is, serves the others, and a later one goes on."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType

import pytest

from schemas import operations
from service import gauges
from service.adapters.telemetry import PrometheusTelemetry
from service.core import holding
from service.core.job import replace as changed
from tests.simulation.releases import patched, release
from tests.support import messages
from tests.support.cluster import Rig
from tests.support.process import Node

pytestmark = pytest.mark.looptime

MODEL, DATASET, READ, TRACK = "CreateAudienceModel", "CreateTrainingDataset", "ListTrainingDatasets", "TrackResource"
BOTH, ONE = ("default", "other"), ("default",)
HELD = "jobs_held"


@contextmanager
def older_release(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[None]:
    """Within, the processes are of a release that has no such operations."""
    with monkeypatch.context() as patch:
        for table in ("COMMANDS", "OPERATIONS"):
            left = MappingProxyType(
                {name: row for name, row in getattr(operations, table).items() if name not in names}
            )
            for module in _with(table):
                patch.setattr(f"{module}.{table}", left)
        yield


def _with(table: str) -> Sequence[str]:
    return [
        name
        for name, module in list(sys.modules.items())
        if name.startswith(("schemas.", "service.core", "service.runtime")) and hasattr(module, table)
    ]


async def settled(rig: Rig, targets: tuple[str, ...], seconds: float = 60.0) -> Node:
    """A process that knows these targets, after a while."""
    rig.options = replace(rig.options, targets=targets)
    node = await rig.start()
    await asyncio.sleep(seconds)
    return node


async def test_a_job_of_a_removed_target_is_held_and_goes_on_when_the_target_is_back() -> None:
    async with Rig(partitions=1, targets=BOTH) as rig:
        rig.api.working = 300.0
        node = await rig.start()
        data = rig.api.by_hand(DATASET, "other", name="data")
        job = rig.send(MODEL, {"name": "m", "trainingDatasetArn": data}, target="other")
        await rig.until(lambda: rig.phase(job) == "running")
        await node.stop()
        before, sent = rig.job(job), len(rig.api.log)
        node = await settled(rig, ONE)
        assert (await rig.perform(DATASET)).kind == "succeeded"
        assert {why: count for why, count in node.app.held().items() if count} == {"UnknownTarget": 1}
        assert [details for what, details in node.story.problems if what.startswith(HELD)] == [
            {"partition": "cleanroomsml.commands-0", "reason": "UnknownTarget", "word": "other", "jobs": 1}
        ]
        assert not [entry for entry in rig.api.log[sent:] if entry.target == "other"]
        held = rig.job(job)
        assert before is not None
        assert held == changed(before, held="UnknownTarget", told=before.told + 1)
        node = await rig.restart(node)
        await asyncio.sleep(60.0)
        assert rig.replies(job)[-1].data["reason"] == "UnknownTarget"
        assert rig.kinds(job).count("waiting") == 1
        await node.stop()
        await settled(rig, BOTH, 0.0)
        assert (await rig.end(job, 600.0)).kind == "succeeded"
        await rig.numbered()
        rig.audit()


async def test_a_job_of_an_operation_that_only_a_newer_release_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer release wrote it, an older one takes the partition over, and a newer one goes on."""
    async with Rig(partitions=1) as rig:
        rig.api.working = 300.0
        node = await rig.start()
        data = await rig.made(DATASET)
        job = rig.send(MODEL, {"name": "m", "trainingDatasetArn": data})
        await rig.until(lambda: rig.phase(job) == "running")
        await node.stop()
        with older_release(monkeypatch, MODEL):
            node = await settled(rig, ONE)
            assert (await rig.perform(DATASET)).kind == "succeeded"
            assert rig.replies(job)[-1].data["reason"] == "UnknownOperation"
            assert node.app.held()["UnknownOperation"] == 1
            cancellation = await rig.perform("CancelCommand", {"commandId": job, "commandSource": "/tests"}, key=job)
            assert cancellation.code == "TooLate"
            await node.stop()
        await settled(rig, ONE, 0.0)
        assert (await rig.end(job, 600.0)).kind == "succeeded"
        await rig.numbered()
        rig.audit()


async def test_an_ended_job_of_an_unknown_operation_is_remembered_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        request = messages.request(DATASET, name="data-set")
        job = rig.send(DATASET, request)
        await rig.end(job)
        await node.stop()
        with older_release(monkeypatch, DATASET):
            node = await settled(rig, ONE)
            assert not any(node.app.held().values())
            rig.send(DATASET, request, job)
            await rig.until(lambda: node.story.commands["duplicate"] or node.story.commands["misused"])
            assert node.story.commands["duplicate"] == 1
            await asyncio.sleep(rig.options.policy.retention)
            rig.send("ListAudienceModels")
            await rig.until(lambda: rig.job(job) is None)


async def test_two_releases_and_two_sets_of_targets_take_over_from_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The copies that each keeps of the other's partitions hold jobs that it does not know."""
    async with Rig(partitions=2, targets=BOTH, quotas={"audience-models": 1}) as rig:
        rig.api.working = 120.0
        knowing = await rig.start()
        data = rig.api.by_hand(DATASET, "other", name="data")
        rig.options = replace(rig.options, targets=ONE)
        unknowing = await rig.start()
        await rig.until(lambda: len(unknowing.assignment.shards) == 2 and knowing.ready and unknowing.ready)
        (number,) = (part.partition for part in knowing.assignment.shards if part.topic == messages.COMMANDS)
        request = {"name": "m", "trainingDatasetArn": data}
        jobs = [rig.send(MODEL, request, target="other", partition=number) for _ in range(3)]
        await rig.until(lambda: sum(rig.phase(job) == "running" for job in jobs) == 1)
        assert not unknowing.task.done()
        await knowing.crash()
        await rig.until(lambda: len(unknowing.assignment.shards) == 4 and unknowing.ready)
        await asyncio.sleep(60.0)
        assert unknowing.app.held()["UnknownTarget"] == 3
        assert not any("other" in name for name in unknowing.app.slots())
        await unknowing.stop()
        await settled(rig, BOTH, 0.0)
        await rig.until(lambda: rig.ended() >= set(jobs), 2000.0)
        await rig.numbered()
        rig.audit(jobs)


async def test_what_follows_a_held_job_under_its_key_waits_for_it() -> None:
    async with Rig(partitions=1, targets=BOTH) as rig:
        node = await rig.start()
        rig.api.hung.add("other")
        first = rig.send(DATASET, target="other", key="same")
        await rig.until(lambda: rig.phase(first) == "intended")
        await node.crash()
        rig.api.hung.clear()
        node = await settled(rig, ONE, 0.0)
        second = rig.send(READ, key="same")
        await asyncio.sleep(100.0)
        assert rig.kinds(second) == ["accepted"]
        await node.stop()
        await settled(rig, BOTH, 0.0)
        await rig.until(lambda: {first, second} <= rig.ended(), 600.0)
        assert [entry.operation for entry in rig.api.log if entry.trace] == [DATASET, READ]
        rig.audit()


async def test_a_held_job_whose_call_may_have_left_is_not_said_to_be_cancelled() -> None:
    async with Rig(partitions=1, targets=BOTH) as rig:
        node = await rig.start()
        rig.api.hung.add("other")
        sent = rig.send(DATASET, target="other")
        resting = rig.send(DATASET, target="other", notbefore="2099-01-01T00:00:00Z")
        await rig.until(lambda: rig.phase(sent) == rig.phase(resting) == "intended")
        await node.crash()
        await settled(rig, ONE)
        endings = [
            await rig.perform("CancelCommand", {"commandId": job, "commandSource": "/tests"}, key=job)
            for job in (sent, resting)
        ]
        assert [ending.kind for ending in endings] == ["failed", "succeeded"]
        assert (rig.phase(sent), rig.phase(resting)) == ("intended", "failed")


async def test_a_watch_of_a_resource_kind_that_is_no_longer_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(partitions=1) as rig:
        rig.api.working = 10_000.0
        node = await rig.start()
        model = rig.api.by_hand(MODEL, name="m")
        rig.api.set_status(model, "CREATE_IN_PROGRESS")
        job = rig.send(TRACK, {"resourceArn": model})
        await rig.until(lambda: rig.phase(job) == "running")
        await node.stop()
        with monkeypatch.context() as patch:
            patch.delitem(operations._BY_ARN, "audience-model")
            node = await settled(rig, ONE)
            assert node.app.held()["UnknownResourceKind"] == 1
            assert (await rig.perform(DATASET)).kind == "succeeded"
            assert ("audience-model", 1) in [(each.get("word"), each.get("jobs")) for _, each in node.story.problems]
            await node.stop()
        await settled(rig, ONE, 0.0)
        rig.api.set_status(model, "ACTIVE")
        assert (await rig.end(job)).kind == "succeeded"


async def test_an_end_that_an_older_release_did_not_know_is_seen_by_the_next() -> None:
    """The older one has committed the status as one on the way."""
    old = release(changed=replace(operations.AUDIENCE_MODEL, done=frozenset()))
    async with Rig(partitions=1) as rig:
        with patched({"node-1": old}):
            node = await rig.start()
            data = await rig.made(DATASET)
            job = rig.send(MODEL, {"name": "m", "trainingDatasetArn": data})
            await rig.until(lambda: (known := rig.job(job)) and known.status == "ACTIVE")
            await asyncio.sleep(60.0)
            assert rig.phase(job) == "running"
            await node.stop()
            await rig.start()
            assert (await rig.end(job)).kind == "succeeded"
            await rig.numbered()
            assert rig.statuses(rig.job(job).resource_id).count("ACTIVE") == 1  # type: ignore[union-attr]
            rig.audit()


@pytest.mark.parametrize("now", [("222222222222", "eu-west-1"), ("111111111111", "us-east-1")])
async def test_a_target_that_is_another_account_by_now_is_not_asked_about_old_jobs(now: tuple[str, str]) -> None:
    """Its lists lack what the job has made: it would be made again, or said to be gone."""
    then = ("111111111111", "eu-west-1")
    async with Rig(partitions=1, accounts={"default": then}) as rig:
        node = await rig.start()
        data = await rig.made(DATASET)
        rig.api.working = 300.0
        running = rig.send(MODEL, {"name": "m", "trainingDatasetArn": data})
        await rig.until(lambda: rig.phase(running) == "running")
        rig.api.hung.add("default")
        lost = rig.send(DATASET)
        await rig.until(lambda: rig.phase(lost) == "intended")
        await node.crash()
        rig.api.hung.clear()
        rig.options = replace(rig.options, accounts={"default": now})
        sent = len(rig.api.log)
        node = await settled(rig, ONE, 900.0)
        assert node.app.held()["TargetChanged"] == 2
        assert not rig.api.log[sent:]
        assert not any(slots["taken"] for slots in node.app.slots().values())
        assert (await rig.perform(DATASET)).kind == "succeeded"
        await node.stop()
        rig.options = replace(rig.options, accounts={"default": then})
        await settled(rig, ONE, 0.0)
        assert (await rig.end(lost)).kind == "succeeded"
        assert (await rig.end(running, 600.0)).kind == "succeeded"
        await rig.numbered()
        rig.audit()


async def test_an_account_that_was_not_known_is_not_compared() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.working = 100.0
        node = await rig.start()
        data = await rig.made(DATASET)
        job = rig.send(MODEL, {"name": "m", "trainingDatasetArn": data})
        await rig.until(lambda: rig.phase(job) == "running")
        await node.stop()
        rig.options = replace(rig.options, accounts={"default": ("111111111111", "eu-west-1")})
        await rig.start()
        assert (await rig.end(job)).kind == "succeeded"


async def test_what_is_held_is_a_gauge_with_every_reason() -> None:
    async with Rig() as rig:
        node, telemetry = await rig.start(), PrometheusTelemetry(["default"])
        gauges.register(telemetry, node.app, node.clock)
        for reason in (*holding.REASONS, "ServiceError"):
            assert telemetry.registry.get_sample_value("crml_jobs_held", {"reason": reason}) == 0
