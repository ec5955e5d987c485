"""What polls show, to those who watch; the poller's own tests have the rest."""

import asyncio
from typing import Any

import pytest

from schemas.operations import AUDIENCE_MODEL
from service.core.observations import Broken, Failure, Observation, Seen, Unseen, Vanished
from service.core.polling import Cadence
from service.runtime.dispatch import ENDLESS
from service.runtime.errors import DEFECT
from service.runtime.poll_results import ABSENCES, DEFECTS, PollResults, lasting
from service.runtime.watches import WatchedResource
from tests.support.clock import LoopClock
from tests.support.cluster import Rig
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

LAG, BLINDNESS = 30.0, 100.0


class Bench:
    def __init__(self) -> None:
        self.clock, self.story = LoopClock(), Story()
        self.results = PollResults("default", 1.0, self.clock, self.story, LAG, BLINDNESS)
        self.seen: list[Observation] = []

    def watch(self, *, removal: bool = False, sink: Any = None) -> WatchedResource:
        now, pace = self.clock.now(), Cadence(10.0, 50.0, 100.0)
        kind = AUDIENCE_MODEL.kind
        watch = WatchedResource(kind, "arn", "", now, pace, sink or self.seen.append, pace=10.0, removal=removal)
        watch.seen_at = watch.known = watch.shown = now
        return watch


async def test_an_absence_counts_when_it_has_lasted() -> None:
    bench = Bench()
    watch = bench.watch()
    for _ in range(ABSENCES):
        bench.results.absent([watch])
    assert bench.seen == []
    await asyncio.sleep(LAG)
    bench.results.absent([watch])
    assert bench.seen == [Vanished()]


async def test_the_absence_of_what_is_being_deleted_need_not_last() -> None:
    bench = Bench()
    watch = bench.watch(removal=True)
    for _ in range(ABSENCES - 1):
        bench.results.absent([watch])
    assert bench.seen == []
    bench.results.absent([watch])
    assert bench.seen == [Vanished()]


async def test_what_was_not_due_is_not_absent() -> None:
    bench = Bench()
    watch = bench.watch(removal=True)
    watch.due = int(bench.clock.now()) + 10
    for _ in range(ABSENCES):
        bench.results.absent([watch])
    assert (watch.absences, bench.seen) == (0, [])


async def test_a_status_is_delivered_once_and_ends_an_absence() -> None:
    bench = Bench()
    watch = bench.watch()
    bench.results.absent([watch])
    bench.results.late[watch] = None
    for _ in range(2):
        bench.results.deliver([watch], {"status": "CREATE_IN_PROGRESS"})
    assert bench.seen == [Seen({"status": "CREATE_IN_PROGRESS"}, 0.0)]
    assert (watch.absences, list(bench.results.late)) == (0, [])


async def test_an_observation_that_breaks_the_service_is_of_one_watch_only() -> None:
    bench = Bench()
    broken: list[Observation] = []

    def breaks(observation: Observation) -> None:
        if isinstance(observation, Seen):
            raise TypeError("a defect")
        broken.append(observation)

    bad = bench.watch(sink=breaks)
    for _ in range(DEFECTS):
        bench.results.deliver([bad, bench.watch()], {"status": "ACTIVE"})
    assert broken == [Broken(DEFECT)]
    assert len(bench.seen) == DEFECTS
    assert bench.story.told("poll_error") == DEFECTS


async def test_failed_polls_are_observed_after_a_while_only() -> None:
    bench = Bench()
    watch, failure = bench.watch(), Failure("ThrottlingException", "", http_status=429)
    bench.results.unseen(AUDIENCE_MODEL, [watch], failure, "GetAudienceModel")
    assert bench.seen == []
    await asyncio.sleep(BLINDNESS)
    assert bench.results.stuck(failure, [watch])
    bench.results.unseen(AUDIENCE_MODEL, [watch], failure, "GetAudienceModel")
    (unseen,) = bench.seen
    assert isinstance(unseen, Unseen)
    assert bench.story.told("poll_failed") == 2


@pytest.mark.parametrize(
    ("failure", "lasts"),
    [
        (Failure(ENDLESS, ""), True),
        (Failure("AccessDeniedException", "", http_status=403), True),
        (Failure("ReadTimeout", ""), False),
    ],
    ids=["a List without an end", "no right", "a lost answer"],
)
def test_whether_the_same_request_would_fail_again(failure: Failure, *, lasts: bool) -> None:
    assert lasting(failure) is lasts


async def test_a_poll_that_breaks_the_service_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: Any = PollResults.deliver
    times = [0]

    def breaks(self: Any, *arguments: Any) -> None:
        times[0] += 1
        if times[0] == 1:
            raise KeyError("a defect")
        broken(self, *arguments)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr(PollResults, "deliver", breaks)
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        await rig.made("CreateAudienceModel", trainingDatasetArn=dataset)
        assert times[0] > 1
        rig.audit()
