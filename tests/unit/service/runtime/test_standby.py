"""Copies of what other replicas own: take-over without reading all, and slots counted over all replicas."""

import asyncio

import pytest

from schemas.operations import OPERATIONS
from schemas.records import job_key
from service.core.job import Phase
from service.runtime.ports import TopicPartition
from tests.support.cluster import Rig
from tests.support.messages import COMMANDS, request
from tests.support.process import Node, commands_of

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"
MODEL = "CreateAudienceModel"
SLOTS = "default/audience-models"


def owned(node: Node) -> list[int]:
    """Numbers of the commands partitions that a process owns."""
    return sorted(each.partition for each in node.assignment.shards if each.topic == COMMANDS)


async def pair(rig: Rig) -> tuple[Node, Node]:
    """Two processes; of two partitions of commands each owns one."""
    first, second = await rig.start(), await rig.start()
    await rig.until(lambda: first.ready and second.ready and len(owned(first)) == len(owned(second)) == 1)
    return first, second


async def caught_up(rig: Rig, node: Node) -> None:
    await rig.until(lambda: all(copy["current"] for copy in node.standby.statistics().values()))


def called(rig: Rig) -> list[str]:
    return [entry.outcome for entry in rig.api.log if entry.operation == MODEL]


async def test_who_takes_over_has_read_nearly_all_before() -> None:
    async with Rig() as rig:
        first, second = await pair(rig)
        for _ in range(40):
            rig.send(CREATE)
        for command_id in rig.sent:
            await rig.end(command_id)
        await rig.numbered()
        await asyncio.sleep(1.0)
        mine = dict(first.assignment.shards)
        before = {each: dict(shard._store.jobs()) for each, shard in mine.items()}
        assert sum(map(len, before.values())) > 5
        await first.crash()
        await rig.until(lambda: second.ready and len(second.assignment.shards) == 4)
        for each, jobs in before.items():
            shard = second.assignment.shards[each]
            assert dict(shard._store.jobs()) == jobs
            assert shard.statistics()["restored"] == 0
            assert second.story.copied[shard.name] == len(shard._store)
        await rig.perform(CREATE)
        rig.audit()


async def test_what_came_since_the_copy_is_read() -> None:
    """The copy lags, as it does while Kafka answers the owner and not us: the rest is read behind the fence."""
    async with Rig() as rig:
        first, second = await pair(rig)
        await caught_up(rig, second)
        second.task_of("standby").cancel()
        sent = [rig.send(CREATE, partition=owned(first)[0]) for _ in range(10)]
        for command_id in sent:
            await rig.end(command_id)
        await first.crash()
        await rig.until(lambda: second.ready and len(second.assignment.shards) == 4)
        for command_id in sent:
            rig.send(CREATE, command_id=command_id, partition=owned(second)[0])
            assert len(rig.creates(command_id)) == 1
        await rig.until(lambda: second.story.commands["duplicate"] + second.story.commands["misused"] == 10)


async def test_what_a_copy_counted_and_has_ended_since_gives_its_slot_back() -> None:
    async with Rig() as rig:
        rig.api.working = 3.0
        first, second = await pair(rig)
        dataset = {"trainingDatasetArn": await rig.made(CREATE)}
        running = rig.send(MODEL, request(MODEL, **dataset), partition=owned(first)[0])
        await rig.until(lambda: second.slots.statistics().get(SLOTS, {}).get("taken"))
        second.task_of("standby").cancel()
        await rig.end(running)
        await first.crash()
        await rig.until(lambda: second.ready and len(second.assignment.shards) == 4)
        assert second.slots.statistics()[SLOTS]["taken"] == 0


async def test_slots_are_counted_over_all_replicas() -> None:
    """The second model waits by our own count: AWS is not asked, and the slot is used the moment it is free."""
    async with Rig(quotas={"audience-models": 1}) as rig:
        rig.api.quotas = {"audience-models": 1}
        first, second = await pair(rig)
        dataset = {"trainingDatasetArn": await rig.made(CREATE)}
        here, there = owned(first)[0], owned(second)[0]
        earlier = rig.send(MODEL, request(MODEL, **dataset), partition=here)
        await rig.until(lambda: rig.phase(earlier) == Phase.RUNNING)
        await asyncio.sleep(0.2)
        later = rig.send(MODEL, request(MODEL, **dataset), partition=there)
        await rig.until(lambda: "waiting" in rig.kinds(later))
        assert rig.replies(later)[1].data["reason"] == "ConcurrencyLimit"
        await rig.end(earlier)
        ended = rig.clock.monotonic()
        await rig.until(lambda: rig.phase(later) == Phase.RUNNING)
        assert rig.clock.monotonic() - ended < 1.0
        await rig.end(later)
        assert called(rig) == ["ok", "ok"]
        rig.audit()


async def test_a_crowd_at_one_replica_does_not_starve_the_tenant_at_another() -> None:
    async with Rig(tenants=("crowd", "lone"), quotas={"audience-models": 2}) as rig:
        rig.api.quotas = {"audience-models": 2}
        first, second = await rig.start(), await rig.start()
        await rig.until(lambda: first.ready and second.ready)
        dataset = {"trainingDatasetArn": await rig.made(CREATE)}
        crowded, other = (TopicPartition(commands_of(tenant), n) for n, tenant in enumerate(("crowd", "lone")))
        assert (crowded in first.assignment.shards) != (other in first.assignment.shards)
        crowd = [rig.send(MODEL, request(MODEL, **dataset), tenant="crowd", partition=0) for _ in range(8)]
        await rig.until(lambda: len(called(rig)) == 2)
        await asyncio.sleep(0.5)
        lone = rig.send(MODEL, request(MODEL, **dataset), tenant="lone", partition=1)
        await rig.end(lone)
        assert sum(rig.ending(command_id) is not None for command_id in crowd) < 6
        for command_id in crowd:
            await rig.end(command_id)
        assert set(called(rig)) == {"ok"}


async def test_priority_counts_over_all_replicas() -> None:
    async with Rig(quotas={"audience-models": 1}) as rig:
        rig.api.quotas = {"audience-models": 1}
        await pair(rig)
        dataset = {"trainingDatasetArn": await rig.made(CREATE)}
        rig.send(MODEL, request(MODEL, **dataset), partition=0)
        await rig.until(lambda: len(called(rig)) == 1)
        await asyncio.sleep(0.5)
        waiting = []
        for number, priority in enumerate("1539"):
            waiting.append(rig.send(MODEL, request(MODEL, **dataset), priority=priority, partition=number % 2))
            await asyncio.sleep(0.2)
        for command_id in rig.sent:
            await rig.end(command_id)
        order = [entry.params["name"] for entry in rig.api.log if entry.operation == MODEL and entry.outcome == "ok"]
        assert order[1:] == [waiting[3], waiting[1], waiting[2], waiting[0]]


async def test_a_dead_replicas_place_in_the_queue_is_its_successors() -> None:
    async with Rig(quotas={"audience-models": 1}) as rig:
        rig.api.quotas, rig.api.working = {"audience-models": 1}, 20.0
        first, second = await pair(rig)
        dataset = {"trainingDatasetArn": await rig.made(CREATE)}
        here, there = owned(first)[0], owned(second)[0]
        running = rig.send(MODEL, request(MODEL, **dataset), partition=there)
        await rig.until(lambda: rig.phase(running) == Phase.RUNNING)
        early = rig.send(MODEL, request(MODEL, **dataset), partition=here)
        await rig.until(lambda: rig.phase(early) == Phase.QUEUED)
        late = rig.send(MODEL, request(MODEL, **dataset), partition=there)
        await rig.until(lambda: rig.phase(late) == Phase.QUEUED)
        await first.crash()
        for command_id in rig.sent:
            await rig.end(command_id)
        names = [entry.params["name"] for entry in rig.api.log if entry.operation == MODEL and entry.outcome == "ok"]
        assert names == [running, early, late]
        rig.audit()


async def test_without_copies_each_replica_counts_its_own() -> None:
    async with Rig(quotas={"audience-models": 1}, standby=False) as rig:
        rig.api.quotas = {"audience-models": 1}
        first, second = await pair(rig)
        dataset = {"trainingDatasetArn": await rig.made(CREATE)}
        sent = [rig.send(MODEL, request(MODEL, **dataset), partition=number) for number in range(2)]
        for command_id in sent:
            await rig.end(command_id)
        assert sorted(called(rig)) == ["ServiceQuotaExceededException", "ok", "ok"]
        assert not first.standby.statistics()
        await first.crash()
        await rig.until(lambda: second.ready and len(second.assignment.shards) == 4)
        assert sum(records for _, records in second.story.restores) > 0
        assert set(second.story.copied.values()) == {0}


async def test_a_changelog_that_cannot_be_followed_counts_no_more() -> None:
    async with Rig() as rig:
        first, second = await pair(rig)
        dataset = {"trainingDatasetArn": await rig.made(CREATE)}
        here = TopicPartition(COMMANDS, owned(first)[0])
        rig.send(MODEL, request(MODEL, **dataset), partition=here.partition)
        await rig.until(lambda: second.slots.statistics().get(SLOTS, {}).get("taken"))
        second.standby.lost(here)
        assert second.slots.statistics()[SLOTS]["taken"] == 0
        await rig.until(lambda: second.slots.statistics()[SLOTS]["taken"])  # and is read again from its beginning


async def test_records_of_a_partition_that_was_taken_meanwhile_are_let_be() -> None:
    async with Rig() as rig:
        node = await rig.start()
        mine = TopicPartition(COMMANDS, 0)
        assert node.standby.wanted(mine) is None
        node.standby.replicated(mine, [(b"k", b"broken")], 9, current=True)
        assert mine not in node.standby._copies


def test_the_rows_that_take_slots_are_the_jobs() -> None:
    """What the counting over replicas rests on: a job's row names its slot."""
    slots = {row.resource.slot for row in OPERATIONS.values() if row.creates and row.resource.slot}
    assert slots == {"audience-models", "audience-generation-jobs", "audience-export-jobs"}


# --- a command in two partitions --------------------------------------------------------------------------------------

TWICE = "command_on_two_partitions"


def reported(*nodes: Node) -> int:
    return sum(what == TWICE for node in nodes for what, _ in node.story.problems)


async def elsewhere_known(rig: Rig, node: Node, command_id: str) -> None:
    """The copy of the other partition shows the command."""
    key = job_key("/tests", command_id)
    await rig.until(lambda: any(copy.store.job(key) for copy in node.standby._copies.values()))


async def test_a_creation_that_comes_to_another_replicas_partition_too_is_refused() -> None:
    async with Rig() as rig:
        first, second = await pair(rig)
        await caught_up(rig, second)
        here, there = owned(first)[0], owned(second)[0]
        sent = rig.send(CREATE, partition=here)
        assert (await rig.end(sent)).kind == "succeeded"
        await elsewhere_known(rig, second, sent)
        for _ in range(2):
            rig.send(CREATE, command_id=sent, partition=there)
        await rig.until(lambda: second.story.commands["misplaced"] == 2)
        refusal = next(reply for reply in rig.replies(sent) if reply.kind == "rejected")
        assert refusal.data["error"]["code"] == "WrongPartition"
        message = refusal.data["error"]["message"]
        assert f"{COMMANDS}-{here}" in message
        assert f"{COMMANDS}-{there}" in message
        assert "partitioner=murmur2_random" in message
        assert len(rig.creates(sent)) == 1
        assert reported(first, second) == 2
        assert len({reply.id for reply in rig.replies(sent) if reply.kind == "rejected"}) == 1


async def test_a_creation_that_comes_to_two_partitions_of_one_replica_is_refused() -> None:
    async with Rig() as rig:
        node = await rig.start()
        await rig.until(lambda: node.ready and len(owned(node)) == 2)
        sent = rig.send(CREATE, partition=0)
        await rig.end(sent)
        rig.send(CREATE, command_id=sent, partition=1)
        await rig.until(lambda: node.story.commands["misplaced"] == 1)
        assert len(rig.creates(sent)) == 1


async def test_what_makes_nothing_is_performed_in_both_partitions_and_reported() -> None:
    async with Rig() as rig:
        node = await rig.start()
        await rig.until(lambda: node.ready and len(owned(node)) == 2)
        sent = rig.send("ListTrainingDatasets", partition=0)
        await rig.end(sent)
        rig.send("ListTrainingDatasets", command_id=sent, partition=1)
        await rig.until(lambda: rig.kinds(sent).count("succeeded") == 2)
        assert reported(node) == 1


async def test_two_that_arrive_before_the_copies_know_are_reported() -> None:
    """Nothing can refuse them: each replica learns of the other's job only afterwards."""
    async with Rig() as rig:
        first, second = await pair(rig)
        await caught_up(rig, first)
        await caught_up(rig, second)
        sent = rig.send(CREATE, partition=owned(first)[0])
        rig.send(CREATE, command_id=sent, partition=owned(second)[0])
        await rig.until(lambda: reported(first) and reported(second))
        await asyncio.sleep(30)
        assert (reported(first), reported(second)) == (1, 1)


async def test_a_tenants_command_is_not_another_tenants_repeat() -> None:
    async with Rig() as rig:
        node = await rig.start()
        other = TopicPartition("cleanroomsml.other.commands", 1)
        await rig.until(lambda: node.ready and len(owned(node)) == 2)
        sent = rig.send(CREATE, partition=0)
        await rig.end(sent)
        assert node.standby.elsewhere(TopicPartition(COMMANDS, 1), job_key("/tests", sent)) == f"{COMMANDS}-0"
        assert node.standby.elsewhere(TopicPartition(COMMANDS, 0), job_key("/tests", sent)) == ""
        assert node.standby.elsewhere(other, job_key("/tests", sent)) == ""
