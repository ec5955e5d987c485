"""One replica lists for all: as many calls as one replica makes, whoever dies or is wrong about being the one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from benchmarks.polling import Account, Job, Silent, VirtualClock, evenly, follow, resource_id
from schemas.operations import AUDIENCE_MODEL, EXPORT_JOB, Resource
from service.core.observations import Failure, Observation, Reply, Seen, Vanished
from service.core.polling import Cadence
from service.runtime.dispatch import ENDLESS, RateLimitedApi
from service.runtime.poller import Poller
from service.runtime.ports import TopicPartition
from service.runtime.sharing import Sharing
from service.runtime.watches import WatchedResource
from tests.support.log import MemoryBroker
from tests.support.messages import CHANGES
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

EVERY_30 = Cadence(30.0, 30.0, 0.0)
SILENCE = 10.0


class Replicas:
    """Replicas that follow jobs of one account; each job is one's, and the others know of it.

    Attributes:
        leaders: Who believes to list for all.
    """

    def __init__(self, number: int, jobs: Sequence[Job], resource: Resource = AUDIENCE_MODEL) -> None:
        self.clock, self.broker, self.story = VirtualClock(), MemoryBroker(), Story()
        self.account = Account(jobs, 0, 1e9, resource)
        self.jobs, self.resource = jobs, resource
        self.leaders = {0}
        self.told: list[tuple[float, int, str]] = []
        self.vanished: set[int] = set()
        self.pollers: list[Poller] = []
        self.tasks: list[list[asyncio.Task[None]]] = []
        for each in range(number):
            self._begin(each)

    def _begin(self, replica: int) -> None:
        def owns(_: TopicPartition) -> bool:
            return replica in self.leaders

        sharing = Sharing(CHANGES, 2, owns, self.broker.broadcast(str(replica)), self.story)
        caller = cast(RateLimitedApi, self.account)
        poller = Poller("default", caller, 1.0, self.clock, cast(Any, Silent()), 60.0, 3600.0, sharing, SILENCE)
        sharing.serve({"default": poller})
        self.pollers.append(poller)
        self.tasks.append([asyncio.create_task(poller.run()), asyncio.create_task(sharing.run())])

    def watch(self, number: int, owner: int) -> None:
        poller = self.pollers[owner]

        def sink(observation: Observation) -> None:
            if isinstance(observation, Vanished):
                self.vanished.add(number)
            if isinstance(observation, Seen):
                status = str(observation.description["status"])
                self.told.append((self.clock.monotonic(), number, status))
                if status == "ACTIVE":
                    poller.unwatch(number)

        born = self.clock.now()
        name = resource_id(self.resource, number)
        poller.watch(number, WatchedResource(self.resource.kind, name, "", born, EVERY_30, sink))
        for other in self.pollers:
            if other is not poller:
                other.watch_elsewhere(self.resource.kind, name, born, EVERY_30)

    def die(self, replica: int) -> None:
        """Its jobs are nobody's, for the moment."""
        for task in self.tasks[replica]:
            task.cancel()

    def pages(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self.account.followed.pages)

    def gets(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self.account.followed.calls) - self.pages(begin, end)


@asynccontextmanager
async def replicas(number: int, jobs: Sequence[Job], **named: Any) -> AsyncIterator[Replicas]:
    made = Replicas(number, jobs, **named)
    yield made
    tasks = [task for each in made.tasks for task in each]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def began(world: Replicas, owner: Callable[[int], int]) -> None:
    for number, job in enumerate(world.jobs):
        if job.begins > world.clock.monotonic():
            await asyncio.sleep(job.begins - world.clock.monotonic())
        world.watch(number, owner(number))


@pytest.mark.parametrize("number", [2, 4])
async def test_several_replicas_make_as_many_calls_as_one(number: int) -> None:
    jobs = evenly(1_000, 30.0)
    async with replicas(number, jobs) as world:
        await began(world, lambda each: each % number)
        await asyncio.sleep(600.0 - world.clock.monotonic())
        shared = len(world.account.followed.calls)
        assert {each for _, each, _ in world.told} == set(range(1_000))
        assert world.gets(60.0, 600.0) == 0
    assert shared <= 1.1 * 200


async def test_one_replica_makes_so_many() -> None:
    assert len((await follow(evenly(1_000, 30.0), 600.0)).calls) <= 200


async def test_ends_are_heard_of_and_described_by_their_owners() -> None:
    jobs = [Job(0.0, ends=100.0 + each) for each in range(200)]
    async with replicas(2, jobs) as world:
        await began(world, lambda each: each % 2)
        await asyncio.sleep(400.0)
        ends = {number: at for at, number, status in world.told if status == "ACTIVE"}
        assert set(ends) == set(range(200))
        assert max(at - jobs[number].ends for number, at in ends.items()) <= 32.0
        assert world.gets(1.0, 400.0) == 200


async def test_a_lister_that_dies_is_missed_within_an_interval_and_the_silence() -> None:
    """Nobody takes its place: who hears nothing lists by itself."""
    jobs = [Job(0.0, ends=1e9 if each % 2 else 105.0) for each in range(300)]
    async with replicas(3, jobs) as world:
        await began(world, lambda each: 1 + each % 2)
        await asyncio.sleep(100.0)
        before = world.pages(0.0, 100.0)
        world.die(0)
        await asyncio.sleep(100.0)
        ends = [at for at, _, status in world.told if status == "ACTIVE"]
        assert len(ends) == 150
        assert max(ends) - 105.0 <= 30.0 + SILENCE + 2.0
        assert before <= 3 * 4
        assert world.pages(100.0, 200.0) <= 2 * 3 * 4


async def test_a_lister_that_dies_is_missed_by_a_replica_whose_own_lists_are_refused() -> None:
    """Found by the simulator: it waited for ever for the next page of another one."""
    jobs = [Job(0.0, ends=205.0) for _ in range(300)]
    async with replicas(2, jobs) as world:
        world.leaders, pages = {1}, world.account.pages
        world.account.pages = refused  # type: ignore[method-assign, assignment]
        await began(world, lambda _: 1)
        await asyncio.sleep(40.0)
        world.leaders, world.account.pages = {0}, pages  # type: ignore[method-assign]
        await asyncio.sleep(100.0)
        assert world.gets(100.0, 140.0) == 0, "another replica's Lists serve all"
        world.die(0)
        await asyncio.sleep(30.0 + SILENCE + 65.0)
        assert {number for _, number, status in world.told if status == "ACTIVE"} == set(range(300))


async def refused(*_: Any) -> AsyncGenerator[Reply | Failure, None]:
    yield Failure(ENDLESS, "in vain")


async def test_another_lister_goes_on_where_the_first_one_has_died() -> None:
    jobs = [Job(0.0) for _ in range(300)]
    async with replicas(3, jobs) as world:
        await began(world, lambda each: 1 + each % 2)
        await asyncio.sleep(100.0)
        world.die(0)
        world.leaders = {2}
        await asyncio.sleep(300.0)
        assert world.pages(100.0, 400.0) <= 3 * 11
        assert world.gets(100.0, 400.0) == 0


async def test_a_zombie_that_lists_too_costs_calls_only() -> None:
    jobs = [Job(0.0, ends=150.0 + each) for each in range(100)]
    async with replicas(3, jobs) as world:
        await began(world, lambda each: each % 3)
        world.leaders = {0, 1}
        await asyncio.sleep(400.0)
        seen = [(number, status) for _, number, status in world.told]
        assert len(seen) == len(set(seen)) == 200
        assert world.pages(0.0, 400.0) <= 2 * 14


async def test_what_is_lost_on_the_way_is_looked_at_all_the_same() -> None:
    lost = iter([True, False, False] * 10_000)
    jobs = [Job(0.0, ends=100.0 + each) for each in range(200)]
    async with replicas(2, jobs) as world:
        world.broker.loses = lambda: next(lost)
        await began(world, lambda each: each % 2)
        await asyncio.sleep(500.0)
        assert {number for _, number, status in world.told if status == "ACTIVE"} == set(range(200))


async def test_nonsense_on_the_way_is_reported_and_hurts_nobody() -> None:
    async with replicas(2, [Job(0.0), Job(0.0)]) as world:
        await began(world, lambda each: each)
        deep = b'{"sender":' + b"[" * 100_000
        for value in (b"", b"\xff", b"[]", deep, b'{"sender":"x","target":"default","kind":"audience-model"}'):
            world.broker.reach(value)
        odd = (
            b'{"sender":"x","target":"%s","kind":"%s","interval":1,"number":1,"last":true,"summaries":[{"status":[]}]}'
        )
        for target, kind in ((b"default", b"nothing"), (b"no", b"audience-model"), (b"default", b"audience-model")):
            world.broker.reach(odd % (target, kind))
        await asyncio.sleep(100.0)
        assert world.story.told("shared_list_unreadable") == 12
        assert not any(task.done() for tasks in world.tasks for task in tasks)
        assert {number for _, number, _ in world.told} == {0, 1}


async def test_what_only_a_list_shows_is_shared_as_it_is() -> None:
    jobs = [Job(0.0, ends=100.0) for _ in range(50)]
    async with replicas(2, jobs, resource=EXPORT_JOB) as world:
        await began(world, lambda _: 1)
        await asyncio.sleep(150.0)
        assert {number for _, number, status in world.told if status == "ACTIVE"} == set(range(50))
        assert world.pages(0.0, 150.0) == len(world.account.followed.calls) <= 6


async def test_what_a_shared_list_lacks_is_asked_for_by_a_get() -> None:
    """Lists show it late."""
    jobs = [Job(0.0), Job(0.0), Job(0.0), Job(begins=200.0)]
    async with replicas(2, jobs) as world:
        for number in range(4):
            world.watch(number, 1)
        await asyncio.sleep(150.0)
        assert world.vanished == set()
        assert {number for _, number, _ in world.told} == set(range(4))
        assert 3 <= world.gets(1.0, 150.0) <= 5


async def test_what_is_absent_from_shared_lists_is_looked_for_by_its_owner() -> None:
    """A shared page may be lost, so only a look of its own says that something is gone."""
    jobs = [Job(0.0), Job(0.0), Job(begins=1e9)]
    async with replicas(2, jobs, resource=EXPORT_JOB) as world:
        for number in range(3):
            world.watch(number, 1)
        await asyncio.sleep(400.0)
        assert world.vanished == {2}
        assert 3 <= len(world.account.followed.pages) - 400.0 / 30.0 <= 400.0 / (30.0 + SILENCE) + 2
