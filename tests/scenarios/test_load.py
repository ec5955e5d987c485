"""More than AWS allows, or more than we can take: quotas, throttling, a hung target, a full inbox."""

import asyncio
import dataclasses

import pytest

from schemas.operations import AUDIENCE_MODEL
from schemas.records import job_key
from service.core import outcomes
from service.core.job import Phase
from service.runtime.ports import TopicPartition
from tests.support import api as fake
from tests.support.cluster import Rig
from tests.support.member import BATCH as DELIVERY
from tests.support.messages import COMMANDS, command, request
from tests.support.process import POLICY

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"
MODEL = "CreateAudienceModel"


async def prepared(rig: Rig) -> dict[str, str]:
    """A dataset to make models of; AWS allows two at a time."""
    rig.api.quotas = {"audience-models": 2}
    await rig.start()
    return {"trainingDatasetArn": await rig.made(CREATE)}


async def test_the_third_model_waits_for_the_first_to_end() -> None:
    async with Rig() as rig:
        dataset = await prepared(rig)
        sent = [rig.send(MODEL, request(MODEL, **dataset)) for _ in range(2)]
        await rig.until(lambda: rig.api.counts()[MODEL] == 2)
        await asyncio.sleep(1.0)
        sent.append(rig.send(MODEL, request(MODEL, **dataset)))
        await rig.until(lambda: rig.kinds(sent[2]) == ["accepted", "waiting"])
        waiting = rig.replies(sent[2])[1]
        assert (waiting.data["reason"], waiting.data["position"]) == ("ConcurrencyLimit", 1)
        await rig.until(lambda: any(rig.ending(command_id) for command_id in sent))
        ended = rig.clock.monotonic()
        await rig.until(lambda: rig.api.counts()[MODEL] == 3)
        assert rig.clock.monotonic() - ended < 0.5
        for command_id in sent:
            assert (await rig.end(command_id)).kind == "succeeded"
        assert [entry.outcome for entry in rig.api.log if entry.operation == MODEL] == ["ok"] * 3
        rig.audit()


async def test_slots_go_by_priority_and_then_by_arrival() -> None:
    async with Rig() as rig:
        dataset = await prepared(rig)
        for _ in range(2):
            rig.send(MODEL, request(MODEL, **dataset))
        await rig.until(lambda: rig.api.counts()[MODEL] == 2)
        late = []
        for priority in "1539":
            late.append(rig.send(MODEL, request(MODEL, **dataset), priority=priority))
            await asyncio.sleep(0.1)
        for command_id in rig.sent:
            await rig.end(command_id)
        order = [entry.params["name"] for entry in rig.api.log if entry.operation == MODEL][2:]
        assert order == [late[3], late[1], late[2], late[0]]
        rig.audit()


@pytest.mark.parametrize("graceful", [True, False])
async def test_who_waits_keeps_waiting_over_a_restart(graceful: bool) -> None:
    """And is called the moment that a slot is free, by its place, although a new process counts the slots."""
    async with Rig() as rig:
        rig.api.working = 30.0
        dataset = await prepared(rig)
        for _ in range(2):
            rig.send(MODEL, request(MODEL, **dataset))
        await rig.until(lambda: [entry.outcome for entry in rig.api.log if entry.operation == MODEL] == ["ok", "ok"])
        waiting = [rig.send(MODEL, request(MODEL, **dataset), priority=priority) for priority in "159"]
        await rig.until(lambda: all(rig.phase(command_id) == Phase.QUEUED for command_id in waiting))
        await (rig.nodes[0].stop() if graceful else rig.nodes[0].crash())
        await rig.start()
        await rig.until(lambda: rig.api.counts()[MODEL] > 2)
        await asyncio.sleep(0.1)
        began = [entry.time for entry in rig.api.log if entry.operation == MODEL]
        ended = rig.api.items(AUDIENCE_MODEL)[0].schedule[-1][0]
        assert began[2] - ended < 12.0  # the cadence of looks, not the quota's retry
        for command_id in rig.sent:
            await rig.end(command_id)
        order = [entry.params["name"] for entry in rig.api.log if entry.operation == MODEL and entry.outcome == "ok"]
        assert order[2:] == waiting[::-1]
        rig.audit()


async def test_others_use_the_account_too() -> None:
    """AWS refuses although our count says free: the command waits and tries again."""
    async with Rig() as rig:
        dataset = await prepared(rig)
        rig.api.inject(MODEL, fake.QUOTA, fake.QUOTA)
        command_id = rig.send(MODEL, request(MODEL, **dataset))
        assert (await rig.end(command_id)).kind == "succeeded"
        assert rig.kinds(command_id) == ["accepted", "waiting", "started", "succeeded"]
        assert rig.replies(command_id)[1].data["reason"] == "ServiceQuotaExceededException"
        assert rig.api.counts()[MODEL] == 3
        rig.audit()


async def test_a_quota_that_is_full_for_good_ends_a_command_unless_known_jobs_use_it() -> None:
    async with Rig(partitions=1) as rig:
        dataset = await prepared(rig)
        rig.api.pending = 10 * POLICY.write_retry_limit
        running = rig.send(MODEL, request(MODEL, **dataset))
        await rig.until(lambda: rig.phase(running) == Phase.RUNNING)
        rig.api.always(MODEL, fake.QUOTA)
        behind = rig.send(MODEL, request(MODEL, **dataset))
        write = rig.send("DeleteTrainingDataset", {"trainingDatasetArn": rig.api.by_hand(CREATE, name="d")})
        rig.api.always("DeleteTrainingDataset", fake.QUOTA)
        assert (await rig.end(write, 3 * POLICY.write_retry_limit)).code == "ServiceQuotaExceededException"
        await asyncio.sleep(3 * POLICY.write_retry_limit)
        assert rig.phase(behind) == Phase.QUEUED, "a job that will end uses the quota"
        rig.api.set_status(rig.job(running).resource_id, "ACTIVE")  # type: ignore[union-attr]
        await rig.end(running)
        assert (await rig.end(behind, 3 * POLICY.write_retry_limit)).code == "ServiceQuotaExceededException"
        assert rig.kinds(behind) == ["accepted", "waiting", "failed"]


async def test_woken_twice_called_once() -> None:
    """The second waking comes while the first is being committed, and the call is over before the next commit."""
    async with Rig(partitions=1, commit_latency=0.5) as rig:
        dataset = await prepared(rig)
        rig.api.latency = 0.01
        rig.api.inject(MODEL, fake.QUOTA)
        command_id = rig.send(MODEL, request(MODEL, **dataset))
        await rig.until(lambda: rig.phase(command_id) == Phase.QUEUED)
        for _ in range(3):
            rig.nodes[0].assignment.wake(TopicPartition(COMMANDS, 0), job_key("/tests", command_id))
            await asyncio.sleep(0.3)
        await rig.end(command_id)
        assert rig.api.counts()[MODEL] == 2
        assert len(rig.creates(command_id)) == 1
        rig.audit()


async def test_a_throttling_storm_stays_within_the_budget() -> None:
    async with Rig(writes_per_second=10.0) as rig:
        await rig.start()
        rig.api.always(CREATE, fake.THROTTLED)
        sent = [rig.send(CREATE) for _ in range(30)]
        await asyncio.sleep(20.0)
        during = rig.api.counts()[CREATE]
        rig.api.always(CREATE, None)
        for command_id in sent:
            assert (await rig.end(command_id)).kind == "succeeded"
        assert 10 < during < 60  # not ten a second: AWS has throttled
        for second in range(int(rig.clock.monotonic())):
            left = sum(second <= entry.time < second + 1 for entry in rig.api.log if entry.operation == CREATE)
            assert left <= 20  # a second's savings and a second's rate
        rig.audit()


async def test_writes_of_publishers_do_not_starve_a_deletion() -> None:
    """A quota that is full keeps more calls waiting for the budget than it can give."""
    async with Rig(partitions=1, writes_per_second=1.0) as rig:
        rig.api.working = 20.0
        await rig.start()
        dataset = await rig.made(CREATE)
        made = rig.send(MODEL, request(MODEL, trainingDatasetArn=dataset))
        await rig.end(made)
        rig.api.always(CREATE, fake.QUOTA)
        flood = [rig.send(CREATE, source="/others") for _ in range(70)]
        await rig.until(lambda: len(rig.answered()) == len(flood) + 2)
        cancellation = cancel(rig, made, deleteResource=True)
        assert (await rig.end(cancellation, 60.0)).data["result"] == {"cancelled": False, "deleted": True}


async def test_two_processes_share_the_budget() -> None:
    async with Rig(writes_per_second=4.0) as rig:
        for _ in range(2):
            await rig.start()
        await asyncio.sleep(5.0)
        began = rig.clock.monotonic()
        sent = [rig.send(CREATE) for _ in range(40)]
        for command_id in sent:
            await rig.end(command_id)
        calls = [entry.time for entry in rig.api.log if entry.operation == CREATE]
        assert len(calls) == 40
        assert calls[-1] - began >= (40 - 4) / 4 - 0.1
        rig.audit()


async def test_a_hung_target_does_not_slow_another() -> None:
    async with Rig(targets=("default", "other")) as rig:
        rig.api.hung.add("other")
        await rig.start()
        stuck = [rig.send(CREATE, target="other") for _ in range(20)]
        began = rig.clock.monotonic()
        dataset = await rig.made(CREATE)
        reply = await rig.perform(MODEL, request(MODEL, trainingDatasetArn=dataset))
        assert reply.kind == "succeeded"
        assert rig.clock.monotonic() - began < 12.0
        assert all(rig.ending(command_id) is None for command_id in stuck)
        rig.api.hung.clear()
        for command_id in stuck:
            assert (await rig.end(command_id)).kind == "succeeded"
        rig.audit()


async def test_a_full_inbox_pauses_delivery_and_goes_on() -> None:
    async with Rig(partitions=1, inbox_limit=20, max_batch=5) as rig:
        node = await rig.start()
        for _ in range(600):  # more than one delivery brings
            rig.send("ListTrainingDatasets")
        most = 0

        def all_ended() -> bool:
            nonlocal most
            most = max(most, node.shard(0).waiting)
            return rig.ended() == set(rig.sent)

        await rig.until(all_ended)
        assert 20 <= most < 600
        for command_id in list(rig.sent)[::50]:
            assert [kind for kind in rig.kinds(command_id) if kind != "waiting"] == ["accepted", "succeeded"]


async def test_a_partition_takes_in_no_more_than_it_may_hold() -> None:
    """A flood waits in its topic, before and after rebalances and restarts, and nothing of it is lost."""
    async with Rig(partitions=1, open_jobs_limit=50, reads_per_second=200.0) as rig:
        node = await rig.start()
        for _ in range(1200):
            rig.send("ListTrainingDatasets")
        most = 0

        def held() -> int:
            nonlocal most
            accepted, ended = rig.answered(), rig.ended()
            most = max(most, len(accepted) - len(ended))
            return len(accepted)

        await rig.until(lambda: held() > 100)
        assert node.shard(0).statistics()["delivery"] == "held"
        rig.broker.group.rebalance()
        await rig.until(lambda: held() > DELIVERY)
        await rig.restart(node)
        await rig.until(lambda: held() == 1200 and rig.ended() == set(rig.sent))
        assert most <= 50 + DELIVERY
        for command_id in list(rig.sent)[::50]:
            assert [kind for kind in rig.kinds(command_id) if kind != "waiting"] == ["accepted", "succeeded"]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_the_smallest_inboxes(limit: int) -> None:
    async with Rig(partitions=1, inbox_limit=limit) as rig:
        await rig.start()
        for _ in range(3):
            for _ in range(limit):
                rig.send("ListTrainingDatasets")
            await rig.until(lambda: rig.ended() == set(rig.sent))


def track(rig: Rig, command_id: str, dataset: str) -> None:
    """A watch of a model that will never be deleted."""
    model = rig.api.by_hand(MODEL, name=command_id, trainingDatasetArn=dataset)
    data = {"resourceArn": model, "untilStatus": "deleted"}
    rig.broker.produce(COMMANDS, *command("TrackResource", command_id, data), 0)


def cancel(rig: Rig, command_id: str, **members: bool) -> str:
    data = {"commandId": command_id, "commandSource": "/tests", **members}
    rig.broker.produce(COMMANDS, *command("CancelCommand", f"cancel-{command_id}", data), 0)
    return f"cancel-{command_id}"


@pytest.mark.parametrize("how", ["notbefore", "track"])
async def test_what_asks_to_wait_closes_no_partition(how: str) -> None:
    """More of it is refused; others' commands and cancellations are read and carried out, after a restart too."""
    async with Rig(partitions=1, open_jobs_limit=20) as rig:
        node = await rig.start()
        dataset = rig.api.by_hand(CREATE, name="data")
        waiting = [f"w{number}" for number in range(25)]
        for command_id in waiting:
            if how == "track":
                track(rig, command_id, dataset)
            else:
                rig.send("ListTrainingDatasets", command_id=command_id, notbefore="9999-12-31T23:59:59Z")
        await rig.until(lambda: rig.answered() >= set(waiting))
        refused = [command_id for command_id in waiting if rig.ending(command_id)]
        assert 0 < len(refused) < 25
        reply = rig.replies(refused[0])[0]
        assert (reply.kind, reply.code, reply.data["error"]["retryable"]) == ("rejected", "TooManyOpenCommands", True)
        assert rig.kinds(refused[0]) == ["rejected"]
        node = await rig.restart(node)
        assert (await rig.perform("ListTrainingDatasets")).kind == "succeeded"
        assert (await rig.end(cancel(rig, "w0"))).data["result"] == {"cancelled": True}
        assert node.shard(0).statistics()["delivery"] == "open"


async def test_a_target_that_answers_nothing_closes_no_partition() -> None:
    """The calls of one publisher wait for it; another's, to another target, go on."""
    async with Rig(partitions=1, open_jobs_limit=60, targets=("default", "other")) as rig:
        rig.api.hung.add("other")
        await rig.start()
        stuck = []
        for _ in range(8):
            stuck += [rig.send("ListTrainingDatasets", target="other", source="/stuck") for _ in range(10)]
            await asyncio.sleep(6.0)
        assert {rig.replies(command_id)[-1].kind for command_id in stuck} == {"accepted", "rejected"}
        for _ in range(3):
            assert (await rig.end(rig.send("ListTrainingDatasets", source="/others"), 60.0)).kind == "succeeded"
        rig.api.hung.clear()
        await rig.until(lambda: rig.ended() >= set(stuck), 600.0)


@pytest.mark.parametrize(("rate", "within"), [(1.0, 80.0), (0.05, 220.0)])
async def test_a_target_that_throttles_for_good_closes_no_partition(rate: float, within: float) -> None:
    """Calls whose turn does not come keep no cancellation and no other publisher from being read.

    At the smaller rate nothing happens for minutes after the fourth call, at which the target has become slow.
    """
    async with Rig(partitions=1, open_jobs_limit=600, writes_per_second=rate, targets=("default", "other")) as rig:
        node = await rig.start()
        rig.api.always(CREATE, fake.THROTTLED)
        stuck = [rig.send(CREATE, target="other") for _ in range(700)]
        await rig.until(lambda: len(rig.answered()) == DELIVERY)
        assert node.shard(0).statistics()["delivery"] == "held"
        began = rig.clock.monotonic()
        assert (await rig.end(cancel(rig, stuck[9]))).data["result"] == {"cancelled": True}
        assert (await rig.perform("ListTrainingDatasets", source="/others")).kind == "succeeded"
        assert rig.clock.monotonic() - began < within
        assert node.shard(0).statistics()["throttled"] == ["other/writes"]
        assert node.shard(0).statistics()["delivery"] == "open"
        refused = {reply.code for command_id in stuck if (reply := rig.ending(command_id))}
        assert refused == {"TooManyOpenCommands", "Cancelled"}
        assert len(rig.answered() - rig.ended()) <= 600 * 1.5
        rig.api.always(CREATE, None)
        await rig.until(lambda: not node.shard(0).statistics()["throttled"], 3000.0, 5.0)
        assert (await rig.end(stuck[20], 1000.0)).kind == "succeeded"
        rig.audit(stuck[20:21])


async def test_a_moment_of_throttling_refuses_nothing_of_a_flood() -> None:
    async with Rig(partitions=1, open_jobs_limit=50, writes_per_second=20.0) as rig:
        node = await rig.start()
        rig.api.inject(CREATE, *[fake.THROTTLED] * 30)
        flood = [rig.send(CREATE) for _ in range(600)]
        await rig.until(lambda: len(rig.answered()) == DELIVERY)
        await asyncio.sleep(20.0)
        assert node.shard(0).statistics()["delivery"] == "held"
        assert {rig.replies(command_id)[-1].kind for command_id in rig.ended()} == {"succeeded"}
        assert rig.ended() <= set(flood)


async def test_what_stands_behind_a_lost_call_closes_no_partition() -> None:
    async with Rig(partitions=1, open_jobs_limit=20) as rig:
        await rig.start()
        rig.api.inject(CREATE, fake.LOST_REQUEST)
        line = [rig.send(CREATE, key="same", source="/line") for _ in range(15)]
        await rig.until(lambda: len(rig.answered()) == 15)
        assert (await rig.end(rig.send("ListTrainingDatasets", source="/others"), 10.0)).kind == "succeeded"
        await rig.until(lambda: rig.ended() >= set(line))


async def test_cancellations_that_wait_are_bounded_and_the_others_are_answered() -> None:
    async with Rig(partitions=1, open_jobs_limit=8) as rig:
        rig.api.working = 200.0
        await rig.start()
        dataset = rig.api.by_hand(CREATE, name="data")
        command_id = rig.send(MODEL, request(MODEL, trainingDatasetArn=dataset))
        await rig.until(lambda: rig.phase(command_id) == Phase.RUNNING)
        data = {"commandId": command_id, "commandSource": "/tests", "deleteResource": True}
        for number in range(6):
            rig.broker.produce(COMMANDS, *command("CancelCommand", f"c{number}", data), 0)
        await rig.until(lambda: all(len(rig.kinds(f"c{number}")) == 2 for number in range(6)))
        refused = [number for number in range(6) if rig.ending(f"c{number}")]
        assert refused == [2, 3, 4, 5]
        assert rig.replies("c5")[1].code == "TooManyOpenCommands"
        assert (await rig.end(cancel(rig, command_id))).code == "TooLate"


def bad(rig: Rig, number: int) -> str:
    """A command with many violations, in few bytes."""
    data = {f"unknown{member}{'x' * 150}": 1 for member in range(30)}
    return rig.send(MODEL, data, command_id=f"bad{number}")


async def test_refused_commands_and_reads_are_remembered_as_far_as_there_is_room() -> None:
    """Whatever is sent: the oldest are forgotten, in every replica; what must be remembered is."""
    async with Rig(partitions=1, remembered_bytes=40_000, reads_per_second=50.0) as rig:
        owner = await rig.start()
        other = await rig.start()
        made = rig.send(CREATE)
        await rig.end(made)
        sent = [bad(rig, number) for number in range(30)]
        await rig.until(lambda: rig.ended() >= set(sent))
        sent += [rig.send("ListTrainingDatasets", command_id=f"read{number}") for number in range(40)]
        await rig.until(lambda: rig.ended() >= set(sent))
        await asyncio.sleep(5.0)
        owner, other = (owner, other) if TopicPartition(COMMANDS, 0) in owner.assignment.shards else (other, owner)
        shard, copy = owner.shard(0), other.standby._copies[TopicPartition(COMMANDS, 0)].store
        ends = shard._store.ends
        assert 20_000 < ends.lasting + ends.fleeting <= 40_000
        assert shard.statistics()["remembered_bytes"] == ends.lasting + ends.fleeting
        assert len(shard._retention) == len(shard._store) == len(copy)
        assert (copy.ends.lasting, copy.ends.fleeting) == (ends.lasting, ends.fleeting)
        assert rig.job("bad0") is None
        assert rig.job("read0") is None
        assert rig.phase("read39") == Phase.SUCCEEDED
        assert rig.phase(made) == Phase.SUCCEEDED
        before = len(rig.replies("bad0")), len(rig.replies("read39"))
        bad(rig, 0)
        rig.send("ListTrainingDatasets", command_id="read39")
        await rig.until(
            lambda: (len(rig.replies("bad0")), len(rig.replies("read39"))) == (before[0] + 1, before[1] + 1)
        )
        assert rig.replies("bad0")[0].data == rig.replies("bad0")[1].data, "it is judged again"


async def test_more_changes_than_can_be_remembered_are_refused_their_source_alone() -> None:
    async with Rig(partitions=1, remembered_bytes=30_000, writes_per_second=50.0) as rig:
        await rig.start()
        many = []
        for _ in range(40):
            many.append(rig.send(CREATE, source="/many"))
            await rig.end(many[-1])
        refused = [reply for each in many if (reply := rig.ending(each)) and reply.kind == "rejected"]
        assert 0 < len(refused) < 40
        assert {reply.code for reply in refused} == {"TooManyEndedCommands"}
        assert rig.replies(many[-1])[0].data["error"]["retryable"]
        assert (await rig.perform(CREATE, source="/others")).kind == "succeeded"
        assert (await rig.perform("ListTrainingDatasets", source="/many")).kind == "succeeded"
        assert (await rig.end(cancel(rig, "nothing"))).code == "UnknownCommand"
        assert rig.api.counts()[CREATE] == 40 - len(refused) + 1


async def test_a_cancellation_that_deletes_needs_room_and_any_other_needs_none() -> None:
    async with Rig(partitions=1, remembered_bytes=30_000, writes_per_second=50.0) as rig:
        rig.api.working = 200.0
        dataset = await prepared(rig)
        models = [rig.send(MODEL, request(MODEL, **dataset)) for _ in range(2)]
        await rig.until(lambda: all(rig.phase(model) == Phase.RUNNING for model in models))
        while (await rig.perform(CREATE)).kind == "succeeded":
            pass
        assert (await rig.end(cancel(rig, models[0], deleteResource=True))).code == "TooManyEndedCommands"
        assert (await rig.end(cancel(rig, models[1]))).code == "TooLate"
        assert rig.phase(models[0]) == Phase.RUNNING


async def test_what_an_earlier_release_remembered_at_length_is_forgotten_as_far_as_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A changelog that is larger than the room: a restore makes room without a new command."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        with monkeypatch.context() as patch:
            patch.setattr(outcomes, "kept", dict)
            sent = [bad(rig, number) for number in range(20)]
            await rig.until(lambda: rig.ended() >= set(sent))
        await node.stop()
        rig.options = dataclasses.replace(rig.options, remembered_bytes=40_000)
        node = await rig.start()
        await asyncio.sleep(5.0)
        assert node.shard(0)._store.ends.fleeting <= 40_000
        assert len(node.shard(0)._store) > 2


async def test_a_held_command_closes_no_partition() -> None:
    """Nor do the commands of its key, which wait behind it; a cancellation behind them is read."""
    async with Rig(partitions=1, open_jobs_limit=40, targets=("default", "other")) as rig:
        rig.api.hung.add("other")
        node = await rig.start()
        dataset = rig.api.by_hand(CREATE, "other", name="x")
        held = rig.send("DeleteTrainingDataset", {"trainingDatasetArn": dataset}, target="other", key="k")
        await rig.until(lambda: rig.phase(held) == Phase.INTENDED)
        await node.crash()
        rig.options = dataclasses.replace(rig.options, targets=("default",))
        node = await rig.start()
        behind = [rig.send("ListTrainingDatasets", key="k") for _ in range(30)]
        await rig.until(lambda: rig.answered() >= set(behind))
        assert node.shard(0).statistics()["callable"] == 0
        assert (await rig.perform("ListTrainingDatasets", source="/others")).kind == "succeeded"
        assert (await rig.end(cancel(rig, behind[0]))).data["result"] == {"cancelled": True}
