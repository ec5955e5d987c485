"""What a commit permits is begun once, stopped when it is no longer wanted, and a defect costs its job alone."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from schemas import records
from schemas.cloudevents import format_time
from schemas.operations import OPERATIONS, SERVICE_COMMANDS
from schemas.records import Command, Fault, Job, Phase
from service.core import transitions
from service.core.job import GIVEN_BACK, replace
from service.core.observations import (
    Broken,
    DeadlinePassed,
    Due,
    HandedOver,
    Lost,
    Observation,
    QuotaFull,
    Refused,
    Restored,
    Returned,
    RunningLong,
    SearchFailed,
    StartReached,
    UntilPassed,
    WindowMissed,
)
from service.runtime.activities import NO_SLOT, Activities, ActivityDependencies
from service.runtime.errors import DEFECT
from service.runtime.inbox import Inbox, Observed
from service.runtime.ports import TopicPartition
from service.runtime.slots import Claim, SlotRegistry
from tests.support.api import LOST_REPLY
from tests.support.builders import command
from tests.support.clock import LoopClock
from tests.support.cluster import Rig
from tests.support.process import POLICY, Options, make_context
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

MODEL = "CreateAudienceModel"
PARTITION = TopicPartition("cleanroomsml.commands", 0)
TRAIN, EXPORT, READ = (OPERATIONS[name] for name in (MODEL, "StartAudienceExportJob", "GetAudienceModel"))
DELETE = OPERATIONS["DeleteConfiguredAudienceModel"]
TRACK = SERVICE_COMMANDS["TrackResource"]
ARN = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-model/1"
DONE = Returned({"audienceModelArn": "arn:a"})


class Turn:
    """The right to one call: it is out until it is released."""

    def __init__(self, out: "list[Turn]") -> None:
        self._out = out
        out.append(self)

    def release(self) -> None:
        if self in self._out:
            self._out.remove(self)


class Dispatch:
    """Performs calls and searches as it is told: after a while, with an outcome. Turns are as many as it is told."""

    def __init__(self) -> None:
        self.room = 100
        self.out: list[Turn] = []
        self.turns: list[Turn | None] = []
        """Those that calls were made with."""
        self.calls: list[str] = []
        self.searches: list[str] = []
        self.takes = 5.0
        self.sends = True
        self.outcome: Observation | Exception | None = DONE

    def turn_at_once(self, asked: Command) -> Turn | None:
        return Turn(self.out) if len(self.out) < self.room else None

    async def turn(self, asked: Command, delayed: Callable[[], None]) -> Turn:
        while True:
            if turn := self.turn_at_once(asked):
                return turn
            await asyncio.sleep(0.1)

    async def call(self, job: Job, intent: Any, turn: Turn | None) -> Observation | None:
        assert turn is None or turn in self.out
        self.calls.append(job.command.id)
        self.turns.append(turn)
        if self.sends and not intent.permit():
            return WindowMissed()
        await asyncio.sleep(self.takes)
        return self._outcome()

    async def search(self, job: Job) -> Observation:
        self.searches.append(job.command.id)
        await asyncio.sleep(self.takes)
        found = self._outcome()
        assert found is not None
        return found

    def _outcome(self) -> Observation | None:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Poller:
    """Who is watched, and from which status on."""

    def __init__(self) -> None:
        self.watches: dict[object, Any] = {}

    def watch(self, key: object, watch: Any) -> None:
        self.watches[key] = watch

    def unwatch(self, key: object) -> None:
        self.watches.pop(key)


class Bench:
    """The activities of one shard, over fakes."""

    def __init__(self) -> None:
        self.clock, self.story, self.inbox = LoopClock(), Story(), Inbox()
        self.dispatch, self.poller = Dispatch(), Poller()
        self.context = make_context(self.story, self.clock, Options(targets=("main",)))
        self.woken: list[Claim] = []
        self.slots = SlotRegistry(
            {"main": {"audience-models": 1, "audience-export-jobs": 20}}, self.woken.append, self.clock.monotonic
        )
        dispatch: Any = self.dispatch
        pollers: Any = {"main": self.poller}
        shared = ActivityDependencies(dispatch, pollers, self.slots)
        self.activities = Activities(PARTITION, self.inbox, shared, self.context)

    def job(self, operation: Any = DELETE, name: str = "c-1", phase: Phase = Phase.INTENDED, **more: Any) -> Job:
        members = ("order", "deadline", "until", "not_before", "params")
        fields = {name: more.pop(name) for name in members if name in more}
        now = self.clock.now()
        made = command(operation, id=name, **fields)
        return Job(made, phase, now, since=now, **more)

    def plan(self, job: Job) -> bytes:
        """As after the commit of the job."""
        key = records.key_of(job)
        self.activities.line_up([(key, job)])
        self.activities.plan(key, job, self.clock.monotonic())
        return key

    async def heard(self, seconds: float = 0.0) -> list[Observation]:
        await asyncio.sleep(seconds)
        items = await self.inbox.take(100) if len(self.inbox) else []
        return [item.observation for item in items if isinstance(item, Observed)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        bench.activities.begin(group)
        yield bench
        bench.activities.end()


async def test_an_intent_is_called_once_and_its_outcome_is_heard(bench: Bench) -> None:
    job = bench.job()
    key = bench.plan(job)
    bench.activities.plan(key, replace(job, held="x"), bench.clock.monotonic())  # a further commit of the same job
    await asyncio.sleep(1)
    assert bench.activities.calling == 1
    assert await bench.heard(10) == [DONE]
    assert (bench.dispatch.calls, bench.activities.calling) == (["c-1"], 0)


WHERE: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="")


async def test_calls_have_the_context_of_their_own_shard_whoever_plans_them() -> None:
    """Another shard that frees a slot begins them: their log lines would name its partition. None sees another's."""
    bench, seen = Bench(), []

    async def call(job: Job, intent: Any, turn: Turn | None) -> Observation | None:
        seen.append((job.command.id, WHERE.get()))
        WHERE.set("of one call")
        return DONE

    bench.dispatch.call = call  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        WHERE.set("own")
        bench.activities.begin(group)
        WHERE.set("another shard")
        bench.plan(bench.job(name="a"))
        bench.plan(bench.job(name="b"))
        await asyncio.sleep(1)
        bench.activities.end()
    assert sorted(seen) == [("a", "own"), ("b", "own")]


async def test_the_next_call_waits_until_the_last_outcome_was_stepped(bench: Bench) -> None:
    job = bench.job()
    key = bench.plan(job)
    assert await bench.heard(10) == [DONE]
    bench.plan(job)
    await asyncio.sleep(10)
    assert bench.dispatch.calls == ["c-1"]
    bench.activities.stepped(key, DONE)
    bench.plan(job)
    await asyncio.sleep(10)
    assert bench.dispatch.calls == ["c-1", "c-1"]


async def test_of_equal_keys_one_is_called_at_a_time(bench: Bench) -> None:
    first, second = bench.job(name="a", order="k"), bench.job(name="b", order="k")
    key = bench.plan(first)
    bench.plan(second)
    await bench.heard(10)
    assert bench.dispatch.calls == ["a"]
    assert bench.activities.statistics()["in_line"] == 1
    bench.activities.plan(key, None, bench.clock.monotonic())
    await asyncio.sleep(1)
    assert bench.dispatch.calls == ["a", "b"]


async def test_without_a_slot_a_job_is_told_its_place(bench: Bench) -> None:
    bench.plan(bench.job(TRAIN, "a"))
    bench.plan(bench.job(TRAIN, "b"))
    [full] = await bench.heard(1)
    assert isinstance(full, QuotaFull)
    assert (full.fault.code, full.position) == (NO_SLOT, 1)
    assert bench.dispatch.calls == ["a"]


async def test_a_slot_that_becomes_free_wakes_who_waits(bench: Bench) -> None:
    one, other = bench.job(TRAIN, "a"), bench.job(TRAIN, "b")
    key = bench.plan(one)
    bench.plan(other)
    waiting = records.key_of(other)
    bench.plan(replace(other, phase=Phase.QUEUED, due=bench.clock.now() + 60))
    bench.activities.plan(key, replace(one, phase=Phase.SUCCEEDED, finished_at=1.0), bench.clock.monotonic())
    assert bench.woken == [Claim(PARTITION, waiting)]


async def test_a_full_quota_of_aws_says_how_many_of_ours_use_it(bench: Bench) -> None:
    fault = Fault("ServiceQuotaExceededException", "full", retryable=True, http_status=402)
    bench.dispatch.outcome = QuotaFull(fault)
    for key in (b"x", b"y"):
        bench.slots.occupy("main", "audience-export-jobs", Claim(TopicPartition("other", 0), key))
    bench.dispatch.takes = 0.0
    bench.plan(bench.job(EXPORT))
    assert await bench.heard(1) == [QuotaFull(fault, busy=2)]


@pytest.mark.parametrize(("sent", "kind"), [(True, Lost), (False, Refused)])
async def test_a_defect_in_mid_call_is_lost_only_if_the_call_may_have_left(
    bench: Bench, sent: bool, kind: type[Observation]
) -> None:
    bench.dispatch.outcome, bench.dispatch.sends = KeyError("canary"), sent
    bench.plan(bench.job())
    [found] = await bench.heard(10)
    assert isinstance(found, kind)
    assert "canary" not in str(found)
    [(what, details)] = bench.story.problems
    assert (what, details["command_id"]) == ("call_error", "c-1")


async def test_missed_windows_are_told_now_and_then(bench: Bench) -> None:
    bench.dispatch.outcome = WindowMissed()
    for number in range(5):
        bench.plan(bench.job(name=f"c-{number}"))
    assert await bench.heard(10) == [WindowMissed()] * 5
    assert bench.story.told("call_window_missed") == 1
    await asyncio.sleep(120)
    bench.plan(bench.job(name="later"))
    await bench.heard(10)
    assert bench.story.told("call_window_missed") == 2


async def test_who_rests_is_due_in_its_time(bench: Bench) -> None:
    bench.plan(bench.job(due=bench.clock.now() + 30, retries=1))
    assert bench.activities.statistics()["timers"] == 1
    assert await bench.heard(29) == []
    assert bench.dispatch.out == []
    assert await bench.heard(2) == [Due()]
    assert bench.dispatch.calls == []


async def test_a_start_time_is_the_wall_clocks(bench: Bench) -> None:
    at = bench.clock.wall() + 1000
    bench.plan(bench.job(due=at, not_before=at))
    bench.clock.skew = 1_000_000.0
    assert await bench.heard(90) == [StartReached()]
    assert len(bench.dispatch.out) == 1


async def test_a_rest_before_a_call_ends_with_a_turn_which_the_call_is_made_with(bench: Bench) -> None:
    job = bench.job(due=bench.clock.now() + 5, retries=1)
    key = bench.plan(job)
    assert await bench.heard(6) == [Due()]
    [turn] = bench.dispatch.out
    bench.plan(job)  # a further commit of the same job leaves it its turn
    bench.activities.planned()
    assert await bench.heard(1) == [Due()]
    bench.activities.stepped(key, Due())
    bench.plan(replace(job, due=0.0))
    bench.activities.planned()
    assert await bench.heard(4) == []
    assert (bench.dispatch.calls, bench.dispatch.turns, bench.dispatch.out) == (["c-1"], [turn], [turn])
    assert await bench.heard(2) == [DONE]
    assert bench.dispatch.out == []


async def test_who_has_no_turn_is_not_permitted_to_call(bench: Bench) -> None:
    bench.dispatch.room = 0
    job = bench.job(due=bench.clock.now() + 5, retries=1)
    bench.plan(job)
    assert await bench.heard(60) == []
    assert bench.activities.statistics()["unpermitted"] == 1
    bench.plan(job)  # a further commit of the same job, of which nothing concerns its wait
    assert await bench.heard(60) == []
    assert bench.activities.statistics()["unpermitted"] == 1
    bench.dispatch.room = 1
    assert await bench.heard(1) == [Due()]
    assert (bench.activities.statistics()["unpermitted"], bench.dispatch.calls) == (0, [])


async def test_a_read_rests_without_a_turn(bench: Bench) -> None:
    bench.dispatch.room = 0
    bench.plan(bench.job(READ, due=bench.clock.now() + 5, retries=1))
    assert await bench.heard(6) == [Due()]


async def test_behind_another_of_its_key_nobody_has_or_waits_for_a_turn(bench: Bench) -> None:
    key = bench.plan(bench.job(name="a", order="k"))
    bench.plan(bench.job(name="b", order="k", due=bench.clock.now() + 1, retries=1))
    assert await bench.heard(10) == [DONE]
    statistics = bench.activities.statistics()
    assert (statistics["in_line"], statistics["unpermitted"], bench.dispatch.out) == (1, 0, [])
    bench.activities.plan(key, None, bench.clock.monotonic())
    assert await bench.heard(1) == [Due()]
    assert (bench.activities.statistics()["in_line"], len(bench.dispatch.out)) == (0, 1)


async def test_a_new_command_is_permitted_only_with_a_turn(bench: Bench) -> None:
    bench.dispatch.room = 1
    first, second = bench.job(name="a"), bench.job(name="b")
    assert bench.activities.permits(records.key_of(first), first.command)
    assert not bench.activities.permits(records.key_of(second), second.command)
    [turn] = bench.dispatch.out
    bench.plan(first)
    bench.activities.planned()
    assert await bench.heard(10) == [DONE]
    assert (bench.dispatch.turns, bench.dispatch.out) == ([turn], [])
    assert bench.activities.permits(records.key_of(second), second.command)


async def test_a_turn_is_given_back_if_the_commit_permits_no_call(bench: Bench) -> None:
    job = bench.job()
    key = records.key_of(job)
    assert bench.activities.permits(key, job.command)
    bench.plan(replace(job, due=bench.clock.now() + 60, retries=1))
    bench.activities.planned()
    assert bench.dispatch.out == []
    assert bench.activities.permits(key, job.command)
    bench.activities.plan(key, None, bench.clock.monotonic())  # it ended instead
    assert bench.dispatch.out == []


async def test_a_turn_is_given_back_while_another_is_first_in_line(bench: Bench) -> None:
    bench.plan(bench.job(name="a", order="k"))
    following = bench.job(name="b", order="k")
    assert bench.activities.permits(records.key_of(following), following.command)
    assert len(bench.dispatch.out) == 1
    bench.plan(following)
    assert bench.dispatch.out == []


async def test_a_turn_is_given_back_without_a_slot(bench: Bench) -> None:
    bench.slots.occupy("main", "audience-models", Claim(PARTITION, b"x"))
    job = bench.job(TRAIN)
    assert bench.activities.permits(records.key_of(job), job.command)
    assert len(bench.dispatch.out) == 1
    bench.plan(job)
    assert bench.dispatch.out == []
    [full] = await bench.heard(1)
    assert isinstance(full, QuotaFull)


async def test_a_turn_is_given_back_if_its_call_is_stopped_before_it_begins(bench: Bench) -> None:
    job = bench.job()
    key = records.key_of(job)
    assert bench.activities.permits(key, job.command)
    bench.plan(job)
    assert bench.activities.revoke(key)
    await asyncio.sleep(1)
    assert (bench.dispatch.calls, bench.dispatch.out) == ([], [])


async def test_in_a_hand_over_nobody_has_or_waits_for_a_turn(bench: Bench) -> None:
    due = bench.clock.now() + 1
    bench.dispatch.room = 1
    has, waits = bench.job(name="a", due=due, retries=1), bench.job(name="b", due=due, retries=1)
    for job in (has, waits):
        bench.plan(job)
    assert await bench.heard(2) == [Due()]
    bench.activities.hold()
    assert (bench.dispatch.out, bench.activities.statistics()["unpermitted"]) == ([], 0)
    new = bench.job(name="c")
    assert not bench.activities.permits(records.key_of(new), new.command)
    assert await bench.heard(60) == []
    bench.activities.proceed()
    assert await bench.heard(1) == [Due()]
    assert len(bench.dispatch.out) == 1


async def test_a_permitted_call_of_a_hand_over_gives_its_turn_back(bench: Bench) -> None:
    job = bench.job()
    assert bench.activities.permits(records.key_of(job), job.command)
    bench.activities.hold()
    bench.plan(job)
    assert bench.dispatch.out == []
    assert await bench.heard(10) == [HandedOver()]


async def test_the_end_of_a_shard_gives_all_turns_back(bench: Bench) -> None:
    bench.dispatch.room = 2
    for name in ("a", "b", "c"):
        bench.plan(bench.job(name=name, due=bench.clock.now() + 1, retries=1))
    assert await bench.heard(2) == [Due(), Due()]
    assert (len(bench.dispatch.out), bench.activities.statistics()["unpermitted"]) == (2, 1)
    bench.activities.end()
    assert await bench.heard(10) == []
    assert (bench.dispatch.out, bench.activities.statistics()["unpermitted"]) == ([], 0)


async def test_a_call_whose_deadline_has_passed_is_not_made(bench: Bench) -> None:
    bench.plan(bench.job(deadline=bench.clock.wall() - 1))
    assert set(await bench.heard(1)) == {DeadlinePassed()}
    assert bench.dispatch.calls == []


async def test_a_deadline_ends_who_waits_but_not_whose_call_may_have_left(bench: Bench) -> None:
    soon = bench.clock.wall() + 2
    bench.plan(bench.job(name="sent", deadline=soon))
    bench.plan(bench.job(name="rests", deadline=soon, due=bench.clock.now() + 60, retries=1))
    assert set(await bench.heard(4)) == {DeadlinePassed()}
    assert await bench.heard(10) == [DONE]


async def test_a_lost_call_is_searched_for(bench: Bench) -> None:
    bench.dispatch.outcome = SearchFailed(DEFECT)
    bench.plan(bench.job(TRAIN, phase=Phase.UNCERTAIN, attempt=1))
    assert await bench.heard(60) == [SearchFailed(DEFECT)]
    assert bench.dispatch.searches == ["c-1"]
    assert bench.activities.statistics()["searches"] == 0


async def test_a_search_that_breaks_again_and_again_ends_the_job(bench: Bench) -> None:
    bench.dispatch.outcome = KeyError("a defect")
    job, found = bench.job(TRAIN, phase=Phase.UNCERTAIN, attempt=1), []
    for _ in range(4):
        bench.plan(job)
        found += await bench.heard(60)
    assert [type(each) for each in found] == [SearchFailed] * 3 + [Broken]


async def test_a_running_job_is_watched_from_its_status_on_and_holds_its_slot(bench: Bench) -> None:
    job = bench.job(TRAIN, phase=Phase.RUNNING, resource_id="arn:a", status="CREATE_PENDING")
    key = bench.plan(job)
    [watch] = bench.poller.watches.values()
    assert (watch.resource_id, watch.status) == ("arn:a", "CREATE_PENDING")
    assert bench.slots.busy("main", "audience-models") == 1
    bench.plan(replace(job, status="CREATE_IN_PROGRESS"))
    assert len(bench.poller.watches) == 1
    watch.sink(Due())
    assert await bench.heard() == [Due()]
    bench.activities.plan(key, replace(job, phase=Phase.SUCCEEDED, finished_at=1.0), bench.clock.monotonic())
    assert (bench.poller.watches, bench.slots.busy("main", "audience-models")) == ({}, 0)


async def test_the_end_of_a_shard_leaves_nothing_watched_and_nothing_running(bench: Bench) -> None:
    bench.plan(bench.job(TRAIN, phase=Phase.RUNNING, resource_id="arn:a"))
    bench.plan(bench.job())
    await asyncio.sleep(1)
    bench.activities.end()
    await asyncio.sleep(10)
    assert bench.poller.watches == {}
    assert await bench.heard() == []


async def test_a_hand_over_takes_back_what_has_not_left(bench: Bench) -> None:
    bench.dispatch.sends = False
    bench.plan(bench.job(name="a", order="k"))
    bench.plan(bench.job(name="b", order="k"))
    await asyncio.sleep(1)
    bench.activities.hold()
    assert await bench.heard(10) == [HandedOver(), HandedOver()]
    bench.plan(bench.job(name="c"))
    assert await bench.heard(10) == [HandedOver()]
    assert bench.dispatch.calls == ["a"]


async def test_a_hand_over_waits_for_what_has_left(bench: Bench) -> None:
    bench.plan(bench.job())
    await asyncio.sleep(1)
    bench.activities.hold()
    assert bench.activities.calling == 1
    assert await bench.heard(10) == [DONE]


async def test_what_became_due_in_a_hand_over_is_begun_after_it(bench: Bench) -> None:
    bench.plan(bench.job(due=bench.clock.now() + 5, retries=1))
    bench.activities.hold()
    assert await bench.heard(10) == []
    bench.activities.proceed()
    assert await bench.heard() == [Due()]


async def test_a_job_is_stopped_before_its_call_leaves_and_not_afterwards(bench: Bench) -> None:
    bench.dispatch.sends = False
    key = bench.plan(bench.job())
    await asyncio.sleep(1)
    assert bench.activities.revoke(key)
    assert bench.activities.revoke(b"unknown")
    bench.dispatch.sends = True
    left = bench.plan(bench.job(name="left"))
    await asyncio.sleep(1)
    assert not bench.activities.revoke(left)


async def test_what_this_process_does_not_know_is_held_in_its_place(bench: Bench) -> None:
    unknown = bench.job(name="held", order="k", phase=Phase.INTENDED)
    unknown = replace(unknown, command=replace(unknown.command, target="gone"))
    key = bench.plan(unknown)
    bench.plan(bench.job(name="after", order="k"))
    assert await bench.heard(10) == [Restored()]
    assert bench.dispatch.calls == []
    assert sum(bench.activities.held.values()) == 1
    bench.activities.plan(key, None, bench.clock.monotonic())
    await asyncio.sleep(1)
    assert (bench.dispatch.calls, sum(bench.activities.held.values())) == (["after"], 0)


async def test_a_job_with_which_nothing_can_be_done_is_kept(bench: Bench) -> None:
    key = bench.plan(bench.job(TRAIN, phase=Phase.RUNNING, resource_id="arn:a"))
    assert not bench.activities.keeps(key)
    bench.activities.keep(key)
    assert bench.activities.keeps(key)
    assert bench.poller.watches == {}


async def test_a_job_that_cannot_be_planned_ends_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = transitions.activity

    def breaks(job: Job, *more: Any) -> Any:
        if job.command.id == "broken":
            raise KeyError("a defect")
        return plan(job, *more)

    monkeypatch.setattr(transitions, "activity", breaks)
    bench.plan(bench.job(name="broken"))
    bench.plan(bench.job(name="other"))
    assert await bench.heard(60) == [DONE, Broken(DEFECT, unsent=True)]
    assert bench.dispatch.calls == ["other"]
    assert bench.story.told("planning_error") == 4


async def test_a_read_that_waits_is_no_job_of_a_quota(bench: Bench) -> None:
    bench.slots.occupy("main", "audience-models", Claim(PARTITION, b"x"))
    bench.plan(bench.job(READ))
    assert await bench.heard(POLICY.call_window + 10) == [DONE]


async def test_an_answer_that_breaks_the_service_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job goes on: what its call has made is searched for and found."""
    broken = transitions.step
    first = [True]

    def breaks(job: Any, observation: Any, *more: Any) -> Any:
        if isinstance(observation, Returned) and job.command.operation == MODEL and first:
            first.clear()
            raise KeyError("a defect")
        return broken(job, observation, *more)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr(transitions, "step", breaks)
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        await rig.made(MODEL, trainingDatasetArn=dataset)
        assert rig.nodes[0].story.problems
        await rig.numbered()
        rig.audit()


@pytest.mark.parametrize("meanwhile", ["", "deadline", "CancelCommand"])
async def test_a_call_whose_loss_breaks_the_service_has_left_all_the_same(
    monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Neither a deadline, nor a cancellation, nor the end of its tries says that nothing was sent."""
    broken = transitions.step

    def breaks(job: Any, observation: Any, *more: Any) -> Any:
        if isinstance(observation, Lost):
            raise KeyError("a defect")
        return broken(job, observation, *more)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr(transitions, "step", breaks)
        await rig.start()
        rig.api.inject("CreateTrainingDataset", LOST_REPLY)
        deadline = {"deadline": format_time(rig.clock.wall() + 20.0)} if meanwhile == "deadline" else {}
        rig.send("CreateTrainingDataset", command_id="mine", **deadline)
        await rig.until(lambda: rig.nodes[0].story.problems)
        if meanwhile == "CancelCommand":
            cancelled = await rig.perform(meanwhile, {"commandId": "mine", "commandSource": "/tests"})
            assert cancelled.data["error"]["code"] == "TooLate"
        assert len(rig.creates("mine")) == 1
        assert (await rig.end("mine")).kind == "parked"


async def test_a_timer_that_comes_after_the_end_of_its_shard_begins_nothing_and_is_no_defect() -> None:
    """Found by the simulator: it was tried again and again, in a shard that had ended."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        command_id = rig.send("CreateTrainingDataset")
        await rig.end(command_id)
        activities, job = node.shard(0)._activities, rig.job(command_id)
        assert job is not None
        await node.crash()
        activities._fire(records.key_of(job), job)
        await asyncio.sleep(120.0)
        assert not node.story.told("planning_error")


async def test_what_is_given_back_in_line_is_not_called_when_its_turn_comes(bench: Bench) -> None:
    """Its record says that nothing was sent, so nothing may be."""
    bench.dispatch.takes = 1.0
    first, second = bench.job(name="a", order="k"), bench.job(name="b", order="k")
    one, other = bench.plan(first), bench.plan(second)
    await asyncio.sleep(0.5)
    now = bench.clock.monotonic()
    bench.activities.plan(other, replace(second, due=GIVEN_BACK), now)
    bench.activities.plan(one, None, now)
    bench.activities.planned()
    await asyncio.sleep(0.2)
    assert bench.dispatch.calls == ["a"]


async def test_a_watch_hears_of_the_time_that_its_publisher_has_named_by_the_wall_clock(bench: Bench) -> None:
    until = bench.clock.wall() + 30.0
    bench.plan(bench.job(TRACK, phase=Phase.RUNNING, resource_id=ARN, params={"resourceArn": ARN}, until=until))
    assert await bench.heard(29) == []
    assert await bench.heard(2) == [UntilPassed()]
    assert bench.activities.oldest_running() == {}


async def test_a_watch_that_waits_for_its_start_hears_of_it_too(bench: Bench) -> None:
    wall = bench.clock.wall()
    later = wall + 60.0
    bench.plan(bench.job(TRACK, params={"resourceArn": ARN}, until=wall + 30.0, not_before=later, due=later))
    assert await bench.heard(31) == [UntilPassed()]


async def test_a_job_that_runs_for_long_is_reported_by_the_owners_time_and_once(bench: Bench) -> None:
    limit = bench.context.policy.running_limit("audience-model")
    job = replace(bench.job(TRAIN, phase=Phase.RUNNING, resource_id=ARN), since=bench.clock.now() - limit + 30.0)
    bench.plan(job)
    assert bench.activities.oldest_running() == {"audience-model": job.since}
    assert await bench.heard(29) == []
    assert await bench.heard(2) == [RunningLong()]
    bench.plan(replace(job, overdue=True))
    assert await bench.heard(60) == []
    bench.plan(replace(job, phase=Phase.SUCCEEDED))
    assert bench.activities.oldest_running() == {}


async def test_a_line_is_in_the_order_of_turns_whatever_order_its_jobs_come_in(bench: Bench) -> None:
    """A command of a chain was accepted early, and has joined its line late."""
    jobs = [bench.job(name=name, order="k", turn=turn) for name, turn in (("late", 2), ("early", 1))]
    bench.activities.line_up([(records.key_of(job), job) for job in jobs])
    for job in jobs:
        bench.activities.plan(records.key_of(job), job, bench.clock.monotonic())
    await asyncio.sleep(0.1)
    assert bench.dispatch.calls == ["early"]
