"""How many calls it takes to follow jobs, and how late their ends are heard of: the poller against a Get for each job.

``python -m benchmarks.polling`` lets both follow the same jobs in virtual time; the account answers at once. It prints
calls a minute and the ratio for jobs that begin evenly over an interval, together, in bursts, with finished resources
beside them, young and old; for several replicas, each by itself and with shared Lists; then seconds from a job's end to
its event, with a read a second.
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

from schemas.operations import AUDIENCE_MODEL, Resource
from service.core.observations import Failure, Observation, Reply, Seen
from service.core.pacing import Cadence
from service.core.rate_budget import Lane
from service.core.reconciliation import PAGE, Request, stable_id, stamp
from service.runtime.dispatch import RateLimitedApi
from service.runtime.limiter import Limiter, Turn
from service.runtime.poller import Poller
from service.runtime.sharing import Sharing
from service.runtime.watches import WatchedResource

MINUTE = 60.0
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


def _calls() -> None:
    young = [Job(begins=each * 0.3) for each in range(100)]
    old = [Job(begins=each * 0.03, age=1000.0) for each in range(1_000)]
    pace = Cadence(30.0, 300.0, 600.0)
    rows: list[tuple[str, list[Job], Cadence, int]] = [
        *((f"{number} evenly over an interval", evenly(number, 30.0), EVERY, 0) for number in (1, 32, 1_000, 10_000)),
        ("1000 together", evenly(1_000, 1e-6), EVERY, 0),
        ("1000 in bursts of 100, 7 s apart", bursts(1_000, 100, 7.0), EVERY, 0),
        ("1000 evenly, 1000 finished beside", evenly(1_000, 30.0), EVERY, 1_000),
        ("10 evenly, 1000 finished beside", evenly(10, 30.0), EVERY, 1_000),
        ("100 young and 1000 old", by_begin(young + old), pace, 0),
    ]
    print("calls a minute, after the first two; each job looked at every 30 s (old: 300 s)")
    print(f"{'':<38}{'Get per job':>12}{'poller':>9}{'ratio':>8}")
    for name, jobs, each, finished in rows:
        peer, ours = (
            _run(work, jobs, 600.0, each, finished=finished).per_minute(120.0, 600.0) for work in (follow_each, follow)
        )
        print(f"{name:<38}{peer:>12.1f}{ours:>9.1f}{peer / ours:>8.1f}")


def _replicas() -> None:
    print("calls a minute, after the first two; 1000 jobs evenly over an interval of 30 s, shared among replicas")
    print(f"{'':<38}{'each':>12}{'shared':>9}{'ratio':>8}")
    for replicas in (1, 2, 4):
        each, shared = (
            _run(follow_together, evenly(1_000, 30.0), 600.0, replicas, share=share).per_minute(120.0, 600.0)
            for share in (False, True)
        )
        print(f"{f'{replicas} replicas':<38}{each:>12.1f}{shared:>9.1f}{each / shared:>8.1f}")


def _ends() -> None:
    print("seconds from end to event, 1000 jobs, a read a second, looked at every 5 s, ends spread evenly")
    print(f"{'':<38}{'Get per job':>12}{'poller':>9}{'p99':>8}")
    for hours in (0.5, 1.0, 2.0, 4.0):
        jobs = ending(1_000, 1_200.0, hours * 3600.0)
        peer, ours = (
            _run(work, jobs, 4_000.0 + hours * 3600.0, Cadence(5.0, 5.0, 0.0), reads_per_second=1.0)
            for work in (follow_each, follow)
        )
        name = f"ends over {hours} h"
        print(f"{name:<38}{mean(peer.latencies):>12.1f}{mean(ours.latencies):>9.1f}{ours.p99:>8.1f}")


def main() -> None:
    _calls()
    _replicas()
    _ends()


if __name__ == "__main__":
    main()
