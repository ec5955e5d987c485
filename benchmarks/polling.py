"""How many calls it takes to follow jobs to their end: our poller against a Get per job, in one run.

``python -m benchmarks.polling`` follows 32 jobs (AWS's default quotas), 200 and 1,000 for an hour of virtual time, with
as many finished resources beside them, since a List shows these too; prints calls a minute and the ratio.
"""

import asyncio
from typing import Any

from schemas.operations import AUDIENCE_MODEL
from service.core.observations import Failure, Reply
from service.core.pacing import Cadence
from service.runtime.dispatch import CallTimeouts, RateLimitedApi
from service.runtime.limiter import Limiter
from service.runtime.poller import Poller, WatchedResource

HOUR = 3600.0
EVERY = 60.0
PAGE = 100


class VirtualClock:
    def __init__(self) -> None:
        self.now = 0.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Account:
    """Answers for resources that never change, a page at a time, and counts."""

    def __init__(self, resources: int) -> None:
        self.calls = 0
        self._summaries = [
            {"audienceModelArn": f"arn:{number}", "status": "CREATE_IN_PROGRESS"} for number in range(resources)
        ]

    async def call(
        self, target: str, operation: str, params: Any, *, timeout: float, may_send: Any = None, trace: str = ""
    ) -> Reply | Failure:
        self.calls += 1
        if AUDIENCE_MODEL.identity in params:
            return Reply({AUDIENCE_MODEL.identity: params[AUDIENCE_MODEL.identity], "status": "CREATE_IN_PROGRESS"})
        begin = int(params.get("nextToken", 0))
        page = {AUDIENCE_MODEL.summaries: self._summaries[begin : begin + PAGE]}
        more = begin + PAGE < len(self._summaries)
        return Reply({**page, "nextToken": str(begin + PAGE)} if more else page)


class Silent:
    def __getattr__(self, _: str) -> Any:
        return lambda *args, **kwargs: None


async def calls_per_minute(jobs: int) -> float:
    clock, account = VirtualClock(), Account(2 * jobs)
    telemetry: Any = Silent()
    limiter = Limiter(clock, reads_per_second=1e9, writes_per_second=1e9)
    caller = RateLimitedApi(account, {"default": limiter}, clock, telemetry, CallTimeouts(60.0, 60.0))
    poller = Poller("default", caller, 1.0, clock, telemetry)
    cadence = Cadence(EVERY, EVERY, 0.0)
    for number in range(jobs):
        poller.watch(number, WatchedResource(AUDIENCE_MODEL.kind, f"arn:{number}", "", 0.0, cadence, lambda _: None))
    while clock.now < HOUR:
        await poller.tick()
        clock.now += EVERY
    return account.calls / (HOUR / 60)


def main() -> None:
    print(f"calls a minute, each job looked at every {EVERY:.0f} s, as many finished resources in the account")
    print("   jobs  Get per job  this poller  ratio")
    for jobs in (32, 200, 1_000):
        mine = asyncio.run(calls_per_minute(jobs))
        peer = jobs * 60 / EVERY
        print(f"  {jobs:>5}  {peer:>11.1f}  {mine:>11.1f}  {peer / mine:>5.1f}")


if __name__ == "__main__":
    main()
