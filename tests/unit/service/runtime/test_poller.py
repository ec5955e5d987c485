"""The poller: every watched resource is looked at, with as few calls as possible."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, cast

import pytest

from schemas.operations import AUDIENCE_MODEL, CONFIGURED_AUDIENCE_MODEL, EXPORT_JOB, OPERATIONS
from service.core import search
from service.core.job import marker
from service.core.marker import stamp
from service.core.observations import Observation, Seen, Unseen, Vanished
from service.core.polling import Cadence
from service.core.rate_budget import Lane
from service.runtime.dispatch import ENDLESS, CallTimeouts, RateLimitedApi
from service.runtime.limiter import Limiter, Turn
from service.runtime.poller import Poller
from service.runtime.ports import Failure, Reply
from service.runtime.watches import WatchedResource
from tests.support import api as fake
from tests.support.clock import LoopClock
from tests.support.cluster import Rig
from tests.support.faulty_api import TwinApi
from tests.support.messages import request
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

MODEL, GET, LIST = "CreateAudienceModel", "GetAudienceModel", "ListAudienceModels"
PACE = Cadence(first=10.0, later=50.0, young_for=100.0)


class Bench:
    def __init__(self, tick: float = 1.0, settle: float = 0.0, blindness: float = 3600.0) -> None:
        self.clock = LoopClock()
        self.api = TwinApi(self.clock)
        self.api.pending, self.api.working = 15.0, 1000.0
        self.story = Story()
        limiters = {"default": Limiter(self.clock, reads_per_second=1000.0, writes_per_second=1000.0)}
        caller = RateLimitedApi(self.api, limiters, self.clock, self.story, CallTimeouts(write=10.0, read=5.0))
        self.poller = Poller("default", caller, tick, self.clock, self.story, settle, blindness)
        self.seen: list[tuple[str, Observation]] = []
        self.told: list[tuple[int, Observation]] = []

    async def made(self, operation: str, **members: Any) -> str:
        outcome = await self.api.call("default", operation, request(operation, **members), timeout=5.0)
        assert isinstance(outcome, Reply)
        return str(outcome.result.get(OPERATIONS[operation].resource.identity, ""))

    async def models(self, number: int) -> list[str]:
        dataset = await self.made("CreateTrainingDataset")
        return [await self.made(MODEL, name=f"m{n}", trainingDatasetArn=dataset) for n in range(number)]

    def watch(
        self, arn: str, operation: str = MODEL, pace: Cadence = PACE, key: object = None, *, removal: bool = False
    ) -> None:
        kind = OPERATIONS[operation].resource.kind

        def sink(observation: Observation) -> None:
            self.seen.append((arn, observation))
            self.told.append((self.looks(), observation))

        self.poller.watch(key or arn, WatchedResource(kind, arn, "", self.clock.wall(), pace, sink, removal=removal))

    def statuses(self, arn: str) -> list[str]:
        return [str(seen.description["status"]) for key, seen in self.seen if key == arn and isinstance(seen, Seen)]

    def looks(self) -> int:
        """How many requests have looked at models or exports."""
        counts = self.api.counts()
        return counts[GET] + counts[LIST] + counts["ListAudienceExportJobs"]


@asynccontextmanager
async def bench(tick: float = 1.0, settle: float = 0.0, blindness: float = 3600.0) -> AsyncIterator[Bench]:
    made = Bench(tick, settle, blindness)
    task = asyncio.create_task(made.poller.run())
    yield made
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_nothing_watched_no_calls() -> None:
    async with bench() as b:
        await asyncio.sleep(10_000.0)
        assert b.api.log == []
        assert b.story.polls == []


async def test_one_watch_is_got_and_each_status_told_once() -> None:
    async with bench() as b:
        (arn,) = await b.models(1)
        b.watch(arn)
        await asyncio.sleep(100.0)
        assert b.statuses(arn) == ["CREATE_PENDING", "CREATE_IN_PROGRESS"]
        assert b.api.counts()[LIST] == 0
        assert 10 <= b.api.counts()[GET] <= 11


async def test_the_first_look_is_at_once() -> None:
    async with bench() as b:
        (arn,) = await b.models(1)
        b.watch(arn)
        await asyncio.sleep(0.2)
        assert b.statuses(arn) == ["CREATE_PENDING"]


async def test_many_watches_share_a_list() -> None:
    async with bench() as b:
        arns = await b.models(20)
        for arn in arns:
            b.watch(arn)
        await asyncio.sleep(40.0)
        assert all(b.statuses(arn) == ["CREATE_PENDING", "CREATE_IN_PROGRESS"] for arn in arns)
        assert b.api.counts()[GET] == 0
        assert b.api.counts()[LIST] <= 5


async def test_pages_cost_and_a_few_gets_are_cheaper() -> None:
    """250 resources are three pages, so two watches are got, once that is known."""
    async with bench() as b:
        b.api.pending = 10_000.0
        arns = await b.models(250)
        for arn in arns[:2]:
            b.watch(arn)
        await asyncio.sleep(0.5)
        assert b.api.counts()[LIST] == 3
        await asyncio.sleep(30.0)
        assert b.api.counts()[LIST] == 3
        assert b.api.counts()[GET] in (4, 6)


async def test_two_who_watch_the_same_share_the_call() -> None:
    async with bench() as b:
        (arn,) = await b.models(1)
        for key in ("one", "two"):
            b.watch(arn, key=key)
        await asyncio.sleep(25.0)
        assert b.api.counts()[GET] == 3
        assert b.statuses(arn) == ["CREATE_PENDING"] * 2 + ["CREATE_IN_PROGRESS"] * 2


async def test_an_end_seen_in_a_list_deserves_a_get() -> None:
    """Lists omit the details."""
    async with bench() as b:
        arns = await b.models(3)
        for arn in arns:
            b.watch(arn)
        await asyncio.sleep(25.0)
        b.api.set_status(arns[0], "CREATE_FAILED", {"statusCode": "400", "message": "no data"})
        await asyncio.sleep(11.0)
        assert b.api.counts()[GET] == 1
        told = [seen for key, seen in b.seen if key == arns[0]][-1]
        assert isinstance(told, Seen)
        assert told.description["statusDetails"]["message"] == "no data"
        await asyncio.sleep(100.0)
        assert b.api.counts()[GET] == 1


async def test_absent_from_a_list_is_asked_for_by_a_get() -> None:
    async with bench() as b:
        b.api.list_lag = 1000.0
        arns = await b.models(3)
        for arn in arns:
            b.watch(arn)
        await asyncio.sleep(1.0)
        assert b.api.counts()[LIST] == 1
        assert b.api.counts()[GET] == 3
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)


@pytest.mark.parametrize("number", [1, 3])
async def test_gone_is_told(number: int) -> None:
    async with bench() as b:
        arns = await b.models(number)
        for arn in arns:
            b.watch(arn)
        await asyncio.sleep(5.0)
        b.api.remove(arns[0])
        await asyncio.sleep(20.0)
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)
        await asyncio.sleep(10.0)
        assert [key for key, seen in b.seen if isinstance(seen, Vanished)] == [arns[0]]


DENIED = fake.Fault(Failure("AccessDeniedException", "not authorized", http_status=403))
THROTTLED = fake.THROTTLED
GONE = fake.Fault(Failure("ResourceNotFoundException", "not found", http_status=404))


@pytest.mark.parametrize(
    ("status", "looked_at"),
    [("CREATE_IN_PROGRESS", [3000, 3010, 3100]), ("DELETE_IN_PROGRESS", [3000, 3010, 3020])],
)
async def test_what_is_old_and_gone_is_looked_for_sooner_than_usual_and_no_more_often_than_it_takes(
    status: str, looked_at: list[int]
) -> None:
    async with bench(settle=99.0) as b:
        (arn,) = await b.models(1)
        b.api.set_status(arn, status)
        b.watch(arn, pace=Cadence(first=10.0, later=3000.0, young_for=0.0))
        await asyncio.sleep(5.0)
        b.api.remove(arn)
        await asyncio.sleep(2990.0)
        former = b.looks()
        looks = []
        for second in range(2996, 2996 + 110):
            await asyncio.sleep(1.0)
            if b.looks() > former:
                former = b.looks()
                looks.append(second)
        assert looks[:3] == looked_at
        told = [looks for looks, seen in b.told if isinstance(seen, Vanished)]
        assert told[0] == 1 + 3, "the look that showed it, and three that did not"


async def test_absences_now_and_then_are_no_end() -> None:
    async with bench(settle=25.0) as b:
        (arn,) = await b.models(1)
        b.api.inject(GET, *[GONE, GONE, fake.Fault(effect=True)] * 10)
        b.watch(arn, pace=Cadence(first=10.0, later=10.0, young_for=0.0))
        await asyncio.sleep(400.0)
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)
        b.api.remove(arn)
        await asyncio.sleep(25.0)
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)
        await asyncio.sleep(15.0)
        assert any(isinstance(seen, Vanished) for _, seen in b.seen)


@pytest.mark.parametrize("removal", [True, False])
async def test_a_few_absences_end_what_is_being_deleted(removal: bool) -> None:
    async with bench(settle=1000.0) as b:
        (arn,) = await b.models(1)
        b.watch(arn, removal=removal)
        await asyncio.sleep(1.0)
        b.api.set_status(arn, "ACTIVE" if removal else "DELETE_IN_PROGRESS")
        await asyncio.sleep(10.0)
        b.api.remove(arn)
        await asyncio.sleep(20.0)
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)
        await asyncio.sleep(10.0)
        assert any(isinstance(seen, Vanished) for _, seen in b.seen)


@pytest.mark.parametrize("status", ["DELETE_PENDING", "DELETE_FAILED"])
async def test_a_deletion_that_fails_is_no_deletion_whatever_two_looks_miss(status: str) -> None:
    async with bench(settle=100.0) as b:
        (arn,) = await b.models(1)
        b.api.set_status(arn, status)
        b.watch(arn, pace=Cadence(first=10.0, later=10.0, young_for=0.0), removal=True)
        await asyncio.sleep(5.0)
        b.api.inject(GET, GONE, GONE)
        await asyncio.sleep(50.0)
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)
        b.api.set_status(arn, "DELETE_FAILED")
        await asyncio.sleep(50.0)
        b.api.inject(GET, GONE, GONE, GONE)
        await asyncio.sleep(150.0)
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen), "a failed deletion explains no absence"


@pytest.mark.parametrize("fault", [DENIED, THROTTLED], ids=["denied", "throttled"])
async def test_what_can_t_be_listed_is_looked_at_one_by_one(fault: fake.Fault) -> None:
    async with bench() as b:
        arns = await b.models(5)
        for arn in arns:
            b.watch(arn, pace=Cadence(first=10.0, later=10.0, young_for=0.0))
        b.api.always(LIST, fault)
        await asyncio.sleep(25.0)
        assert bool(b.statuses(arns[0])) is (fault is DENIED)
        assert (b.api.counts()[LIST] == 1) is (fault is DENIED)


@pytest.mark.parametrize("number", [1, 5])
async def test_what_can_t_be_got_is_looked_at_in_a_list(number: int) -> None:
    async with bench() as b:
        arns = await b.models(number)
        b.api.always(GET, DENIED)
        for arn in arns:
            b.watch(arn, pace=Cadence(first=10.0, later=10.0, young_for=0.0))
        await asyncio.sleep(1040.0)
        assert [b.statuses(arn) for arn in arns] == [["CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"]] * number
        assert b.api.counts()[LIST] <= 105
        assert {type(seen) for _, seen in b.seen} == {Seen}


@pytest.mark.parametrize(("number", "operation"), [(1, GET), (5, GET), (5, LIST)])
@pytest.mark.parametrize("fault", [fake.UNAVAILABLE, fake.THROTTLED], ids=["unavailable", "throttled"])
async def test_a_look_that_fails_for_long_is_made_good_by_the_other_one(
    number: int, operation: str, fault: fake.Fault
) -> None:
    """And not before: a failure that passes costs no more calls, and the end deserves a Get."""
    async with bench(blindness=60.0) as b:
        arns = await b.models(number)
        b.api.pending, b.api.working = 15.0, 200.0
        b.api.always(operation, fault)
        for arn in arns:
            b.watch(arn, pace=Cadence(first=10.0, later=10.0, young_for=0.0))
        await asyncio.sleep(45.0)
        other = LIST if operation == GET else GET
        assert b.api.counts()[other] <= (5 if number > 1 and operation == GET else 0)
        await asyncio.sleep(1300.0)
        assert [b.statuses(arn)[-1] for arn in arns] == ["ACTIVE"] * number
        assert {type(seen) for _, seen in b.seen} == {Seen}


async def test_who_can_t_be_looked_at_hears_which_look_has_failed() -> None:
    async with bench(blindness=60.0) as b:
        export_id, _ = await export(b)
        model = b.api.by_hand(MODEL, name="other")
        listing = "ListAudienceExportJobs"
        for operation in (listing, GET, LIST):
            b.api.always(operation, DENIED)
        b.watch(export_id, "StartAudienceExportJob")
        b.watch(model)
        await asyncio.sleep(130.0)
        assert {(each, seen.operation) for each, seen in b.seen if isinstance(seen, Unseen)} == {
            (export_id, listing),
            (model, GET),
        }


async def test_a_status_of_what_is_to_be_removed_is_told_at_every_look() -> None:
    """Which of them count, the core decides by their age."""
    async with bench() as b:
        (arn,) = await b.models(1)
        b.api.set_status(arn, "DELETE_FAILED")
        b.watch(arn, removal=True)
        await asyncio.sleep(25.0)
        assert b.statuses(arn) == ["DELETE_FAILED"] * 3


async def test_looks_that_fail_for_long_are_observed_again_and_again_and_so_is_their_end() -> None:
    async with bench(blindness=60.0) as b:
        (arn,) = await b.models(1)
        b.api.pending = 10_000.0
        b.watch(arn, pace=Cadence(first=10.0, later=10.0, young_for=0.0))
        await asyncio.sleep(5.0)
        for operation in (GET, LIST):
            b.api.always(operation, DENIED)
        await asyncio.sleep(200.0)
        blind = [seen for _, seen in b.seen if isinstance(seen, Unseen)]
        assert [60.0 <= seen.seconds <= 71.0 for seen in blind] == [True] * 3
        assert blind[0].fault.code == "AccessDeniedException"
        assert blind[0].operation == GET
        told = len(b.seen)
        b.api.always(GET, None)
        await asyncio.sleep(50.0)
        assert [type(seen) for _, seen in b.seen[told:]] == [Seen], "once, whatever the status"


async def export(b: Bench) -> tuple[str, str]:
    """An export and its stable id; only a List shows exports."""
    b.api.pending = b.api.working = 1.0
    (model,) = await b.models(1)
    await asyncio.sleep(3.0)
    configured = await b.made("CreateConfiguredAudienceModel", audienceModelArn=model)
    job = await b.made("StartAudienceGenerationJob", configuredAudienceModelArn=configured)
    await asyncio.sleep(3.0)
    b.api.working = 1000.0
    token = marker(Rig._command("c"))
    await b.made("StartAudienceExportJob", **stamp({"audienceGenerationJobArn": job, "name": "export"}, token))
    return f"audience-export-job/{token}", "export"


async def test_what_only_a_list_shows_is_gone_after_three_absences() -> None:
    async with bench() as b:
        export_id, name = await export(b)
        b.watch(export_id, "StartAudienceExportJob")
        await asyncio.sleep(15.0)
        assert b.statuses(export_id)[-1] == "CREATE_IN_PROGRESS"
        b.api.remove(name)
        before = b.looks()
        await asyncio.sleep(45.0)
        gone = [looks for looks, seen in b.told if isinstance(seen, Vanished)]
        assert gone[0] == before + 3


async def test_a_list_that_lags_now_and_then_is_no_absence() -> None:
    async with bench() as b:
        export_id, name = await export(b)
        b.watch(export_id, "StartAudienceExportJob", Cadence(first=10.0, later=10.0, young_for=0.0))
        await asyncio.sleep(5.0)
        for _ in range(10):
            b.api.list_lag = 10_000.0
            await asyncio.sleep(15.0)
            b.api.list_lag = 0.0
            await asyncio.sleep(15.0)
        assert b.looks() > 20
        assert b.api.item(name).exists(b.clock.monotonic())
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)


async def test_a_list_that_falls_behind_what_it_has_shown_is_no_absence_within_the_settling_time() -> None:
    async with bench(settle=60.0) as b:
        export_id, name = await export(b)
        b.watch(export_id, "StartAudienceExportJob", Cadence(first=10.0, later=10.0, young_for=0.0))
        await asyncio.sleep(5.0)
        b.api.list_lag = 10_000.0
        await asyncio.sleep(55.0)
        b.api.list_lag = 0.0
        await asyncio.sleep(20.0)
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)
        b.api.remove(name)
        await asyncio.sleep(55.0)
        assert not any(isinstance(seen, Vanished) for _, seen in b.seen)
        await asyncio.sleep(30.0)
        assert any(isinstance(seen, Vanished) for _, seen in b.seen)


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("fault", [fake.THROTTLED, fake.UNAVAILABLE, fake.HANG_BEFORE, fake.NOT_SENT, fake.INVALID])
async def test_a_failure_loses_nothing(number: int, fault: fake.Fault) -> None:
    async with bench() as b:
        arns = await b.models(number)
        for operation in (GET, LIST):
            b.api.inject(operation, fault)
        for arn in arns:
            b.watch(arn)
        await asyncio.sleep(25.0)
        assert all(b.statuses(arn)[-1] == "CREATE_IN_PROGRESS" for arn in arns)
        assert b.story.told("poll_failed") == 1
        assert len(b.poller) == number


async def test_older_is_looked_at_less_often() -> None:
    async with bench() as b:
        (arn,) = await b.models(1)
        b.watch(arn)
        await asyncio.sleep(100.0)
        young = b.looks()
        await asyncio.sleep(1000.0)
        assert 9 <= young <= 11
        assert 19 <= b.looks() - young <= 21


async def test_looks_fall_together() -> None:
    """Watches begun at any time are due at the same ticks, so that one List serves them."""
    async with bench(tick=5.0) as b:
        for arn in await b.models(10):
            b.watch(arn)
            await asyncio.sleep(0.35)
        before = b.looks()
        await asyncio.sleep(60.0)
        assert b.looks() - before <= 13, "one for each 5 s, not one for each watch"


@pytest.mark.parametrize("tick", [19.0, 25.0, 60.0])
async def test_a_tick_longer_than_the_interval_is_the_interval(tick: float) -> None:
    async with bench(tick=tick) as b:
        b.api.latency = 0.05
        (arn,) = await b.models(1)
        b.watch(arn, pace=Cadence(first=8.0, later=8.0, young_for=300.0))
        await asyncio.sleep(600.0)
        assert 600.0 / tick - 1 <= b.looks() <= 600.0 / tick + 2


async def test_unwatched_is_not_looked_at() -> None:
    async with bench() as b:
        arns = await b.models(2)
        for arn in arns:
            b.watch(arn)
        await asyncio.sleep(1.0)
        for arn in arns:
            b.poller.unwatch(arn)
        b.poller.unwatch("unknown")
        before = b.looks()
        await asyncio.sleep(1000.0)
        assert b.looks() == before
        assert len(b.poller) == 0


async def test_watched_again_under_the_same_key_goes_on_as_it_is() -> None:
    async with bench() as b:
        (arn,) = await b.models(1)
        b.watch(arn)
        await asyncio.sleep(1.0)
        b.watch(arn)
        await asyncio.sleep(1.0)
        assert b.statuses(arn) == ["CREATE_PENDING"]
        assert b.looks() == 1


async def test_a_status_that_nobody_knows_is_passed_on() -> None:
    async with bench() as b:
        (arn,) = await b.models(1)
        b.watch(arn)
        await asyncio.sleep(1.0)
        b.api.set_status(arn, "CREATE_ON_HOLD")
        await asyncio.sleep(10.0)
        assert b.statuses(arn) == ["CREATE_PENDING", "CREATE_ON_HOLD"]


async def test_lag_counts_from_the_last_look_that_showed_something() -> None:
    async with bench() as b:
        [arn] = await b.models(1)
        assert b.poller.lag() == 0.0
        b.watch(arn)
        await asyncio.sleep(1.0)
        assert b.poller.lag() == 0.0
        for operation in (GET, LIST):
            b.api.always(operation, fake.UNAVAILABLE)
        await asyncio.sleep(60.0)
        assert 40.0 < b.poller.lag() < 52.0  # an interval of 10 s is no delay
        for operation in (GET, LIST):
            b.api.always(operation, None)
        await asyncio.sleep(11.0)
        assert b.poller.lag() < 2.0


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("steps", range(8))
async def test_a_poller_that_is_cancelled_before_its_looks_begin_leaves_nothing_behind(steps: int) -> None:
    """Found by the simulator: a coroutine that was made for a look, and that nobody ever awaited."""
    made = Bench()
    for arn in await made.models(3):
        made.watch(arn)
    looking = asyncio.create_task(made.poller.run())
    for _ in range(steps):
        await asyncio.sleep(0)
    looks = [task for task in asyncio.all_tasks() if task.get_name().startswith("poll:")]
    looking.cancel()
    await asyncio.wait([looking, *looks])
    gc.collect()


@pytest.mark.parametrize("how", ["a Get that hangs", "a List without an end"])
async def test_a_look_that_hangs_delays_no_other(how: str) -> None:
    """And it is not made twice at a time."""
    looks: dict[str, list[float]] = {"good": [], "bad": []}
    clock = LoopClock()
    limiter = Limiter(clock, reads_per_second=1e6, writes_per_second=1e6)

    class Reader:
        listing = 3600.0

        async def turn(self, _target: str, lane: Lane) -> Turn:
            return await limiter.take(lane)

        async def send(self, _target: str, operation: str, *_: Any) -> Reply | Failure:
            which = "good" if operation == GET else "bad"
            looks[which].append(clock.monotonic())
            if which == "good":
                return Reply({"status": "CREATE_IN_PROGRESS", "audienceModelArn": "good"})
            await asyncio.sleep(30.0)
            return Failure("ReadTimeout" if how == "a Get that hangs" else ENDLESS, "in vain")

        async def pages(
            self, target: str, request: search.Request, _lane: Lane
        ) -> AsyncGenerator[Reply | Failure, None]:
            yield await self.send(target, request.operation)

    poller = Poller("t", cast(RateLimitedApi, Reader()), 1.0, clock, Story())
    began, task = clock.monotonic(), asyncio.create_task(poller.run())
    kinds = {"good": AUDIENCE_MODEL, "bad": CONFIGURED_AUDIENCE_MODEL if how == "a Get that hangs" else EXPORT_JOB}
    for name, resource in kinds.items():
        cadence = Cadence(5.0, 5.0, 60.0)
        poller.watch(name, WatchedResource(resource.kind, name, "", clock.now(), cadence, lambda _: None))
    await asyncio.sleep(123.0)
    task.cancel()
    await asyncio.wait([task])
    assert len(looks["good"]) == 25
    bad = [round(at - began) for at in looks["bad"]]
    assert len(bad) >= 1
    assert all(later - earlier >= 30 for earlier, later in pairwise(bad))
