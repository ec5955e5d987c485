"""How many calls it takes to follow jobs, and how late their ends are heard of: the poller against a Get for each job.

Both follow the same jobs in virtual time; the account answers at once. `calls` counts calls a minute for jobs that
begin evenly over an interval, together, in bursts, with finished resources beside them, young and old; `replicas` for
several replicas, each by itself and with shared Lists; `ends` measures seconds from a job's end to its event. These
figures are the same on every machine.
"""

import asyncio
import math
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import mean
from typing import Any, Final, cast

import looptime

from benchmarks.figures import OURS, Figures, Scale
from schemas.operations import AUDIENCE_MODEL, Resource
from service.core.marker import stable_id, stamp
from service.core.observations import Failure, Observation, Reply, Seen
from service.core.polling import Cadence
from service.core.rate_budget import Lane
from service.core.search import PAGE, Request
from service.runtime.dispatch import RateLimitedApi
from service.runtime.limiter import Limiter, Turn
from service.runtime.poller import Poller
from service.runtime.sharing import Sharing
from service.runtime.watches import WatchedResource

MINUTE = 60.0
PEER = "a Get for each job"
EVERY = Cadence(30.0, 30.0, 0.0)


class VirtualClock:
    """The time of the running loop, which is virtual."""

    def now(self) -> float:
        return 1e9 + self.monotonic()

    def wall(self) -> float:
        return self.now()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class Job:
    """A job by the loop's time.

    Attributes:
        begins: When it is created.
        ends: When it becomes ACTIVE.
        age: Seconds for which it has been under way already.
    """

    begins: float
    ends: float = math.inf
    age: float = 0.0


@dataclass
class Followed:
    """What following took.

    Attributes:
        calls: Times of all calls.
        pages: Of those that read a page of a List.
        latencies: Seconds from each end to its event.
    """

    calls: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def per_minute(self, begin: float, end: float) -> float:
        """Calls a minute between two times."""
        return sum(begin <= at < end for at in self.calls) * MINUTE / (end - begin)

    @property
    def p99(self) -> float:
        return sorted(self.latencies)[math.ceil(len(self.latencies) * 0.99) - 1]


class Account:
    """Answers at once, a page at a time, and counts; with a budget, calls wait for their tokens.

    Args:
        jobs: What is followed, in the order of their begins; shown from then on.
        finished: How many finished resources there are beside.
        reads_per_second: The budget.
    """

    def __init__(self, jobs: Sequence[Job], finished: int, reads_per_second: float, resource: Resource) -> None:
        self.followed = Followed()
        self._clock = VirtualClock()
        self._jobs = jobs
        self._begins = [job.begins for job in jobs]
        self._finished = finished
        self._resource = resource
        self._limiter = Limiter(self._clock, reads_per_second=reads_per_second, writes_per_second=1.0)

    async def spend(self, lane: Lane) -> None:
        """Waits for the right to a call, and uses it."""
        turn = await self._limiter.take(lane)
        turn.used = True
        turn.release()

    async def turn(self, _target: str, lane: Lane) -> Turn:
        return await self._limiter.take(lane)

    async def send(self, _target: str, _operation: str, params: Mapping[str, Any], *_: Any) -> Reply | Failure:
        self.followed.calls.append(self._clock.monotonic())
        return Reply(self._summary(int(params[self._resource.identity])))

    async def pages(self, target: str, _request: Request, lane: Lane) -> AsyncGenerator[Reply | Failure, None]:
        number = 0
        while True:
            await self.spend(lane)
            self.followed.calls.append(self._clock.monotonic())
            self.followed.pages.append(self._clock.monotonic())
            shown = self._shown()
            page = shown[number * PAGE : (number + 1) * PAGE]
            number += 1
            more = {"nextToken": str(number)} if number * PAGE < len(shown) else {}
            yield Reply({self._resource.summaries: [self._summary(each) for each in page], **more})
            if not more:
                return

    def _shown(self) -> range:
        return range(-self._finished, bisect_right(self._begins, self._clock.monotonic()))

    def _summary(self, number: int) -> dict[str, Any]:
        ended = number < 0 or self._jobs[number].ends <= self._clock.monotonic()
        shown = {"status": "ACTIVE" if ended else "CREATE_IN_PROGRESS"}
        if self._resource.identity:
            return {**shown, self._resource.identity: str(number)}
        return stamp({**_EXPORT, **shown}, f"{number:026d}")


_EXPORT: Final = {
    "name": "export",
    "createTime": "2026-01-01T00:00:00Z",
    "updateTime": "2026-01-01T00:00:00Z",
    "audienceGenerationJobArn": "arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-generation-job/00000000",
    "audienceSize": {"type": "PERCENTAGE", "value": 10},
}
"""What AWS's List says of each export job, beside its status and description."""


def resource_id(resource: Resource, number: int) -> str:
    """As it is watched."""
    return str(number) if resource.identity else stable_id(resource, f"{number:026d}")


class Silent:
    def __getattr__(self, _: str) -> Any:
        return lambda *args, **kwargs: None


async def follow(
    jobs: Sequence[Job],
    seconds: float,
    pace: Cadence = EVERY,
    *,
    finished: int = 0,
    reads_per_second: float = 1e9,
    resource: Resource = AUDIENCE_MODEL,
) -> Followed:
    """The poller follows jobs from their begins to their ends, or for so long."""
    account = Account(jobs, finished, reads_per_second, resource)
    clock, silent = VirtualClock(), cast(Any, Silent())
    poller = Poller("default", cast(RateLimitedApi, account), 1.0, clock, silent)

    def sink(number: int, job: Job) -> Callable[[Observation], None]:
        def told(observation: Observation) -> None:
            if isinstance(observation, Seen) and observation.description["status"] == "ACTIVE":
                account.followed.latencies.append(clock.monotonic() - job.ends)
                poller.unwatch(number)

        return told

    running = asyncio.create_task(poller.run())
    for number, job in enumerate(jobs):
        if job.begins > clock.monotonic():
            await asyncio.sleep(job.begins - clock.monotonic())
        born = clock.now() - job.age
        poller.watch(
            number, WatchedResource(resource.kind, resource_id(resource, number), "", born, pace, sink(number, job))
        )
    await asyncio.sleep(seconds - clock.monotonic())
    running.cancel()
    await asyncio.wait([running])
    return account.followed


class Air:
    """Carries what one replica says to all, at once."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self._ears: list[Callable[[bytes], None]] = []

    def send(self, value: bytes) -> None:
        self.said.append(value)
        for heard in self._ears:
            asyncio.get_running_loop().call_soon(heard, value)

    async def run(self, heard: Callable[[bytes], None]) -> None:
        self._ears.append(heard)
        await asyncio.Event().wait()


async def follow_together(jobs: Sequence[Job], seconds: float, replicas: int, *, share: bool) -> Followed:
    """Several replicas follow jobs of one account, with `polling.shared` or each for itself."""
    account, air, clock, silent = Account(jobs, 0, 1e9, AUDIENCE_MODEL), Air(), VirtualClock(), cast(Any, Silent())
    pollers: list[Poller] = []
    tasks: list[asyncio.Task[None]] = []
    for replica in range(replicas):
        sharing = Sharing("changes", 1, lambda _, replica=replica: replica == 0, air, silent)  # type: ignore[misc]
        options: tuple[Any, ...] = (sharing, 10.0) if share else ()
        poller = Poller("default", cast(RateLimitedApi, account), 1.0, clock, silent, 60.0, 3600.0, *options)
        sharing.serve({"default": poller})
        pollers.append(poller)
        tasks += [asyncio.create_task(poller.run()), asyncio.create_task(sharing.run())]
    for number, job in enumerate(jobs):
        if job.begins > clock.monotonic():
            await asyncio.sleep(job.begins - clock.monotonic())
        kind, name, born = AUDIENCE_MODEL.kind, str(number), clock.now()
        for replica, poller in enumerate(pollers):
            if replica == number % replicas:
                poller.watch(number, WatchedResource(kind, name, "", born, EVERY, lambda _: None))
            elif share:
                poller.watch_elsewhere(kind, name, born, EVERY)
    await asyncio.sleep(seconds - clock.monotonic())
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return account.followed


async def follow_each(
    jobs: Sequence[Job],
    seconds: float,
    pace: Cadence = EVERY,
    *,
    finished: int = 0,
    reads_per_second: float = 1e9,
    resource: Resource = AUDIENCE_MODEL,
) -> Followed:
    """The peer: a task for each job that asks for it alone."""
    account = Account(jobs, finished, reads_per_second, resource)
    clock = VirtualClock()

    async def one(number: int, job: Job) -> None:
        await asyncio.sleep(job.begins - clock.monotonic())
        while True:
            await account.spend(Lane.POLL)
            answer = await account.send("default", "", {resource.identity: number})
            if isinstance(answer, Reply) and answer.result["status"] == "ACTIVE":
                account.followed.latencies.append(clock.monotonic() - job.ends)
                return
            await asyncio.sleep(pace.interval(job.age + clock.monotonic() - job.begins))

    tasks = [asyncio.create_task(one(*each)) for each in enumerate(jobs)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return account.followed


def evenly(number: int, seconds: float) -> list[Job]:
    """Jobs that begin evenly over some seconds and do not end."""
    return [Job(begins=each * seconds / number) for each in range(number)]


def ending(number: int, begin: float, seconds: float) -> list[Job]:
    """Jobs that are under way, and end evenly over some seconds, in any order."""
    ends = [begin + (each + 0.5) * seconds / number for each in range(number)]
    Random(1).shuffle(ends)
    return [Job(begins=0.0, ends=end) for end in ends]


def bursts(number: int, size: int, apart: float) -> list[Job]:
    """Jobs that begin in bursts."""
    return [Job(begins=each // size * apart) for each in range(number)]


def by_begin(jobs: Sequence[Job]) -> list[Job]:
    """In the order of their begins."""
    return sorted(jobs, key=lambda job: job.begins)


def _run(work: Callable[..., Any], *args: Any, **named: Any) -> Followed:
    loop = looptime.patch_event_loop(cast(asyncio.BaseEventLoop, asyncio.new_event_loop()))
    try:
        return cast(Followed, loop.run_until_complete(work(*args, **named)))
    finally:
        loop.close()


def calls(scale: Scale) -> Figures:
    """Calls a minute, after the first two; each job is looked at every 30 s, old ones every 300 s."""
    figures, minutes = Figures(), scale.pick(10, 4)
    young = [Job(begins=each * 0.3) for each in range(100)]
    old = [Job(begins=each * 0.03, age=1000.0) for each in range(1_000)]
    pace = Cadence(30.0, 300.0, 600.0)
    evenly_begun = scale.pick((1, 32, 1_000, 10_000), (1, 32))
    rows: list[tuple[str, list[Job], Cadence, int]] = [
        *((f"{number:,} begun evenly over an interval", evenly(number, 30.0), EVERY, 0) for number in evenly_begun),
        ("1,000 begun together", evenly(1_000, 1e-6), EVERY, 0),
        ("1,000 in bursts of 100, 7 s apart", bursts(1_000, 100, 7.0), EVERY, 0),
        ("1,000 evenly, 1,000 finished resources beside", evenly(1_000, 30.0), EVERY, 1_000),
        ("10 evenly, 1,000 finished resources beside", evenly(10, 30.0), EVERY, 1_000),
        ("100 young and 1,000 old", by_begin(young + old), pace, 0),
    ]
    for name, jobs, each, finished in rows[: scale.pick(len(rows), 2)]:
        for who, work in ((OURS, follow), (PEER, follow_each)):
            spent = min(minutes, 4) if len(jobs) > 5_000 else minutes
            followed = _run(work, jobs, 60.0 * spent, each, finished=finished)
            figures.add(f"jobs: {name}", who, "calls/min", followed.per_minute(120.0, 60.0 * spent))
    return figures


def replicas(scale: Scale) -> Figures:
    """Calls a minute; 1,000 jobs begun evenly over an interval of 30 s, divided among replicas."""
    figures, number = Figures(), scale.pick(1_000, 50)
    for count in (1, 2, 4):
        for who, share in ((OURS, True), ("each replica lists for itself", False)):
            followed = _run(follow_together, evenly(number, 30.0), 600.0, count, share=share)
            named = f"{number:,} jobs, {count} replica{'s' * (count > 1)}"
            figures.add(named, who, "calls/min", followed.per_minute(120.0, 600.0))
    return figures


def ends(scale: Scale) -> Figures:
    """Seconds from a job's end to its event; a read a second, each job looked at every 5 s, ends spread evenly."""
    figures, number = Figures(), scale.pick(1_000, 50)
    for hours in scale.pick((0.5, 1.0, 2.0, 4.0), (0.1,)):
        jobs = ending(number, 1_200.0, hours * 3600.0)
        for who, work in ((OURS, follow), (PEER, follow_each)):
            followed = _run(work, jobs, 4_000.0 + hours * 3600.0, Cadence(5.0, 5.0, 0.0), reads_per_second=1.0)
            what = f"{number:,} jobs end within {hours:g} h"
            figures.add(f"{what}: mean", who, "s", mean(followed.latencies))
            figures.add(f"{what}: 99 %", who, "s", followed.p99)
    return figures
