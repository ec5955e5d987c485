"""Performs calls and searches after the commit that permits them, and turns AWS's answers into observations.

Nothing here knows a phase: the core has decided, the budget is asked for a token, the request leaves once.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

from schemas import answers
from schemas.operations import Kind, Operation
from schemas.records import Command, Fault
from service.core import faults, search
from service.core.job import Job, marker, row
from service.core.marker import reads_first, restamp, stamp
from service.core.observations import (
    DeadlinePassed,
    Failure,
    Found,
    Observation,
    Postponed,
    Refused,
    Reply,
    Returned,
    SearchFailed,
    WindowMissed,
)
from service.core.rate_budget import Lane
from service.core.search import Request
from service.runtime.limiter import Limiter, Turn
from service.runtime.ports import Api, Cause, Clock, Telemetry
from service.runtime.searches import SharedSearches
from service.runtime.target_health import TargetHealth

_RENEWALS: Final = 3
"""How often a request may miss its call window before the call is put off."""
_LONG_WAIT: Final = 5.0
"""Seconds of waiting for the budget after which the publisher gets a reply."""
_LONG_QUEUE: Final = 30.0
"""The same for connections: a burst passes without one more reply for each of its commands."""

MOST_IDLE_PAGES: Final = 1000
"""Pages in a row that show nothing new, after which a List counts as endless. An account may fill any number."""
ENDLESS: Final = "EndlessList"
"""Code of a List that does not end: a failed poll or search, never a hang."""


class CallPermit(Protocol):
    """A durable permission to call, which grows old."""

    def open(self) -> bool:
        """True while the call window is open."""
        ...

    def permit(self) -> bool:
        """The same, and in time for the deadline, asked right before the request is written: it may have left then."""
        ...

    def expired(self) -> bool:
        """True when the publisher's deadline has passed."""
        ...

    def delayed(self) -> None:
        """The call waits for the budget: its publisher is to know."""
        ...

    async def renew(self) -> bool:
        """Commits the intent again; False when the job came to an end instead."""
        ...


@dataclass(frozen=True, slots=True)
class CallTimeouts:
    """Seconds after which a call's outcome counts as unknown.

    Attributes:
        write: Of a call that changes something.
        read: Of a Get, or of one page of a List.
        listing: After which a List with more pages to read counts as endless.
    """

    write: float
    read: float
    listing: float = 3600.0


class RateLimitedApi:
    """Every request to AWS goes through here: budget, deadline, telemetry.

    Attributes:
        health: How the calls to each target go.
    """

    def __init__(
        self,
        api: Api,
        limiters: Mapping[str, Limiter],
        clock: Clock,
        telemetry: Telemetry,
        deadlines: CallTimeouts,
        tenants: Mapping[str, Limiter] | None = None,
    ) -> None:
        self._api = api
        self._limiters = limiters
        self._tenants = tenants or {}
        self._clock = clock
        self._telemetry = telemetry
        self._deadlines = deadlines
        self.health = {target: TargetHealth() for target in limiters}

    @property
    def listing(self) -> float:
        """Seconds after which a List counts as endless."""
        return self._deadlines.listing

    async def pages(self, target: str, request: Request, lane: Lane) -> AsyncGenerator[Reply | Failure, None]:
        """The pages of a List as they arrive, up to the last one, or up to the failure that ends it."""
        tokens: set[int] = set()  # hashes: a List may have tens of thousands of long ones
        params, idle, number = request.params, 0, 0
        shown: dict[str, Any] = {}
        began = self._clock.monotonic()
        while idle < MOST_IDLE_PAGES:
            if self._clock.monotonic() - began > self.listing:
                yield Failure(ENDLESS, f"the list has not ended after {self.listing:g} s, {number} pages")
                return
            outcome = await self.read(target, Request(request.operation, params), lane)
            number += 1
            yield outcome
            if isinstance(outcome, Failure):
                return
            token = outcome.result.get("nextToken")
            if not token:
                return
            if hash(token) in tokens:
                yield Failure(ENDLESS, f"page {number} of the list names a nextToken that an earlier page named")
                return
            tokens.add(hash(token))
            params = {**request.params, "nextToken": token}
            before, shown = shown, {name: value for name, value in outcome.result.items() if name != "nextToken"}
            idle = 0 if any(shown.values()) and shown != before else idle + 1
        yield Failure(ENDLESS, f"the last {MOST_IDLE_PAGES} pages of the list show nothing new")

    async def read(self, target: str, request: Request, lane: Lane) -> Reply | Failure:
        """Performs a Get, or reads one page of a List."""
        turn = await self.turn(target, lane)
        try:
            await turn.connect()
            turn.used = True
            return await self.send(target, request.operation, request.params, lane, None)
        finally:
            turn.release()

    async def turn(self, target: str, lane: Lane, tenant: str = "") -> Turn:
        """Waits for the right to one call: first the tenant's, so that only who may call queues for the target's."""
        if own := self._tenants.get(tenant):
            await own.take(lane)
        began = self._clock.monotonic()
        turn = await self._limiters[target].take(lane)
        self._telemetry.waited(target, lane.name.lower(), self._clock.monotonic() - began)
        return turn

    def turn_at_once(self, target: str, lane: Lane, tenant: str = "") -> Turn | None:
        """The right to one call; None when it would have to wait."""
        own = self._tenants.get(tenant)
        if not self._limiters[target].ready(lane) or (own is not None and own.try_take(lane) is None):
            return None
        turn = self._limiters[target].try_take(lane)
        self._telemetry.waited(target, lane.name.lower(), 0.0)
        return turn

    def scarce(self, target: str, lane: Lane, tenant: str = "") -> bool:
        """True while a call would have to wait for the budget."""
        own = self._tenants.get(tenant)
        return self._limiters[target].scarce(lane) or (own is not None and own.scarce(lane))

    def slow(self) -> frozenset[tuple[str, str]]:
        """Targets, and `reads` or `writes`, whose calls AWS has throttled for long."""
        return frozenset((target, calls) for target, limiter in self._limiters.items() for calls in limiter.slow())

    async def send(
        self,
        target: str,
        operation: str,
        params: Mapping[str, Any],
        lane: Lane,
        intent: CallPermit | None,
        cause: Cause | None = None,
    ) -> Reply | Failure:
        """Sends one request and lets the budget learn from its outcome."""
        began = self._clock.monotonic()
        deadline = self._deadlines.write if lane.writes else self._deadlines.read
        may_send = intent.permit if intent else None
        outcome = await self._api.call(target, operation, params, timeout=deadline, may_send=may_send, cause=cause)
        if isinstance(outcome, Reply) and (misfit := answers.misfit(operation, params, outcome.result)):
            outcome = Failure("InvalidResponse", f"the answer is not what the API's model says: {misfit}", 200)
        outcome = _readable(outcome)
        limiter = self._limiters[target]
        if isinstance(outcome, Reply):
            limiter.succeeded(lane)
        elif faults.throttles(outcome):
            limiter.throttled(lane)
        self.health[target].observe(operation, outcome, self._clock.wall())
        self._note_answer(target, outcome)
        code = "ok" if isinstance(outcome, Reply) else outcome.code
        self._telemetry.call(target, operation, code, self._clock.monotonic() - began)
        return outcome

    def _note_answer(self, target: str, outcome: Reply | Failure) -> None:
        """Whether AWS has answered at all, by the words of the log and of the status page."""
        now, health = self._clock.monotonic(), self.health[target]
        before = health.reachability
        if isinstance(outcome, Reply) or not faults.unanswered(outcome):
            if isinstance(outcome, Failure) and not outcome.sent:
                return  # it has not been called
            health.reachability, news = before.answered()
            if news:
                seconds = round(now - before.since, 1)
                self._telemetry.answers_again(target, tries=before.tries, seconds=seconds)
            return
        state, warn = before.failed(outcome.code, now)
        health.reachability = state
        if warn:
            self._telemetry.problem(
                "target_unanswered",
                target=target,
                code=outcome.code,
                tries=state.tries,
                seconds=round(now - state.since, 1),
            )

    def unanswered(self) -> dict[str, float]:
        """Seconds for which each target has given no answer; 0 for those that answer."""
        now = self._clock.monotonic()
        return {target: health.reachability.silent(now) for target, health in self.health.items()}

    def unanswered_words(self) -> dict[str, str]:
        """The same for a person, empty for those that answer."""
        now = self._clock.monotonic()
        return {target: health.reachability.words(now) for target, health in self.health.items()}


def _readable(outcome: Reply | Failure) -> Reply | Failure:
    """The outcome in texts that can be encoded, every one of them: members' names and the error's code, too."""
    if isinstance(outcome, Reply):
        return replace(outcome, result=_legible(outcome.result))
    code, message, extra = _legible([outcome.code, outcome.message, outcome.extra])
    return replace(outcome, code=code, message=message, extra=extra)


def _legible(value: Any) -> Any:
    """JSON from outside may carry lone surrogates, which nothing can encode: they become question marks."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_legible(name): _legible(member) for name, member in value.items()}
    return [_legible(item) for item in value] if isinstance(value, list) else value


@contextmanager
def _reported_when_long(delayed: Callable[[], None], scarce: Callable[[], bool]) -> Iterator[None]:
    """Waits of a moment are not worth a reply; ``scarce``: whether it is the budget that they are for."""
    loop = asyncio.get_running_loop()
    notice: asyncio.TimerHandle

    def report() -> None:
        nonlocal notice
        if scarce():
            delayed()
        else:
            notice = loop.call_later(_LONG_QUEUE - _LONG_WAIT, delayed)

    notice = loop.call_later(_LONG_WAIT, report)
    try:
        yield
    finally:
        notice.cancel()


_LANES = {Kind.READ: Lane.READ, Kind.REMOVAL: Lane.REMOVE}


def lane(operation: Operation) -> Lane:
    """The budget's lane of an operation."""
    return _LANES.get(operation.kind, Lane.CREATE)


class Dispatch:
    """Performs a job's activity and says what was learnt."""

    def __init__(self, caller: RateLimitedApi, clock: Clock) -> None:
        self._caller = caller
        self._clock = clock
        self._searches = SharedSearches(caller.pages, clock)

    def slow(self) -> frozenset[tuple[str, str]]:
        """Targets, and `reads` or `writes`, whose calls AWS has throttled for long."""
        return self._caller.slow()

    async def turn(self, command: Command, delayed: Callable[[], None]) -> Turn:
        """Waits for a command's turn to call; ``delayed`` is called when that takes long enough to be reported.

        What an update must read is read before, since a turn holds a connection that others wait for.
        """
        if at_once := self.turn_at_once(command):
            return at_once
        asked = (command.target, lane(row(command)), command.tenant)
        with _reported_when_long(delayed, partial(self._caller.scarce, *asked)):
            request = await self._read_first(command) if reads_first(command) else None
            turn = await self._caller.turn(*asked)
        turn.request = request if isinstance(request, dict) else None  # what fails is tried again, and reported, later
        return turn

    def turn_at_once(self, command: Command) -> Turn | None:
        """The right to make a command's call; None when it would have to wait, or to read first."""
        if reads_first(command):
            return None
        return self._caller.turn_at_once(command.target, lane(row(command)), command.tenant)

    async def call(self, job: Job, intent: CallPermit, turn: Turn | None = None) -> Observation | None:
        """Performs the command's operation; None when the job ended while waiting for its turn.

        Args:
            job: The command's.
            intent: Its permission. A wait may outlast the call window, so it is renewed with a connection in hand.
            turn: The right to call, which is released here; without one it is waited for.
        """
        try:
            params = turn.request if turn is not None and turn.request is not None else await self._prepared(job)
            if not isinstance(params, dict):
                return params
            if turn is None:
                turn = await self.turn(job.command, intent.delayed)
            if turn.must_wait:
                with _reported_when_long(intent.delayed, lambda: False):
                    await turn.connect()
            else:
                await turn.connect()
            return await self._attempts(job, params, intent, turn)
        finally:
            if turn is not None:
                turn.release()

    async def _attempts(self, job: Job, params: dict[str, Any], intent: CallPermit, turn: Turn) -> Observation | None:
        operation, target = row(job.command), job.command.target
        cause = Cause(marker(job.command), job.command.id, job.command.tenant)
        for _ in range(_RENEWALS):
            if not intent.open():
                if not await intent.renew():
                    return None
                if not intent.open():
                    break
            turn.used = True
            outcome = await self._caller.send(target, operation.name, params, lane(operation), intent, cause)
            if isinstance(outcome, Reply):
                return Returned(outcome.result)
            if faults.fault_class(outcome) is not faults.FaultClass.LATE:
                return faults.observe(outcome)
            if intent.expired():
                return DeadlinePassed()
        return WindowMissed()

    async def _prepared(self, job: Job) -> dict[str, Any] | Observation:
        """The request to send: with our marker, or with the marker that an update must keep."""
        operation, params = row(job.command), job.command.params
        if operation.creates:
            return stamp(params, marker(job.command))
        return await self._read_first(job.command) if reads_first(job.command) else dict(params)

    async def _read_first(self, command: Command) -> dict[str, Any] | Observation:
        """The request of an update, with the marker that it must keep."""
        operation, params = row(command), command.params
        request = search.get_request(operation.resource, params[operation.resource.identity])
        present = await self._caller.read(command.target, request, Lane.SEARCH)
        if isinstance(present, Reply):
            return restamp(params, present.result)
        observed = faults.observe(present)
        return observed if isinstance(observed, Refused) else Postponed(faults.fault(present, retryable=True))

    async def search(self, job: Job) -> Observation:
        """Finds out what a call of this job has done; a search that fails says how long it took."""
        began = self._clock.monotonic()
        outcome = await self._search(job)
        if isinstance(outcome, SearchFailed):
            took = self._clock.monotonic() - began
            return replace(outcome, seconds=min(took, self._caller.listing))  # more, and the machine was suspended
        return outcome

    async def _search(self, job: Job) -> Observation:
        request, target = search.search_request(job.command), job.command.target
        if request.pages:
            listed = await self._searches.list(target, request, row(job.command).resource)
            if isinstance(listed.found, Fault):
                return SearchFailed(listed.found)
            return Found(listed.found.get(marker(job.command), ()), listed.began, stable=listed.stable)
        searched_at = self._clock.now()
        outcome = await self._caller.read(target, request, Lane.SEARCH)
        if isinstance(outcome, Reply):
            return Found((outcome.result,), searched_at)
        if faults.absent(outcome):
            return Found((), searched_at)
        return SearchFailed(faults.fault(outcome, retryable=True))
