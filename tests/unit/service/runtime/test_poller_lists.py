"""One List serves all: its pages are used as they arrive, and only its end says that something is absent."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from schemas.operations import AUDIENCE_MODEL, EXPORT_JOB, Resource
from service.core.marker import stamp
from service.core.observations import Failure, Observation, Reply, Seen, Vanished
from service.core.polling import Cadence
from service.core.rate_budget import Lane
from service.core.search import Request
from service.runtime.dispatch import RateLimitedApi
from service.runtime.limiter import Limiter, Turn
from service.runtime.poller import Poller
from service.runtime.watches import WatchedResource
from tests.support.clock import LoopClock
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

EVERY_10 = Cadence(10.0, 10.0, 0.0)
Page = list[str] | Failure
UNAVAILABLE = Failure("InternalServerException", "later", http_status=503)


class Lists:
    """A world in which what a List shows is written down page by page.

    Attributes:
        pages: What the pages of a List show, or how it ends.
        seconds: How long a page takes.
        status: Status by number; else on its way.
    """

    def __init__(self, resource: Resource) -> None:
        self.clock, self.story = LoopClock(), Story()
        self.limiter = Limiter(self.clock, reads_per_second=1e6, writes_per_second=1e6)
        self.resource = resource
        self.answers: list[Page] = []
        self.seconds = 1.0
        self.status: dict[str, str] = {}
        self.lists: list[float] = []
        self.gets: list[tuple[float, str]] = []
        self.told: list[tuple[float, str, Observation]] = []
        self.between: Callable[[], None] = lambda: None
        self.poller = Poller("default", cast(RateLimitedApi, self), 1.0, self.clock, self.story, settle=60.0)

    async def turn(self, _target: str, lane: Lane) -> Turn:
        return await self.limiter.take(lane)

    async def send(self, _target: str, _operation: str, params: dict[str, Any], *_: Any) -> Reply | Failure:
        name = params[self.resource.identity]
        self.gets.append((self.clock.monotonic(), name))
        return Reply(self._shown(name))

    async def pages(self, _target: str, _request: Request, _lane: Lane) -> AsyncGenerator[Reply | Failure, None]:
        self.lists.append(self.clock.monotonic())
        for number, page in enumerate(list(self.answers), 1):
            await asyncio.sleep(self.seconds)
            if isinstance(page, Failure):
                yield page
                return
            more = {"nextToken": "more"} if number < len(self.answers) else {}
            yield Reply({self.resource.summaries: [self._shown(name) for name in page], **more})

    def _shown(self, name: str) -> dict[str, Any]:
        shown = {"status": self.status.get(name, "CREATE_IN_PROGRESS")}
        return {**shown, self.resource.identity: name} if self.resource.identity else stamp(shown, name)

    def watch(self, *names: str, pace: Cadence = EVERY_10) -> None:
        for name in names:
            resource_id = name if self.resource.identity else f"{self.resource.kind}/{name}"

            def sink(observation: Observation, name: str = name) -> None:
                self.told.append((self.clock.monotonic(), name, observation))

            watch = WatchedResource(self.resource.kind, resource_id, "", self.clock.now(), pace, sink)
            self.poller.watch(name, watch)

    def seen(self, name: str) -> list[tuple[float, str]]:
        return [
            (at, str(each.description["status"]))
            for at, who, each in self.told
            if who == name and isinstance(each, Seen)
        ]


@asynccontextmanager
async def lists(resource: Resource) -> AsyncIterator[Lists]:
    made = Lists(resource)
    task = asyncio.create_task(made.poller.run())
    yield made
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def token(number: int) -> str:
    return f"{number:026d}"


async def test_a_page_is_used_as_it_arrives() -> None:
    """The List takes half a minute; a Get for an end that its first page shows does not wait for the last one."""
    async with lists(AUDIENCE_MODEL) as world:
        names = [f"m{number}" for number in range(300)]
        world.answers, world.seconds = [names[:100], names[100:200], names[200:]], 10.0
        world.status["m5"] = "ACTIVE"
        world.watch(*names)
        await asyncio.sleep(35.0)
        assert world.seen("m5") == [(10.0, "ACTIVE")]
        assert [world.seen(name) for name in ("m0", "m100", "m299")] == [
            [(at, "CREATE_IN_PROGRESS")] for at in (10.0, 20.0, 30.0)
        ]
        assert world.gets == [(10.0, "m5")]


async def test_a_list_that_breaks_off_says_nothing_of_what_it_has_not_shown() -> None:
    async with lists(EXPORT_JOB) as world:
        one, two = token(1), token(2)
        world.answers = [[one], UNAVAILABLE]
        world.watch(one, two)
        await asyncio.sleep(500.0)
        assert len(world.lists) >= 40
        assert [each for _, _, each in world.told if not isinstance(each, Seen)] == []
        world.answers = [[one], []]
        await asyncio.sleep(200.0)
        assert [(who, type(each)) for _, who, each in world.told if not isinstance(each, Seen)][:1] == [(two, Vanished)]


async def test_who_comes_while_a_list_is_read_is_not_absent_from_it() -> None:
    """Its page was read before it was made."""
    async with lists(EXPORT_JOB) as world:
        world.answers, world.seconds = [[token(1)], [token(2)]], 20.0
        world.watch(token(1), token(2))
        await asyncio.sleep(25.0)
        world.watch(token(3))
        (late,) = world.poller._kinds[EXPORT_JOB.kind].of(f"{EXPORT_JOB.kind}/{token(3)}")
        await asyncio.sleep(20.0)
        assert late.absences == 0
        await asyncio.sleep(45.0)
        assert late.absences == 1


async def test_a_new_one_waits_for_the_next_list() -> None:
    async with lists(AUDIENCE_MODEL) as world:
        world.answers = [["a", "b", "c", "new"]]
        world.watch("a", "b", "c")
        await asyncio.sleep(5.0)
        world.watch("new", pace=Cadence(300.0, 300.0, 0.0))
        await asyncio.sleep(10.0)
        assert len(world.lists) == 2
        assert [at for at, _ in world.seen("new")] == [11.0], "long before its own pace asks for it"
        assert world.gets == []


async def test_what_lists_lack_is_got_at_its_own_pace() -> None:
    """A resource of another account, or one that Lists show late."""
    async with lists(AUDIENCE_MODEL) as world:
        world.answers, world.seconds = [["a", "b", "c"]], 0.0
        world.watch("a", "b", "c")
        world.watch("lacking", pace=Cadence(50.0, 50.0, 0.0))
        await asyncio.sleep(1_000.0)
        assert {name for _, name in world.gets} == {"lacking"}
        assert 18 <= len(world.gets) <= 22
        assert 99 <= len(world.lists) <= 101


async def test_lists_that_fail_are_tried_at_their_interval_only() -> None:
    """However many are due at any time."""
    async with lists(AUDIENCE_MODEL) as world:
        world.answers = [UNAVAILABLE]
        for number in range(100):
            world.watch(f"m{number}")
            await asyncio.sleep(0.1)
        await asyncio.sleep(290.0)
        assert 25 <= len(world.lists) <= 31
